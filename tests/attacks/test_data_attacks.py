"""Sources of data that are damaged, hostile or not what they seem: batches or one clear error."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bigdl_caffe import CaffeError, Model
from tests.data.nets import read
from tests.paths import GOLDEN

TYPES = ("Data", "HDF5Data", "ImageData")
LEFT_ALONE = {".npz", ".json", ".prototxt", ".caffemodel"}
RUBBISH = [b"\xff\xff\xff\xff", b"\x00" * 8, b"\x80\xff", b"\n\n", b""]


def files(folder: Path) -> list[Path]:
    """Return the files of data in ``folder``, always in the same order."""
    found = (f for f in folder.rglob("*") if f.is_file() and f.suffix not in LEFT_ALONE)
    return sorted(f for f in found if "lock" not in f.name.lower())


CASES = [p for t in TYPES for p in sorted((GOLDEN / "layers" / t).iterdir()) if files(p)]


def damage(file: Path, chance: random.Random) -> None:
    """Cut ``file`` short, change bytes of it, put some in, or put a folder in its place."""
    data = bytearray(file.read_bytes())
    way, place = chance.randrange(4), chance.randrange(len(data) + 1)
    if way == 0:
        del data[place:]
    elif way == 1:
        for _ in range(chance.choice([1, 3, 50])):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif way == 2:
        data[place : place + chance.choice([1, 4, 8])] = chance.choice(RUBBISH)
    file.unlink()
    if way == 3 and chance.random() < 0.3:
        file.mkdir()
    else:
        file.write_bytes(bytes(data))


@pytest.mark.parametrize("folder", [pytest.param(p, id=f"{p.parent.name}-{p.name}") for p in CASES])
def test_damaged_files_end_in_batches_or_an_error_of_ours(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(folder.name)
    for attempt in range(12):
        copy = tmp_path / str(attempt)
        shutil.copytree(folder, copy)
        damage(chance.choice(files(copy)), chance)
        monkeypatch.chdir(copy)
        with suppress(CaffeError):
            for feed in islice(Model.load_caffe_model("net.prototxt", None).data(seed=1), 4):
                assert all(isinstance(array, np.ndarray) for array in feed.values())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8), (3, 4, 5)).save("a.png")


def first(kind: str, options: str) -> dict[str, Any]:
    return next(read(kind, options, seed=1))


LISTS = [
    b"a.png 1" + b"0" * 400,
    b"a.png " + b"9" * 5000,
    b"a.png 2147483648",
    b"\xff\xfe\x00 1",
    b"a\x00b.png 1",
    b"x" * 5000 + b" 1",
    b"/dev/zero 1",
    b"list 1",
    b". 1",
    b"\x00" * 100,
    b"",
]


@pytest.mark.parametrize("text", LISTS, ids=lambda text: repr(text[:20]))
def test_lists_of_pictures(text: bytes) -> None:
    Path("list").write_bytes(text + b"\n")
    with pytest.raises(CaffeError):
        first("ImageData", "image_data_param { source: 'list' batch_size: 2 }")


@pytest.mark.parametrize("size", [100000, 4294967295])
def test_a_size_that_no_blob_could_hold(size: int) -> None:
    Path("list").write_text("a.png 1\n")
    with pytest.raises(CaffeError, match="resized"):
        first(
            "ImageData",
            f"image_data_param {{ source: 'list' new_height: {size} new_width: {size} "
            "batch_size: 1 } transform_param { crop_size: 4 }",
        )


WINDOWS = b"# 0\na.png\n3\n8\n8\n2\n1 0.9 0 0 5 5\n0 0.1 1 1 4 4\n"
CHANGED = [
    (b"# 0", b"# 99999999999999999999999"),
    (b"# 0", b"# -1"),
    (b"\n2\n", b"\n99999999999\n"),
    (b"\n2\n", b"\n-2\n"),
    (b"0.9 0", b"0.9 1e300"),
    (b"0.9 0", b"0.9 nan"),
    (b"1 0.9", b"nan 0.9"),
    (b"0.9 0 0 5 5", b"0.9 5 5 0 0"),
    (b"0.9 0 0 5 5", b"0.9 0 0 9223372036854775807 9223372036854775807"),
    (b"a.png", b"/dev/zero"),
    (b"a.png", b"\xff"),
]


@pytest.mark.parametrize(("old", "new"), CHANGED)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_window_files(old: bytes, new: bytes) -> None:
    Path("windows").write_bytes(WINDOWS.replace(old, new))
    with pytest.raises(CaffeError):
        first("WindowData", "window_data_param { source: 'windows' batch_size: 8 crop_size: 6 }")


LABEL = [1.0, 2.0]
DATASETS: dict[str, Callable[[Any, Any], Any]] = {
    "larger than a blob": lambda h5py, file: file.create_dataset(
        "data", (10**9, 1000), "f4", chunks=(1000, 1000)
    ),
    "a group": lambda h5py, file: file.create_group("data"),
    "a type": lambda h5py, file: file.__setitem__("data", np.dtype("f4")),
    "words": lambda h5py, file: file.create_dataset("data", data=["a", "b"]),
    "nothing": lambda h5py, file: file.create_dataset("data", data=h5py.Empty("f4")),
    "a link to nowhere": lambda h5py, file: file.__setitem__("data", h5py.SoftLink("/no")),
    "a link to itself": lambda h5py, file: file.__setitem__("data", h5py.SoftLink("/data")),
    "a link to no HDF5": lambda h5py, file: file.__setitem__(
        "data", h5py.ExternalLink("a.png", "/data")
    ),
    "complex numbers": lambda h5py, file: file.create_dataset("data", data=[1j, 2]),
    "rows of any length": lambda h5py, file: file.create_dataset(
        "data", (2,), dtype=h5py.vlen_dtype("f4")
    ),
    "more rows": lambda h5py, file: file.create_dataset("data", data=[1.0, 2, 3]),
}


@pytest.mark.parametrize("what", DATASETS)
def test_datasets(what: str) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File("x.h5", "w") as file:
        DATASETS[what](h5py, file)
        file.create_dataset("label", data=LABEL)
    Path("list").write_text("x.h5\n")
    with pytest.raises(CaffeError):
        first("HDF5Data", "hdf5_data_param { source: 'list' batch_size: 2 }")


def _sources() -> Iterator[tuple[str, str]]:
    for source in (
        "",
        ".",
        "/dev/zero",
        "file:///dev/zero",
        "a.png",
        "\\377x",
        "a\\000b",
        "x" * 5000,
    ):
        for kind, message, more in (
            ("Data", "data_param", "backend: LMDB"),
            ("Data", "data_param", "backend: LEVELDB"),
            ("HDF5Data", "hdf5_data_param", ""),
            ("ImageData", "image_data_param", ""),
            ("WindowData", "window_data_param", "crop_size: 3"),
        ):
            yield kind, f"{message} {{ source: '{source}' batch_size: 2 {more} }}"


@pytest.mark.parametrize(("kind", "options"), list(_sources()), ids=lambda text: text[:50])
def test_sources_that_are_none(kind: str, options: str) -> None:
    with pytest.raises(CaffeError):
        first(kind, options)
