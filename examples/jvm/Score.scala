import bigdl_caffe.Module
import bigdl_caffe.spark.CaffeModel
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.functions.{col, substring_index}

/** Scores the pictures of a folder, writes Parquet, and counts the answers that are right. */
object Score {
  def main(args: Array[String]): Unit = {
    require(args.length == 5, "give PROTOTXT CAFFEMODEL IMAGES LABELS OUTPUT")
    val Array(prototxt, caffemodel, images, labels, output) = args
    val spark = SparkSession.builder().appName("score").getOrCreate()

    val net = new CaffeModel(Module.loadCaffeModel(prototxt, caffemodel))
      .setInputCol("content")
      .setOutputCol("prob")
      .setPredictionCol("prediction")
      .setBatchSize(64)
    val pictures = spark.read.format("binaryFile").load(images)
    val named = pictures.select(substring_index(col("path"), "/", -1).as("name"), col("content"))
    net.transform(named).drop("content").write.mode("overwrite").parquet(output)

    val scored = spark.read.parquet(output)
    val truth = spark.read.option("sep", " ").schema("file string, label int").csv(labels)
      .select(substring_index(col("file"), "/", -1).as("name"), col("label"))
    val right = scored.join(truth, "name").where("prediction = label").count()
    val failed = scored.where("error IS NOT NULL").count()
    println(s"$right of ${scored.count()} are right, $failed could not be scored")
    spark.stop()
  }
}
