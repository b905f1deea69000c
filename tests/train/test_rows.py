"""Rows of a DataFrame as passes: the same ones for any number of ranks, and from any pass on."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from bigdl_caffe.errors import CaffeError, CaffeFormatError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.image import Recipe
from bigdl_caffe.spark.columns import Feed
from bigdl_caffe.train.feeds import Pass
from bigdl_caffe.train.jitter import Jitter, jitters
from bigdl_caffe.train.order import Order
from bigdl_caffe.train.row_file import RowFile, write_rows
from bigdl_caffe.train.rows import Rows, RowsOnce
from tests.data.nets import layer

FEEDS = (Feed("data", 0, "array", (2,)), Feed("label", 1, "array", ()))


def table(numbers: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Yield rows (g, -g) and g, in batches of three and in no order."""
    order = np.random.default_rng(len(numbers)).permutation(np.array(numbers, np.int64))
    for start in range(0, len(order), 3):
        some = order[start : start + 3]
        data = [[float(g), -float(g)] for g in some]
        yield pa.RecordBatch.from_pydict(
            {"x": pa.array(data), "y": some.astype(np.int32), "row": some}
        )


def rows(folder: Path, order: Order, **how: Any) -> Rows:
    path = folder / f"{order.rank}-of-{order.size}.arrow"
    write_rows(table(order.own().tolist()), path)
    return Rows(RowFile(path), order, FEEDS, **how)


def labels(passes: Iterator[Pass], n: int) -> list[list[float]]:
    """Return the labels of the rows that count."""
    return [one.feed["label"][: one.rows].tolist() for one in islice(passes, n)]


@pytest.mark.parametrize(("total", "batch"), [(23, 6), (24, 6), (5, 8), (7, 1), (1, 4)])
def test_a_pass_has_the_same_rows_whatever_the_number_of_ranks(
    tmp_path: Path, total: int, batch: int
) -> None:
    n = 2 * -(-total // batch)
    alone = labels(rows(tmp_path, Order(batch, total, seed=5)).passes(), n)
    for epoch in (alone[: n // 2], alone[n // 2 :]):
        assert sorted(chain(*epoch)) == list(range(total))
    assert [len(one) for one in alone[: n // 2]] == [
        min(batch, total - start) for start in range(0, total, batch)
    ]
    for size in (2, 3, 4):
        each = [
            labels(rows(tmp_path, Order(batch, total, rank, size, 5)).passes(), n)
            for rank in range(size)
        ]
        for found, expected in zip(zip(*each, strict=True), alone, strict=True):
            assert sorted(chain(*found)) == sorted(expected)
            counts = [len(part) for part in found]
            assert max(counts) - min(counts) <= 1


def test_every_epoch_has_an_order_of_its_own_by_the_seed(tmp_path: Path) -> None:
    def flat(seed: int, shuffle: bool = True) -> list[float]:
        data = rows(tmp_path, Order(4, 40, seed=seed, shuffle=shuffle))
        return list(chain(*labels(data.passes(), 20)))

    assert flat(1) == flat(1)
    assert flat(1) != flat(2)
    assert flat(1)[:40] != flat(1)[40:]
    assert flat(1, shuffle=False) == [*range(40), *range(40)]


def test_beginning_at_a_pass_is_skipping_those_before_it(tmp_path: Path) -> None:
    data = rows(tmp_path, Order(4, 10, 1, 2, seed=3))
    whole = labels(data.passes(), 12)
    for start in range(9):
        assert labels(data.passes(start), 12 - start) == whole[start:]


def test_a_rank_without_rows_stays_in_step(tmp_path: Path) -> None:
    data = rows(tmp_path, Order(4, 9, 1, 2, shuffle=False))
    last = list(islice(data.passes(), 3))[-1]
    assert (last.rows, last.feed["data"].tolist()) == (0, [[1, -1]])
    never = next(rows(tmp_path, Order(4, 9, 4, 5)).passes())
    assert (never.rows, never.feed["data"].tolist(), never.feed["label"].tolist()) == (
        0,
        [[0, 0]],
        [0],
    )


def test_a_test_takes_all_rows_once_in_order(tmp_path: Path) -> None:
    test = RowsOnce(rows(tmp_path, Order(4, 10, shuffle=False)))
    for _ in range(2):
        assert labels(test.passes(), 99) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.list_(pa.int32()), pa.int8()])
@pytest.mark.parametrize("shape", [(), (1, 1, 1)])
def test_a_label_has_the_shape_of_its_blob(
    tmp_path: Path, kind: pa.DataType, shape: tuple[int, ...]
) -> None:
    values = [[3], [7]] if pa.types.is_list(kind) else [3, 7]
    write_rows(
        iter([pa.RecordBatch.from_pydict({"y": pa.array(values, kind), "row": [0, 1]})]),
        tmp_path / "f",
    )
    feed = Feed("label", 0, "array", shape)
    (found,) = RowsOnce(Rows(RowFile(tmp_path / "f"), Order(2, 2, shuffle=False), [feed])).passes()
    np.testing.assert_array_equal(found.feed["label"], np.reshape([3, 7], (2, *shape)))


# -- pictures ----------------------------------------------------------------------------

MEAN = np.random.default_rng(1).normal(100, 20, (3, 8, 9)).astype(np.float32)
RECIPE = Recipe(3, resize=(8, 9), crop=(5, 4), mean=MEAN, scale=0.5)


def photo(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (8, 9, 3), np.uint8)


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(seed)[:, :, ::-1]).save(file, "PNG")
    return file.getvalue()


def pictures(folder: Path, order: Order, bad: Sequence[int] = (), **how: Any) -> Rows:
    path, own = folder / f"{order.rank}-of-{order.size}.arrow", order.own().tolist()
    files = pa.array([b"rubbish" if g in bad else png(g) for g in own], pa.binary())
    batch = pa.RecordBatch.from_pydict({"image": files, "y": pa.array(own), "row": pa.array(own)})
    write_rows(iter([batch.slice(i, 2) for i in range(0, len(own), 2)]), path)
    feeds = (Feed("data", 0, "encoded", RECIPE.shape, RECIPE), FEEDS[1])
    return Rows(RowFile(path), order, feeds, **how)


def views(seed: int) -> dict[bytes, tuple[int, int, bool]]:
    """Return every crop of a picture, made as Caffe does, and which it is."""
    whole = (photo(seed).transpose(2, 0, 1).astype(np.float32) - MEAN) * np.float32(0.5)
    return {
        np.ascontiguousarray(part[..., :: -1 if mirrored else 1]).tobytes(): (top, left, mirrored)
        for top, left in np.ndindex(4, 6)
        for part in [whole[:, top : top + 5, left : left + 4]]
        for mirrored in (False, True)
    }


@pytest.mark.parametrize(
    ("jitter", "kinds"), [(Jitter(True, True), 48), (Jitter(mirror=True), 2), (Jitter(), 1)]
)
def test_crops_are_caffes_and_the_same_on_every_rank(
    tmp_path: Path, jitter: Jitter, kinds: int
) -> None:
    def epochs(rank: int, size: int, n: int) -> dict[tuple[int, int], bytes]:
        data = pictures(tmp_path, Order(2, 4, rank, size, seed=9), jitter={"data": jitter})
        return {
            (number // 2, int(label)): np.ascontiguousarray(image).tobytes()
            for number, one in enumerate(islice(data.passes(), n))
            for image, label in zip(one.feed["data"], one.feed["label"], strict=True)
        }

    alone = epochs(0, 1, 600)
    for g in range(4):
        allowed = views(g)
        seen = {allowed[image] for (_, label), image in alone.items() if label == g}
        assert len(seen) == kinds
        assert kinds > 2 or {place[:2] for place in seen} == {(1, 2)}
    together = {**epochs(0, 2, 20), **epochs(1, 2, 20)}
    assert together == {key: alone[key] for key in together}
    assert len(together) == 40


def test_jitter_is_what_a_training_net_asks_for() -> None:
    text = "transform_param { crop_size: 4 mirror: true }"
    inputs = {"data": (2, 3, 4, 4), "label": (2,)}

    def net(phase: str, text: str) -> Net:
        return Net("", (layer("Data", text),), inputs, (), phase, pb.NetParameter())

    assert jitters(net("TRAIN", text)) == {"data": Jitter(True, True)}
    assert jitters(net("TRAIN", "transform_param { mirror: true }")) == {
        "data": Jitter(mirror=True)
    }
    assert not jitters(net("TEST", text))
    assert not jitters(net("TRAIN", ""))


# -- what is bad -------------------------------------------------------------------------


def test_a_bad_row_is_named(tmp_path: Path) -> None:
    data = pictures(tmp_path, Order(2, 4, shuffle=False), bad=[3])
    passes = data.passes()
    next(passes)
    with pytest.raises(CaffeError, match=r"row 3 of the training data: not a picture.*'drop'"):
        next(passes)


def test_bad_rows_are_dropped_and_counted_once(tmp_path: Path) -> None:
    data = pictures(tmp_path, Order(2, 6, shuffle=False), bad=[1, 2, 3], on_error="drop")
    found = list(islice(data.passes(), 6))
    assert [one.feed["label"][: one.rows].tolist() for one in found] == 2 * [[0], [], [4, 5]]
    assert [len(one.feed["data"]) for one in found] == 2 * [1, 1, 2]
    assert data.dropped == 3


def test_where_no_row_is_good_zeros_are_fed(tmp_path: Path) -> None:
    data = pictures(tmp_path, Order(2, 2), bad=[0, 1], on_error="drop")
    one = next(data.passes())
    assert one.rows == 0
    assert not one.feed["data"].any()
    assert one.feed["data"].shape == (1, 3, 5, 4)


def test_the_rows_of_another_rank_are_refused(tmp_path: Path) -> None:
    write_rows(table([0, 2]), tmp_path / "f")
    with pytest.raises(CaffeError, match="rank 1 has 2 rows, and not the 2 that are its of 4"):
        Rows(RowFile(tmp_path / "f"), Order(2, 4, 1, 2), FEEDS)


def test_orders_of_nothing_are_refused() -> None:
    with pytest.raises(CaffeError, match="no rows"):
        Order(4, 0)
    with pytest.raises(CaffeError, match="batch size is 0"):
        Order(0, 4)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from table([0, 1, 2])
        raise OSError(28, "No space left on device")

    with pytest.raises(CaffeError, match=r"cannot use .*rows: No space left"):
        write_rows(broken(), tmp_path / "rows")
    assert not list(tmp_path.iterdir())
    (tmp_path / "rows").write_bytes(b"rubbish")
    with pytest.raises(CaffeFormatError, match="no Arrow file"):
        RowFile(tmp_path / "rows")
