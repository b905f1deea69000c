"""V0 and V1 definitions rewritten to V2, as Caffe's upgrade_proto.cpp does.

After `upgrade` nothing else in the package knows that older forms existed.
Messages are rewritten in copies; the input is left as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bigdl_caffe.errors import NetError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.unknown import unknown_fields
from bigdl_caffe.graph.upgrade_v0 import has_v0, upgrade_v0

V1_TYPES = {
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "NONE": "",
    "POOLING": "Pooling",
    "POWER": "Power",
    "RELU": "ReLU",
    "RELU6": "ReLU6",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
}

V1_DATA_PARAMS = {
    "DATA": "data_param",
    "IMAGE_DATA": "image_data_param",
    "WINDOW_DATA": "window_data_param",
}
TRANSFORM_FIELDS = ("scale", "mean_file", "crop_size", "mirror")
SHARE_MODES = {
    pb.V1LayerParameter.STRICT: pb.ParamSpec.STRICT,
    pb.V1LayerParameter.PERMISSIVE: pb.ParamSpec.PERMISSIVE,
}
# Fields of a V1 layer that V2 holds in another form.
REWRITTEN = {
    "name", "type", "layer", "param", "blob_share_mode", "blobs_lr", "weight_decay",
}  # fmt: skip


@dataclass(frozen=True)
class Upgraded:
    """A definition in V2 terms.

    Attributes
    ----------
    net : NetParameter
        Only V2 ``layer`` entries; inputs are an Input layer.
    notes : tuple of str
        What could not be carried over exactly, one sentence each.
    """

    net: pb.NetParameter
    notes: tuple[str, ...] = field(default=())


def upgrade(net: pb.NetParameter) -> Upgraded:
    """Return ``net`` in V2 terms.

    Parameters
    ----------
    net : NetParameter
        V0, V1 or V2; not changed.

    Returns
    -------
    Upgraded
        The V2 definition and notes on what it lost.

    Raises
    ------
    NetError
        For a definition that mixes ``layers`` and ``layer``, a V0 type that never
        existed, a padding layer before anything but conv or pool, or ``input_dim``
        entries that are not four for each input.
    """
    out = pb.NetParameter()
    out.CopyFrom(net)
    notes: list[str] = []
    if out.layers and out.layer:
        raise NetError(
            f"the net has {len(out.layers)} V1 'layers' and {len(out.layer)} V2 'layer' entries: "
            "Caffe drops one kind in silence; write them all in one form"
        )
    if has_v0(out):
        notes += upgrade_v0(out)
    for v1 in out.layers:
        _move_transform(v1)
    if out.layers:
        out.layer.extend(_v2_layer(v1) for v1 in out.layers)
        out.ClearField("layers")
    _inputs_to_layer(out)
    for layer in out.layer:
        _fix_batch_norm_params(layer)
        _add_hidden_bottom(layer)
    _share_parameter_bottoms(out)
    return Upgraded(out, tuple(notes))


def _move_transform(v1: pb.V1LayerParameter) -> None:
    """Move the transform fields of V1's data parameters to ``transform_param``."""
    name = V1_DATA_PARAMS.get(pb.V1LayerParameter.LayerType.Name(v1.type))
    if name is None:
        return
    old = getattr(v1, name)
    for key in TRANSFORM_FIELDS:
        if old.HasField(key):
            setattr(v1.transform_param, key, getattr(old, key))
            old.ClearField(key)


def _v2_layer(v1: pb.V1LayerParameter) -> pb.LayerParameter:
    layer = pb.LayerParameter()
    if v1.HasField("name"):
        layer.name = v1.name
    if v1.HasField("type"):
        layer.type = V1_TYPES[pb.V1LayerParameter.LayerType.Name(v1.type)]
    for descriptor, value in v1.ListFields():
        if descriptor.name in REWRITTEN:
            continue
        target = getattr(layer, descriptor.name)
        if hasattr(target, "extend"):
            target.extend(value)
        else:
            target.CopyFrom(value)
    for i, item in enumerate(layer.unknown_field):
        if item.path == "type":  # a fork's own enum value, which the reader keeps as a word
            layer.type = item.text
            del layer.unknown_field[i]
            break
    _param_specs(v1, layer)
    return layer


def _param_specs(v1: pb.V1LayerParameter, layer: pb.LayerParameter) -> None:
    columns = (
        ("name", v1.param),
        ("share_mode", [SHARE_MODES[mode] for mode in v1.blob_share_mode]),
        ("lr_mult", v1.blobs_lr),
        ("decay_mult", v1.weight_decay),
    )
    for _ in range(max(len(values) for _, values in columns)):
        layer.param.add()
    for key, values in columns:
        for spec, value in zip(layer.param, values, strict=False):
            setattr(spec, key, value)


def _inputs_to_layer(net: pb.NetParameter) -> None:
    """Replace net-level inputs by an Input layer, first in the net.

    An ``input`` without dimensions, which Caffe drops, becomes a top without a shape:
    the caller can still give one.
    """
    if not net.input:
        return
    layer = pb.LayerParameter(name="input", type="Input", top=net.input)
    if net.input_shape:
        _check_count("input_shape", len(net.input_shape), len(net.input))
        layer.input_param.shape.extend(net.input_shape)
    elif net.input_dim:
        _check_count("input_dim", len(net.input_dim), 4 * len(net.input))
        for i in range(0, len(net.input_dim), 4):
            layer.input_param.shape.add(dim=net.input_dim[i : i + 4])
    for name in ("input", "input_shape", "input_dim"):
        net.ClearField(name)
    rest = list(net.layer)
    net.ClearField("layer")
    net.layer.extend([layer, *rest])


def _check_count(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise NetError(
            f"the net's inputs need {wanted} '{what}' entries and have {found}: "
            "give one input_shape for each input, or four input_dim for each"
        )


def _fix_batch_norm_params(layer: pb.LayerParameter) -> None:
    """Zero the multipliers of BatchNorm's three blobs: they are statistics, not weights."""
    if layer.type == "BatchNorm" and len(layer.param) == 3:
        for spec in layer.param:
            spec.lr_mult = 0.0
            spec.decay_mult = 0.0


def _add_hidden_bottom(layer: pb.LayerParameter) -> None:
    """Append the bottom that a later form of SimpleCrop (BVLC/caffe#2539) has as an option."""
    if layer.type == "SimpleCrop" and len(layer.bottom) == 1:
        name = unknown_fields(layer).get("crop_param", {}).get("blob_name")
        layer.bottom.extend([name] if name else [])


def _share_parameter_bottoms(net: pb.NetParameter) -> None:
    """Share the blobs of Parameter layers by name where ``param_bottoms`` makes them bottoms.

    In BVLC/caffe#2219 a layer's last ``param_bottoms`` bottoms stand in place of its blobs.
    """
    made = [layer for layer in net.layer if layer.type == "Parameter"]
    parameters = {top: layer for layer in made for top in layer.top}
    for layer in net.layer:
        count = unknown_fields(layer).get("param_bottoms", 0)
        blobs = list(layer.bottom[-count:]) if count else []
        if blobs and parameters.keys() >= set(blobs):
            del layer.bottom[-count:]
            for i, blob in enumerate(blobs):
                _param(layer, i).name = _param(parameters[blob], 0).name = blob


def _param(layer: pb.LayerParameter, index: int) -> pb.ParamSpec:
    """Return the layer's ParamSpec of that index, made where it is not there."""
    while len(layer.param) <= index:
        layer.param.add()
    spec: pb.ParamSpec = layer.param[index]
    return spec
