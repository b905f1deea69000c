"""The Python layers of the golden cases as converters.

tests/golden/layers/Python/*/pylayers.py holds what Caffe ran.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bigdl_caffe import Layer
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.registry import BlobSpec, exactly
from bigdl_caffe.nn.activation import Power
from bigdl_caffe.nn.gradient import apply


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
