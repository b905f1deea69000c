"""Python layers: their classes rewritten as converters, which is all that runs them here.

tests/golden/layers/Python/*/pylayers.py holds what Caffe ran.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bigdl_caffe import Layer, Model, UnsupportedLayerError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.registry import BlobSpec, exactly
from bigdl_caffe.nn.activation import Power
from bigdl_caffe.nn.gradient import apply
from tests.compare import assert_close_to_caffe
from tests.layers.golden import Case, cases


class Double(Layer):
    """``k * x``, with k from param_str, or 2."""

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        options = ast.literal_eval(self.spec.param.python_param.param_str or "{}")
        return Power(1, options.get("k", 2), 0)


class WithParam(Layer):
    """Ten times its blob, and a gradient of 1 whatever comes from above."""

    bottoms = exactly(0)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [(10,)]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        return [BlobSpec("weight", (1,))]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        return TenTimes()


class TenTimes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("weight", None)

    def forward(self) -> Tensor:
        top: Tensor = apply(_Ten, self.weight)
        return top


class _Ten(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, blob: Tensor) -> Tensor:
        return blob.expand(10)

    @staticmethod
    def backward(ctx: Any, diff: Tensor) -> Tensor:
        return torch.ones(1)


CONVERTERS = {"pylayers.Double": Double, "pylayers.WithParam": WithParam}
PYTHON = [pytest.param(c, id=c.name) for c in cases() if c.meta["layer"] == "Python"]


def load(case: Case) -> Model:
    weights = case.folder / "weights.caffemodel"
    there = weights if weights.exists() else None
    return Model.load_caffe_model(case.folder / "net.prototxt", there, converters=CONVERTERS)


@pytest.mark.parametrize("case", PYTHON)
def test_python_layers_give_caffes_numbers_and_gradients(case: Case) -> None:
    model = load(case)
    feed = {b: torch.tensor(x).requires_grad_() for b, x in case.step(0, "in").items()}
    top = model.to_torch()(feed)["y"]
    assert_close_to_caffe(top.detach(), case.tops(0)["y"])
    assert model.blob_shapes["y"] == tuple(top.shape)
    top.backward(torch.tensor(case.step(0, "topdiff")["y"]))
    for blob, x in feed.items():
        assert_close_to_caffe(x.grad, case.step(0, "diff")[blob], tol=1e-4)
    for key, diff in case.step(0, "paramdiff").items():
        layer, _, index = key.rpartition("/")
        assert_close_to_caffe(model.params[layer][int(index)].grad, diff, tol=1e-4)


@pytest.mark.parametrize("case", PYTHON)
def test_without_a_converter_nothing_is_imported(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(case.folder))  # where an import would find pylayers.py
    with pytest.raises(UnsupportedLayerError, match=r"converters=\{'pylayers"):
        Model.load_caffe_model(case.folder / "net.prototxt", None)


def test_a_python_layer_without_options_is_named_by_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(
        "input: 'x' input_shape { dim: 1 } layer { name: 'p' type: 'Python' bottom: 'x' top: 'y' }"
    )
    with pytest.raises(UnsupportedLayerError, match=r"layer 'p' \(Python\)"):
        Model.load_caffe_model(path, None)
