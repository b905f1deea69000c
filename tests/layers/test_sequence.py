"""ContinuationIndicator, Transpose, Reverse and Flip, each held to its rule in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.graph.ir import Shape
from tests.layers.build import layer, random
from tests.nets import net


@pytest.mark.parametrize(
    ("options", "bottoms", "streams"),
    [
        ("time_step: 3 batch_size: 2", [], 2),
        ("time_step: 3", [(4, 5)], 4),
        ("time_step: 3 axis: 1", [(3, 5)], 5),
        ("time_step: 3 axis: -2", [(3, 5)], 3),
    ],
)
def test_a_sequence_begins_with_its_first_step(
    options: str, bottoms: list[Shape], streams: int
) -> None:
    rule = layer(
        "ContinuationIndicator", f"continuation_indicator_param {{ {options} }}", len(bottoms)
    )
    expected = np.concatenate([np.zeros((1, streams)), np.ones((2, streams))])
    top = rule.module(bottoms)(*(random(*shape) for shape in bottoms))
    np.testing.assert_array_equal(top, expected)
    assert rule.top_shapes(bottoms) == [top.shape]


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (0, 1, 2)])
def test_transpose(order: tuple[int, ...]) -> None:
    rule = layer("Transpose", f"transpose_param {{ {' '.join(f'dim: {i}' for i in order)} }}")
    x = random(2, 3, 4)
    top = rule.module([x.shape])(x)
    np.testing.assert_array_equal(top, np.transpose(x.numpy(), order))
    assert rule.top_shapes([x.shape]) == [top.shape]
    assert rule.mixes_rows([x.shape]) == (order[0] != 0)


@pytest.mark.parametrize(
    ("kind", "options", "axes"),
    [
        ("Reverse", "", (0,)),
        ("Reverse", "reverse_param { axis: 2 }", (2,)),
        ("Flip", "", (3,)),
        ("Flip", "flip_param { flip_height: true }", (2, 3)),
        ("Flip", "flip_param { flip_width: 0 flip_height: 1 }", (2,)),
        ("Flip", "flip_param { flip_width: false }", ()),
    ],
)
def test_turning_round_and_its_gradient(kind: str, options: str, axes: tuple[int, ...]) -> None:
    rule = layer(kind, options)
    x = random(2, 3, 4, 5).requires_grad_()
    top = rule.module([x.shape])(x)
    np.testing.assert_array_equal(top.detach(), np.flip(x.detach().numpy(), axes))
    above = random(*x.shape)
    top.backward(above)
    np.testing.assert_array_equal(x.grad, np.flip(above.numpy(), axes))
    assert rule.mixes_rows([x.shape]) == (0 in axes)
    assert rule.top_shapes([x.shape]) == [x.shape]


@pytest.mark.parametrize(
    ("kind", "options", "shapes", "words"),
    [
        ("ContinuationIndicator", "", [], "time_step 0"),
        ("ContinuationIndicator", "continuation_indicator_param { time_step: 2 }", [], "size 0"),
        (
            "ContinuationIndicator",
            "continuation_indicator_param { time_step: 2 batch_size: 2 }",
            [(2, 2)],
            "batch_size",
        ),
        (
            "ContinuationIndicator",
            "continuation_indicator_param { time_step: 2 axis: 2 }",
            [(2, 2)],
            "out of range",
        ),
        ("Transpose", "", [(2, 3)], r"dim is \[\]"),
        ("Transpose", "transpose_param { dim: 0 dim: 0 }", [(2, 3)], "once"),
        ("Transpose", "transpose_param { dim: 1 }", [(2, 3)], "once"),
        ("Transpose", "transpose_param { dim { dim: 1 dim: 0 } }", [(2, 3)], "dim is"),
        ("Transpose", "transpose_param { transpose_axis: 1 }", [(2, 3)], "another fork"),
        ("Reverse", "reverse_param { axis: -1 }", [(2, 3)], "negative"),
        ("Reverse", "reverse_param { axis: 2 }", [(2, 3)], "out of range"),
        ("Flip", "", [(2, 3)], "4 axes"),
        ("Flip", "flip_param { axis: 1 }", [(2, 3, 4, 5)], "another fork"),
        ("Flip", "flip_param { flip_width: 2.5 }", [(2, 3, 4, 5)], "flip_width is 2.5"),
        ("Flip", "flip_param { flip_width: 2 }", [(2, 3, 4, 5)], "flip_width is 2"),
    ],
)
def test_what_does_not_fit_is_refused(
    kind: str, options: str, shapes: list[Shape], words: str
) -> None:
    with pytest.raises(CaffeError, match=words):
        layer(kind, options, len(shapes)).top_shapes(shapes)


def test_a_net_reads_a_line_of_text_from_both_ends(tmp_path: Path) -> None:
    model = net(
        tmp_path,
        """
        input: "x" input_shape { dim: 2 dim: 3 dim: 4 }
        layer { name: "t" type: "Transpose" bottom: "x" top: "t"
          transpose_param { dim: 2 dim: 0 dim: 1 } }
        layer { name: "c" type: "ContinuationIndicator" bottom: "t" top: "c"
          continuation_indicator_param { time_step: 4 axis: 1 } }
        layer { name: "r" type: "Reverse" bottom: "t" top: "r" }
        layer { name: "f" type: "LSTM" bottom: "t" bottom: "c" top: "f"
          recurrent_param { num_output: 2 weight_filler { type: "xavier" } } param { name: "w" } }
        layer { name: "b" type: "LSTM" bottom: "r" bottom: "c" top: "b"
          recurrent_param { num_output: 2 weight_filler { type: "xavier" } } param { name: "w" } }
        """,
    )
    b, f = model.params["b"], model.params["f"]
    with torch.no_grad():
        b[2].copy_(f[2])
    x = random(2, 3, 4).numpy()
    backward = model.run({"x": x}, ["b"])["b"]
    forward = model.run({"x": x[:, :, ::-1].copy()}, ["f"])["f"]
    np.testing.assert_array_equal(backward, forward)
    assert not model.row_wise()
    assert model.run({"x": random(5, 3, 4).numpy()})["b"].shape == (4, 5, 2)


def test_a_net_may_have_as_many_streams_as_its_indicator_says(tmp_path: Path) -> None:
    model = net(
        tmp_path,
        """
        layer { name: "c" type: "ContinuationIndicator" top: "c"
          continuation_indicator_param { time_step: 2 batch_size: 3 } }
        """,
    )
    assert model.run({})["c"].tolist() == [[0, 0, 0], [1, 1, 1]]
    assert not model.inputs
