"""Each of torch's modules with a layer's weights computes what the layer does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bigdl_caffe import Model
from bigdl_caffe.graph.names import layer_defs
from bigdl_caffe.load import read_definition
from bigdl_caffe.weights.bind import Binder, Named
from bigdl_caffe.weights.structure import Structure
from bigdl_caffe.weights.torch_layouts import PARTS
from tests.compare import assert_close_to_caffe
from tests.weights.files import write_files, write_weights


@dataclass(frozen=True)
class Case:
    """The layer "it" on the input "x", and the module that is the same."""

    layer: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    call: Callable[[nn.Module, Tensor], Tensor] = lambda module, x: module(x)
    cont: bool = False

    def text(self) -> str:
        """Return the net, whose output is "y"."""
        dims = " ".join(f"dim: {d}" for d in self.shape)
        cont = "input: 'cont' input_shape { dim: 3 dim: 2 }" if self.cont else ""
        return f"""
            input: 'x' input_shape {{ {dims} }} {cont}
            layer {{ name: 'it' bottom: 'x' {self.layer} }}
        """

    def feed(self) -> dict[str, NDArray[np.float32]]:
        """Return numbers for the inputs: integers for embeddings, and one sequence from 0 on."""
        rng = np.random.default_rng(1)
        integers = "Embed" in self.layer
        x = rng.integers(0, 7, self.shape) if integers else rng.standard_normal(self.shape)
        feed = {"x": x.astype(np.float32)}
        if self.cont:
            feed["cont"] = np.array([[0, 0], [1, 1], [1, 1]], np.float32)
        return feed


def conv(options: str = "", kind: str = "Convolution") -> str:
    options += " num_output: 6 kernel_size: 3"
    return f"top: 'y' type: '{kind}' convolution_param {{ {options} }}"


def deconv(options: str = "") -> str:
    return conv(options, "Deconvolution")


def layer(kind: str, options: str = "") -> str:
    return f"top: 'y' type: '{kind}' {options}"


def scaled(options: str = "") -> str:
    scale = f"layer {{ name: 'scale' type: 'Scale' bottom: 'bn' top: 'y' {options}"
    return f"top: 'bn' type: 'BatchNorm' }} {scale}"


IP = "inner_product_param { num_output: 3 }"
SQUARE = "inner_product_param { num_output: 5 transpose: true }"
TRANSPOSED = "inner_product_param { num_output: 3 transpose: true }"
SHARED = "prelu_param { channel_shared: true }"
ROWS = "embed_param { input_dim: 7 num_output: 3 bias_term: false }"
ROWS_PLUS = "embed_param { input_dim: 7 num_output: 3 }"
RECURRENT = "bottom: 'cont' recurrent_param { num_output: 4 }"
WITH_BIAS = "scale_param { bias_term: true }"


def _look_up(module: nn.Module, x: Tensor) -> Tensor:
    rows: Tensor = module(x.long())
    return rows


def _output(rnn: nn.Module, x: Tensor) -> Tensor:
    top: Tensor = rnn(x)[0]
    return top


def _cells(cell: nn.Module, x: Tensor) -> Tensor:
    state, tops = None, []
    for step in x:
        state = cell(step, state)
        tops.append(state[0])
    return torch.stack(tops)


IMAGE = (2, 4, 5, 6)
CHANNELS = (2, 3, 4, 4)
STEPS = (3, 2, 5)

CASES = {
    "conv1d": Case(conv(), lambda: nn.Conv1d(4, 6, 3), (2, 4, 7)),
    "conv2d": Case(conv("pad: 1"), lambda: nn.Conv2d(4, 6, 3, padding=1), IMAGE),
    "conv2d_groups": Case(conv("group: 2"), lambda: nn.Conv2d(4, 6, 3, groups=2), IMAGE),
    "conv2d_no_bias": Case(conv("bias_term: false"), lambda: nn.Conv2d(4, 6, 3, bias=False), IMAGE),
    "conv3d": Case(conv(), lambda: nn.Conv3d(4, 6, 3), (1, 4, 3, 4, 5)),
    "deconv1d": Case(deconv(), lambda: nn.ConvTranspose1d(4, 6, 3), (2, 4, 5)),
    "deconv2d": Case(deconv("stride: 2"), lambda: nn.ConvTranspose2d(4, 6, 3, 2), IMAGE),
    "deconv2d_groups": Case(
        deconv("group: 2"), lambda: nn.ConvTranspose2d(4, 6, 3, groups=2), IMAGE
    ),
    "deconv3d": Case(deconv(), lambda: nn.ConvTranspose3d(4, 6, 3), (1, 4, 2, 3, 2)),
    "linear": Case(layer("InnerProduct", IP), lambda: nn.Linear(5, 3), (2, 5)),
    "linear_transposed": Case(layer("InnerProduct", TRANSPOSED), lambda: nn.Linear(5, 3), (2, 5)),
    "linear_square": Case(layer("InnerProduct", SQUARE), lambda: nn.Linear(5, 5), (2, 5)),
    "bn1d": Case(layer("BatchNorm"), lambda: nn.BatchNorm1d(3, affine=False), (2, 3)),
    "bn2d_scale_bias": Case(scaled(WITH_BIAS), lambda: nn.BatchNorm2d(3), CHANNELS),
    "bn2d_scale": Case(scaled(), lambda: nn.BatchNorm2d(3), CHANNELS),
    "bn3d": Case(layer("BatchNorm"), lambda: nn.BatchNorm3d(3, affine=False), (2, 3, 2, 2, 2)),
    "prelu": Case(layer("PReLU"), lambda: nn.PReLU(3), CHANNELS),
    "prelu_shared": Case(layer("PReLU", SHARED), nn.PReLU, CHANNELS),
    "embed": Case(layer("Embed", ROWS), lambda: nn.Embedding(7, 3), (2, 4), _look_up),
    "embed_bias": Case(layer("Embed", ROWS_PLUS), lambda: nn.Embedding(7, 3), (2, 4), _look_up),
    "lstm": Case(layer("LSTM", RECURRENT), lambda: nn.LSTM(5, 4), STEPS, _output, True),
    "lstm_cell": Case(layer("LSTM", RECURRENT), lambda: nn.LSTMCell(5, 4), STEPS, _cells, True),
}


@pytest.mark.parametrize("name", CASES)
def test_it_computes_what_the_layer_does(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    files = write_files(tmp_path, case.text())
    module = case.make().eval()
    Model.load_caffe({"it": module}, files.prototxt, files.caffemodel)
    feed = case.feed()
    with torch.no_grad():
        ours = case.call(module, torch.from_numpy(feed["x"]))
    assert_close_to_caffe(ours, files.model().run(feed, ["y"])["y"])


@pytest.mark.parametrize("name", CASES)
def test_to_caffe_gives_blobs_that_load_as_the_same_module(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    files = write_files(tmp_path, case.text())
    module = case.make()
    Model.load_caffe({"it": module}, files.prototxt, files.caffemodel)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    binder = Binder(Structure(layer_defs(read_definition(str(files.prototxt)).layer)), [], True)
    binder.add(Named("it", module))
    saved = {b.layer: [blob.numpy() for blob in b.blobs] for b in binder.bindings}
    shapes = {name: [b.shape for b in blobs] for name, blobs in files.blobs.items()}
    assert {name: [b.shape for b in blobs] for name, blobs in saved.items()} == shapes
    again = write_weights(files.prototxt, tmp_path / "again.caffemodel", saved)
    other = case.make()
    Model.load_caffe({"it": other}, files.prototxt, again)
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_an_rnn_and_the_product_behind_it(tmp_path: Path) -> None:
    case = Case(layer("RNN", RECURRENT), lambda: nn.RNN(5, 4), STEPS, _output, True)
    files = write_files(tmp_path, case.text())
    model = {"it_out": nn.Linear(4, 4), "it": nn.RNN(5, 4)}
    Model.load_caffe(model, files.prototxt, files.caffemodel)
    feed = case.feed()
    with torch.no_grad():
        state = _output(model["it"], torch.from_numpy(feed["x"]))
        ours = torch.tanh(model["it_out"](state))
    assert_close_to_caffe(ours, files.model().run(feed, ["y"])["y"])


def test_every_module_of_the_table_is_tried() -> None:
    tried = {type(case.make()) for case in CASES.values()} | {nn.RNN}
    assert PARTS.keys() == tried | {nn.SyncBatchNorm, nn.RNNCell}  # which differ in name only
