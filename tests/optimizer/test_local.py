"""BigDL's Optimizer on arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe import CaffeError, Model, ShapeError
from bigdl_caffe.optimizer import (
    MAE,
    SGD,
    Adam,
    EveryEpoch,
    LocalOptimizer,
    Loss,
    MaxEpoch,
    MaxIteration,
    MaxScore,
    MinLoss,
    SeveralIteration,
    Top1Accuracy,
    Top5Accuracy,
    TrainSummary,
    TriggerAnd,
    TriggerOr,
    ValidationSummary,
)
from bigdl_caffe.train.events import Event, Iterated, Snapshotted, Tested
from tests.nets import net

DROPOUT = """
layer { name: "drop" type: "Dropout" bottom: "ip1" top: "ip1" dropout_param { dropout_ratio: 0.2 } }
"""
CLASSIFIER = f"""
name: "classifier"
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 4 dim: 6 }} }} }}
layer {{ name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param {{ num_output: 16 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "relu" type: "ReLU" bottom: "ip1" top: "ip1" }}
{DROPOUT}
layer {{ name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param {{ num_output: 6 weight_filler {{ type: "xavier" }} }} }}
"""
PROB = 'layer { name: "prob" type: "Softmax" bottom: "ip2" top: "prob" }'
LINE = """
input: "data" input_shape { dim: 4 dim: 6 }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 } }
"""

rng = np.random.default_rng(0)
X = rng.normal(size=(203, 6)).astype(np.float32)
Y = X.argmax(1)


class Heard(list[Any]):
    """Observer that keeps every event."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self if isinstance(event, kind)]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    torch.manual_seed(0)
    return net(tmp_path, CLASSIFIER + PROB)


def accuracy(model: Model) -> float:
    return float((model.predict_class(X) == Y).mean())


@pytest.mark.parametrize("criterion", ["SoftmaxWithLoss", torch.nn.CrossEntropyLoss()])
def test_a_classifier_learns(tmp_path: Path, criterion: Any) -> None:
    torch.manual_seed(0)
    model = net(tmp_path, CLASSIFIER)
    optimizer = LocalOptimizer(X, Y, model, criterion, MaxEpoch(30), 20, Adam(0.02))
    assert optimizer.optimize() is model
    assert accuracy(model) > 0.9


def test_criteria_are_the_same_whoever_computes_them(tmp_path: Path) -> None:
    heard = []
    for criterion in ("SoftmaxWithLoss", torch.nn.CrossEntropyLoss()):
        torch.manual_seed(0)
        model = net(tmp_path, CLASSIFIER)
        optimizer = LocalOptimizer(X, Y, model, criterion, MaxIteration(15), 20, SGD(0.1))
        heard.append(Heard())
        optimizer.set_train_summary(heard[-1]).optimize()
    losses = [[event.loss for event in events.of(Iterated)] for events in heard]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_softmax_with_loss_takes_the_place_of_the_softmax(model: Model) -> None:
    heard = Heard()
    optimizer = LocalOptimizer(X, Y, model, "SoftmaxWithLoss", MaxEpoch(20), 20, Adam(0.02))
    optimizer.set_validation(50, X, Y, EveryEpoch(), [Top1Accuracy(), Top5Accuracy(), Loss()])
    optimizer.set_val_summary(heard).optimize()
    assert model.outputs == ("prob",)
    np.testing.assert_allclose(model.predict(X).sum(1), 1, rtol=1e-5)
    tests = heard.of(Tested)
    assert [test.iteration for test in tests] == [11 * epoch for epoch in range(1, 21)]
    last = {output.blob: output.values[0] for output in tests[-1].outputs}
    assert last["Top1Accuracy"] == pytest.approx(accuracy(model), abs=1e-6)
    assert last.keys() == {"Top1Accuracy", "Top5Accuracy", "Loss"}
    assert heard.of(Iterated)[-1].epoch == 20


def test_numbers_are_learned(tmp_path: Path) -> None:
    weights = rng.normal(size=(6, 2)).astype(np.float32)
    model = net(tmp_path, LINE)
    heard = Heard()
    optimizer = LocalOptimizer(
        X, X @ weights, model, torch.nn.MSELoss(), MinLoss(1e-4), 40, SGD(0.2)
    )
    optimizer.set_validation(200, X, X @ weights, SeveralIteration(10), MAE())
    optimizer.set_val_summary(heard).optimize()
    np.testing.assert_allclose(model.params["ip"][0].detach().T, weights, atol=0.05)
    assert heard.of(Tested)[-1].outputs[0].blob == "MAE"
    assert heard.of(Tested)[-1].outputs[0].values[0] < 0.05
    assert heard.of(Iterated)[-1].loss < 1e-4 <= heard.of(Iterated)[-2].loss


def test_an_end_by_score(model: Model) -> None:
    heard = Heard()
    end = TriggerOr(TriggerAnd(MaxScore(0.6), MinLoss(10)), MaxEpoch(50))
    optimizer = LocalOptimizer(X, Y, model, "SoftmaxWithLoss", end, 20, Adam(0.02))
    optimizer.set_validation(203, X, Y, SeveralIteration(5)).set_val_summary(heard).optimize()
    scores = [test.outputs[0].values[0] for test in heard.of(Tested)]
    assert scores[-1] > 0.6 >= max(scores[:-1])
    assert heard.of(Iterated)[-1].iteration + 1 == heard.of(Tested)[-1].iteration < 550


def test_checkpoints_are_caffes(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "to" / "checkpoints"
    heard = Heard()
    optimizer = LocalOptimizer(X, Y, model, "SoftmaxWithLoss", MaxIteration(7), 20)
    optimizer.set_checkpoint(SeveralIteration(3), folder).set_train_summary(heard).optimize()
    assert sorted(path.name for path in folder.iterdir()) == [
        *("model_iter_3.caffemodel", "model_iter_3.solverstate"),
        *("model_iter_6.caffemodel", "model_iter_6.solverstate"),
    ]
    assert len(heard.of(Snapshotted)) == 2
    again = Model.load_caffe_model(tmp_path / "net.prototxt", folder / "model_iter_6.caffemodel")
    assert again.predict(X).shape == (203, 6)
    optimizer.set_checkpoint(SeveralIteration(3), folder, isOverWrite=False)
    with pytest.raises(CaffeError, match="there are checkpoints"):
        optimizer.optimize()


def test_summaries(model: Model, tmp_path: Path) -> None:
    train, validation = TrainSummary(tmp_path, "app"), ValidationSummary(tmp_path, "app")
    optimizer = LocalOptimizer(X, Y, model, "SoftmaxWithLoss", MaxEpoch(2), 20, SGD(0.1, 0.01))
    optimizer.set_validation(50, X, Y, EveryEpoch(), Top1Accuracy())
    optimizer.set_train_summary(train).set_val_summary(validation).optimize()
    assert train.read_scalar("Loss")[:, 0].tolist() == [*range(1, 23)]
    assert train.read_scalar("LearningRate")[10, 1] == pytest.approx(0.1 / 1.1)
    assert validation.read_scalar("Top1Accuracy")[:, 0].tolist() == [11, 22]


def test_a_second_run_goes_on(tmp_path: Path) -> None:
    def trained(*ends: int) -> Any:
        torch.manual_seed(0)
        model = net(tmp_path, CLASSIFIER)
        method = SGD(0.1, momentum=0.9, dampening=0)
        optimizer = LocalOptimizer(X, Y, model, "SoftmaxWithLoss", MaxEpoch(1), 20, method)
        for end in ends:
            optimizer.set_end_when(MaxIteration(end)).optimize()
        return model.get_weights()

    for one, two in zip(trained(9), trained(4, 9), strict=True):
        np.testing.assert_array_equal(one, two)


def test_gradients_are_bounded(tmp_path: Path) -> None:
    def moved(how: str, *args: float) -> Any:
        model = net(tmp_path, LINE)
        target = np.full((203, 2), 1e4, np.float32)
        optimizer = LocalOptimizer(
            X, target, model, torch.nn.MSELoss(), MaxIteration(1), 203, SGD(1)
        )
        getattr(optimizer, how)(*args).optimize()
        return np.concatenate([blob.ravel() for blob in model.get_weights()])

    assert abs(moved("set_gradclip_const", -0.5, 0.25)).max() == 0.5
    assert np.linalg.norm(moved("set_gradclip_l2norm", 2.0)) == pytest.approx(2, rel=1e-5)
    assert abs(moved("disable_gradclip")).max() > 100


def test_what_cannot_be_is_said(model: Model, tmp_path: Path) -> None:
    with pytest.raises(
        CaffeError, match=r"there is no loss 'Softmax'; Caffe has .*SoftmaxWithLoss"
    ):
        LocalOptimizer(X, Y, model, "Softmax", MaxEpoch(1), 20)
    with pytest.raises(CaffeError, match="a function of output and target"):
        LocalOptimizer(X, Y, model, 3, MaxEpoch(1), 20)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ShapeError, match="data 203, target 3"):
        LocalOptimizer(X, Y[:3], model, "SoftmaxWithLoss", MaxEpoch(1), 20).optimize()
    two = model.new_graph(["ip2", "prob"])
    with pytest.raises(CaffeError, match=r"outputs.*model\.new_graph"):
        LocalOptimizer(X, Y, two, "SoftmaxWithLoss", MaxEpoch(1), 20).optimize()
    with pytest.raises(CaffeError, match="nesterov needs a momentum"):
        SGD(nesterov=True)
