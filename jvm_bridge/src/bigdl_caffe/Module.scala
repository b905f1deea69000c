package bigdl_caffe

import bigdl_caffe.jvm.{Arguments, ModelHandle}

/** Loads Caffe's files. The calls are those that BigDL has under this name.
  *
  * The type parameter is BigDL's and changes nothing: what is computed in is float. BigDL's are
  * the names `defPath` and `modelPath` too, by which Scala can give `prototxt` and `caffemodel`.
  */
object Module {

  /** Loads a Caffe net and its weights.
    *
    * @param prototxt   the net's definition: a path or URI; V0, V1 or V2
    * @param caffemodel the weights, binary or HDF5; null builds the net from its fillers
    */
  def loadCaffeModel[T](
      @deprecatedName('defPath) prototxt: String,
      @deprecatedName('modelPath) caffemodel: String): Model =
    loadCaffeModel(prototxt, caffemodel, new LoadOptions)

  /** Loads a Caffe net and its weights, with options. */
  def loadCaffeModel[T](prototxt: String, caffemodel: String, options: LoadOptions): Model =
    new Model(ModelHandle.of("load_caffe_model", options.arguments(prototxt, caffemodel)))

  /** Copies a Caffe net's weights into `model`, by layer name.
    *
    * @param matchAll whether every layer of the model has to find its weights
    * @return the model
    */
  def loadCaffe[T](
      model: Model,
      @deprecatedName('defPath) prototxt: String,
      @deprecatedName('modelPath) caffemodel: String,
      matchAll: Boolean = true): Model = {
    val from = Arguments.of("prototxt", prototxt).and("caffemodel", caffemodel)
    model.handle.change("load_caffe", from.and("match_all", matchAll))
    model
  }

  /** Copies a Caffe net's weights into `model`, whose every layer has to find them: for Java. */
  def loadCaffe[T](
      model: Model,
      @deprecatedName('defPath) prototxt: String,
      @deprecatedName('modelPath) caffemodel: String): Model =
    loadCaffe(model, prototxt, caffemodel, true)

  /** Opens a model that `writeBundle` wrote. */
  def openBundle(path: String): Model =
    new Model(ModelHandle.of("open_bundle", Arguments.of("path", path)))
}
