"""What the loop refuses to do, and what stops it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bigdl_caffe.errors import CaffeError, TrainingError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.train.events import Event
from bigdl_caffe.train.feeds import Pass
from bigdl_caffe.train.net_source import NetSource
from bigdl_caffe.train.nets import train_net
from bigdl_caffe.train.opening import load_solver
from bigdl_caffe.train.ranks import Ranks
from bigdl_caffe.train.solver import Solver
from tests.train.test_solver import Points, definition, solver


def test_a_loss_that_is_no_number_stops_it(tmp_path: Path) -> None:
    trained = solver(definition(tmp_path), Points(spoilt=3))
    with pytest.raises(TrainingError, match="at iteration 3 the loss 'loss' is nan"):
        trained.solve()


def test_an_epoch_without_a_row_stops_it(tmp_path: Path) -> None:
    class Unreadable(Points):
        def passes(self, start: int = 0) -> Iterator[Pass]:
            for each in super().passes(start):
                yield replace(each, rows=0)

    trained = solver(definition(tmp_path), Unreadable())
    with pytest.raises(TrainingError, match="not one row of a whole epoch"):
        trained.solve()
    assert trained.iter == 4


def test_a_net_that_cannot_learn_is_refused(tmp_path: Path) -> None:
    d = definition(tmp_path)
    net = train_net(d.train_net).freeze()
    with pytest.raises(CaffeError, match="nothing to learn"):
        Solver(d, net, Points())


def test_a_state_of_another_solver_is_refused(tmp_path: Path) -> None:
    adam = solver(definition(tmp_path, type="Adam", momentum=0.9, max_iter=2))
    adam.solve()
    state = str(tmp_path / "points_iter_2.solverstate")
    with pytest.raises(CaffeError, match="history of 8 blobs, and SGD keeps 4"):
        solver(definition(tmp_path)).restore(state)


def test_a_place_for_snapshots_is_looked_for_before_training(tmp_path: Path) -> None:
    for prefix, why in ((tmp_path / "missing" / "points", "missing"), ("", "no snapshot_prefix")):
        seen: list[Event] = []
        d = replace(definition(tmp_path), snapshot_prefix=str(prefix))
        with pytest.raises(CaffeError, match=why):
            solver(d, seen=seen).solve()
        assert not seen


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match="no device cuda:99"):
        load_solver(definition(tmp_path), device="cuda:99")


def test_several_ranks_refuse_a_loss_whose_gradient_is_of_a_whole_batch(tmp_path: Path) -> None:
    net = """
    layer { name: "x" type: "Input" top: "x" top: "goal"
      input_param { shape { dim: 6 dim: 4 } shape { dim: 6 dim: 3 } } }
    layer { name: "out" type: "InnerProduct" bottom: "x" top: "out"
      inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
    layer { name: "far" type: "Python" bottom: "out" bottom: "goal" top: "far" loss_weight: 1
      python_param { module: "pyloss" layer: "EuclideanLossLayer" } }"""
    source = NetSource("net_param", "", parse(net, pb.NetParameter), "TRAIN")
    d = replace(definition(tmp_path), train_net=source)
    ranks = Ranks()
    Solver(d, train_net(source), Points(), ranks=ranks)
    ranks.size = 2
    with pytest.raises(CaffeError, match=r"'far'.*train with one worker"):
        Solver(d, train_net(source), Points(), ranks=ranks)
