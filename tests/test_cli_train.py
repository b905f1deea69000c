"""``bigdl-caffe train``, as a user meets it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import create_autospec
from xml.etree import ElementTree

import pytest
from pyspark.sql import SparkSession

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.cli import main
from bigdl_caffe.spark.train_job import Request, run
from bigdl_caffe.train.events import Action, Ended, Event, Iterated
from bigdl_caffe.train.show.bar import Bar
from bigdl_caffe.train.signals import Signals
from tests.nets import DIGITS

TRAIN = ["train", "--solver", "lenet_solver.prototxt"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a copy of the example, whose training is short."""
    shutil.copytree(DIGITS, tmp_path, dirs_exist_ok=True)
    solver(tmp_path, "max_iter: 60", "max_iter: 6")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def solver(folder: Path, old: str, new: str) -> None:
    path = folder / "lenet_solver.prototxt"
    path.write_text(path.read_text().replace(old, new))


def test_a_net_is_fine_tuned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solver(folder, "display: 10", "display: 1")
    shown = ["--log", "train.log", "--curve", "train.svg", "--tensorboard", "runs"]
    assert main([*TRAIN, "--weights", "lenet.caffemodel", *shown]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-2:] == [
        "wrote lenet_iter_6.caffemodel and lenet_iter_6.solverstate",
        "6 iterations done",
    ]
    assert "test net #0 after 0 iterations: accuracy 0.9967, loss 0." in said.out
    assert "6/6" in said.err
    assert ElementTree.parse(folder / "train.svg").getroot().tag.endswith("svg")
    assert sorted(path.name for path in (folder / "runs").iterdir()) == ["train", "validation"]
    assert "Optimization Done." in (folder / "train.log").read_text()
    tuned = Model.load_caffe_model("lenet.prototxt", "lenet_iter_6.caffemodel")
    begun = Model.load_caffe_model("lenet.prototxt", "lenet.caffemodel")
    assert tuned.content_hash != begun.content_hash


def test_going_on_is_the_same_as_not_stopping(folder: Path) -> None:
    solver(folder, "display: 10", "snapshot: 3")
    assert main([*TRAIN, "--quiet"]) == 0
    whole = (folder / "lenet_iter_6.caffemodel").read_bytes()
    os.remove(folder / "lenet_iter_6.caffemodel")
    assert main([*TRAIN, "--quiet", "--snapshot", "lenet_iter_3.solverstate"]) == 0
    assert (folder / "lenet_iter_6.caffemodel").read_bytes() == whole


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Answer Ctrl-C as in a terminal: shells have programs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_it_with_a_snapshot(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(bar: Bar, event: Event) -> None:
        if isinstance(event, Iterated) and event.iteration in (1, 3):
            os.kill(os.getpid(), signal.SIGHUP if event.iteration == 1 else signal.SIGINT)

    monkeypatch.setattr(Bar, "__call__", interrupt)
    before = signal.getsignal(signal.SIGINT)
    assert main(TRAIN) == 0
    assert signal.getsignal(signal.SIGINT) is before
    assert sorted(folder.glob("*.solverstate")) == [
        folder / "lenet_iter_2.solverstate",
        folder / "lenet_iter_4.solverstate",
    ]
    assert "4 iterations done, stopped" in capsys.readouterr().out


@pytest.mark.usefixtures("interruptible")
def test_a_second_ctrl_c_ends_it_at_once() -> None:
    signals = Signals({signal.SIGINT: Action.STOP, signal.SIGHUP: Action.NONE})
    hangup = signal.getsignal(signal.SIGHUP)
    with signals:
        assert signal.getsignal(signal.SIGHUP) is hangup
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert signals(Ended(0)) is Action.STOP
        assert signals(Ended(0)) is Action.NONE


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--solver", "none.prototxt"], "no such file: none.prototxt"),
        ([*TRAIN[1:], "--weights", "none.caffemodel"], "no such file: none.caffemodel"),
        ([*TRAIN[1:], "--log", "none/train.log"], "no such file: none/train.log"),
        ([*TRAIN[1:], "--curve", "none/train.svg"], "no such file: none/train.svg"),
    ],
)
def test_what_cannot_be_is_one_message(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *options]) == 1
    assert f"bigdl-caffe: {told}" in capsys.readouterr().err


def test_options_of_spark_alone_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--validation", "0.2"]) == 1
    assert "--validation is of training on Spark: give --data" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*TRAIN, "--data", "labels.txt", "--feed", "data"])


def test_the_place_of_the_result_is_looked_for_before_spark_is_used(folder: Path) -> None:
    solver(folder, 'snapshot_prefix: "lenet"', 'snapshot_prefix: "none/lenet"')
    spark = create_autospec(SparkSession)
    with pytest.raises(CaffeError, match="none"):
        run(spark, Request("lenet_solver.prototxt", data="rows.parquet"))
    assert not spark.mock_calls


def test_weights_and_a_snapshot_are_not_both_begun_with() -> None:
    with pytest.raises(SystemExit):
        main([*TRAIN, "--weights", "a", "--snapshot", "b"])
