"""From layers in a row to a whole net: its outputs, and which blobs are one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.values import Top, Weight
from bigdl_caffe.graph.ir import Shape


def finish(builder: Builder, name: str, outputs: Sequence[tuple[str, Top]]) -> pb.NetParameter:
    """Return the net of ``builder``'s layers.

    Parameters
    ----------
    builder : Builder
    name : str
        The net's name.
    outputs : sequence of (str, Top)
        What the net gives back, and what to call it; "" keeps the blob's name.
    """
    _close(builder, outputs)
    _mark_weights(builder)
    return pb.NetParameter(name=name, layer=builder.layers)


def _close(builder: Builder, outputs: Sequence[tuple[str, Top]]) -> None:
    """Make ``outputs``, and nothing else, the blobs that no layer reads, as Caffe tells them."""
    read = {blob for layer in builder.layers for blob in layer.bottom}
    read |= {blob for layer in builder.layers if layer.type == "Input" for blob in layer.top}
    kept: set[str] = set()
    for wanted, top in outputs:
        blob = top.blob
        if blob in read | kept:
            builder.place, builder.of_module = wanted or f"{blob}.output", bool(wanted)
            blob = builder.layer("Split", [top]).blob
            read.add(top.blob)
        kept.add(_renamed(builder, blob, wanted))
    made = [blob for layer in builder.layers for blob in layer.top]
    unread = [Top(blob, ()) for blob in made if blob not in read | kept]
    if unread:
        builder.place, builder.of_module = "silence", False
        builder.tops("Silence", unread, 0)


def _renamed(builder: Builder, blob: str, wanted: str) -> str:
    """Call a top that nothing reads ``wanted``, where that is another name, and return it."""
    if wanted in ("", blob):
        return blob
    maker = next(layer for layer in builder.layers if blob in layer.top)
    name = builder.blobs.take(wanted, own=True)
    maker.top[list(maker.top).index(blob)] = name
    return name


def _mark_weights(builder: Builder) -> None:
    """Name the blobs that several layers share, and freeze those that are not learned."""
    uses = Counter(_key(w) for weights in builder.weights.values() for w in weights)
    for layer in builder.layers:
        specs = [_spec(weight, uses) for weight in builder.weights.get(layer.name, ())]
        if any(spec != pb.ParamSpec() for spec in specs):
            layer.param.extend(specs)


def _key(weight: Weight) -> tuple[str, Shape]:
    return weight.source, weight.shape


def _spec(weight: Weight, uses: Counter[tuple[str, Shape]]) -> pb.ParamSpec:
    spec = pb.ParamSpec()
    if weight.source and uses[_key(weight)] > 1:
        spec.name = weight.source
    if not weight.learned:
        spec.lr_mult = spec.decay_mult = 0
    return spec
