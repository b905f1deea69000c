"""V0 definitions rewritten to V1: one flat message of options a layer became one a type.

As UpgradeV0PaddingLayers and UpgradeV0LayerParameter of Caffe's upgrade_proto.cpp.
"""

from __future__ import annotations

from typing import Any

from bigdl_caffe.errors import NetError
from bigdl_caffe.format._pb import caffe_pb2 as pb

V0_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "memory_data": "MEMORY_DATA",  # of BVLC/caffe#196, in the days of V0
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}

_CONV = {"conv": "convolution_param"}
_DENSE = {**_CONV, "innerproduct": "inner_product_param"}
_POOL = {"pool": "pooling_param"}
_LRN = {"lrn": "lrn_param"}
_WINDOW = {"window_data": "window_data_param"}
_IMAGES = {"images": "image_data_param"}
_DATA = {"data": "data_param", **_IMAGES}
_BATCHED = {**_DATA, "hdf5_data": "hdf5_data_param", **_WINDOW}
_SOURCED = {**_BATCHED, "infogain_loss": "infogain_loss_param"}
_ANY = dict.fromkeys(V0_TYPES, "transform_param")

# V0 field -> (V1 field, {V0 type that has it: V1 message that holds it})
FIELDS: dict[str, tuple[str, dict[str, str]]] = {
    "num_output": ("num_output", _DENSE),
    "biasterm": ("bias_term", _DENSE),
    "weight_filler": ("weight_filler", _DENSE),
    "bias_filler": ("bias_filler", _DENSE),
    "pad": ("pad", {**_CONV, **_POOL}),
    "kernelsize": ("kernel_size", {**_CONV, **_POOL}),
    "group": ("group", _CONV),
    "stride": ("stride", {**_CONV, **_POOL}),
    "pool": ("pool", _POOL),
    "dropout_ratio": ("dropout_ratio", {"dropout": "dropout_param"}),
    "local_size": ("local_size", _LRN),
    "alpha": ("alpha", _LRN),
    "beta": ("beta", _LRN),
    "k": ("k", _LRN),
    "source": ("source", _SOURCED),
    "scale": ("scale", _ANY),
    "meanfile": ("mean_file", _ANY),
    "batchsize": ("batch_size", _BATCHED),
    "cropsize": ("crop_size", _ANY),
    "mirror": ("mirror", _ANY),
    "rand_skip": ("rand_skip", _DATA),
    "shuffle_images": ("shuffle", _IMAGES),
    "new_height": ("new_height", _IMAGES),
    "new_width": ("new_width", _IMAGES),
    "concat_dim": ("concat_dim", {"concat": "concat_param"}),
    "det_fg_threshold": ("fg_threshold", _WINDOW),
    "det_bg_threshold": ("bg_threshold", _WINDOW),
    "det_fg_fraction": ("fg_fraction", _WINDOW),
    "det_context_pad": ("context_pad", _WINDOW),
    "det_crop_mode": ("crop_mode", _WINDOW),
}
# Fields that V1 has outside its type's message, or as whole messages of their own.
MOVED = {"name", "type", "blobs", "blobs_lr", "weight_decay", "hdf5_output_param"}


def has_v0(net: pb.NetParameter) -> bool:
    """Return whether ``net`` holds V0 layers (a ``layer`` inside ``layers``)."""
    return any(connection.HasField("layer") for connection in net.layers)


def upgrade_v0(net: pb.NetParameter) -> list[str]:
    """Rewrite the V0 layers of ``net`` to V1, in place.

    Returns
    -------
    list of str
        Options that the layer's type does not have; Caffe warns of them and goes on.

    Raises
    ------
    NetError
        For unknown types and for padding that no convolution or pooling takes.
    """
    notes: list[str] = []
    layers = [_v1_layer(connection, notes) for connection in _fold_padding(net)]
    net.ClearField("layers")
    net.layers.extend(layers)
    return notes


def _fold_padding(net: pb.NetParameter) -> list[pb.V1LayerParameter]:
    """Return the layers without "padding" ones, whose pad goes to the layer they feed."""
    makers: dict[str, pb.V1LayerParameter] = {}
    kept: list[pb.V1LayerParameter] = []
    for connection in net.layers:
        for j, blob in enumerate(connection.bottom):
            maker = makers.get(blob)
            if maker is None or maker.layer.type != "padding":
                continue
            _check_padding(connection, maker)
            connection.layer.pad = maker.layer.pad
            connection.bottom[j] = maker.bottom[0]
        makers.update(dict.fromkeys(connection.top, connection))
        if connection.layer.type != "padding":
            kept.append(connection)
    return kept


def _check_padding(connection: pb.V1LayerParameter, padding: pb.V1LayerParameter) -> None:
    layer = connection.layer
    if layer.type not in ("conv", "pool"):
        raise NetError(
            f"layer '{layer.name}' ({layer.type}) reads padding layer '{padding.layer.name}': "
            "V0 padding may only feed a conv or pool layer"
        )
    if len(connection.bottom) != 1 or len(padding.bottom) != 1 or len(padding.top) != 1:
        raise NetError(
            f"padding layer '{padding.layer.name}' and the layer that reads it, '{layer.name}', "
            "must have one bottom each, and the padding one top"
        )


def _v1_layer(connection: pb.V1LayerParameter, notes: list[str]) -> pb.V1LayerParameter:
    old = connection.layer
    if old.type not in V0_TYPES:
        raise NetError(
            f"layer '{old.name}': V0 had no layer type '{old.type}'; it had: {', '.join(V0_TYPES)}"
        )
    new = pb.V1LayerParameter(
        bottom=connection.bottom,
        top=connection.top,
        type=V0_TYPES[old.type],
        blobs=old.blobs,
        blobs_lr=old.blobs_lr,
        weight_decay=old.weight_decay,
        unknown_field=connection.unknown_field,
    )
    if old.HasField("name"):
        new.name = old.name
    if old.HasField("hdf5_output_param"):
        new.hdf5_output_param.CopyFrom(old.hdf5_output_param)
    for descriptor, value in old.ListFields():
        if descriptor.name not in MOVED:
            _move(old, descriptor.name, value, new, notes)
    return new


def _move(
    old: pb.V0LayerParameter, name: str, value: Any, new: pb.V1LayerParameter, notes: list[str]
) -> None:
    """Set the V1 field for V0's ``name``."""
    target, holders = FIELDS.get(name, ("", {}))
    if old.type not in holders:
        notes.append(
            f"layer '{old.name}' ({old.type}): V0 option '{name}' has no meaning for this "
            "type and is left out"
        )
        return
    message = getattr(new, holders[old.type])
    if name == "pool":
        value = pb.PoolingParameter.PoolMethod.Value(pb.V0LayerParameter.PoolMethod.Name(value))
    field = getattr(message, target)
    if hasattr(value, "CopyFrom"):
        field.CopyFrom(value)
    elif hasattr(field, "append"):
        field.append(value)
    else:
        setattr(message, target, value)
