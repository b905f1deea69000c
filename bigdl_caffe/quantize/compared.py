"""An int8 net beside the float net that it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from bigdl_caffe import feeding
from bigdl_caffe.engine.int8 import in_floats
from bigdl_caffe.engine.local import opened
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.program import Program, program
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.model import Model
from bigdl_caffe.nn.quantized import is_int8
from bigdl_caffe.quantize.model import QuantizedModel
from bigdl_caffe.quantize.observed import run_observed
from bigdl_caffe.quantize.places import can_be_int8
from bigdl_caffe.quantize.report import LayerError, OutputError, Report

LAYER_ROWS = 8
"""Rows that layers are compared on, one at a time: all values of one are in memory."""

Array = np.ndarray[Any, Any]
Feeds = Sequence[Mapping[str, Array]]


def compared(
    exact: Model,
    made: QuantizedModel,
    joined: Program,
    feeds: Feeds,
    wanted: Sequence[Mapping[str, Array]],
    labels: Sequence[int] | None,
    sizes: tuple[int, int],
) -> Report:
    """Return how far ``made`` is from ``exact``.

    Parameters
    ----------
    joined : Program
        Of ``exact``.
    feeds : sequence of mapping
        The rows to compare on.
    wanted : sequence of mapping
        What ``exact`` makes of each.
    labels : sequence of int or None
        Of the rows, in order.
    sizes : pair of int
        Bytes of the weights, before and now.
    """
    together = exact.row_wise()
    run = opened(made, "torch", made.outputs, len(next(iter(feeds[0].values()), ())) or 1)
    got = [run(feed) for feed in feeds]
    outputs = {}
    for blob in made.outputs:
        judge = labels if together else None
        outputs[blob] = _output([w[blob] for w in wanted], [g[blob] for g in got], judge)
    rows = sum(max((len(a) for a in feed.values()), default=0) for feed in feeds)
    layers = _layers(exact, made, joined, _few(feeds) if together else feeds[:1])
    return Report(rows, layers, outputs, *sizes)


def _few(feeds: Feeds) -> Feeds:
    each = [
        {blob: array[i : i + 1] for blob, array in feed.items()}
        for feed in feeds[:LAYER_ROWS]
        for i in range(max((len(array) for array in feed.values()), default=0))
    ]
    return each[:LAYER_ROWS]


def _output(want: list[Array], got: list[Array], labels: Sequence[int] | None) -> OutputError:
    pairs = [(w, g) for w, g in zip(want, got, strict=True) if w.shape == g.shape]
    off = [np.abs(w - g) for w, g in pairs if w.size]
    if not off:
        return OutputError(float("nan"), float("nan"), float("nan"))
    total = sum(each.size for each in off)
    numbers = (
        max(float(each.max()) for each in off),
        sum(float(each.sum(dtype=np.float64)) for each in off) / total,
        max(float(np.abs(w).max()) for w, _ in pairs if w.size),
    )
    if feeding.classes(pairs[0][0].shape) is None:
        return OutputError(*numbers)
    before, now = (_classes(each) for each in zip(*pairs, strict=True))
    same = float((before == now).mean())
    if labels is None:
        return OutputError(*numbers, same)
    true = np.asarray(labels)[: len(before)]
    if true.shape != before.shape:
        raise CaffeError(f"{len(true)} labels are given for {len(before)} rows: give one each")
    return OutputError(*numbers, same, float((before == true).mean()), float((now == true).mean()))


def _classes(tops: Sequence[Array]) -> Array:
    return np.concatenate([top.reshape(len(top), -1).argmax(1) for top in tops])


def _layers(
    exact: Model, made: QuantizedModel, joined: Program, feeds: Feeds
) -> tuple[LayerError, ...]:
    own = optimised(program(made.module, made.outputs))
    whole = {op.writes[0] for op in own.ops if is_int8(getattr(op.module, "first", op.module))}
    names = {op.writes[0]: op.layers[0] for op in joined.ops if can_be_int8(op)}
    sums = {value: [0.0, 0.0] for value in names}
    rounded = in_floats(own, made.scheme)
    for feed in feeds:
        right: dict[str, Tensor] = {}
        run_observed(exact, joined, names, lambda v, x, right=right: right.update({v: x}), feed)  # type: ignore[misc]  # mypy: a default's type

        def see(value: str, x: Tensor, right: dict[str, Tensor] = right) -> None:
            was = right.pop(value).double()
            sums[value][0] += float(was.square().mean())
            sums[value][1] += float((was - x).square().mean())

        run_observed(made, rounded, names, see, feed)
    return tuple(LayerError(names[v], v, v in whole, *sums[v]) for v in names)
