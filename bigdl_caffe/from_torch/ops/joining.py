"""Several blobs to one, and one to several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.ops.shaping import reshape
from bigdl_caffe.from_torch.ops.table import op
from bigdl_caffe.from_torch.values import Top, Weight


@op("cat.default", "concat.default")
def cat(net: Builder, values: Sequence[Top | Weight], axis: int, part: str = "") -> Top:
    """Concat; a weight among the bottoms becomes a Parameter layer."""
    tops = [net.top(value) for value in values]
    axis %= len(tops[0].shape)
    return net.layer("Concat", tops, part=part, concat_param={} if axis == 1 else {"axis": axis})


@op("stack.default")
def stack(net: Builder, values: Sequence[Top | Weight], axis: int) -> Top:
    """Concat of bottoms that get a new axis first."""
    tops = [net.top(value) for value in values]
    axis %= len(tops[0].shape) + 1
    shape = (*tops[0].shape[:axis], 1, *tops[0].shape[axis:])
    return cat(net, [reshape(net, top, shape, part="axis") for top in tops], axis)


def cut(net: Builder, x: Top, axis: int, edges: Sequence[int], part: str = "") -> list[Top]:
    """Return the pieces of ``x`` between ``edges``, which begin with 0 and end with its size."""
    if len(edges) == 2:
        return [x]
    param = {"axis": axis} if axis != 1 else {}
    points = {"slice_point": edges[1:-1]}
    return net.tops("Slice", [x], len(edges) - 1, part=part, slice_param={**param, **points})


@op("split_with_sizes.default", "split.sizes")
def split_sizes(net: Builder, x: Top, sizes: Sequence[int], axis: int) -> tuple[Top, ...]:
    """Slice into pieces of ``sizes``."""
    return tuple(cut(net, x, axis % len(x.shape), [0, *accumulate(sizes)]))


@op("split.Tensor")
def split(net: Builder, x: Top, size: int, axis: int) -> tuple[Top, ...]:
    """Slice into pieces of ``size``, of which the last may be smaller."""
    axis %= len(x.shape)
    return tuple(cut(net, x, axis, [*range(0, x.shape[axis], size), x.shape[axis]]))


@op("chunk.default")
def chunk(net: Builder, x: Top, chunks: int, axis: int) -> tuple[Top, ...]:
    """Slice into ``chunks`` pieces, or fewer, as torch.chunk."""
    return split(net, x, -(-x.shape[axis] // chunks), axis)


@op("unbind.int")
def unbind(net: Builder, x: Top, axis: int) -> tuple[Top | None, ...]:
    """Slice into pieces of one, without that axis."""
    axis %= len(x.shape)
    pieces = cut(net, x, axis, range(x.shape[axis] + 1), part="pieces")
    return tuple(
        _without(net, piece, axis) if i in net.used else None for i, piece in enumerate(pieces)
    )


@op("slice.Tensor")
def slice_(net: Builder, x: Top, axis: int, start: int | None, end: int | None, step: int) -> Top:
    """Slice, of which one piece is used."""
    if step != 1:
        raise UnsupportedLayerError(f"its step is {step}; Caffe's Slice takes elements in a row")
    axis %= len(x.shape)
    first, last, _ = slice(start, end).indices(x.shape[axis])
    return _piece(net, x, axis, first, last)


@op("narrow.default")
def narrow(net: Builder, x: Top, axis: int, start: int, length: int) -> Top:
    """Slice, of which one piece is used."""
    axis %= len(x.shape)
    start %= x.shape[axis]
    return _piece(net, x, axis, start, start + length)


@op("select.int")
def select(net: Builder, x: Top, axis: int, index: int) -> Top:
    """Slice, of which one piece is used, without that axis."""
    axis %= len(x.shape)
    index %= x.shape[axis]
    return _without(net, _piece(net, x, axis, index, index + 1, part="piece"), axis)


def _piece(net: Builder, x: Top, axis: int, first: int, last: int, part: str = "") -> Top:
    edges = sorted({0, first, last, x.shape[axis]})
    if first >= last:
        raise UnsupportedLayerError("it is empty, as no blob of Caffe may be")
    pieces = cut(net, x, axis, edges, part)
    return next(p for p, (a, b) in zip(pieces, pairwise(edges), strict=True) if a == first)


def _without(net: Builder, x: Top, axis: int) -> Top:
    return reshape(net, x, (*x.shape[:axis], *x.shape[axis + 1 :]))
