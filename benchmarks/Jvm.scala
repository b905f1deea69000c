import bigdl_caffe.Module
import org.apache.spark.sql.SparkSession
import scala.io.Source

/** What jvm.py measures, in Scala: see drive() there, which is the same in Python. */
object Jvm {
  private val Calls = 20

  def main(args: Array[String]): Unit = {
    val spark = SparkSession.builder().getOrCreate()
    val rows = spark.read.parquet(args(3))
    val model = Module.loadCaffeModel(args(1), args(2))
    model.predict(rows, 64).head()
    println("first")
    val small = Module.loadCaffeModel(args(4), null)
    val image = Array.fill(3 * 224 * 224)(1f)
    Source.fromFile(args(0)).getLines().foreach {
      case "rows" =>
        println(seconds(model.predict(rows, 64).write.format("noop").mode("overwrite").save()))
      case "call" =>
        println(seconds((1 to Calls).foreach(_ => small.forward(image, 1, 3, 224, 224))) / Calls)
    }
    spark.stop()
  }

  private def seconds(work: => Unit): Double = {
    val start = System.nanoTime
    work
    (System.nanoTime - start) / 1e9
  }
}
