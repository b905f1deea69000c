"""From a float model and rows of data to an int8 model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from bigdl_caffe.engine.folded import folded
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.program import Program, program
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.model import Model
from bigdl_caffe.nn.net import submodule_names
from bigdl_caffe.quantize.compared import compared
from bigdl_caffe.quantize.given import Feed, feeds
from bigdl_caffe.quantize.model import QuantizedModel
from bigdl_caffe.quantize.observed import run_observed
from bigdl_caffe.quantize.places import Places, check_keep, own_weights, places
from bigdl_caffe.quantize.report import Report
from bigdl_caffe.quantize.spread import METHODS, Spread
from bigdl_caffe.weights.scheme import SCALES, Scheme, Steps
from bigdl_caffe.weights.slots import Slot
from bigdl_caffe.weights.table import WeightTable

KEPT_BYTES = 512 << 20
"""Of the rows that outputs are compared on, where an iterator gives them."""

Array = np.ndarray[Any, Any]


def quantized(
    model: Model,
    calibration: Any = None,
    *,
    method: str = "mse",
    keep: Collection[str] = (),
    labels: Sequence[int] | None = None,
    rows: int | None = 512,
    batch_size: int = 16,
    **how: Any,
) -> QuantizedModel:
    """Return ``model`` with int8 weights and activations; `Model.quantize` calls it.

    Weights are rounded by output channel, symmetrically, so that the largest is 127. A value's
    numbers become 0 to 255, of steps that are the same in every channel.

    Parameters
    ----------
    model : Model
        Of floats. BatchNorm and the like are folded into the layers before them first.
    calibration : ndarray, dict of str to ndarray, iterable of such dicts, or DataFrame
        Rows as they will be scored. None leaves activations in floats.
    method : {"mse", "minmax", "percentile"}
        How the range of a value is chosen: with the least mean square error of what was seen,
        cutting off rare large numbers for finer steps; all that was seen; all but 1/20000 at
        each end.
    keep : collection of str
        Layers that stay in floats.
    labels : sequence of int, optional
        The rows' classes, from 0, for the report's accuracy. With them, no row of a DataFrame
        may be unreadable.
    rows : int or None
        The most rows that are looked at, from the first on; None for all.
    batch_size : int
        Rows that are run at a time, and held in memory with all their values.
    **how
        For a DataFrame: ``input_col``, ``feed``, ``recipe``, as `Model.predict` takes them.

    Raises
    ------
    CaffeError
        For a model of the TRAIN phase, for nothing that int8 is for, and options that cannot work.
    """
    _check(model, method, rows, batch_size)
    names = [keep] if isinstance(keep, str) else list(keep)
    net = folded(model, model.outputs)
    check_keep(model.net, names)
    joined = optimised(program(net.module, net.outputs))
    weights = own_weights(net.net, net.slots, submodule_names(net.net))
    kept = {sub for sub, slot in weights.items() if net.net.layers[slot.layer].name in names}
    found = places(joined, weights.keys() - kept)
    if not found.layers:
        raise CaffeError("the model has no convolution or matrix product that could be int8")
    table = _rounded(net.weights(), [weights[layer] for layer in found.layers])
    if calibration is None:
        made = QuantizedModel.of(net, table, Scheme({}))
        made.report = Report(0, (), {}, *_sizes(net, made))
        return made
    seen = _Seen(feeds(net, calibration, rows, batch_size, how, labels is not None))
    scheme = _calibrated(net, joined, found, method, seen)
    made = QuantizedModel.of(net, table, scheme)
    made.report = compared(net, made, joined, seen.kept, seen.outputs, labels, _sizes(net, made))
    return made


def _check(model: Model, method: str, rows: int | None, batch_size: int) -> None:
    if model.net.phase == "TRAIN":
        raise CaffeError("the model was loaded for the TRAIN phase: load it with phase='TEST'")
    if method not in METHODS:
        raise CaffeError(f"method is '{method}': give one of {', '.join(METHODS)}")
    if batch_size < 1 or (rows is not None and rows < 1):
        raise CaffeError(f"rows is {rows}, batch_size {batch_size}: both must be 1 or more")


class _Seen:
    """Feeds as they are run, the first of them kept, with the float net's outputs."""

    def __init__(self, given: Iterator[Feed]) -> None:
        self._given, self._bytes = given, 0
        self.kept: list[Feed] = []
        self.outputs: list[dict[str, Array]] = []

    def __iter__(self) -> Iterator[Feed]:
        return self._given

    def keep(self, feed: Feed, outputs: dict[str, Array]) -> None:
        """Keep a feed, if there is room."""
        self._bytes += sum(array.nbytes for array in feed.values())
        if self._bytes <= KEPT_BYTES or not self.kept:
            self.kept.append(feed)
            self.outputs.append(outputs)


def _calibrated(model: Model, joined: Program, found: Places, method: str, seen: _Seen) -> Scheme:
    """Run all feeds and return the steps of each value."""
    spreads = {value: Spread() for group in found.groups for value in group}

    def see(value: str, numbers: Tensor) -> None:
        spreads[value].add(numbers)

    for feed in seen:
        seen.keep(feed, run_observed(model, joined, spreads.keys(), see, feed))
    values: dict[str, Steps] = {}
    for group in found.groups:
        first, *others = (spreads[value] for value in group)
        for other in others:
            first = first.joined(other)
        values |= dict.fromkeys(group, METHODS[method](first))
    return Scheme(values)


def _rounded(table: WeightTable, slots: Sequence[Slot]) -> WeightTable:
    """Return ``table`` with the blobs of ``slots`` in int8, each one's scales behind it."""
    chosen = {slot.key for slot in slots}
    blobs: dict[str, Array] = {}
    for key, blob in table.blobs.items():
        if key not in chosen:
            blobs[key] = blob
            continue
        flat = blob.reshape(len(blob), -1)
        most = np.abs(flat).max(1, initial=0)
        if not np.isfinite(most).all():
            raise CaffeError(f"blob '{key}' holds numbers that are not finite: keep its layer")
        scales = np.where(most > 0, most / np.float32(127), 1).astype(np.float32)
        scales = np.maximum(scales, np.finfo(np.float32).tiny)
        whole = np.rint(flat / scales[:, None]).clip(-127, 127).astype(np.int8)
        blobs[key], blobs[key + SCALES] = whole.reshape(blob.shape), scales
    return WeightTable(blobs)


def _sizes(before: Model, now: Model) -> tuple[int, int]:
    return tuple(  # type: ignore[return-value]  # mypy: two models are two sizes
        sum(blob.nbytes for blob in each.weights().blobs.values()) for each in (before, now)
    )
