import bigdl_caffe.{CaffeException, LoadOptions, Model, Module, Tensor}
import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import java.io.{BufferedOutputStream, OutputStream}
import java.nio.{ByteBuffer, ByteOrder, FloatBuffer}
import java.nio.file.{Files, Path, Paths}
import java.util.{LinkedHashMap, Map => JavaMap}
import org.apache.spark.sql.SparkSession

/** Does what test_same_bits.py lists in jobs.json, and writes down what comes of it. */
object SameBits {
  private val json = new ObjectMapper

  def main(args: Array[String]): Unit = {
    val folder = Paths.get(args(0))
    val spark = SparkSession.builder().getOrCreate()
    val jobs = json.readTree(folder.resolve("jobs.json").toFile)
    runAll(jobs.get("runs"), folder)
    score(spark, jobs.get("rows"), folder)
    spark.stop()
  }

  private def runAll(jobs: JsonNode, folder: Path): Unit = {
    val numbers = ByteBuffer.wrap(Files.readAllBytes(folder.resolve("fed.f32")))
    val fed = numbers.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer
    val out = new BufferedOutputStream(Files.newOutputStream(folder.resolve("made.f32")))
    val told = json.createArrayNode
    jobs.forEach(job => told.addPOJO(run(job, fed, out)))
    out.close()
    Files.write(folder.resolve("made.json"), json.writeValueAsBytes(told))
  }

  /** Returns the shapes of what a net makes, or why it makes nothing. */
  private def run(job: JsonNode, fed: FloatBuffer, out: OutputStream): Any = {
    val feed = new LinkedHashMap[String, Tensor]
    val shapes = job.get("feed")
    shapes.fieldNames.forEachRemaining(blob => feed.put(blob, take(fed, shapes.get(blob))))
    try {
      val model = load(job)
      val tops =
        if (job.get("forward").asBoolean) forward(model, feed)
        else model.run(feed, texts(job.get("fetch")): _*)
      model.close()
      val made = new LinkedHashMap[String, Array[Int]]
      tops.forEach { (blob, top) => out.write(bytes(top)); made.put(blob, top.shape) }
      made
    } catch { case refused: CaffeException => refused.getMessage }
  }

  private def load(job: JsonNode): Model = {
    val files = Array(job.get("prototxt").asText, job.get("caffemodel").asText(null))
    val model = Module.loadCaffeModel(files(0), files(1), options(job.get("how")))
    val saved = texts(job.get("saved"))
    if (saved.isEmpty) return model
    model.saveCaffe(saved(0), saved(1))
    Module.loadCaffeModel(saved(0), saved(1))
  }

  private def options(how: JsonNode): LoadOptions = {
    val options = new LoadOptions
    if (how.has("phase")) options.phase(how.get("phase").asText)
    if (how.has("level")) options.level(how.get("level").asInt)
    if (how.has("stages")) options.stages(texts(how.get("stages")): _*)
    if (how.has("outputs")) options.outputs(texts(how.get("outputs")): _*)
    options
  }

  private def forward(model: Model, feed: JavaMap[String, Tensor]): JavaMap[String, Tensor] = {
    val inputs = feed.values.toArray(Array.empty[Tensor])
    val tops =
      if (inputs.length != 1 || model.outputs.length != 1) model.forward(inputs)
      else Array(model.forward(inputs(0).data, inputs(0).shape: _*))
    val named = new LinkedHashMap[String, Tensor]
    model.outputs.zip(tops).foreach { case (blob, top) => named.put(blob, top) }
    named
  }

  private def score(spark: SparkSession, files: JsonNode, folder: Path): Unit = {
    val rows = spark.read.parquet(folder.resolve("rows.parquet").toString)
    val model = Module.loadCaffeModel(files.get("prototxt").asText, files.get("caffemodel").asText)
    model.predict(rows).write.parquet(folder.resolve("scored.parquet").toString)
    model.predictClass(rows, 5).write.parquet(folder.resolve("classes.parquet").toString)
  }

  private def take(fed: FloatBuffer, shape: JsonNode): Tensor = {
    val dims = json.convertValue(shape, classOf[Array[Int]])
    val data = new Array[Float](dims.product)
    fed.get(data)
    new Tensor(data, dims: _*)
  }

  private def bytes(tensor: Tensor): Array[Byte] = {
    val all = ByteBuffer.allocate(4 * tensor.data.length).order(ByteOrder.LITTLE_ENDIAN)
    all.asFloatBuffer.put(tensor.data)
    all.array
  }

  private def texts(list: JsonNode): Array[String] = json.convertValue(list, classOf[Array[String]])
}
