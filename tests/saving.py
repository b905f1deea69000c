"""What tests of saving share: a model saved and loaded again, and what has to be the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bigdl_caffe import Model, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import format_message, parse, unknown_fields
from bigdl_caffe.graph.downgrade import downgrade
from bigdl_caffe.graph.ir import LayerDef, Net


def saved_again(model: Model, folder: Path, suffix: str = ".caffemodel", **how: Any) -> Model:
    """Return ``model`` after it was saved in ``folder`` and loaded, in the same phase."""
    files = folder / "saved.prototxt", folder / f"saved{suffix}"
    assert model.save_caffe(*files, **how) is model
    options = model.options
    return Model.load_caffe_model(
        *files,
        phase=options.phase,
        stages=options.stages,
        level=options.level,
        outputs=options.outputs,
        input_shapes=options.input_shapes,
        converters=model.converters,
    )


def holds_in_v1(net: pb.NetParameter) -> bool:
    """Return whether V1 has words for a definition."""
    try:
        downgrade(net)
    except UnsupportedLayerError:
        return False
    return True


def assert_same_text(net: pb.NetParameter) -> None:
    """Fail unless ``net`` written as text is read as the same message."""
    assert_same_message(parse(format_message(net), pb.NetParameter), net)


def assert_same_message(ours: pb.NetParameter, other: pb.NetParameter) -> None:
    """Fail unless two definitions are equal, wherever their unknown fields stood in a file."""
    assert _unknown(ours) == _unknown(other)
    assert _known(ours) == _known(other)


def _unknown(net: pb.NetParameter) -> list[dict[str, Any]]:
    return [unknown_fields(owner) for owner in (net, *net.layer)]


def _known(net: pb.NetParameter) -> bytes:
    out = pb.NetParameter()
    out.CopyFrom(net)
    for owner in (out, *out.layer):
        owner.ClearField("unknown_field")
    return out.SerializeToString(deterministic=True)


def assert_same_net(ours: Net, other: Net) -> None:
    """Fail unless two nets are equal, wherever their unknown fields stood in a file."""
    assert_same_message(ours.definition, other.definition)
    assert [*map(_layer, ours.layers)] == [*map(_layer, other.layers)]
    assert replace(ours, layers=(), definition=None) == replace(other, layers=(), definition=None)  # type: ignore[arg-type]  # both are compared above


def _layer(layer: LayerDef) -> Any:
    param = pb.NetParameter(layer=[layer.param])
    return _known(param), _unknown(param), replace(layer, param=None)  # type: ignore[arg-type]  # as above


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


def _wiring(net: Net) -> Any:
    """Return what a net computes: all but how its inputs and their names are declared."""
    made = [(x.name, x.type, x.bottoms, x.tops) for x in net.layers if x.type != "Input"]
    return sorted(net.inputs.items()), net.outputs, made, net.losses, dict(net.shapes)
