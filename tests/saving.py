"""What tests of saving share: a model saved and loaded again, and what has to be the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bigdl_caffe import Model
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import format_message, parse
from bigdl_caffe.graph.ir import LayerDef, Net


def saved_again(model: Model, folder: Path, suffix: str = ".caffemodel", **how: Any) -> Model:
    """Return ``model`` after it was saved in ``folder`` and loaded, in the same phase."""
    files = folder / "saved.prototxt", folder / f"saved{suffix}"
    assert model.save_caffe(*files, **how) is model
    options = model._options
    return Model.load_caffe_model(
        *files,
        phase=options.phase,
        stages=options.stages,
        level=options.level,
        outputs=options.outputs,
        input_shapes=options.input_shapes,
        converters=model.converters,
    )


def without_places(net: pb.NetParameter) -> pb.NetParameter:
    """Return ``net`` without the lines and columns where unknown fields stood."""
    out = pb.NetParameter()
    out.CopyFrom(net)
    for owner in (out, *out.layer):
        for item in owner.unknown_field:
            item.ClearField("line")
            item.ClearField("column")
    return out


def assert_same_text(net: pb.NetParameter) -> None:
    """Fail unless ``net`` written as text is read as the same message."""
    again = parse(format_message(net), pb.NetParameter)
    assert without_places(again).SerializeToString(deterministic=True) == without_places(
        net
    ).SerializeToString(deterministic=True)


def assert_same_net(ours: Net, other: Net) -> None:
    """Fail unless two nets are equal, wherever their unknown fields stood in a file."""
    assert format_message(ours.definition) == format_message(other.definition)
    assert _plain(ours) == _plain(other)


def assert_same_but_for_inputs(ours: Net, other: Net) -> None:
    """Fail unless two nets compute the same of the same inputs, however those are declared."""
    assert _wiring(ours) == _wiring(other)


def assert_same_blobs(ours: Model, other: Model) -> None:
    """Fail unless all weights are the same, bit for bit."""
    assert _bits(ours) == _bits(other)


def _bits(model: Model) -> dict[str, list[tuple[tuple[int, ...], bytes]]]:
    return {
        name: [(tuple(b.shape), b.detach().numpy().tobytes()) for b in blobs]
        for name, blobs in model.params.items()
    }


def _plain(net: Net) -> Net:
    """Return ``net`` with messages replaced by text, which is compared without places."""
    layers = tuple(replace(layer, param=_text(layer)) for layer in net.layers)
    return replace(net, layers=layers, definition=format_message(net.definition))  # type: ignore[arg-type]  # to compare


def _text(layer: LayerDef) -> Any:
    return format_message(layer.param)


def _wiring(net: Net) -> Any:
    """Return what a net computes: all but how its inputs and their names are declared."""
    made = [(x.name, x.type, x.bottoms, x.tops) for x in net.layers if x.type != "Input"]
    return sorted(net.inputs.items()), net.outputs, made, net.losses, dict(net.shapes)
