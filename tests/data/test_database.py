"""Databases as Caffe's tools write them: whole, in parts, damaged, and left as they were."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe.data.database import items, key_ranges
from bigdl_caffe.errors import CaffeError, CaffeFormatError
from tests.data.databases import KINDS, write
from tests.paths import GOLDEN

LMDB = GOLDEN / "layers" / "Data" / "lmdb_train" / "db"
LEVELDB = GOLDEN / "layers" / "Data" / "leveldb" / "db"


def some(n: int, seed: int = 0) -> dict[bytes, bytes]:
    """Return ``n`` keys in no order, with values of 0 to 20,000 bytes."""
    rng = np.random.default_rng(seed)
    keys = rng.permutation(n)
    return {b"%08d_name" % k: rng.bytes(int(rng.integers(20_000)) * int(k % 3)) for k in keys}


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[LMDB, LEVELDB], ids=KINDS)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a database that Caffe's convert_imageset wrote."""
    return Path(shutil.copytree(request.param, tmp_path / "db"))


@pytest.mark.parametrize("n", [0, 1, 1000])
def test_items_come_in_the_order_of_keys(tmp_path: Path, kind: str, n: int) -> None:
    expected = some(n)
    path = write(tmp_path / "db", kind, expected)
    assert list(items(path, kind)) == sorted(expected.items())
    assert list(items(path)) == sorted(expected.items())


def test_a_range_has_its_start_and_not_its_stop(tmp_path: Path, kind: str) -> None:
    expected = sorted(some(600).items())
    path = write(tmp_path / "db", kind, dict(expected))
    for start, stop in [(0, 1), (10, 590), (599, 600)]:
        last = expected[stop][0] if stop < 600 else None
        assert list(items(path, None, expected[start][0], last)) == expected[start:stop]
    assert list(items(path, None, b"00000010", b"00000012")) == expected[10:12]
    assert not list(items(path, None, b"z"))


@pytest.mark.parametrize("parts", [1, 3, 7, 50])
def test_parts_are_of_like_size_and_make_the_whole(tmp_path: Path, kind: str, parts: int) -> None:
    expected = some(20)
    path = write(tmp_path / "db", kind, expected)
    found = [list(items(path, None, *ends)) for ends in key_ranges(path, parts)]
    assert len(found) == min(parts, 20)
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert [item for part in found for item in part] == sorted(expected.items())


def test_tables_are_parted_by_their_blocks(tmp_path: Path) -> None:
    plyvel = pytest.importorskip("plyvel", reason="writes the database to read")
    value = np.random.default_rng(0).bytes(300)
    made = plyvel.DB(str(tmp_path / "db"), create_if_missing=True, write_buffer_size=1 << 20)
    for i in range(10_000):
        made.put(b"%08d_name" % i, value)
    made.close()
    assert list((tmp_path / "db").glob("*.ldb"))
    ends = key_ranges(tmp_path / "db", 8)
    lengths = [sum(1 for _ in items(tmp_path / "db", None, *part)) for part in ends]
    assert sum(lengths) == 10_000
    assert len(lengths) == 8
    assert max(lengths) < 1.3 * min(lengths)


def test_several_readers_share_a_database(tmp_path: Path, kind: str) -> None:
    expected = sorted(some(50).items())
    path = write(tmp_path / "db", kind, dict(expected))
    assert list(zip(items(path), items(path), strict=True)) == [(e, e) for e in expected]


def test_threads_share_a_database(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "db", kind, some(20))
    with ThreadPoolExecutor(8) as pool:
        sizes = pool.map(lambda _: len(list(items(path))), range(200))
    assert set(sizes) == {20}


def test_a_database_may_be_replaced_by_another(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "db", kind, {b"a": b"1"})
    assert list(items(path)) == [(b"a", b"1")]
    shutil.rmtree(path)
    write(path, kind, {b"b": b"2"})
    assert list(items(path)) == [(b"b", b"2")]


def test_leveldb_gives_the_latest_value_and_no_deleted_one(tmp_path: Path) -> None:
    plyvel = pytest.importorskip("plyvel", reason="writes the database to read")
    rng = np.random.default_rng(1)
    expected: dict[bytes, bytes] = {}
    for _ in range(4):  # each time opened, what the last log held goes to a table of level 0
        small = {"write_buffer_size": 100_000, "max_file_size": 1 << 20, "block_size": 512}
        made = plyvel.DB(str(tmp_path / "db"), create_if_missing=True, **small)
        for key in rng.integers(0, 300, 500):
            name = b"%04d" % key
            if key % 5 == 0:
                made.delete(name)
                expected.pop(name, None)
            else:
                expected[name] = rng.bytes(700)
                made.put(name, expected[name])
        made.close()
    assert list(items(tmp_path / "db")) == sorted(expected.items())
    assert list(items(tmp_path / "db", None, b"0100", b"0200")) == [
        item for item in sorted(expected.items()) if b"0100" <= item[0] < b"0200"
    ]


def test_leveldb_reads_a_value_longer_than_a_block_of_the_log(tmp_path: Path) -> None:
    expected = {b"a": bytes(100_000), b"b": b"", b"c": b"x" * 32_768}
    assert dict(items(write(tmp_path / "db", "LEVELDB", expected))) == expected


def test_nothing_is_written(golden: Path) -> None:
    (golden / "lock.mdb").unlink(missing_ok=True)
    before = contents(golden)
    assert len(list(items(golden))) == 5
    assert key_ranges(golden, 2)
    assert contents(golden) == before


def test_lmdb_may_be_named_by_its_file() -> None:
    assert list(items(LMDB / "data.mdb")) == list(items(LMDB))


@pytest.mark.parametrize(("path", "right"), [(LMDB, "LMDB"), (LEVELDB, "LEVELDB")])
def test_the_other_backend_is_named(path: Path, right: str) -> None:
    wrong = "LEVELDB" if right == "LMDB" else "LMDB"
    with pytest.raises(CaffeError, match=f"of kind {right}: set backend: {right}"):
        items(path, wrong)


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match=r"there is no database .*/none"):
        items(tmp_path / "none")
    with pytest.raises(CaffeError, match="holds no database"):
        items(tmp_path)
    with pytest.raises(CaffeError, match="local disks only"):
        items("hdfs://host/db")


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, 0.9])
def test_files_cut_short_are_errors(golden: Path, keep: float) -> None:
    for file in golden.iterdir():
        whole = file.read_bytes()
        if file.name in ("LOG", "LOG.old", "LOCK", "lock.mdb"):
            continue
        if file.name.startswith("MANIFEST") and keep == 0.9:
            continue  # its last record says nothing of tables
        file.write_bytes(whole[: int(len(whole) * keep)])
        with pytest.raises(CaffeError, match=r"cut short|no LMDB|ends inside|says|no such"):
            list(items(golden))
        file.write_bytes(whole)
    assert len(list(items(golden))) == 5


def test_damage_to_leveldb_ends_in_items_or_in_an_error_of_ours(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(LEVELDB, tmp_path / "db"))
    rng = np.random.default_rng(0)
    for file in (folder / name for name in ("CURRENT", "MANIFEST-000009", "000005.ldb")):
        whole = file.read_bytes()
        for _ in range(150):
            damaged = bytearray(whole)
            for place in rng.integers(0, len(whole), 3):
                damaged[place] = rng.integers(256)
            file.write_bytes(damaged)
            with suppress(CaffeError):  # it depends on what was hit
                list(items(folder))
        file.write_bytes(whole)


def test_an_lmdb_page_of_rubbish_is_an_error(tmp_path: Path) -> None:
    path = Path(shutil.copytree(LMDB, tmp_path / "db")) / "data.mdb"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises(CaffeFormatError, match="cannot be read"):
        list(items(path))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(CaffeError, match=r"pip install bigdl-caffe\[lmdb\]"):
        list(items(LMDB))
