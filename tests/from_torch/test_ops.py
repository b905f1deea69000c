"""One operation each: the layers it becomes, and their numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.from_torch.compare import traced

Case = tuple[Callable[..., Tensor], tuple[int, ...], str | None]
PICTURE, ROW = (2, 3, 6, 8), (2, 5)
C, MATRIX = torch.linspace(0.5, 2, 3), torch.linspace(-1, 1, 15).reshape(5, 3)


class Calls(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


ACTIVATIONS: dict[str, Case] = {
    "relu": (torch.relu, PICTURE, "ReLU"),
    "relu, in place": (lambda x: F.relu(x + 0.5, inplace=True), PICTURE, "Power ReLU"),
    "clamp from 0": (lambda x: x.clamp(min=0), ROW, "ReLU"),
    "relu6": (F.relu6, PICTURE, "Clip"),
    "hardtanh": (F.hardtanh, ROW, "Clip"),
    "clamp": (lambda x: x.clamp(-0.3, 0.7), ROW, "Clip"),
    "clamp from above": (lambda x: torch.clamp(x, max=0.1), ROW, "Clip"),
    "clamp_min": (lambda x: torch.clamp_min(x, 0.1), ROW, "Clip"),
    "clamp_max": (lambda x: torch.clamp_max(x, 0.1), ROW, "Clip"),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), PICTURE, "ReLU"),
    "elu": (lambda x: F.elu(x, 0.7), PICTURE, "ELU"),
    "selu": (F.selu, PICTURE, "ELU Power"),
    "silu": (F.silu, PICTURE, "Swish"),
    "hardswish": (F.hardswish, PICTURE, "Power Clip Eltwise"),
    "hardsigmoid": (F.hardsigmoid, PICTURE, "Power Clip"),
    "softplus": (F.softplus, PICTURE, "BNLL"),
    "sigmoid": (torch.sigmoid, PICTURE, "Sigmoid"),
    "tanh": (torch.tanh, PICTURE, "TanH"),
    "abs": (torch.abs, PICTURE, "AbsVal"),
    "exp": (torch.exp, PICTURE, "Exp"),
    "log": (lambda x: torch.log(x.abs()), PICTURE, "AbsVal Log"),
    "log1p": (lambda x: torch.log1p(x.abs()), PICTURE, "AbsVal Log"),
    "sqrt": (lambda x: torch.sqrt(x.abs()), PICTURE, "AbsVal Power"),
    "rsqrt": (lambda x: torch.rsqrt(x.abs() + 1), PICTURE, "AbsVal Power Power"),
    "softmax": (lambda x: x.softmax(1), PICTURE, "Softmax"),
    "softmax, last axis": (lambda x: x.softmax(-1), PICTURE, "Softmax"),
    "log_softmax": (lambda x: F.log_softmax(x, dim=1), ROW, "Softmax Log"),
    "dropout": (lambda x: F.dropout(x, training=False).neg(), ROW, "Power"),
}

ARITHMETIC: dict[str, Case] = {
    "plus a number": (lambda x: x + 2, ROW, "Power"),
    "minus, times": (lambda x: (3 - x) * 2, ROW, "Power Power"),
    "over a number": (lambda x: x / 4, ROW, "Power"),
    "a number over": (lambda x: 3 / (x.abs() + 1), ROW, "AbsVal Power Power Power"),
    "negative": (lambda x: -x, ROW, "Power"),
    "square": (lambda x: x**2 + x.square(), ROW, "Power Power Eltwise"),
    "2 to it": (lambda x: 2**x, ROW, "Exp"),
    "sum": (lambda x: x + x.abs(), ROW, "AbsVal Eltwise"),
    "difference": (lambda x: x - x.abs(), ROW, "AbsVal Eltwise"),
    "weighted": (lambda x: torch.add(x, x.abs(), alpha=0.5), ROW, "AbsVal Eltwise"),
    "product": (lambda x: x * x, ROW, "Eltwise"),
    "quotient": (lambda x: x / (x.abs() + 1), ROW, "AbsVal Power Power Eltwise"),
    "maximum": (lambda x: torch.maximum(x, -x), ROW, "Power Eltwise"),
    "channels added": (lambda x: x + C.view(1, 3, 1, 1), PICTURE, "Bias"),
    "channels taken off": (lambda x: C.view(3, 1, 1) - x, PICTURE, "Power Bias"),
    "channels multiplied": (lambda x: x * C.view(3, 1, 1), PICTURE, "Scale"),
    "over channels": (lambda x: x / C.view(3, 1, 1), PICTURE, "Scale"),
    "columns multiplied": (lambda x: x * torch.arange(8), PICTURE, "Scale"),
    "each place": (lambda x: x + torch.ones(6, 8).cumsum(0), PICTURE, "Bias"),
    "channels and columns": (lambda x: x * torch.ones(3, 1, 8), PICTURE, "Scale"),
    "everything": (lambda x: x + torch.ones(2, 3, 6, 8).cumsum(1), PICTURE, "Bias"),
    "by its means": (lambda x: x * x.mean((2, 3), keepdim=True), PICTURE, "Pooling Flatten Scale"),
    "means first": (
        lambda x: x.mean((2, 3), keepdim=True) - x,
        PICTURE,
        "Pooling Power Flatten Bias",
    ),
    "by its channels' mean": (
        lambda x: x * x.mean(1, keepdim=True).sum(0, keepdim=True)[0, 0],
        PICTURE,
        None,
    ),
}

SHAPES: dict[str, Case] = {
    "flatten": (lambda x: x.flatten(1), PICTURE, "Flatten"),
    "flatten all": (torch.flatten, PICTURE, "Flatten"),
    "flatten the middle": (lambda x: x.flatten(1, 2), PICTURE, "Flatten"),
    "view": (lambda x: x.view(x.size(0), -1), PICTURE, "Flatten"),
    "reshape": (lambda x: x.reshape(2, 6, 3, 8), PICTURE, "Reshape"),
    "fold": (lambda x: x.view(-1, 8), PICTURE, "Flatten"),
    "unsqueeze": (lambda x: x.unsqueeze(1), ROW, "Reshape"),
    "unsqueeze first": (lambda x: x[None], ROW, "Reshape"),
    "unsqueeze last": (lambda x: x[..., None], ROW, "Reshape"),
    "squeeze": (lambda x: x.squeeze(1), (2, 1, 4), "Flatten"),
    "permute": (lambda x: x.permute(0, 2, 3, 1), PICTURE, "Permute"),
    "transpose": (lambda x: x.transpose(1, -1), PICTURE, "Permute"),
    "t": (lambda x: x.t(), ROW, "Permute"),
    "expand": (lambda x: x[:, :, None].expand(2, 5, 3), ROW, "Reshape Tile"),
    "repeat": (lambda x: x.repeat(2, 3), ROW, "Tile Tile"),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), (2, 8, 3, 4), "Reshape Permute Reshape"),
    "channel_shuffle": (nn.ChannelShuffle(2), (2, 8, 3, 4), "Reshape Permute Flatten"),
    "cat": (lambda x: torch.cat([x, -x], 1), PICTURE, "Power Concat"),
    "cat, last axis": (lambda x: torch.cat([x, -x], -1), PICTURE, "Power Concat"),
    "cat, constant": (lambda x: torch.cat([x, torch.ones(2, 1)], 1), ROW, "Parameter Concat"),
    "stack": (lambda x: torch.stack([x, -x], 1), ROW, "Power Reshape Reshape Concat"),
    "chunk": (lambda x: torch.cat(x.chunk(2, 1)[::-1], 1), (2, 4), "Slice Concat"),
    "split": (lambda x: x.split(2, 1)[2], ROW, "Slice Silence"),
    "split sizes": (lambda x: x.split([1, 4], 1)[1], ROW, "Slice Silence"),
    "unbind": (
        lambda x: operator.sub(*x.unbind(1)[1:3]),
        ROW,
        "Slice Flatten Flatten Eltwise Silence",
    ),
    "slice": (lambda x: x[:, 1:3], ROW, "Slice Silence"),
    "slice of all": (lambda x: x[:, :].abs(), ROW, "AbsVal"),
    "narrow": (lambda x: x.narrow(1, 1, 4), ROW, "Slice Silence"),
    "select": (lambda x: x[:, -1], PICTURE, "Slice Flatten Silence"),
    "to float": (lambda x: x.double().abs().float(), ROW, None),
}

POOLING: dict[str, Case] = {
    "max": (lambda x: F.max_pool2d(x, 2), PICTURE, "Pooling"),
    "max, floor": (lambda x: F.max_pool2d(x, 2), (2, 3, 7, 9), "Pooling Convolution"),
    "max, ceil": (lambda x: F.max_pool2d(x, 2, ceil_mode=True), (2, 3, 7, 9), "Pooling"),
    "max, padded": (lambda x: F.max_pool2d(x, 3, 2, 1), (2, 3, 7, 9), "Pooling"),
    "max, oblong": (lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0)), (2, 3, 7, 9), "Pooling"),
    "ave": (lambda x: F.avg_pool2d(x, 2), PICTURE, "Pooling"),
    "ave, floor": (lambda x: F.avg_pool2d(x, 3, 2, 1), (2, 3, 6, 8), "Pooling Convolution"),
    "ave, ceil": (lambda x: F.avg_pool2d(x, 3, 2, 1, True), (2, 3, 6, 8), "Pooling"),
    "ave, unpadded": (
        lambda x: F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False),
        (2, 3, 7, 9),
        "Pooling",
    ),
    "adaptive, global": (lambda x: F.adaptive_avg_pool2d(x, 1), PICTURE, "Pooling"),
    "adaptive": (lambda x: F.adaptive_avg_pool2d(x, (3, 2)), PICTURE, "Pooling"),
    "adaptive max": (lambda x: F.adaptive_max_pool2d(x, (3, 2)), PICTURE, "Pooling"),
    "adaptive, one axis": (lambda x: F.adaptive_avg_pool2d(x, (None, 1)), PICTURE, "Pooling"),
    "mean": (lambda x: x.mean((-1, -2)), PICTURE, "Pooling Flatten"),
    "mean, kept": (lambda x: x.mean((2, 3), keepdim=True), PICTURE, "Pooling"),
    "mean of one": (lambda x: x.mean(1), PICTURE, "Permute Reduction"),
    "mean of all": (lambda x: x.mean(), PICTURE, "Reduction"),
    "sum": (lambda x: x.sum(-1, keepdim=True), PICTURE, "Reduction Reshape"),
    "sum of all": (lambda x: x.sum(), ROW, "Reduction"),
}

RESAMPLING: dict[str, Case] = {
    "nearest": (lambda x: F.interpolate(x, scale_factor=2), PICTURE, "Deconvolution"),
    "nearest, oblong": (lambda x: F.interpolate(x, size=(6, 24)), PICTURE, "Deconvolution"),
    "nearest, 1-D": (lambda x: F.interpolate(x, scale_factor=3), (2, 3, 4), "Deconvolution"),
    **{
        f"bilinear by {n}": (
            lambda x, n=n: F.interpolate(x, scale_factor=n, mode="bilinear"),
            (2, 3, 4, 5),
            "Deconvolution Scale",
        )
        for n in (2, 3, 4)
    },
    "linear": (
        lambda x: F.interpolate(x, scale_factor=2, mode="linear"),
        (2, 3, 4),
        "Deconvolution Scale",
    ),
    "corners fixed": (
        lambda x: F.interpolate(x, (9, 11), mode="bilinear", align_corners=True),
        PICTURE,
        "Interp",
    ),
    "pad": (lambda x: F.pad(x, (1, 1, 1, 1)), PICTURE, "Convolution"),
    "pad, one side": (lambda x: F.pad(x, (0, 1, 2, 0)), PICTURE, "Convolution"),
    "pad, columns": (lambda x: F.pad(x, (1, 3)), PICTURE, "Convolution"),
}

MODULES: dict[str, tuple[nn.Module, tuple[int, ...], str]] = {
    "conv1d": (nn.Conv1d(3, 4, 3, 2, 1), (2, 3, 9), "Convolution"),
    "conv2d": (nn.Conv2d(4, 6, (3, 1), (2, 1), (1, 0), groups=2), (2, 4, 7, 5), "Convolution"),
    "conv2d, dilated": (nn.Conv2d(3, 4, 3, dilation=2, padding="same"), PICTURE, "Convolution"),
    "conv3d": (nn.Conv3d(2, 3, 2, bias=False), (2, 2, 3, 4, 5), "Convolution"),
    "conv2d, no batch": (nn.Conv2d(3, 4, 3), (3, 5, 6), "Convolution"),
    "transposed": (nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2), (2, 4, 3, 5), "Deconvolution"),
    "transposed, 1-D": (nn.ConvTranspose1d(3, 2, 3, 2), (2, 3, 4), "Deconvolution"),
    "transposed, 3-D": (nn.ConvTranspose3d(2, 3, 2, dilation=2), (2, 2, 3, 4, 5), "Deconvolution"),
    "weight_norm": (
        nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)),
        PICTURE,
        "Convolution",
    ),
    "batch_norm": (nn.BatchNorm2d(3), PICTURE, "BatchNorm Scale"),
    "batch_norm, 1-D": (nn.BatchNorm1d(5, affine=False, eps=0.1), ROW, "BatchNorm"),
    "linear": (nn.Linear(5, 4), ROW, "InnerProduct"),
    "linear, 3-D": (nn.Linear(5, 4, bias=False), (2, 3, 5), "InnerProduct"),
    "prelu": (nn.PReLU(), PICTURE, "PReLU"),
    "prelu, channels": (nn.PReLU(3), PICTURE, "PReLU"),
    "matmul": (Calls(lambda x: x @ MATRIX), ROW, "InnerProduct"),
    "addmm": (Calls(lambda x: torch.addmm(C, x, MATRIX)), ROW, "InnerProduct"),
}

FUNCTIONS = {**ACTIVATIONS, **ARITHMETIC, **SHAPES, **POOLING, **RESAMPLING}


def hold(module: nn.Module, shape: tuple[int, ...], types: str | None) -> None:
    model = traced(module, torch.randn(shape))
    kinds = [layer.type for layer in model.net.definition.layer]
    assert types is None or kinds == ["Input", *types.split()]


@pytest.mark.parametrize("case", FUNCTIONS)
def test_a_function(case: str) -> None:
    function, shape, types = FUNCTIONS[case]
    hold(Calls(function), shape, types)


@pytest.mark.parametrize("case", MODULES)
def test_a_module(case: str) -> None:
    hold(*MODULES[case])
