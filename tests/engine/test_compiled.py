"""engine="compiled": right, made once a host, loaded without a compiler, clear where it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.engine import aot
from bigdl_caffe.engine.compiled import CompiledNet, open_compiled
from bigdl_caffe.engine.folded import folded
from bigdl_caffe.engine.opening import Opening
from bigdl_caffe.format.host_folder import own_folder
from tests.engine.compare import assert_close
from tests.layers.golden import fed
from tests.layers.test_golden import RUN
from tests.nets import DIGITS, digits, net
from tests.paths import REPO

needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None,
    reason="there is no C++ compiler here: install g++",
)
needs_time = pytest.mark.skipif(
    os.environ.get("COMPILED") != "all", reason="ten seconds a net: set COMPILED=all"
)

LAYERS = (
    *("Convolution/group2", "Convolution/conv3d", "Deconvolution/stride_pad"),
    *("InnerProduct/transpose", "LRN/across_default", "LRN/within_default", "MVN/default"),
    *("Net/mini_ssd", "Net/residual", "Net/siamese", "Net/auto_split", "PReLU/inplace"),
    *("Pooling/ave_clip_last", "Pooling/max_mask_pad", "SPP/h3_odd", "Softmax/axis2"),
    *("Legacy/v0_alexnet_like", "Permute/head"),
)
"""Golden nets that differ in what is asked of a compiler."""

SECOND = """
import sys
import numpy as np
from bigdl_caffe import Model
model = Model.load_caffe_model(sys.argv[1] + "/lenet.prototxt", sys.argv[1] + "/lenet.caffemodel")
top = model.predict(np.load(sys.argv[2]), batch_size=2, engine="compiled")
assert "torch._inductor.codecache" not in sys.modules, "the compiler was started"
np.save(sys.argv[2], top)
part = open("/proc/self/smaps").read().split("weights.packed")[1]
print(part[part.index("Private_Dirty:"):].split()[1])
"""


@pytest.fixture(scope="module", autouse=True)
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what is made for the host in a folder of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_DIRS", str(tmp_path_factory.mktemp("host")))
        yield own_folder()


def pictures(rows: int) -> np.ndarray:
    (shape,) = digits().inputs.values()
    return np.random.default_rng(rows).random((rows, *shape[1:]), np.float32)


@needs_compiler
def test_any_number_of_rows_is_right(host: Path) -> None:
    model = digits()
    for rows in (1, 2, 5):
        x = pictures(rows)
        got = model.predict(x, batch_size=2, engine="compiled")
        assert_close(got, digits().predict(x, engine="exact"), f"{rows} rows")
    made = [path for path in (host / "compiled").iterdir() if path.name != "lock"]
    assert len(made) == 1
    assert {path.name for path in made[0].iterdir()} >= {aot.LIBRARY}


@needs_compiler
@pytest.mark.skipif(not aot.maps_weights(), reason="this torch keeps weights in the library")
def test_another_process_loads_it_without_a_compiler(tmp_path: Path, host: Path) -> None:
    digits().predict(pictures(2), batch_size=2, engine="compiled")
    np.save(file := tmp_path / "x.npy", pictures(3))
    words = [sys.executable, "-c", SECOND, str(DIGITS), str(file)]
    own = {"CXX": "/nowhere/g++", "SPARK_LOCAL_DIRS": str(host.parent)}
    own["OMP_NUM_THREADS"] = str(torch.get_num_threads())
    env = os.environ | own
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=REPO, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0"], "it wrote to its mapping of the weights"
    want = digits().predict(pictures(3), engine="exact")
    assert_close(np.load(file), want, "the other process")


@needs_compiler
def test_a_damaged_library_is_made_anew(
    host: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Making it is another test's: here it comes back from beside."""
    digits().predict(pictures(2), batch_size=2, engine="compiled")
    (made,) = (path for path in (host / "compiled").iterdir() if path.name != "lock")
    whole = shutil.copytree(made, host / "beside")
    shutil.rmtree(made)
    made.mkdir()
    (made / aot.LIBRARY).write_bytes(b"damaged")
    monkeypatch.setattr(aot, "compile_into", lambda folder, **_: shutil.copytree(whole, folder))
    got = digits().predict(pictures(2), batch_size=2, engine="compiled")
    assert_close(got, digits().predict(pictures(2), engine="exact"), "made anew")
    assert "made anew" in caplog.text


@needs_compiler
@needs_time
@pytest.mark.parametrize("name", LAYERS)
def test_golden_nets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (case,) = (case for case in RUN if case.name == name)
    monkeypatch.chdir(case.folder)
    model = case.load()
    feed = fed(case, model)
    want = model.run(feed)
    whole = folded(model, model.outputs)
    rows = len(next(iter(feed.values())))
    got = whole.through(open_compiled(Opening(whole, model.outputs, rows)), feed, model.outputs)
    for blob, values in want.items():
        assert_close(got[blob], values, f"{name} {blob}")


@needs_compiler
@needs_time
def test_weights_may_stay_in_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in torches that cannot be told where they lie."""
    monkeypatch.setattr(aot, "maps_weights", lambda: False)
    got = digits().predict(pictures(2), batch_size=3, engine="compiled")
    assert_close(got, digits().predict(pictures(2), engine="exact"), "weights inside")


class Counted:
    """A library that notes what it is given."""

    count = 1

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, feeds: list[torch.Tensor]) -> list[torch.Tensor]:
        self.shapes += [tuple(feed.shape) for feed in feeds]
        return [2 * feed for feed in feeds]


TWICE = """
input: "x" input_shape { dim: 4 dim: 3 }
layer { name: "twice" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }
"""
FIRST = """
input: "x" input_shape { dim: 4 dim: 3 }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2
  weight_filler { type: "xavier" } } }
"""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Have no compiler at work."""
    counted = Counted()
    monkeypatch.setattr(aot, "compile_into", lambda folder, program, feeds: folder.mkdir())
    monkeypatch.setattr(aot, "load", lambda folder: counted)
    return counted


def test_rows_go_through_the_library_one_by_one(tmp_path: Path, library: Counted) -> None:
    x = np.ones((3, 3), np.float32)
    got = net(tmp_path, TWICE).predict(x, batch_size=2, engine="compiled")
    np.testing.assert_array_equal(got, 2 * x)
    assert set(library.shapes) == {(1, 3)}


def test_what_a_product_begins_is_run_together_and_the_rest_by_torch(
    tmp_path: Path, library: Counted
) -> None:
    model = net(tmp_path, FIRST)
    compute = open_compiled(Opening(model, ("y",), 2))
    compute({"x": torch.ones(2, 3)})
    compute({"x": torch.ones(1, 3)})
    assert library.shapes == [(2, 3)]


def test_other_shapes_are_run_by_torch(tmp_path: Path, library: Counted) -> None:
    compute = open_compiled(Opening(net(tmp_path, TWICE), ("y",)))
    assert compute({"x": torch.ones(1, 5)})["y"].tolist() == [[2.0] * 5]
    assert not library.shapes


def test_weights_that_may_change_are_not_frozen(tmp_path: Path) -> None:
    model = net(tmp_path, FIRST)
    model.params["ip"][0].data.zero_()
    compute = open_compiled(Opening(model, ("y",), 2))
    assert not isinstance(compute, CompiledNet)
    model.params["ip"][0].data.fill_(1)
    assert compute({"x": torch.ones(2, 3)})["y"].tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise RuntimeError("No working C++ compiler found")

    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", missing)
    with pytest.raises(CaffeError, match=r"C\+\+ compiler on .*: install g\+\+.* engine='torch'"):
        net(tmp_path, TWICE).predict(np.ones((2, 3)), engine="compiled")


def test_an_old_torch_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch._inductor.cpp_builder", None)
    with pytest.raises(CaffeError, match=rf"torch {torch.__version__[:3]}.*ahead-of-time"):
        net(tmp_path, TWICE).predict(np.ones((2, 3)), engine="compiled")


def test_what_cannot_be_exported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise NotImplementedError("no such layer\nmore lines")

    monkeypatch.setattr(aot, "check_compiler", lambda: None)
    monkeypatch.setattr(aot, "_compiled", refused)
    with pytest.raises(CaffeError, match=r"cannot be compiled on .*no such layer; engine='torch'"):
        net(tmp_path, TWICE).predict(np.ones((2, 3)), engine="compiled")


@pytest.mark.parametrize("name", ["Filter/two", "BatchReindex/fwd4d"])
def test_what_depends_on_numbers_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aot, "check_compiler", lambda: None)
    (case,) = (case for case in RUN if case.name == name)
    model = case.load()
    with pytest.raises(CaffeError, match="the layer l depends on numbers"):
        open_compiled(Opening(model, model.outputs))


def test_weights_that_must_not_reach_the_disk_do_not(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match=r"spark\.io\.encryption.*engine='torch'"):
        open_compiled(Opening(net(tmp_path, FIRST), ("y",), hidden=True))


def test_states_and_other_types_are_refused(tmp_path: Path) -> None:
    (case,) = (case for case in RUN if case.name == "LSTM/carry")
    carries: Model = case.load()
    with pytest.raises(CaffeError, match=r"carry a state.* l do.*engine='torch'"):
        open_compiled(Opening(carries, carries.outputs))
    half = net(tmp_path, FIRST)
    half.module.half()
    with pytest.raises(CaffeError, match=r"torch\.float16 on cpu: use engine='torch'"):
        open_compiled(Opening(half, ("y",)))
