"""The Arrow table: one memory, one file, no copies."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from bigdl_caffe import CaffeError, CaffeFormatError, ShapeError
from bigdl_caffe.weights.table import ALIGNMENT, WeightTable, allocate, open_table

SHAPES = {"conv/0": (4, 3, 5, 5), "conv/1": (4,), "a/b/0": (), "bn/2": (1,)}


@pytest.fixture
def table() -> WeightTable:
    made = allocate(SHAPES)
    for i, blob in enumerate(made.blobs.values()):
        blob[...] = np.arange(blob.size, dtype=np.float32).reshape(blob.shape) + i / 8
    return made


@pytest.fixture
def path(table: WeightTable, tmp_path: Path) -> Path:
    file = tmp_path / "weights.arrow"
    with file.open("wb") as sink:
        table.write(sink, {"hello": "wörld"})
    return file


def test_memory_is_aligned_zeroed_and_writable() -> None:
    for key, blob in allocate(SHAPES).blobs.items():
        assert blob.ctypes.data % ALIGNMENT == 0, key
        assert blob.flags.writeable
        assert not blob.any()


def test_the_file_opens_with_nothing_but_arrow(table: WeightTable, path: Path) -> None:
    with pa.memory_map(str(path)) as source:
        reader = pa.ipc.open_file(source)
        assert reader.num_record_batches == 1
        batch = reader.get_batch(0)
    assert batch.num_rows == 1
    assert batch.schema.names == list(SHAPES)
    assert batch.schema.metadata[b"hello"].decode() == "wörld"
    weight = batch.column("conv/0")
    assert weight.type == pa.fixed_shape_tensor(pa.float32(), (4, 3, 5, 5))
    np.testing.assert_array_equal(weight.to_numpy_ndarray()[0], table.blobs["conv/0"])


def test_it_opens_again_bit_for_bit(table: WeightTable, path: Path) -> None:
    again, metadata = open_table(path)
    assert metadata == {"hello": "wörld"}
    assert list(again.blobs) == list(SHAPES)
    for key, blob in again.blobs.items():
        np.testing.assert_array_equal(blob, table.blobs[key])
    assert again.content_hash(metadata) == table.content_hash(metadata)


def test_it_opens_at_an_offset_of_a_larger_file(table: WeightTable, path: Path) -> None:
    whole = path.with_name("broadcast")
    whole.write_bytes(b"\0" * 4096 + path.read_bytes())
    again, _ = open_table(whole, 4096)
    np.testing.assert_array_equal(again.blobs["conv/0"], table.blobs["conv/0"])


def test_writing_to_a_mapped_table_never_changes_the_file(path: Path) -> None:
    before = path.read_bytes()
    again, _ = open_table(path)
    torch.from_numpy(again.blobs["conv/0"]).zero_()
    assert not again.blobs["conv/0"].any()
    assert path.read_bytes() == before


def test_building_the_batch_copies_nothing(table: WeightTable) -> None:
    column = table.to_batch({}).column("conv/0")
    assert column.storage.values.buffers()[1].address == table.blobs["conv/0"].ctypes.data


def test_the_hash_depends_on_numbers_names_shapes_and_words(table: WeightTable) -> None:
    base = table.content_hash({"a": "b"})
    assert table.content_hash({"a": "c"}) != base
    renamed = WeightTable({f"x{k}": v for k, v in table.blobs.items()})
    assert renamed.content_hash({"a": "b"}) != base
    flat = WeightTable({k: v.reshape(-1) for k, v in table.blobs.items()})
    assert flat.content_hash({"a": "b"}) != base
    table.blobs["bn/2"][0] += 1
    assert table.content_hash({"a": "b"}) != base


def test_memory_that_is_not_there_is_one_clear_error() -> None:
    with pytest.raises(ShapeError, match=r"largest blob is 'fc/0'"):
        allocate({"conv/0": (3, 3), "fc/0": (1 << 32, 1 << 30)})


def _rewritten(path: Path, rows: int = 1, batches: int = 1, compression: str | None = None) -> None:
    """Write the file at ``path`` again, as some other Arrow writer would."""
    with pa.ipc.open_file(path.read_bytes()) as reader:
        batch = reader.get_batch(0).slice(0, rows)
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(str(path), batch.schema, options=options) as writer:
        for _ in range(batches):
            writer.write_batch(batch)


REWRITTEN = [
    ({"rows": 0}, "1 batches, 0 rows"),
    ({"batches": 0}, "not an Arrow file of weights"),
    ({"batches": 2}, "2 batches"),
    ({"compression": "lz4"}, "compressed"),
    ({"compression": "zstd"}, "compressed"),
]


@pytest.mark.parametrize(("how", "words"), REWRITTEN)
def test_another_writers_file_is_one_clear_error(
    how: dict[str, Any], words: str, path: Path
) -> None:
    _rewritten(path, **how)
    with pytest.raises(CaffeFormatError, match=f"{words}.*write_bundle"):
        open_table(path)


def test_a_plain_rewritten_file_opens(table: WeightTable, path: Path) -> None:
    _rewritten(path)
    again, _ = open_table(path)
    np.testing.assert_array_equal(again.blobs["conv/0"], table.blobs["conv/0"])


def test_a_missing_file_and_a_folder_are_one_clear_error(path: Path) -> None:
    with pytest.raises(CaffeError, match=f"did you mean {path}"):
        open_table(path.with_name("weight.arrow"))
    with pytest.raises(CaffeError, match="is a folder"):
        open_table(path.parent)


def test_an_offset_beyond_the_file_is_one_clear_error(path: Path) -> None:
    with pytest.raises(CaffeFormatError, match="not an Arrow file"):
        open_table(path, 1 << 20)


@pytest.mark.parametrize("kind", ["empty", "garbage", "truncated", "other types"])
def test_another_file_is_one_clear_error(kind: str, path: Path) -> None:
    whole = path.read_bytes()
    other = io.BytesIO()
    batch = pa.record_batch([pa.array([1])], ["x"])
    with pa.ipc.new_file(other, batch.schema) as writer:
        writer.write_batch(batch)
    path.write_bytes(
        {
            "empty": b"",
            "garbage": b"\x07" * 5000,
            "truncated": whole[: len(whole) // 2],
            "other types": other.getvalue(),
        }[kind]
    )
    with pytest.raises(CaffeFormatError, match=path.name):
        open_table(path)
