"""What TensorBoard is shown, under BigDL's names."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from bigdl_caffe import CaffeError
from bigdl_caffe.train.show.tensorboard import TrainSummary, ValidationSummary
from tests.train.events import scored, training


def test_scalars_are_read_back(tmp_path: Path) -> None:
    before = time.time()
    train, validation = TrainSummary(tmp_path, "app"), ValidationSummary(tmp_path, "app")
    for event in (*training(), scored(40, 0.25, net=1)):
        train(event)
        validation(event)
    loss = train.read_scalar("Loss")
    assert loss.shape == (40, 3)
    assert loss[:2, :2].tolist() == [[1, 2.5], [2, 1.25]]
    assert before <= loss[0, 2] <= time.time()
    assert train.read_scalar("LearningRate")[0, 1] == pytest.approx(0.01)
    assert train.read_scalar("Throughput")[0, 1] == 128
    assert validation.read_scalar("accuracy")[:, :2].tolist() == [[0, 0], [20, 0.5], [40, 1]]
    assert validation.read_scalar("1/accuracy")[0, :2].tolist() == [40, 0.25]
    assert sorted(p.name for p in (tmp_path / "app").iterdir()) == ["train", "validation"]
    again = TrainSummary(tmp_path, "app")
    assert len(again.read_scalar("Loss")) == 40
    with pytest.raises(CaffeError, match=r"no scalar 'loss'.*there are: Loss, LearningRate"):
        again.read_scalar("loss")


def test_its_lack_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(CaffeError, match=r"pip install bigdl-caffe\[tensorboard\]"):
        TrainSummary(tmp_path, "app")
