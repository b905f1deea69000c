"""Training as a stage of Spark ML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import DataFrame, SparkSession

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError, TrainingError
from bigdl_caffe.spark import CaffeEstimator, CaffeModel
from bigdl_caffe.spark.solver_params import epochs_solver
from bigdl_caffe.train.events import Ended, Event, Iterated
from bigdl_caffe.train.feeds import Pass
from bigdl_caffe.train.order import Order
from bigdl_caffe.train.solver import Solver
from tests.conftest import ON_CONNECT
from tests.spark.training import NET, rows, trainable

pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.skipif(ON_CONNECT, reason="training takes a classic session"),
]

HOW = {"learningRate": 0.1, "momentum": 0.9, "seed": 1, "weightDecay": 1e-3}


@pytest.fixture(scope="module")
def data(spark: SparkSession) -> DataFrame:
    return rows(spark).cache()


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return trainable(tmp_path)


class Plain:
    """The rows as one process has them, without Spark."""

    def __init__(self, df: DataFrame, batch: int, seed: int) -> None:
        collected = df.collect()
        self.values = np.array([row.features for row in collected], np.float32)
        self.labels = np.array([row.label for row in collected], np.float32)
        self.order = Order(batch, len(collected), seed=seed)
        self.per_epoch = self.order.per_epoch

    def passes(self, start: int = 0) -> Any:
        for _, at in self.order.passes(start):
            yield Pass({"data": self.values[at], "label": self.labels[at]}, len(at))


def losses(model: CaffeModel) -> list[float]:
    assert model.history is not None
    return model.history.train.columns()["loss"]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_losses_are_those_of_one_process(data: DataFrame, model: Model, workers: int) -> None:
    before = [w.copy() for w in model.get_weights()]
    estimator = CaffeEstimator(model=model, numWorkers=workers, batchSize=7, maxIter=50, **HOW)
    fitted = estimator.fit(data)
    assert all(map(np.array_equal, before, model.get_weights()))
    heard: list[Event] = []
    feeds = Plain(data, 7, HOW["seed"])
    solver = epochs_solver(estimator.values(), model, feeds.per_epoch, False)
    Solver(solver, model, feeds, observers=[heard.append]).solve()
    expected = [event.loss for event in heard if isinstance(event, Iterated)]
    np.testing.assert_allclose(losses(fitted), expected, rtol=1e-4, atol=1e-6)
    for ours, plain in zip(fitted.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-4)


def test_it_tests_and_stops_early(data: DataFrame, model: Model) -> None:
    heard: list[Event] = []
    estimator = CaffeEstimator(
        model=model,
        observers=[heard.append],
        numWorkers=2,
        validationFraction=0.3,
        metrics=["accuracy", "top2"],
        monitor="accuracy",
        patience=2,
        evaluateEvery=2,
        maxEpochs=50,
        predictionCol="prediction",
        **HOW,
    )
    fitted = estimator.fit(data)
    assert isinstance(heard[-1], Ended)
    assert heard[-1].why
    assert fitted.history is not None
    tests = fitted.history.tests[0].columns()
    assert tests.keys() == {"iteration", "loss", "accuracy", "top2"}
    assert tests["accuracy"][-1] > 0.9
    assert tests["iteration"][:3] == [0, 2, 4]
    assert len(losses(fitted)) == tests["iteration"][-1] < 50 * 8
    scored = fitted.transform(data)
    assert scored.where("prediction = label").count() > 95


def test_a_broken_training_goes_on_from_its_last_snapshot(
    data: DataFrame, model: Model, tmp_path: Path
) -> None:
    how = {"checkpointDir": str(tmp_path / "states"), "checkpointEvery": 10, **HOW}
    whole = CaffeEstimator(model=model, maxIter=30, **how).fit(data)
    first = CaffeEstimator(model=model, maxIter=20, **how | {"checkpointDir": str(tmp_path / "b")})
    first.fit(data)
    again = first.copy({first.maxIter: 30, first.resumeFrom: "latest"}).fit(data)
    assert losses(again) == losses(whole)[20:]
    assert all(map(np.array_equal, again.model.get_weights(), whole.model.get_weights()))


def test_fine_tuning(data: DataFrame, model: Model, tmp_path: Path) -> None:
    model.save_caffe(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    other = trainable(tmp_path, NET.replace('name: "scores"', 'name: "classes"'))
    estimator = CaffeEstimator(
        model=other, initialWeights=tmp_path / "net.caffemodel", freeze="hid*", maxIter=5, **HOW
    )
    tuned = estimator.fit(data)
    begun = estimator.need_model().params
    np.testing.assert_array_equal(begun["hidden"][0].detach(), model.params["hidden"][0].detach())
    now = tuned.model.params
    np.testing.assert_array_equal(now["hidden"][0].detach(), begun["hidden"][0].detach())
    assert not np.array_equal(now["classes"][0].detach(), begun["classes"][0].detach())
    definition = tuned.model.net.definition
    assert not any(layer.param for layer in definition.layer)  # as it was given


def test_it_works_with_sparks_own_stages(data: DataFrame, model: Model, tmp_path: Path) -> None:
    estimator = CaffeEstimator(model=model, predictionCol="prediction", **HOW)
    grid = ParamGridBuilder().addGrid(estimator.maxIter, [0, 20]).build()
    judge = MulticlassClassificationEvaluator(metricName="accuracy")
    found = CrossValidator(
        estimator=Pipeline(stages=[estimator]),
        estimatorParamMaps=grid,
        evaluator=judge,
        numFolds=2,
        seed=1,
    ).fit(data)
    assert found.avgMetrics[1] > max(0.9, found.avgMetrics[0])
    assert isinstance(found.bestModel.stages[0], CaffeModel)


SOLVER = """
net: "train_val.prototxt" type: "Adam" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9
max_iter: 20 test_iter: 2 test_interval: 10 random_seed: 5
"""


def test_a_solver_is_saved_and_loaded_with_its_net(
    data: DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train_val.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    estimator = CaffeEstimator(solver="solver.prototxt", momentum=0.8, metrics=["accuracy"])
    estimator.save(str(tmp_path / "saved"))
    (tmp_path / "train_val.prototxt").unlink()
    loaded = CaffeEstimator.load(str(tmp_path / "saved"))
    assert loaded.explainParams() == estimator.explainParams()
    fitted = loaded.fit(data)
    assert len(losses(fitted)) == 20
    assert losses(fitted)[-1] < 0.5


def test_the_nets_own_data(spark: SparkSession, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        label = rng.integers(0, 3, 50)
        file["label"] = label.astype(np.float32)
        file["data"] = (rng.normal(0, 1, (50, 4)) + label[:, None] * 2).astype(np.float32)
    (tmp_path / "list.txt").write_text(f"{tmp_path / 'rows.h5'}\n")
    start = NET.index('layer { name: "hidden"')
    source = f'hdf5_data_param {{ source: "{tmp_path / "list.txt"}" batch_size: 10 }}'
    data = f'layer {{ name: "data" type: "HDF5Data" top: "data" top: "label" {source} }}'
    (tmp_path / "train_val.prototxt").write_text(data + NET[start:])
    solver = SOLVER.replace("train_val.prototxt", str(tmp_path / "train_val.prototxt"))
    (tmp_path / "solver.prototxt").write_text(solver)
    found = [
        CaffeEstimator(solver=tmp_path / "solver.prototxt", numWorkers=n, metrics=["accuracy"])
        .fit_own_data()
        .history
        for n in (1, 2)
    ]
    one, two = (history.train.columns()["loss"] for history in found)
    np.testing.assert_allclose(one, two, rtol=1e-4)
    assert found[1].tests[0].columns()["iteration"] == [0, 10, 20]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too many workers": ({"numWorkers": 99, "batchSize": 99}, "numWorkers is 99.* room for 2"),
    "less rows than workers": ({"numWorkers": 2, "batchSize": 1}, "batchSize is 1 for 2 workers"),
    "two ends": ({"maxIter": 1, "maxEpochs": 1}, "maxEpochs or maxIter"),
    "no such layer": ({"freeze": "conv*"}, "freeze has conv.*hidden, scores"),
    "no such metric": ({"metrics": "f1"}, "metrics has 'f1'"),
    "no such column": ({"featuresCol": "pixels"}, "there is no column 'pixels'"),
    "patience without tests": ({"patience": 1}, "nothing to test with"),
    "momentum of AdaGrad": ({"optimizer": "AdaGrad", "momentum": 0.9}, "AdaGrad has none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(data: DataFrame, model: Model, case: str) -> None:
    given, why = REFUSED[case]
    with pytest.raises(CaffeError, match=why):
        CaffeEstimator(model=model, **given).fit(data)


def test_a_loss_that_is_no_number_names_rank_and_iteration(data: DataFrame, model: Model) -> None:
    how = {"learningRate": 1e38, "maxIter": 9, "seed": 1}  # some orders of the rows stay finite
    wild = CaffeEstimator(model=model, numWorkers=2, maxRetries=3, **how)
    with pytest.raises(TrainingError, match=r"rank [01] of 2 on host \S+: at iteration \d") as info:
        wild.fit(data)
    assert "Traceback" not in str(info.value)
    assert "\n" not in str(info.value)
