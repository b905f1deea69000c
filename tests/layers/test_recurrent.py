"""Recurrent layers beyond the golden cases: the state they keep, and caffe-lstm's Lstm."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bigdl_caffe.errors import CaffeError, NetError, ShapeError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.nn.recurrent import ClippedLSTM, Recurrent
from tests.compare import assert_close_to_caffe
from tests.layers.build import filled, layer, random
from tests.nets import net

STEPS, STREAMS, INPUTS, SIZE = 4, 3, 5, 2
GATES = {"LSTM": 4 * SIZE, "RNN": SIZE}
PARAM = f"recurrent_param {{ num_output: {SIZE} }}"
BOTTOMS = [(STEPS, STREAMS, INPUTS), (STEPS, STREAMS)]


def module(kind: str, bottoms: list[Shape] = BOTTOMS) -> Recurrent:
    rule = layer(kind, PARAM, bottoms=len(bottoms))
    blobs = [random(*spec.shape) for spec in rule.blob_specs(bottoms)]
    made = filled(rule, bottoms, blobs)
    assert isinstance(made, Recurrent)
    return made


@pytest.mark.parametrize("kind", GATES)
def test_a_sequence_may_come_in_pieces(kind: str) -> None:
    x, cont = random(STEPS, STREAMS, INPUTS), torch.ones(STEPS, STREAMS)
    cont[0], cont[2, 1] = 0, 0
    whole = module(kind)(x, cont)
    pieces = module(kind)
    parts = [pieces(x[t : t + 1], cont[t : t + 1]) for t in range(STEPS)]
    torch.testing.assert_close(torch.cat(parts), whole)


@pytest.mark.parametrize("kind", GATES)
def test_reset_and_another_number_of_streams_begin_from_zeros(kind: str) -> None:
    x, cont = random(STEPS, STREAMS, INPUTS), torch.ones(STEPS, STREAMS)
    recurrent = module(kind)
    first = recurrent(x, cont)
    assert not torch.equal(recurrent(x, cont), first)
    recurrent.reset()
    assert torch.equal(recurrent(x, cont), first)
    torch.testing.assert_close(recurrent(x[:, :1], cont[:, :1]), first[:, :1])


def test_scoring_leaves_a_state_that_training_can_begin_from() -> None:
    x, cont = random(STEPS, STREAMS, INPUTS), torch.ones(STEPS, STREAMS)
    scored, trained = module("LSTM"), module("LSTM")
    with torch.inference_mode():
        scored(x, cont)
    trained(x, cont)
    scored(x, cont).sum().backward()
    trained(x, cont).sum().backward()
    assert torch.equal(scored.hidden_weight.grad, trained.hidden_weight.grad)


def test_the_state_is_copied_with_the_module_and_is_no_weight() -> None:
    x, cont = random(STEPS, STREAMS, INPUTS), torch.ones(STEPS, STREAMS)
    recurrent = module("LSTM")
    recurrent(x, cont)
    assert list(recurrent.state_dict()) == ["weight", "bias", "hidden_weight"]
    copies = [copy.deepcopy(recurrent), pickle.loads(pickle.dumps(recurrent))]
    expected = recurrent(x, cont)
    for other in copies:
        assert torch.equal(other(x, cont), expected)
    recurrent.double()(x.double(), cont.double())


@pytest.mark.parametrize("kind", GATES)
def test_gradients_are_the_derivatives(kind: str) -> None:
    bottoms = [*BOTTOMS, (STREAMS, 2, 2)]
    recurrent = module(kind, bottoms).double()
    cont = torch.ones(STEPS, STREAMS, dtype=torch.double)
    cont[0, 1:], cont[2, 1] = 0, 0
    state = [random(STREAMS, SIZE).double() for _ in recurrent.parts]

    def run(x: Tensor, static: Tensor, *blobs: Tensor) -> Tensor:
        for name, part in zip(recurrent.parts, state, strict=True):
            setattr(recurrent, name, part)
        named = dict(zip(recurrent.state_dict(), blobs, strict=True))
        return torch.func.functional_call(recurrent, named, (x, cont, static))

    inputs = (random(*bottoms[0]), random(*bottoms[2]), *recurrent.state_dict().values())
    assert torch.autograd.gradcheck(run, [a.double().requires_grad_() for a in inputs])


@pytest.mark.parametrize(
    ("kind", "options", "shapes", "words"),
    [
        ("LSTM", "", BOTTOMS, "num_output is 0"),
        ("RNN", PARAM, [(4, 3), (4, 3)], "3 axes or more"),
        ("LSTM", PARAM, [(0, 3, 5), (0, 3)], "at least one step"),
        ("LSTM", PARAM, [(4, 3, 5), (4, 2)], r"has to be \(4, 3\)"),
        ("LSTM", PARAM, [(4, 3, 5), (4, 3, 1)], r"has to be \(4, 3\)"),
        ("LSTM", PARAM, [*BOTTOMS, (3,)], "static"),
        ("LSTM", PARAM, [*BOTTOMS, (2, 5)], "static"),
        ("RNN", PARAM, [*BOTTOMS, (3, 1), (1, 3, 2)], "takes x, cont"),
        ("LSTM", PARAM.replace("}", "expose_hidden: true }"), BOTTOMS, "2 blobs of the state"),
        ("LSTMUnit", "", [(1, 3, 2), (1, 3, 8), (3,)], "it takes"),
        ("LSTMUnit", "", [(2, 3, 2), (2, 3, 8), (2, 3)], "it takes"),
        ("LSTMUnit", "", [(1, 3, 2), (1, 3, 6), (1, 3)], "it takes"),
        ("Lstm", "", [(4, 5)], "num_output is 0"),
        ("Lstm", "lstm_param { num_output: 2 batch_size: -1 }", [(4, 5)], "batch_size -1"),
        ("Lstm", "lstm_param { num_output: 2 batch_size: 3 }", [(4, 5)], "multiple"),
        ("Lstm", "lstm_param { num_output: 2 }", [(4, 5), (4, 2)], "one number for each"),
        ("Lstm", "lstm_param { num_output: 2 }", [(4, 3, 5), (4,)], "one number for each"),
        ("Lstm", "lstm_param { num_output: 2 }", [(4, 3, 5), (3, 4)], "one number for each"),
        ("Lstm", "lstm_param { num_cells: 2 }", [(4, 5)], "num_cells"),
        ("Lstm", "lstm_param { num_output: 2.5 }", [(4, 5)], "num_output is 2.5"),
        ("Lstm", "lstm_param { num_output: true }", [(4, 5)], "num_output is True"),
        ("Lstm", "lstm_param { num_output: 2 bias_filler: 1 }", [(4, 5)], "bias_filler is 1"),
        ("Lstm", "lstm_param { num_output: 2 } lstm_param {}", [(4, 5)], "give it once"),
    ],
)
def test_what_does_not_fit_is_refused(
    kind: str, options: str, shapes: list[Shape], words: str
) -> None:
    with pytest.raises(CaffeError, match=words):
        layer(kind, options, bottoms=len(shapes)).top_shapes(shapes)


def test_the_state_has_the_shape_of_one_step() -> None:
    rule = layer("RNN", PARAM.replace("}", "expose_hidden: true }"), bottoms=3, tops=2)
    assert rule.top_shapes([*BOTTOMS, (1, STREAMS, SIZE)]) == [(4, 3, 2), (1, 3, 2)]
    with pytest.raises(ShapeError, match="of the state"):
        rule.top_shapes([*BOTTOMS, (STREAMS, SIZE)])


NET = """
layer { name: "in" type: "Input" top: "x" top: "cont"
  input_param { shape { dim: 4 dim: 3 dim: 5 } shape { dim: 4 dim: 3 } } }
layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "%s"
  recurrent_param { num_output: 2 weight_filler { type: "xavier" } } }
"""


def test_a_net_runs_and_its_rows_depend_on_one_another(tmp_path: Path) -> None:
    model = net(tmp_path, NET % "y")
    x, cont = random(4, 3, 5).numpy(), np.zeros((4, 3), np.float32)
    first = model.run({"x": x, "cont": cont})["y"]
    assert first.shape == model.blob_shapes["y"] == (4, 3, 2)
    np.testing.assert_array_equal(model.run({"x": x, "cont": cont})["y"], first)
    assert not model.row_wise()
    with pytest.raises(NetError, match="in place"):
        net(tmp_path, NET % "x")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


class Fork:
    """caffe-lstm's forward and backward pass over one axis, stream by stream."""

    def __init__(self, module: ClippedLSTM, streams: int) -> None:
        self.n, self.h = streams, module.size
        blobs = (module.weight, module.hidden_weight, module.bias)
        self.w, self.u, self.b = (blob.detach().numpy() for blob in blobs)
        self.state = np.zeros((2, self.n, self.h))

    def forward(self, x: np.ndarray, clip: np.ndarray | None, stride: int) -> np.ndarray:
        steps = len(x) // self.n
        x = x.reshape(steps, self.n, -1)
        self.x, self.kept = x, {}
        hidden, cell = self.state.copy() if clip is not None else np.zeros_like(self.state)
        out = []
        for t in range(steps):
            for n in range(self.n):
                cont = clip[t * stride + n] != 0 if clip is not None else t > 0
                gate = self.w @ x[t, n] + self.b + cont * (self.u @ hidden[n])
                i, f, o = sigmoid(gate[: 3 * self.h]).reshape(3, -1)
                g = np.tanh(gate[3 * self.h :])
                before = hidden[n].copy(), cell[n].copy()
                cell[n] = cont * f * cell[n] + i * g
                hidden[n] = o * np.tanh(cell[n])
                self.kept[t, n] = cont, i, f, o, g, cell[n].copy(), *before
            out.append(hidden.copy())
        self.state = np.stack([hidden, cell])
        return np.concatenate(out)

    def backward(self, above: np.ndarray, bound: float) -> tuple[np.ndarray, ...]:
        dx, dw, du, db = (np.zeros_like(a) for a in (self.x, self.w, self.u, self.b))
        above = above.reshape(len(self.x), self.n, self.h)
        for n in range(self.n):
            dh, dc = np.zeros((2, self.h))
            for t in reversed(range(len(self.x))):
                cont, i, f, o, g, c, h_before, c_before = self.kept[t, n]
                dh = dh + above[t, n]
                dc = dc + dh * o * (1 - np.tanh(c) ** 2)
                gates = dc * g * i * (1 - i), cont * dc * c_before * f * (1 - f)
                gates += dh * np.tanh(c) * o * (1 - o), dc * i * (1 - g**2)
                d = np.concatenate(gates).clip(-bound, bound)
                dx[t, n] = d @ self.w
                dw += np.outer(d, self.x[t, n])
                du += cont * np.outer(d, h_before)
                db += d
                dh, dc = cont * (d @ self.u), cont * dc * f
        return dx, dw, du, db


LAYOUTS = {
    "caffe-lstm, one stream": ((4, INPUTS), (4,), ""),
    "caffe-lstm, three streams": ((12, INPUTS, 1), (12, 1), "batch_size: 3"),
    "CTPN": ((4, 3, INPUTS), (12,), ""),
    "textspotter": ((4, 3, 1, INPUTS), (4, 3), ""),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("threshold", [0, 0.05])
@pytest.mark.parametrize("clipped", [True, False])
def test_lstm_of_the_forks(layout: str, threshold: float, clipped: bool) -> None:
    *shapes, options = LAYOUTS[layout]
    options = f"{options} num_output: {SIZE} clipping_threshold: {threshold}"
    rule = layer("Lstm", f"lstm_param {{ {options} }}", bottoms=2)
    blobs = [random(*spec.shape).double() for spec in rule.blob_specs(shapes)]
    module = filled(rule, shapes, blobs)
    fork = Fork(module, 1 if len(shapes[1]) == 1 and len(shapes[0]) == 2 else 3)
    clip = torch.ones(shapes[1])
    clip.view(-1)[2] = 0
    given = (clip,) if clipped else ()
    for _ in range(2):  # the second pass begins with the first one's state where there is a clip
        x = random(*shapes[0]).double().requires_grad_()
        top = module(x, *given)
        numbers = clip.flatten().numpy() if clipped else None
        expected = fork.forward(x.detach().reshape(-1, INPUTS).numpy(), numbers, clip[0].numel())
        assert rule.top_shapes(shapes) == [top.shape]
        assert_close_to_caffe(top.detach().reshape(expected.shape), expected)
        above = random(*top.shape).double()
        module.zero_grad()
        top.backward(above)
        gradients = fork.backward(above.numpy(), threshold or np.inf)
        leaves = (x, module.weight, module.hidden_weight, module.bias)
        for leaf, gradient in zip(leaves, gradients, strict=True):
            assert_close_to_caffe(leaf.grad.reshape(gradient.shape), gradient)


def test_lstm_of_the_forks_takes_its_fillers(tmp_path: Path) -> None:
    model = net(
        tmp_path,
        """
        input: "x" input_shape { dim: 6 dim: 1 }
        layer { name: "l" type: "Lstm" bottom: "x" top: "y" lstm_param {
          num_output: 3 clipping_threshold: 0.1
          weight_filler { type: "constant" value: 0.5 } bias_filler { type: "constant" } } }
        """,
    )
    w, u, b = model.params["l"]
    assert [tuple(p.shape) for p in (w, u, b)] == [(12, 1), (12, 3), (12,)]
    assert w.unique().tolist() == u.unique().tolist() == [0.5]
    assert not b.any()
    assert model.run({"x": np.ones((6, 1))})["y"].shape == (6, 3)
