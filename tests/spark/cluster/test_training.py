"""Training on four ranks in two executors, one of which is killed in the middle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.spark.cluster.launch import PROGRAMS, Spark

pytestmark = [pytest.mark.spark, pytest.mark.slow]


def test_training(cluster_spark: Spark, tmp_path: Path) -> None:
    program = (PROGRAMS / "train.py", tmp_path, "kill+1", "kill")
    found = cluster_spark.submit("local-cluster[2,2,2048]", *program).told()
    assert len(found["one"]["losses"]) == 50
    np.testing.assert_allclose(found["four"]["losses"], found["one"]["losses"], rtol=1e-4)
    np.testing.assert_allclose(found["four"]["weights"], found["one"]["weights"], atol=1e-4)
    assert found["kill+1"]["begun"] == ["", "train_iter_10.solverstate"]
    for what in ("losses", "weights"):
        np.testing.assert_allclose(found["kill+1"][what], found["four"][what], rtol=1e-6)
    error = found["kill"]["error"]
    assert error.startswith("rank 1 of 4: its Python worker died")
    assert "Traceback" not in error
    assert found["kill"]["seconds"] < 60
    assert found["kill"]["left"] == []
    assert not any(each["files"] for each in found.values())
