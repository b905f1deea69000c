"""Training on four ranks in two executors, one of which is killed in the middle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.spark.cluster.launch import PROGRAMS, Spark

pytestmark = [pytest.mark.spark, pytest.mark.slow]


def test_training(cluster_spark: Spark, tmp_path: Path) -> None:
    found = cluster_spark.submit("local-cluster[2,2,2048]", PROGRAMS / "train.py", tmp_path).told()
    assert len(found["one"]["losses"]) == 50
    np.testing.assert_allclose(found["four"]["losses"], found["one"]["losses"], rtol=1e-4)
    np.testing.assert_allclose(found["four"]["weights"], found["one"]["weights"], atol=1e-4)
    assert found["1 retries"]["begun"] == ["", "train_iter_10.solverstate"]
    # torch lays out gradients anew after the first pass, so they are added in another order.
    for what in ("losses", "weights"):
        np.testing.assert_allclose(found["1 retries"][what], found["four"][what], rtol=1e-4)
    error = found["0 retries"]["error"]
    assert error.startswith("rank 1 of 4: its Python worker died")
    assert "Traceback" not in error
    assert found["0 retries"]["seconds"] < 60
    assert found["0 retries"]["left"] == []
    assert not any(each["files"] for each in found.values())
