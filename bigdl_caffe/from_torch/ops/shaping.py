"""The same elements under other axes, and fewer or more of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.ops.table import op
from bigdl_caffe.from_torch.values import Top
from bigdl_caffe.graph.ir import Shape


@op(
    "clone.default",
    "contiguous.default",
    "detach.default",
    "alias.default",
    "lift_fresh_copy.default",
)
def identity(net: Builder, x: Top, *_: object) -> Top:
    """No layer."""
    return x


@op("dropout.default", "feature_dropout.default", "alpha_dropout.default")
def dropout(net: Builder, x: Top, ratio: float, train: bool) -> Top:
    """No layer: in evaluation it does nothing."""
    if train:
        raise UnsupportedLayerError(
            "it draws in evaluation mode too: pass training=self.training to it"
        )
    return x


@op("_to_copy.default", "to.dtype", "to.dtype_layout")
def to(net: Builder, x: Top, *options: object) -> Top:
    """No layer: all blobs are float32."""
    kind = next((o for o in options if isinstance(o, torch.dtype)), torch.float32)
    if not kind.is_floating_point:
        raise UnsupportedLayerError(f"it makes {kind} of its input, where Caffe has float32 only")
    return x


@op(
    "view.default",
    "_unsafe_view.default",
    "reshape.default",
    "flatten.using_ints",
    "unflatten.int",
    "unsqueeze.default",
    "squeeze.default",
    "squeeze.dim",
    "squeeze.dims",
)
def view(net: Builder, x: Top, *_: object) -> Top:
    """Flatten or Reshape to the shape that torch says comes out."""
    return reshape(net, x, net.result)


def reshape(net: Builder, x: Top, shape: Shape, part: str = "") -> Top:
    """Return ``x`` in ``shape``, leaving open what may differ with the batch."""
    if x.shape == shape:
        return x
    gone = len(x.shape) - len(shape)
    for start in reversed(range(len(shape) if gone > 0 else 0)):
        flat = prod(x.shape[start : start + gone + 1])
        if shape == (*x.shape[:start], flat, *x.shape[start + gone + 1 :]):
            return _flatten(net, x, start, start + gone, part)
    return _reshape(net, x, shape, part)


def _reshape(net: Builder, x: Top, shape: Shape, part: str) -> Top:
    """Return ``x`` in ``shape`` by a Reshape of the axes that differ."""
    front = _common(x.shape, shape)
    back = _common(x.shape[front:][::-1], shape[front:][::-1])
    gone = len(x.shape) - front - back
    dims = list(shape[front : len(shape) - back])
    if gone and dims:
        dims[0] = -1
    elif front:  # OpenCV replaces one axis at least
        front, gone, dims = front - 1, 1, [0, *dims]
    elif back:
        back, gone, dims = back - 1, 1, [*dims, -1]
    if not back:
        param: dict[str, Any] = {"shape": {"dim": [0] * front + dims}}
    else:
        param = {"shape": {"dim": dims}, "num_axes": gone} | ({"axis": front} if front else {})
    return net.layer("Reshape", [x], part=part, reshape_param=param)


def _flatten(net: Builder, x: Top, start: int, end: int, part: str) -> Top:
    axis = {"axis": start} if start != 1 else {}
    last = {"end_axis": end} if end != len(x.shape) - 1 else {}
    return net.layer("Flatten", [x], part=part, flatten_param={**axis, **last})


def _common(a: Shape, b: Shape) -> int:
    """Return how many axes at the front are equal."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (m, n) in enumerate(pairs) if m != n), min(len(a), len(b)))


@op("permute.default")
def permute(net: Builder, x: Top, order: Sequence[int], part: str = "") -> Top:
    """Permute."""
    order = [axis % len(x.shape) for axis in order]
    if order == sorted(order):
        return x
    return net.layer("Permute", [x], part=part, permute_param={"order": order})


@op("transpose.int")
def transpose(net: Builder, x: Top, a: int, b: int) -> Top:
    """Permute of two axes."""
    order = list(range(len(x.shape)))
    order[a], order[b] = order[b], order[a]
    return permute(net, x, order)


@op("t.default", "numpy_T.default")
def reverse_axes(net: Builder, x: Top) -> Top:
    """Permute to the opposite order."""
    return permute(net, x, list(reversed(range(len(x.shape)))))


@op("expand.default")
def expand(net: Builder, x: Top, *_: object) -> Top:
    """Tile along each axis that grows."""
    shape = net.result
    if len(shape) != len(x.shape):
        x = reshape(net, x, (1,) * (len(shape) - len(x.shape)) + x.shape, part="axes")
    grown = [i for i, (m, n) in enumerate(zip(x.shape, shape, strict=True)) if m != n]
    return tile(net, x, {axis: shape[axis] for axis in grown})


@op("repeat.default")
def repeat(net: Builder, x: Top, times: Sequence[int]) -> Top:
    """Tile along each axis that is repeated."""
    if len(times) != len(x.shape):
        x = reshape(net, x, (1,) * (len(times) - len(x.shape)) + x.shape, part="axes")
    return tile(net, x, {axis: n for axis, n in enumerate(times) if n != 1})


def tile(net: Builder, x: Top, times: dict[int, int]) -> Top:
    """Return ``x`` repeated along axes."""
    for i, (axis, tiles) in enumerate(times.items()):
        part = f"axis{axis}" if i < len(times) - 1 else ""
        x = net.layer("Tile", [x], part=part, tile_param={"axis": axis, "tiles": tiles})
    return x


@op("pixel_shuffle.default")
def pixel_shuffle(net: Builder, x: Top, factor: int) -> Top:
    """Channels to places, by Reshape, Permute and Reshape."""
    n, c, h, w = x.shape
    split = reshape(net, x, (n, c // factor**2, factor, factor, h, w), part="split")
    mixed = permute(net, split, (0, 1, 4, 2, 5, 3), part="mixed")
    return reshape(net, mixed, net.result)


@op("channel_shuffle.default")
def channel_shuffle(net: Builder, x: Top, groups: int) -> Top:
    """Channels taken in turn from each group, by Reshape, Permute and Reshape."""
    n, c, *size = x.shape
    split = reshape(net, x, (n, groups, c // groups, *size), part="split")
    order = (0, 2, 1, *range(3, 3 + len(size)))
    return reshape(net, permute(net, split, order, part="mixed"), net.result)
