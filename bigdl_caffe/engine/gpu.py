"""A joined net as GPUs have it quickest in half precision: channels last."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from bigdl_caffe.engine.fused import Joined
from bigdl_caffe.engine.onednn import Contiguous, is_2d, takes_any_layout
from bigdl_caffe.engine.program import Op, Program
from bigdl_caffe.nn.convolution import Convolution
from bigdl_caffe.transfer import HALF


def wants_channels_last(tensors: Iterable[Tensor]) -> bool:
    """Return whether the weights ``tensors`` are those of a GPU's tensor cores.

    Those take channels last, and cuDNN turns all else around for them. Of float32, which is kept
    from TF32, its kernels for Caffe's own order are the quicker ones.
    """
    kinds = {(tensor.device.type, tensor.dtype) for tensor in tensors}
    return bool(kinds) and kinds <= {("cuda", kind) for kind in HALF}


def with_channels_last(program: Program) -> Program:
    """Return ``program`` with the weights of its 2-D convolutions in channels-last order.

    What they make is in that order, and stays so up to a layer that may depend on the order: it
    is given Caffe's.
    """
    return program.with_ops([_turned(op) for op in program.ops])


def _turned(op: Op) -> Op:
    module = op.module
    first = module.first if isinstance(module, Joined) else module
    if not takes_any_layout(first):
        return replace(op, module=Contiguous(module))
    if type(first) is not Convolution or not is_2d(first):
        return op
    turned = _with_turned_weight(first)
    if isinstance(module, Joined):
        return replace(op, module=ChannelsLast(Joined(turned, module.activation, module.adds)))
    return replace(op, module=ChannelsLast(turned))


class ChannelsLast(nn.Module):
    """A layer that is given its bottoms, (N, C, H, W), in channels-last order.

    A 1x1 kernel's weight has both orders at once, and would not say which is meant.

    Parameters
    ----------
    module : nn.Module
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *bottoms: Tensor) -> Any:
        """Return what the layer does."""
        return self.module(*(b.contiguous(memory_format=torch.channels_last) for b in bottoms))


def _with_turned_weight(layer: Convolution) -> Convolution:
    """Return a layer that has its weight in another order; the given one keeps its own."""
    turned = copy.copy(layer)
    turned._parameters = dict(layer._parameters)
    weight = layer.weight.detach().contiguous(memory_format=torch.channels_last)
    turned._parameters["weight"] = nn.Parameter(weight, requires_grad=False)
    return turned
