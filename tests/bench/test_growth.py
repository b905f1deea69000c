"""Costs are found again in times that are made of them, and predictions are their sums."""

from __future__ import annotations

import pytest

from benchmarks.fit import fitted
from benchmarks.growth import Cluster, predicted

POINTS = [{"job": 1.0, "row": rows} for rows in (10.0, 100.0, 1000.0, 5000.0)]


def test_costs_are_found() -> None:
    fit = fitted(POINTS, [0.5 + 0.01 * point["row"] for point in POINTS])
    assert fit.costs == pytest.approx({"job": 0.5, "row": 0.01})
    assert fit.worst < 1e-9
    assert fit.seconds({"job": 1, "row": 50}) == pytest.approx(1.0)


def test_residuals_are_shares() -> None:
    fit = fitted(POINTS, [0.6, 1.35, 11.0, 49.0])
    assert 0 < fit.residual < fit.worst < 0.15
    assert fit.errors["job"] > 0


def test_parts_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="job, row"):
        fitted([{"job": 1.0, "row": 10.0}] * 3, [1.0, 1.0, 1.0])


def test_a_broadcast_grows_with_the_logarithm() -> None:
    cluster = Cluster(bandwidth=100.0, block=4.0)
    assert cluster.broadcast(400.0, 1) == pytest.approx(4.04)
    assert cluster.broadcast(400.0, 1000) == pytest.approx(4.4)


def test_more_executors_share_the_rows_and_not_the_job() -> None:
    job = fitted(
        [{"job": 1, "task": t, "batch": b, "row": r} for t, b, r in MANY],
        [0.4 + 0.02 * t + 0.003 * b + 0.001 * r for t, b, r in MANY],
    )
    tasks = fitted([{"job": 1, "task": t} for t in (1.0, 10.0)], [0.101, 0.11])
    size = fitted([{"model": 1, "MB": m} for m in (1.0, 10.0)], [0.2, 1.1])
    fits = {"a job of scoring": job, "tasks that do nothing": tasks, "net, the engine": size}
    fits["net, the engine"] = fitted([{"batch": 1, "row": r} for r in (1.0, 16.0)], [0.02, 0.17])
    for name in ("reading, folding and writing a model", "opening, first worker"):
        fits[name] = size
    few, many = (predicted(fits, "net", 100.0, 1e6, n) for n in (1, 100))
    assert few["engine"] == pytest.approx(100 * many["engine"])
    assert few["driver: job"] == many["driver: job"]
    assert many["driver: tasks"] == pytest.approx(100 * few["driver: tasks"])


MANY = [(t, b, r) for t in (1.0, 8.0) for b in (10.0, 90.0) for r in (100.0, 900.0)]
