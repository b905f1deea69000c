"""The tests of classic sessions, on a local server of Spark Connect in a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.session import command_session
from tests.paths import REPO

HERE = Path(__file__).parent
TESTS = [
    *("arrow", "caffe_model", "custom_layers", "persist", "refused", "scoring"),
    *("sources", "sources_files", "udf"),
]
LEFT_OUT = {
    "takes RDDs too; cases.py has the rest": [
        "scoring::test_classes",
        "scoring::test_two_inputs",
        "refused::test_an_rdd_takes_no_options_of_dataframes",
        "refused::test_no_class_is_made_up_for_a_blob_without",
    ],
    "counts by accumulators": [
        "scoring::test_nothing_runs_before_an_action",
        "caffe_model::test_rows",
    ],
    "reads by the SparkContext": [
        "sources_files::test_what_bigdl_wrote",
        "sources_files::test_sequence_files_of_picture_files",
        "sources_files::test_what_is_no_sequence_file",
    ],
    "looks into a broadcast": ["scoring::test_workers_share_one_copy_of_the_weights"],
    "sets up the driver's Hadoop": ["persist::test_another_file_system"],
    "starts another Spark": ["persist::test_between_spark_3_5_and_this_one"],
    "needs a task to be tried again": ["scoring::test_a_killed_worker_costs_no_row"],
    "takes long, and says nothing new here": [
        "scoring::test_numbers",
        "scoring::test_every_seventh_image_is_broken",
        "scoring::test_a_net_of_a_fixed_batch_scores_row_by_row",
        *(f"scoring::test_rows_order_and_columns_are_kept[{n}]" for n in (1, 7, 1000)),
        "sources::test_a_database_is_scored_as_it_is[LEVELDB]",
        "udf::test_any_column_that_can_be_an_input[False]",
    ],
}
"""Why a test is not run on Connect → such tests."""

PACKAGES = ("grpc", "grpc_status", "google.rpc", "zstandard")


def is_there(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def path(name: str) -> str:
    return str((HERE.parent / f"test_{name}.py").relative_to(REPO))


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.skipif(not all(map(is_there, PACKAGES)), reason="needs pyspark[connect]")
def test_what_classic_sessions_do(spark_env: dict[str, str]) -> None:
    chosen = [str(HERE / "cases.py"), *map(path, TESTS)]
    for name, _, test in (test.partition("::") for tests in LEFT_OUT.values() for test in tests):
        assert f"def {test.partition('[')[0]}(" in (REPO / path(name)).read_text(encoding="utf-8")
        chosen.append(f"--deselect={path(name)}::{test}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5", *chosen],
        env={**spark_env, "SPARK_TESTING": "1"},
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10000:] + done.stderr[-2000:]


def test_commands_refuse_a_session_of_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://localhost")
    session = command_session("x", None)
    with pytest.raises(CaffeError, match="SPARK_REMOTE asks for Spark Connect"), session:
        pass
