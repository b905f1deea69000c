"""int8 nets as Arrow files: a quarter of the bytes, whole, and refused where they are not."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.bundle import PREFIX
from bigdl_caffe.quantize.model import QuantizedModel
from tests.nets import net
from tests.quantize.nets import noise, residual, scans

WIDE = """
input: "x" input_shape { dim: 1 dim: 64 }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc" inner_product_param {
  num_output: 500 weight_filler { type: "xavier" } } }
"""


@pytest.fixture
def model(tmp_path: Path) -> QuantizedModel:
    return residual(tmp_path).quantize(noise(16), keep=["side"])


def batch(path: Path) -> pa.RecordBatch:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).get_batch(0)


def test_a_file_opens_as_the_same_model(model: QuantizedModel, tmp_path: Path) -> None:
    path = tmp_path / "int8.arrow"
    told = model.write_bundle(path)
    again = Model.open_bundle(path)
    assert isinstance(again, QuantizedModel)
    assert (again.content_hash, again.scheme) == (told, model.scheme)
    feed = {"x": noise(5, seed=3)}
    np.testing.assert_array_equal(again.run(feed)["fc"], model.run(feed)["fc"])
    np.testing.assert_array_equal(again.predict(feed), model.predict(feed))


def test_the_layout_is_the_one_that_the_docs_tell(model: QuantizedModel, tmp_path: Path) -> None:
    path = tmp_path / "int8.arrow"
    model.write_bundle(path)
    rows = batch(path)
    assert rows.schema.metadata[b"bigdl_caffe.version"] == b"2"
    whole = rows.column("a/0").to_numpy_ndarray()[0]
    scales = rows.column("a/0:scales").to_numpy_ndarray()[0]
    assert (whole.dtype, whole.shape, scales.dtype, scales.shape) == (
        np.int8, (8, 3, 3, 3), np.float32, (8,),
    )  # fmt: skip  # what is compared stands in one line
    assert np.abs(whole).max(axis=(1, 2, 3)).tolist() == [127] * 8
    assert rows.column("side/0").type.value_type == pa.float32()
    assert rows.column("a/1").type.value_type == pa.float32()
    assert "side/0:scales" not in rows.schema.names


def test_a_quarter_of_the_bytes(tmp_path: Path) -> None:
    plain = net(tmp_path, WIDE)
    plain.write_bundle(tmp_path / "float.arrow")
    plain.quantize(noise(4, (64,))).write_bundle(tmp_path / "int8.arrow")
    sizes = [(tmp_path / f"{name}.arrow").stat().st_size for name in ("int8", "float")]
    assert sizes[0] < 0.32 * sizes[1]


def test_float_files_stay_of_version_1(tmp_path: Path, lenet: Model) -> None:
    lenet.write_bundle(tmp_path / "float.arrow")
    assert batch(tmp_path / "float.arrow").schema.metadata[b"bigdl_caffe.version"] == b"1"


def rewritten(path: Path, drop: str = "", **words: str) -> Path:
    """Write the file again without a column, and with other metadata."""
    rows = batch(path)
    if drop:
        rows = rows.drop_columns([drop])
    new = {f"{PREFIX}{key}": text for key, text in words.items()}
    old = {key.decode(): text.decode() for key, text in rows.schema.metadata.items()}
    rows = rows.replace_schema_metadata({**old, **new})
    path = path.with_name("changed.arrow")
    with pa.ipc.new_file(str(path), rows.schema) as out:
        out.write_batch(rows)
    return path


def test_what_does_not_fit_is_refused(model: QuantizedModel, tmp_path: Path) -> None:
    path = tmp_path / "int8.arrow"
    model.write_bundle(path)
    for drop, words, says in (
        ("a/0:scales", {}, "'a/0' has no ':scales'"),
        ("", {"version": "1"}, "column 'a/0' of a float net is int8"),
        ("", {"version": "3"}, "version is '3'"),
        ("", {"int8": "{}x"}, "damaged"),
        ("", {"int8": '{"x": [1, Infinity]}'}, "damaged"),
        ("", {"int8": '{"x": [-1, 0]}'}, "damaged"),
        ("", {"int8": '{"nope": [1, 0]}'}, "no 'nope' to round"),
    ):
        with pytest.raises(CaffeError, match=says):
            Model.open_bundle(rewritten(path, drop, **words))


def test_damaged_files_open_or_are_refused(tmp_path: Path, lenet: Model) -> None:
    path = tmp_path / "int8.arrow"
    lenet.quantize(scans()[0][:4]).write_bundle(path)
    data, chance = path.read_bytes(), random.Random(0)
    for _ in range(60):
        changed = bytearray(data)
        at = chance.choice([chance.randrange(9000), -1 - chance.randrange(9000)])
        changed[at] = chance.randrange(256)
        path.write_bytes(changed)
        with suppress(CaffeError):  # any other error fails the test
            assert Model.open_bundle(path).module
