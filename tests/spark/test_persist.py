"""Stages saved and loaded: what is on disk, what is refused, and between releases of Spark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml import PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import SparkSession
from torch import nn

from bigdl_caffe import Layer, Model, register
from bigdl_caffe.errors import CaffeError, CaffeFormatError, UnsupportedLayerError
from bigdl_caffe.layers import registry
from bigdl_caffe.spark import CaffeModel
from tests.nets import net
from tests.paths import REPO

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("spark")]

SAVED = REPO / "tests" / "spark" / "saved"
"""Holds "spark-3.5", a pipeline that `pipeline` is, saved by Spark 3.5."""

OLD_SPARK = REPO / "out" / "spark-3.5"

DENSE = """
name: "dense"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 2 weight_filler { type: "constant" value: 0.5 }
                        bias_filler { type: "constant" value: 1 } } }
"""

OWN = """input: "x" input_shape { dim: 1 dim: 3 }
layer { name: "own" type: "Own" bottom: "x" top: "y" }
layer { name: "relu" type: "ReLU" bottom: "y" top: "z" }"""


class Own(Layer):
    def module(self, bottoms: object) -> nn.Module:
        return nn.Identity()


@pytest.fixture
def stage(tmp_path: Path) -> CaffeModel:
    return CaffeModel(net(tmp_path, DENSE), inputCol="x", outputCol="y", batchSize=5)


def pipeline(stage: CaffeModel) -> PipelineModel:
    """Return a pipeline of a stage of Spark's own and one of ours."""
    return PipelineModel([VectorAssembler(inputCols=["a", "b", "c"], outputCol="x"), stage])


def answer(pipeline: PipelineModel, spark: SparkSession) -> list[float]:
    frame = spark.createDataFrame([(1.0, 2.0, 3.0)], "a double, b double, c double")
    return list(pipeline.transform(frame).collect()[0]["y"])


def metadata(path: Path) -> dict[str, Any]:
    (part,) = (path / "metadata").glob("part-*")
    found: dict[str, Any] = json.loads(part.read_text())
    return found


def change(path: Path, **changed: Any) -> None:
    """Change what the metadata says."""
    (part,) = (path / "metadata").glob("part-*")
    part.with_name(f".{part.name}.crc").unlink()
    part.write_text(json.dumps({**metadata(path), **changed}))


def test_what_is_saved_and_loaded(stage: CaffeModel, tmp_path: Path, spark: SparkSession) -> None:
    stage.setLabels(["cat", "dog"]).setFetchDict({"y": "out"}).setOutputCol(None)
    path = tmp_path / "a folder%20" / "stage"
    stage.save(path)
    assert sorted(entry.name for entry in path.iterdir()) == ["metadata", "model.arrow"]
    assert metadata(path)["class"] == "bigdl_caffe.spark.CaffeModel"
    loaded = CaffeModel.load(path)
    assert loaded.uid == stage.uid
    assert loaded.values() == stage.values()
    assert loaded.isSet("batchSize")
    assert not loaded.isSet("onError")
    assert loaded.model.content_hash == stage.model.content_hash
    assert Model.open_bundle(path / "model.arrow").content_hash == stage.model.content_hash


def test_recipes_are_saved_as_json(tmp_path: Path, spark: SparkSession) -> None:
    text = DENSE.replace("dim: 1 dim: 3", "dim: 1 dim: 3 dim: 4 dim: 4")
    model = net(tmp_path, text)
    recipe = model.recipe(mean=np.arange(48, dtype=np.float32).reshape(3, 4, 4), scale=0.5)
    CaffeModel(model, recipe=recipe).save(tmp_path / "stage")
    loaded = CaffeModel.load(tmp_path / "stage").getRecipe()
    assert loaded.to_json() == recipe.to_json()


def test_what_is_there_is_overwritten_only_when_asked(stage: CaffeModel, tmp_path: Path) -> None:
    path = tmp_path / "stage"
    path.mkdir()
    with pytest.raises(CaffeError, match=r"there already.*overwrite\(\)"):
        stage.save(path)
    stage.write().overwrite().save(path)
    loaded = CaffeModel.load(path).setBatchSize(6)  # its weights are mapped from what now goes
    loaded.write().overwrite().save(path)
    assert CaffeModel.load(path).getBatchSize() == 6
    assert CaffeModel.load(path).model.content_hash == stage.model.content_hash


def test_another_file_system(stage: CaffeModel, tmp_path: Path, spark: SparkSession) -> None:
    """Hadoop's "viewfs" mounts a folder under another scheme, as HDFS and S3 have theirs."""
    conf: Any = spark._jsc.hadoopConfiguration()  # type: ignore[attr-defined]  # not in its stubs
    (tmp_path / "far").mkdir()
    conf.set("fs.viewfs.mounttable.test.link./far", (tmp_path / "far").as_uri())
    uri = "viewfs://test/far/a stage"
    stage.save(uri)
    with pytest.raises(CaffeError, match="there already"):
        stage.save(uri)
    stage.write().overwrite().save(uri)
    assert (tmp_path / "far" / "a stage" / "model.arrow").exists()
    assert CaffeModel.load(uri).model.content_hash == stage.model.content_hash


def test_half_a_stage_is_not_taken_for_whole(
    stage: CaffeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stage"
    with monkeypatch.context() as patch:
        patch.setattr("pyspark.ml.util.DefaultParamsWriter.saveMetadata", fail)
        with pytest.raises(OSError, match="disk"):
            stage.save(path)
    with pytest.raises(CaffeError, match="cut short"):
        CaffeModel.load(path)
    stage.write().overwrite().save(path)
    (path / "model.arrow").write_bytes((path / "model.arrow").read_bytes()[:-100])
    with pytest.raises(CaffeFormatError):
        CaffeModel.load(path)
    (path / "model.arrow").unlink()
    with pytest.raises(CaffeError, match="no such file"):
        CaffeModel.load(path)
    net(tmp_path, DENSE.replace("0.5", "0.25")).write_bundle(path / "model.arrow")
    with pytest.raises(CaffeFormatError, match="not the one"):
        CaffeModel.load(path)


def fail(*args: Any, **how: Any) -> None:
    raise OSError("the disk is full")


def test_what_is_no_stage_of_this_version(stage: CaffeModel, tmp_path: Path) -> None:
    path = str(tmp_path / "stage")
    LogisticRegression().save(path)
    with pytest.raises(CaffeError, match=r"holds a org.apache.spark.*PipelineModel.load"):
        CaffeModel.load(path)
    stage.write().overwrite().save(path)
    change(Path(path), paramMap={"warpDrive": 9})
    with pytest.raises(CaffeError, match=r"warpDrive.*does not know"):
        CaffeModel.load(path)


def test_layers_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where a built-in has the name of one: its numbers would be others."""
    model = net(tmp_path, OWN, converters={"Own": Own, "ReLU": Own})
    CaffeModel(model).save(tmp_path / "stage")
    with pytest.raises(UnsupportedLayerError) as error:
        CaffeModel.load(tmp_path / "stage")
    said = [f"'{name}', which was {__name__}.Own" for name in ("Own", "ReLU")]
    assert all(words in str(error.value) for words in said)
    assert "@bigdl_caffe.register('Own')" in str(error.value)
    monkeypatch.setattr(registry, "_LAYERS", dict(registry._LAYERS))
    register("Own", "ReLU")(Own)
    loaded = CaffeModel.load(tmp_path / "stage").model
    x = np.array([[-1, 0, 1]], np.float32)
    np.testing.assert_array_equal(loaded.run({"x": x})["z"], x)


# --- releases of Spark ------------------------------------------------------------------


def test_a_pipeline_that_spark_3_5_saved(spark: SparkSession) -> None:
    loaded = PipelineModel.load(str(SAVED / "spark-3.5"))
    assert metadata(SAVED / "spark-3.5")["sparkVersion"].startswith("3.5.")
    assert answer(loaded, spark) == [4.0, 4.0]


@pytest.mark.slow
@pytest.mark.skipif(
    not (OLD_SPARK / "pyspark").is_dir(), reason="Spark 3.5 is not in out/spark-3.5"
)
def test_between_spark_3_5_and_this_one(
    stage: CaffeModel, tmp_path: Path, spark: SparkSession, spark_env: dict[str, str]
) -> None:
    pipeline(stage).save(str(tmp_path / "new"))
    (py4j,) = (OLD_SPARK / "pyspark" / "python" / "lib").glob("py4j-*.zip")
    env = {**spark_env, "PYTHONPATH": os.pathsep.join(map(str, [OLD_SPARK, py4j, REPO]))}
    env.pop("SPARK_HOME", None)
    command = [sys.executable, str(REPO / "tests" / "spark" / "resave.py")]
    done = subprocess.run(
        [*command, str(tmp_path / "new"), str(tmp_path / "old")],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["3.5", "[4.0,", "4.0]"]
    assert metadata(tmp_path / "old")["sparkVersion"].startswith("3.5.")
    assert answer(PipelineModel.load(str(tmp_path / "old")), spark) == [4.0, 4.0]
