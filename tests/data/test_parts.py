"""Passes from any on, and shares of their rows, are those of the whole stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe.data import batches
from bigdl_caffe.data.database import key_at
from tests.data import test_annotated, test_hdf5, test_windows
from tests.data.databases import KINDS, datum, picture, write, write_pictures
from tests.data.nets import Batch, golden_net, read
from tests.data.test_golden import CASES, given
from tests.data.test_records import db, listed
from tests.layers.golden import Case


def rows_of(batch: Batch, rank: int, size: int) -> Batch:
    """Return a rank's rows of every array that has rows; any one where it has none."""
    return {
        blob: array[rank::size] if len(array) > rank else array[[rank % len(array)]]
        for blob, array in batch.items()
    }


def check(stream: Callable[[int, tuple[int, int]], Iterator[Batch]]) -> None:
    """Compare parts of ``stream``, which takes start and share, with the whole of it."""
    whole = list(islice(stream(0, (0, 1)), 13))
    for start in (1, 4, 11):
        compare(stream(start, (0, 1)), whole[start:])
    for size in (2, 3, 40):
        for rank in range(size):
            compare(stream(1, (rank, size)), [rows_of(b, rank, size) for b in whole[1:3]])


def compare(found: Iterator[Batch], expected: list[Batch]) -> None:
    for ours, theirs in zip(islice(found, len(expected)), expected, strict=True):
        assert ours.keys() == theirs.keys()
        for blob, numbers in theirs.items():
            np.testing.assert_array_equal(ours[blob], numbers)


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES])
def test_of_every_kind_of_layer(case: Case) -> None:
    net = golden_net(case.folder, phase=case.meta["phase"])
    how = {"seed": 3, "root": case.folder, "arrays": given(case)}
    check(lambda start, share: batches(net, start=start, share=share, **how))


@pytest.mark.parametrize("shuffle", ["true", "false"])
def test_of_hdf5_files_of_other_sizes_than_a_batch(tmp_path: Path, shuffle: str) -> None:
    test_hdf5.write(tmp_path, 2, 7, 1, 3)
    text = test_hdf5.options(4, f"shuffle: {shuffle}")
    check(lambda start, share: read("HDF5Data", text, **part(tmp_path, start, share)))


def part(root: Path, start: int, share: tuple[int, int]) -> dict[str, Any]:
    return {"root": root, "phase": "TRAIN", "seed": 3, "start": start, "share": share}


def test_of_lists_with_all_that_is_random(tmp_path: Path) -> None:
    options = f"{listed(tmp_path, 5)} batch_size: 3 shuffle: true rand_skip: 4"
    text = f"image_data_param {{ {options} }} transform_param {{ crop_size: 3 mirror: true }}"
    check(lambda start, share: read("ImageData", text, **part(tmp_path, start, share)))


def test_of_windows(tmp_path: Path) -> None:
    test_windows.write(tmp_path, [[f"7 1.0 {i} 2 20 18", f"3 0.0 {i} 3 9 27"] for i in range(4)])
    text = test_windows.options(9, "batch_size: 4 fg_fraction: 0.5", "mirror: true")
    check(lambda start, share: read("WindowData", text, **part(tmp_path, start, share)))


def test_boxes_name_the_place_in_the_share(tmp_path: Path) -> None:
    boxes = [test_annotated.FIRST, test_annotated.SECOND, [], test_annotated.SECOND]
    test_annotated.db(
        tmp_path, *(test_annotated.annotated(test_annotated.raw(i), b) for i, b in enumerate(boxes))
    )
    found = next(read("AnnotatedData", test_annotated.options(4), **part(tmp_path, 5, (1, 2))))
    np.testing.assert_array_equal(found["data"], [picture(i, 3, 10, 8) for i in (1, 3)])
    assert found["label"][0, 0, :, :2].tolist() == [[0, 2], [1, 2]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_in_a_database_comes_again_after_its_end(tmp_path: Path, kind: str) -> None:
    path = write_pictures(tmp_path / "db", kind, [picture(i, 1, 2, 2) for i in range(7)])
    assert [key_at(path, place) for place in (0, 6, 7, 70_003)] == [
        b"%08d" % i for i in (0, 6, 0, 3)
    ]


def test_what_is_not_wanted_is_not_decoded(tmp_path: Path) -> None:
    good = datum(picture(0, 3, 4, 5), 7).SerializeToString()
    wanted = (5, 1)  # rows 1 and 3 of the second pass, by 4 of 6 records
    write(
        tmp_path / "db",
        "LMDB",
        {b"%d" % i: good if i in wanted else b"rubbish" for i in range(6)},
    )
    found = next(read("Data", db(4), root=tmp_path, start=1, share=(1, 2)))
    assert found["label"].tolist() == [7, 7]
