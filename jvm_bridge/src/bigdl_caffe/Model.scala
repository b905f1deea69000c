package bigdl_caffe

import bigdl_caffe.jvm.{Arguments, ModelHandle}

/** A Caffe net and its weights, which [[Module]] loads.
  *
  * It is in Scala for the default arguments alone; what it can do is in [[BaseModel]].
  */
final class Model(handle: ModelHandle) extends BaseModel[Model](handle) {

  /** Saves the model as Caffe reads it.
    *
    * @param prototxtPath where the definition goes: a path or URI
    * @param modelPath    where the weights go
    * @param useV2        whether to write `layer` (V2), or `layers` (V1)
    * @param overwrite    whether files that are there already are replaced
    * @param fold         whether BatchNorm, Scale and Bias go into the layers before them
    * @param deploy       whether to write the net for scoring alone, as a deploy.prototxt
    */
  def saveCaffe(
      prototxtPath: String,
      modelPath: String,
      useV2: Boolean = true,
      overwrite: Boolean = false,
      fold: Boolean = false,
      deploy: Boolean = false): Model = {
    val where = Arguments.of("prototxt_path", prototxtPath).and("model_path", modelPath)
    val how = where.and("use_v2", useV2).and("overwrite", overwrite)
    handle.ask("save_caffe", how.and("fold", fold).and("deploy", deploy))
    this
  }

  /** Saves the model in Caffe's V2 format, over nothing that is there: for Java. */
  def saveCaffe(prototxtPath: String, modelPath: String): Model =
    saveCaffe(prototxtPath, modelPath, true, false, false, false)

  /** Saves the model as it is: for Java. */
  def saveCaffe(
      prototxtPath: String, modelPath: String, useV2: Boolean, overwrite: Boolean): Model =
    saveCaffe(prototxtPath, modelPath, useV2, overwrite, false, false)

  override private[bigdl_caffe] def make(model: ModelHandle): Model = new Model(model)

  override private[bigdl_caffe] def self(): Model = this
}
