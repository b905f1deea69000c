import bigdl_caffe.{LoadOptions, Module}
import bigdl_caffe.spark.CaffeEstimator
import org.apache.spark.ml.{Pipeline, PipelineModel}
import org.apache.spark.ml.feature.IndexToString
import org.apache.spark.sql.{DataFrame, SparkSession}
import org.apache.spark.sql.functions.{col, substring_index}

/** Trains a net on a folder of pictures as a stage of a pipeline, saves that, and tries it. */
object Train {
  def main(args: Array[String]): Unit = {
    require(args.length == 5, "give PROTOTXT IMAGES LABELS CLASSES OUTPUT")
    val Array(prototxt, images, labels, classes, output) = args
    val spark = SparkSession.builder().appName("train").getOrCreate()
    val Array(train, test) = labelled(spark, images, labels).randomSplit(Array(0.8, 0.2), 1L)

    val options = new LoadOptions().phase("TRAIN").inputShape("data", 60, 1, 8, 8)
    val net = Module.loadCaffeModel(prototxt, null, options) // with no weights yet
    val estimator = new CaffeEstimator(net)
      .setFeaturesCol("content")
      .setLabelCol("label")
      .setPredictionCol("prediction")
      .setOptimizer("Adam")
      .setLearningRate(0.005)
      .setBatchSize(60)
      .setMaxEpochs(20)
      .setNumWorkers(2)
      .setSeed(1)
    val names = new IndexToString()
      .setInputCol("prediction")
      .setOutputCol("digit")
      .setLabels(spark.read.textFile(classes).collect())

    new Pipeline().setStages(Array(estimator, names)).fit(train).write.overwrite().save(output)

    val scored = PipelineModel.load(output).transform(test)
    scored.select("name", "label", "digit").orderBy("name").show(3)
    println(s"${scored.where("prediction = label").count()} of ${test.count()} are right")
    spark.stop()
  }

  private def labelled(spark: SparkSession, images: String, labels: String): DataFrame = {
    def name(path: String) = substring_index(col(path), "/", -1).as("name")
    val pictures = spark.read.format("binaryFile").load(images).select(name("path"), col("content"))
    val truth = spark.read.option("sep", " ").schema("file string, label int").csv(labels)
    pictures.join(truth.select(name("file"), col("label")), "name").cache()
  }
}
