"""What goes into a net and comes out: checks, names, batches. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import Net, Shape
from bigdl_caffe.graph.slice import ancestors, values_read

Array = np.ndarray[Any, Any]


def check_feed(
    feed: Mapping[str, Array], net: Net, fetch: Sequence[str], optional: Collection[str] = ()
) -> dict[str, Array]:
    """Return ``feed`` as contiguous float32, only what ``fetch`` needs.

    Inputs that are ``optional`` may be left out: the net makes them up.

    Raises
    ------
    CaffeError
        For names that are not inputs, and inputs that are needed and not there.
    ShapeError
        For arrays of another rank than the input's.
    """
    if not isinstance(feed, Mapping):
        raise CaffeError(
            f"a {type(feed).__name__} is fed: give a dict of blob name to array, or call "
            "forward(array)"
        )
    wanted = needed_inputs(net, fetch)
    needed = [b for b in wanted if b in feed or b not in optional]
    known = ", ".join(f"'{blob}' {shape}" for blob, shape in net.inputs.items())
    problems = [
        f"'{b}' is not an input of this net: feed {known}" for b in feed if b not in net.inputs
    ]
    problems += [f"input '{b}' is not fed: feed {known}" for b in needed if b not in feed]
    if problems:
        raise CaffeError(*problems)
    arrays = {blob: _floats(blob, feed[blob]) for blob in needed}
    wrong = [
        f"input '{b}' has shape {a.shape}, the net wants {net.inputs[b]}: give the same number "
        "of axes, the batch first, and at least one row"
        for b, a in arrays.items()
        if a.ndim != len(net.inputs[b]) or 0 in a.shape
    ]
    if wrong:
        raise ShapeError(*wrong)
    return {b: a if a.flags.writeable else a.copy() for b, a in arrays.items()}


def needed_inputs(net: Net, fetch: Sequence[str]) -> list[str]:
    """Return the input blobs that ``fetch`` comes from."""
    read = values_read(ancestors(net.layers, fetch), fetch)
    return [blob for blob, value in net.fed.items() if value in read]


def _floats(blob: str, values: Any) -> Array:
    """Return ``values`` (array, nested lists, torch tensor) as contiguous float32."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    try:
        return np.asarray(values, np.float32, order="C")
    except (TypeError, ValueError) as error:
        raise CaffeError(f"input '{blob}' is not an array of numbers: {error}") from error


def own(top: Array, feed: Mapping[str, Array]) -> Array:
    """Return ``top``, or a copy where it is the caller's own memory (a fetched input)."""
    shared = any(np.may_share_memory(top, array) for array in feed.values())
    return top.copy() if shared else top


def check_shapes(given: Mapping[str, Sequence[int]]) -> dict[str, Shape]:
    """Return input shapes as tuples of int; raise `ShapeError` for what is none."""
    out: dict[str, Shape] = {}
    problems = []
    for blob, shape in given.items():
        try:
            out[blob] = tuple(int(size) for size in shape)
        except (TypeError, ValueError):
            out[blob] = (0,)
        if any(size < 1 for size in out[blob]) or isinstance(shape, str):
            problems.append(
                f"input_shapes gives '{blob}' {shape!r}: give whole numbers from 1 up, "
                "as in (1, 3, 227, 227)"
            )
    if problems:
        raise ShapeError(*problems)
    return out


def name_arrays(x: Array | Sequence[Array], net: Net) -> dict[str, Array]:
    """Return positional arrays by input name.

    Raises
    ------
    CaffeError
        When there are not as many as inputs.
    """
    arrays = list(x) if isinstance(x, (list, tuple)) and len(net.inputs) > 1 else [x]
    if len(arrays) != len(net.inputs):
        raise CaffeError(
            f"{len(arrays)} arrays given for {len(net.inputs)} inputs "
            f"({', '.join(net.inputs)}): give one for each, in this order"
        )
    return {blob: _floats(blob, a) for blob, a in zip(net.inputs, arrays, strict=True)}


def check_batch_size(rows: int) -> int:
    """Return ``rows``; raise `CaffeError` if they are none."""
    if rows < 1:
        raise CaffeError(f"batch_size is {rows}: it must be 1 or more")
    return rows


def in_batches(
    run: Callable[[Mapping[str, Array]], dict[str, Array]],
    feed: Mapping[str, Array],
    fetch: Sequence[str],
    batch_size: int,
    row_wise: bool,
) -> dict[str, Array]:
    """Return ``run`` over all rows of ``feed``, ``batch_size`` rows at a time.

    The last batch may be short. A net whose outputs are not row by row is run one row
    at a time; its outputs are joined along the batch where that is 1, else stacked.
    """
    lengths = {blob: len(array) if np.ndim(array) else 0 for blob, array in feed.items()}
    rows = max(lengths.values(), default=0)
    if any(n != rows for n in lengths.values()):
        raise ShapeError(f"inputs have different numbers of rows: {lengths}")
    if rows == 0:
        raise ShapeError("the data has no rows: there is nothing to predict")
    step = check_batch_size(batch_size) if row_wise else 1
    parts = [run({b: a[i : i + step] for b, a in feed.items()}) for i in range(0, rows, step)]
    join = _concatenate if row_wise else _join_rows
    return {blob: join([part[blob] for part in parts]) for blob in fetch}


def _concatenate(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _join_rows(parts: Sequence[Array]) -> Array:
    if len({part.shape for part in parts}) > 1:
        raise ShapeError(
            f"rows give outputs of different shapes ({parts[0].shape}, ...): "
            "call run() for each row, or score a DataFrame"
        )
    return np.concatenate(parts) if parts[0].shape[:1] == (1,) else np.stack(parts)


def is_spark(data: Any) -> bool:
    """Return whether ``data`` is a Spark DataFrame or RDD, without importing Spark."""
    return hasattr(data, "mapInArrow") or hasattr(data, "mapPartitions")


def is_frame(data: Any) -> bool:
    """Return whether ``data`` is a Spark DataFrame."""
    return hasattr(data, "mapInArrow")


def is_image(shape: Shape) -> bool:
    """Return whether a row of ``shape`` can be a picture: (1 or 3, H, W)."""
    return len(shape) == 3 and shape[0] in (1, 3)


def image_input(net: Net, blob: str | None = None) -> tuple[str, tuple[int, int, int]]:
    """Return the one input that pictures can go to, or ``blob``, and its (C, H, W).

    Raises
    ------
    CaffeError
        When there is none, or more than one.
    """
    inputs = net.inputs if blob is None else {blob: net.inputs[blob]}
    images = {name: shape[1:] for name, shape in inputs.items() if is_image(shape[1:])}
    if len(images) != 1:
        raise CaffeError(
            f"pictures need exactly one input of shape (N, 1 or 3, H, W); the net has "
            f"{ {b: tuple(s) for b, s in net.inputs.items()} }"
        )
    ((blob, (c, h, w)),) = images.items()
    return blob, (c, h, w)


def transform_param(net: Net, blob: str) -> pb.TransformationParameter | None:
    """Return the transform_param of the layer that makes input ``blob``, if it has one."""
    for layer in net.layers:
        if blob in layer.tops and layer.param.HasField("transform_param"):
            found: pb.TransformationParameter = layer.param.transform_param
            return found
    return None


def classes(shape: Shape) -> int | None:
    """Return how many classes a blob of ``shape`` scores: its one axis longer than 1.

    None if it has no such axis beside the batch, or several: then a row is not one list of
    scores.
    """
    long = [size for size in shape[1:] if size > 1]
    return long[0] if len(long) == 1 else None


def check_classes(blob: str, shape: Shape) -> None:
    """Raise `CaffeError` if a blob of ``shape`` has no `classes`."""
    if classes(shape) is None:
        raise CaffeError(
            f"'{blob}' has the shape {shape}, which is not one list of scores a row: "
            "predict_class takes (rows, classes); fetch another blob, or call predict"
        )
