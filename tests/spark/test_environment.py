"""What a task that was sent says of the Python that opens it."""

from __future__ import annotations

import pickle

import pytest
from pyspark import cloudpickle

import bigdl_caffe
from bigdl_caffe import errors
from bigdl_caffe.spark import environment
from bigdl_caffe.spark.environment import Portable
from bigdl_caffe.spark.session import plain_words


def sent(task: object) -> bytes:
    pickled: bytes = cloudpickle.dumps(task)
    return pickled


def test_what_arrives_is_the_task() -> None:
    assert pickle.loads(sent(Portable(errors.CaffeError))) is errors.CaffeError
    assert Portable(abs)(-2) == 2


def test_another_version_of_this_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    task = sent(Portable(abs))
    monkeypatch.setattr(bigdl_caffe, "__version__", "0.0.9")
    with pytest.raises(RuntimeError, match=r"bigdl_caffe is 0\.0\.9, and .* on the driver: send"):
        pickle.loads(task)


def test_what_keeps_a_task_from_opening_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    task = sent(Portable(environment.version))
    monkeypatch.delattr(environment, "version")
    with pytest.raises(RuntimeError, match=r"cannot run the driver's task: AttributeError: .*vers"):
        pickle.loads(task)


def test_it_is_told_without_sparks_words() -> None:
    text = "Job aborted.\nTraceback (most recent call last):\n  ...\n"
    text += "RuntimeError: bigdl_caffe: an executor lacks torch\n\n\tat org.apache.spark"
    assert plain_words(text) == "an executor lacks torch"


@pytest.mark.parametrize(("worker", "driver"), [("(3, 9)", "3.11"), (": 3.9", ": 3.11")])
def test_two_releases_of_python_are_told_apart(worker: str, driver: str) -> None:
    text = f"[X] Python in worker has different version {worker} than that in driver {driver}, Py"
    assert "and the driver 3.11, and" in plain_words(text.replace(" :", ":"))
