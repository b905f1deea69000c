"""Files that only Hadoop reaches: here by a mount table of its own over a local folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.format import paths
from bigdl_caffe.spark.hadoop import HadoopFiles
from tests.nets import DIGITS

pytestmark = pytest.mark.spark


@pytest.fixture
def mounted(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is viewfs://tests/ for Hadoop."""
    conf = spark._jsc.hadoopConfiguration()
    conf.set("fs.viewfs.mounttable.tests.link./nets", tmp_path.as_uri())
    monkeypatch.setattr(paths, "_others", [])
    paths.also_through(HadoopFiles(spark))
    yield tmp_path
    conf.unset("fs.viewfs.mounttable.tests.link./nets")


def test_models_are_read_and_written_where_hadoop_reaches(mounted: Path) -> None:
    for name in ("lenet.prototxt", "lenet.caffemodel"):
        shutil.copy(DIGITS / name, mounted)
    there = "viewfs://tests/nets"
    model = Model.load_caffe_model(f"{there}/lenet.prototxt", f"{there}/lenet.caffemodel")
    new = (f"{there}/new.prototxt", f"{there}/new.caffemodel")
    model.save_caffe(*new)
    assert Model.load_caffe_model(*new).content_hash == model.content_hash
    with pytest.raises(FileExistsError):
        model.save_caffe(*new)
    model.save_caffe(*new, overwrite=True)
    assert {each.name for each in mounted.iterdir() if each.suffix != ".crc"} == {
        *("lenet.prototxt", "lenet.caffemodel", "new.prototxt", "new.caffemodel")
    }
    assert "new.prototxt" in paths.file_names(there)
    with pytest.raises(CaffeError, match=r"no such file: viewfs://tests/nets/none\.prototxt"):
        Model.load_caffe_model(f"{there}/none.prototxt", None)


def test_what_hadoop_refuses_is_one_line(mounted: Path) -> None:
    with pytest.raises(CaffeError, match="cannot use") as refused:
        Model.load_caffe_model("viewfs://nowhere/net.prototxt", None)
    assert len(str(refused.value).splitlines()) == 1
    with pytest.raises(CaffeError, match="install fsspec"):
        Model.load_caffe_model("nothing://here/net.prototxt", None)


def test_without_hadoop_a_scheme_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_others", [])
    with pytest.raises(CaffeError, match="hdfs") as refused:
        Model.load_caffe_model("hdfs://nowhere:1/net.prototxt", None)
    assert len(str(refused.value).splitlines()) == 1
