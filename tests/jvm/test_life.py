"""The Python process of a JVM: what it says, how it ends, and what comes back after it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from py4j.protocol import Py4JJavaError

from bigdl_caffe import Model
from tests.jvm.bare import bare_jvm, children, texts, told
from tests.paths import REPO

DIGITS = REPO / "examples" / "digits"
FILES = (str(DIGITS / "lenet.prototxt"), str(DIGITS / "lenet.caffemodel"))
ROW = np.linspace(0, 1, 64, dtype=np.float32)
LOADS = 1000


@pytest.fixture(scope="module")
def java() -> Iterator[Any]:
    """The gateway to a JVM that no Python program serves."""
    with bare_jvm() as gateway:
        yield gateway


def load(java: Any, *files: str) -> Any:
    return java.jvm.bigdl_caffe.Module.loadCaffeModel(*files or FILES)


def forward(java: Any, model: Any) -> bytes:
    """Return the bytes of what the model makes of one row."""
    data = java.new_array(java.jvm.float, ROW.size)
    for i, number in enumerate(ROW.tolist()):
        data[i] = number
    made = model.forward(data, integers(java, 1, 1, 8, 8)).data()
    return np.array(list(made), np.float32).tobytes()


def integers(java: Any, *numbers: int) -> Any:
    """Return an int[]."""
    array = java.new_array(java.jvm.int, len(numbers))
    for i, number in enumerate(numbers):
        array[i] = number
    return array


def fails(call: Callable[[], Any]) -> dict[str, Any]:
    """Return what the exception says that the call ends with."""
    with pytest.raises(Py4JJavaError) as caught:
        call()
    return told(caught.value)


def wait_for(come: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until something is so; fail where it does not come."""
    end = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def kill(java: Any) -> None:
    """Kill the JVM's only process of Python's."""
    (child,) = children(java)
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: not children(java))


@pytest.fixture(scope="module")
def expected() -> bytes:
    return np.asarray(Model.load_caffe_model(*FILES).forward(ROW.reshape(1, 1, 8, 8))).tobytes()


def test_errors_carry_what_python_says(java: Any, tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_text('layer {\n  name: "a" type: "Foo" }\nlayer { name: "b" type: "Bar" }\n')
    error = fails(lambda: load(java, str(net), None))
    assert (error["kind"], error["layers"]) == ("UnsupportedLayerError", ["a", "b"])
    assert len(error["problems"]) == 2
    net.write_text("layer {\n  name: }")
    error = fails(lambda: load(java, str(net), None))
    assert (error["kind"], error["file"], error["line"]) == ("ParseError", str(net), 2)
    assert error["getMessage"].startswith(f"{net}:2:")
    assert fails(lambda: load(java, "/no.prototxt", None))["problems"] == [
        "no such file: /no.prototxt"
    ]


def test_two_models_and_two_threads_at_once(java: Any, expected: bytes) -> None:
    with ThreadPoolExecutor(2) as threads:
        models = list(threads.map(lambda _: load(java), range(2)))
        answers = list(threads.map(lambda i: forward(java, models[i % 2]), range(10)))
    assert len(children(java)) == 1
    assert set(answers) == {expected}


def test_a_kill_fails_the_call_at_once_and_models_come_back(java: Any, expected: bytes) -> None:
    model, shapes = load(java).freeze(texts(java, "conv1")), java.jvm.bigdl_caffe.LoadOptions()
    shaped = load(java, *FILES, shapes.inputShape("data", integers(java, 3, 1, 8, 8)))
    shapes.inputShape("data", integers(java, 5, 1, 8, 8))  # which is for the next model
    whole = load(java)
    int8 = whole.quantize()
    light = forward(java, int8)
    part = whole.newGraph(texts(java, "ip1"))
    whole.close()
    options = java.jvm.bigdl_caffe.LoadOptions().imports(texts(java, "tests.jvm.slow_import"))
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(fails, lambda: load(java, *FILES, options))
        time.sleep(1)  # it is in the midst of the import
        begun = time.monotonic()
        kill(java)
        error = waiting.result()
    assert time.monotonic() - begun < 5
    assert error["kind"] == "PythonError"
    assert "killed by signal 9, before it had answered 'load_caffe_model'" in error["getMessage"]
    assert forward(java, model) == expected
    assert forward(java, int8) == light != expected
    assert "ip1" in part.summary()
    assert list(shaped.inputs()["data"]) == [3, 1, 8, 8]
    assert len(children(java)) == 1


def test_a_model_does_not_come_back_without_its_files(java: Any, tmp_path: Path) -> None:
    files = [shutil.copy(file, tmp_path) for file in FILES]
    model = load(java, *files)
    kill(java)
    os.remove(files[1])
    assert files[1] in fails(model.summary)["getMessage"]
    shutil.copy(FILES[1], tmp_path)
    assert "conv1" in model.summary()


def test_a_closed_model_says_so(java: Any) -> None:
    model = load(java)
    model.close()
    model.close()
    assert "closed" in fails(model.summary)["getMessage"]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "Python could not be started"),
        ("cd / && exec {python} -S", "No module named"),
        ("cd / && PYTHONPATH={fake} exec {python}", "has bigdl_caffe 9.9 and the JVM"),
        ("exit 3 #", "ended with exit code 3"),
    ],
)
def test_a_python_that_cannot_serve_says_what_to_set(
    java: Any, tmp_path: Path, script: str | None, said: str
) -> None:
    fake = tmp_path / "other" / "bigdl_caffe"
    shutil.copytree(REPO / "bigdl_caffe", fake, ignore=shutil.ignore_patterns("__pycache__"))
    text = (fake / "__init__.py").read_text()
    (fake / "__init__.py").write_text(text + '\n__version__ = "9.9"\n')
    system = java.jvm.java.lang.System
    real = system.getProperty("spark.pyspark.python")
    python = tmp_path / "python"
    if script is not None:
        line = script.format(python=real, fake=fake.parent)
        python.write_text(f'#!/bin/sh\n{line} "$@"\n')
        python.chmod(0o755)
    if children(java):
        kill(java)
    system.setProperty("spark.pyspark.python", str(python))
    try:
        begun = time.monotonic()
        error = fails(lambda: load(java))
    finally:
        system.setProperty("spark.pyspark.python", real)
    assert error["kind"] == "PythonError"
    assert said in error["getMessage"]
    assert "PYSPARK_PYTHON" in error["getMessage"]
    assert time.monotonic() - begun < 10


def test_a_thousand_loads_and_closes_leave_nothing(java: Any) -> None:
    def resident(of: int) -> int:
        pages = Path(f"/proc/{of}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def loads(times: int, close: bool) -> None:
        for _ in range(times):
            model = load(java)
            model.outputs()
            if close:
                model.close()

    loads(LOADS // 4, close=True)
    (child,) = children(java)
    before = resident(child)
    loads(LOADS // 2, close=True)
    loads(LOADS // 4, close=False)  # which the JVM's collector has to notice
    java.jvm.java.lang.System.gc()
    java.detach(load(java))
    assert children(java) == [child]
    assert resident(child) - before < 30 << 20


def test_python_ends_with_the_jvm() -> None:
    with bare_jvm() as java:
        load(java)
        (child,) = children(java)
        os.kill(java.jvm.java.lang.ProcessHandle.current().pid(), signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{child}").exists())
