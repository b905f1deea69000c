"""HDF5Data: rows across files, types, orders, and what is wrong with files."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bigdl_caffe.errors import CaffeError
from tests.data.nets import read

h5py = pytest.importorskip("h5py", reason="writes the files to read")


def write(folder: Path, *sizes: int, **more: Any) -> None:
    """Write files of so many rows, numbered through, and their list."""
    first = 0
    for i, size in enumerate(sizes):
        with h5py.File(folder / f"{i}.h5", "w") as file:
            file["label"] = np.arange(first, first + size)
            file["data"] = np.arange(first, first + size)[:, None] * np.ones((1, 3))
            for name, value in more.items():
                file[name] = value
        first += size
    (folder / "list.txt").write_text("\n".join(f"{i}.h5" for i in range(len(sizes))))


def options(batch_size: int, rest: str = "") -> str:
    return f"hdf5_data_param {{ source: 'list.txt' batch_size: {batch_size} {rest} }}"


def labels(root: Path, text: str, n: int, **how: Any) -> list[float]:
    return np.concatenate(
        [b["label"] for b in islice(read("HDF5Data", text, root=root, **how), n)]
    ).tolist()


def test_batches_go_on_in_the_next_file_and_at_the_start(tmp_path: Path) -> None:
    write(tmp_path, 2, 3, 1)
    assert labels(tmp_path, options(5), 3) == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert labels(tmp_path, options(13), 1) == [*range(6), *range(6), 0]


def test_rows_of_all_tops_stay_together_when_shuffled(tmp_path: Path) -> None:
    write(tmp_path, 4, 4)
    found = islice(read("HDF5Data", options(3, "shuffle: true"), root=tmp_path, seed=0), 20)
    for batch in found:
        np.testing.assert_array_equal(batch["data"], batch["label"][:, None] * np.ones(3))


@pytest.mark.parametrize("sizes", [(6,), (2, 3, 4)])
def test_shuffling_shows_every_row_once_an_epoch_file_by_file(
    tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    write(tmp_path, *sizes)
    n = sum(sizes)
    flat = labels(tmp_path, options(n, "shuffle: true"), 60, seed=2)
    epochs = [flat[i : i + n] for i in range(0, len(flat), n)]
    assert all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 40
    file_of = np.repeat(np.arange(len(sizes)), sizes)
    orders = {tuple(file_of[np.array(epoch, int)]) for epoch in epochs}
    assert len(orders) == {1: 1, 3: 6}[len(sizes)]


@pytest.mark.parametrize("dtype", ["u1", "i2", "<i8", ">f4", "f2", "f8"])
def test_every_type_of_number_becomes_float32(tmp_path: Path, dtype: str) -> None:
    write(tmp_path, 2, t2=np.arange(6, dtype=dtype).reshape(2, 3))
    found = next(read("HDF5Data", options(2), tops=3, root=tmp_path))["t2"]
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, r"no dataset 't2' .*\['data', 'label'\]"),
        (np.array([b"a", b"b"]), "has type"),
        (np.zeros((), np.float32), "a row a sample"),
        (np.zeros(3), r"have \[2, 2, 3\] rows"),
        (np.array([True, False]), "has type"),
    ],
)
def test_datasets_that_caffe_refuses(tmp_path: Path, value: Any, words: str) -> None:
    write(tmp_path, 2, **({} if value is None else {"t2": value}))
    with pytest.raises(CaffeError, match=rf"'l' \(HDF5Data\): .*0.h5: .*{words}"):
        next(read("HDF5Data", options(2), tops=3, root=tmp_path))


def test_files_that_are_wrong_are_named(tmp_path: Path) -> None:
    write(tmp_path, 2, 2)
    whole = (tmp_path / "1.h5").read_bytes()
    (tmp_path / "1.h5").write_bytes(whole[:700])
    found = read("HDF5Data", options(2), root=tmp_path)
    next(found)
    with pytest.raises(CaffeError, match=r"1.h5: this HDF5 file is damaged"):
        next(found)
    (tmp_path / "1.h5").unlink()
    with pytest.raises(CaffeError, match=r"no such file: .*1.h5"):
        list(islice(read("HDF5Data", options(4), root=tmp_path), 1))


def test_rows_have_to_be_alike_in_all_files(tmp_path: Path) -> None:
    write(tmp_path, 2, 2)
    with h5py.File(tmp_path / "1.h5", "a") as file:
        del file["data"]
        file["data"] = np.zeros((2, 4))
    with pytest.raises(CaffeError, match=r"1.h5: its rows are"):
        list(islice(read("HDF5Data", options(4), root=tmp_path), 1))


def test_an_empty_list_and_transform_param_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(CaffeError, match="list of HDF5 files is empty"):
        read("HDF5Data", options(2), root=tmp_path)
    with pytest.raises(CaffeError, match="does not transform data"):
        read("HDF5Data", options(2) + " transform_param { }", root=tmp_path)


def test_without_h5py_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 2)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(CaffeError, match=r"pip install bigdl-caffe\[hdf5\]"):
        next(read("HDF5Data", options(2), root=tmp_path))
