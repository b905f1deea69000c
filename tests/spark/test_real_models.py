"""Trained models, scored on Spark, against the numbers of Caffe itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from bigdl_caffe import Model
from tests.paths import REPO, SHARED, needs_models
from tests.spark.nets import assert_close

NAMES = (
    "cifar10_full",
    "lenet_gc",
    "mtcnn_det1",
    "mtcnn_det2",
    "mtcnn_det3",
    "open_nsfw_resnet50_1by2",
    "squeezenet_v1.0_dc",
)

ON_A_CLUSTER = ("cifar10_full", "mtcnn_det3", "open_nsfw_resnet50_1by2")
"""A small net, one of several outputs, and the one of the most layers."""

pytestmark = [pytest.mark.spark, needs_models]


def check_model(spark: SparkSession, folder: Path) -> None:
    """Score the inputs that Caffe was given, and compare with what Caffe made of them."""
    numbers = np.load(folder / "caffe_io.npz")
    model = Model.load_caffe_model(folder / "deploy.prototxt", folder / "weights.caffemodel")
    (blob,) = model.inputs
    rows = [(i, x.reshape(-1).tolist()) for i, x in enumerate(numbers[f"in/{blob}"])]
    df = spark.createDataFrame(rows, "id int, x array<float>")
    scored = model.predict(df, batch_size=3).collect()
    assert {row["error"] for row in scored} == {None}
    scored.sort(key=lambda row: row["id"])
    wanted = [name.removeprefix("out/") for name in numbers.files if name.startswith("out/")]
    assert wanted
    for name in wanted:
        expected = numbers[f"out/{name}"].reshape(len(rows), -1)
        found = np.array([row[name] for row in scored])
        assert_close(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_local(spark: SparkSession, name: str) -> None:
    check_model(spark, SHARED / "models" / name)


PROGRAM = """
from pyspark.sql import SparkSession
from tests.spark.test_real_models import ON_A_CLUSTER, SHARED, check_model
spark = SparkSession.builder.getOrCreate()
for name in ON_A_CLUSTER:
    check_model(spark, SHARED / "models" / name)
    print("checked", name)
"""


@pytest.mark.slow
def test_submitted_to_a_cluster(spark_env: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    submit = Path(sys.executable).with_name("spark-submit")
    master = ("--master", "local-cluster[2,1,2048]", "--conf", "spark.ui.enabled=false")
    done = subprocess.run(
        [submit, *master, program],
        cwd=REPO,
        env=spark_env,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    # spark-submit gives the program's warnings out with its words.
    checked = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("checked ")]
    assert checked == list(ON_A_CLUSTER), done.stderr[-3000:]
