"""What kind of layer a type is, which sets its colour."""

from __future__ import annotations

from collections.abc import Mapping

from bigdl_caffe.graph.ir import LayerDef

OTHER = "other"

COLOURS: Mapping[str, tuple[str, str]] = {
    "input": ("#eceff1", "#78909c"),
    "convolution": ("#d6e4f5", "#3a6ea5"),
    "dense": ("#e3dcf3", "#7e57c2"),
    "recurrent": ("#f0dcef", "#9c4a97"),
    "pooling": ("#f9dfd3", "#c8551e"),
    "normalization": ("#dcefdf", "#3f8f56"),
    "activation": ("#fbeecb", "#b58900"),
    "elementwise": ("#d5eeee", "#2a8a90"),
    "shape": ("#f1efe7", "#8d8468"),
    "detection": ("#f8dbe6", "#b03a6e"),
    "loss": ("#f6d3d3", "#b23b3b"),
    OTHER: ("#ffffff", "#555555"),
}
"""Kind → the colour that fills its boxes, and that of their border."""

_TYPES: Mapping[str, str] = {
    "input": "Input Data DummyData ImageData ImageSegData DenseImageData WindowData MemoryData "
    "HDF5Data AnnotatedData VideoData Parameter",
    "convolution": "Convolution Deconvolution DepthwiseConvolution ConvolutionDepthwise Im2col "
    "Local LOCAL",
    "dense": "InnerProduct SparseInnerProduct Embed",
    "recurrent": "LSTM RNN LSTMUnit Lstm ContinuationIndicator",
    "pooling": "Pooling SPP SpatialPyramidPooling SPATIAL_PYRAMID_POOLING ROIPooling PSROIPooling",
    "normalization": "BatchNorm BN Scale Bias LRN MVN Normalize CuDNNBatchNorm",
    "activation": "ReLU ReLU6 PReLU ELU Sigmoid TanH BNLL AbsVal Power Exp Log Threshold Clip "
    "Swish Dropout Softmax SeLu SeLuDropout Insanity",
    "elementwise": "Eltwise Concat Axpy MultiStageMeanfield",
    "shape": "Reshape Flatten Permute Slice Split Crop CropCenter SimpleCrop Tile BatchReindex "
    "Filter Reduction ArgMax TopK TOPK Interp Upsample Unpooling Transpose Reverse Flip "
    "ShuffleChannel Reorg Silence HDF5Output",
    "detection": "PriorBox DetectionOutput Proposal Region YoloDetectionOutput "
    "Yolov3DetectionOutput EvalDetection DetectionEvaluate BoxAnnotatorOHEM",
    "loss": "Accuracy SegAccuracy ConfusionMatrix LabelsequenceAccuracy ACCURACY_REGRESSION "
    "Yolov3 YoloSeg SoftmaxWithLossOHEM SmoothL1LossOHEM",
}
_KINDS = {name: kind for kind, names in _TYPES.items() for name in names.split()}
_ENDINGS = {
    "Loss": "loss",
    "LossLayer": "loss",
    "DataLayer": "input",
    "ProposalLayer": "detection",
    "TargetLayer": "detection",
    "Data": "input",
    "Pooling": "pooling",
    "Convolution": "convolution",
}


def kind(layer: LayerDef) -> str:
    """Return a key of `COLOURS` for a layer of a type of Caffe's or a fork's."""
    name = type_name(layer)
    ended = (kind for end, kind in _ENDINGS.items() if name.endswith(end))
    return _KINDS.get(name) or next(ended, OTHER)


def type_name(layer: LayerDef) -> str:
    """Return a layer's type; of Python layers, the class that they name."""
    return layer.param.python_param.layer if layer.type == "Python" else layer.type
