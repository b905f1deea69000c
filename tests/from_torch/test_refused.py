"""What Caffe has no layer for: all of it in one error, and where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError, UnsupportedLayerError
from tests.from_torch.test_ops import PICTURE, ROW, Calls

REFUSED: dict[str, tuple[Callable[..., Tensor], tuple[int, ...], str]] = {
    "gelu": (F.gelu, ROW, "gelu: Caffe has no layer for it"),
    "layer_norm": (lambda x: F.layer_norm(x, [5]), ROW, "layer_norm"),
    "attention": (lambda x: x @ x.t(), ROW, "learned blob on the right"),
    "matrix on the left": (lambda x: torch.ones(4, 2) @ x, ROW, "learned blob on the right"),
    "random": (lambda x: x + torch.rand(5), ROW, "drawn at random"),
    "dropout that stays": (lambda x: F.dropout(x, 0.5, True), ROW, "dropout"),
    "rounding": (lambda x: torch.div(x, 2, rounding_mode="floor"), ROW, "rounds"),
    "integers": (lambda x: x.long() * 2, ROW, "int64"),
    "both repeated": (lambda x: x[:, :1] * torch.ones(2, 5), ROW, "both"),
    "between axes": (
        lambda x: x * x.mean((1, 3), keepdim=True),
        PICTURE,
        "axes in a row",
    ),
    "every other": (lambda x: x[:, ::2], ROW, "step is 2"),
    "empty": (lambda x: x[:, 2:2], ROW, "empty"),
    "written in part": (lambda x: x.clone().index_fill_(1, torch.tensor([0]), 1.0), ROW, "index"),
    "softplus": (lambda x: F.softplus(x, 2), ROW, "beta"),
    "celu": (lambda x: torch.ops.aten.elu(x, 1, 1, 2), ROW, "input_scale"),
    "max, dilated": (lambda x: F.max_pool2d(x, 2, 1, 0, 2), PICTURE, "dilation"),
    "max, 1-D": (lambda x: F.max_pool1d(x, 2), (2, 3, 4), "max_pool1d"),
    "places": (
        lambda x: F.max_pool2d(x, 2, return_indices=True)[1].float(),
        PICTURE,
        "places of its maxima",
    ),
    "ave, padding left out": (
        lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
        PICTURE,
        "count_include_pad",
    ),
    "ave, divisor": (lambda x: F.avg_pool2d(x, 2, divisor_override=3), PICTURE, "divisor"),
    "ceil, far apart": (lambda x: F.max_pool2d(x, 1, 3, ceil_mode=True), (1, 1, 5, 5), "window"),
    "adaptive": (lambda x: F.adaptive_avg_pool2d(x, (4, 3)), PICTURE, "divide"),
    "bicubic": (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), PICTURE, "bicubic"),
    "by a half": (lambda x: F.interpolate(x, scale_factor=1.5), PICTURE, "whole factors"),
    "reflected": (lambda x: F.pad(x, (1, 1, 1, 1), "reflect"), PICTURE, "reflect"),
    "padded with ones": (lambda x: F.pad(x, (1, 1), value=1.0), PICTURE, "zeros"),
    "channels padded": (lambda x: F.pad(x, (0, 0, 0, 0, 1, 1)), PICTURE, "rows and columns"),
}


class Steps(nn.Module):
    """One of the results of a recurrent module."""

    def __init__(self, rnn: nn.RNNBase, state: bool = False) -> None:
        super().__init__()
        self.rnn, self.state = rnn, state

    def forward(self, x: Tensor) -> Tensor:
        out, state = self.rnn(x)
        return state[1] if self.state else out


MODULES: dict[str, tuple[nn.Module, tuple[int, ...], str]] = {
    "output_padding": (nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), PICTURE, "output_padding"),
    "padding on one side": (nn.Conv2d(3, 4, 2, padding="same"), PICTURE, "one side more"),
    "statistics of the batch": (
        nn.BatchNorm2d(3, track_running_stats=False),
        PICTURE,
        "batch",
    ),
    "projection": (Steps(nn.LSTM(5, 4, proj_size=2)), (3, 2, 5), "proj_size"),
    "cell": (Steps(nn.LSTM(5, 4), state=True), (3, 2, 5), "last cell state"),
    "gru": (Steps(nn.GRU(5, 4)), (3, 2, 5), "gru: Caffe has no layer for it"),
    "weights of the input": (Calls(lambda x: F.conv2d(x, x)), PICTURE, "depends on the input"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_function(case: str) -> None:
    function, shape, words = REFUSED[case]
    with pytest.raises(UnsupportedLayerError, match=words):
        Model.from_torch(Calls(function), torch.randn(shape))


@pytest.mark.parametrize("case", MODULES)
def test_a_module(case: str) -> None:
    module, shape, words = MODULES[case]
    with pytest.raises(UnsupportedLayerError, match=words):
        Model.from_torch(module, torch.randn(shape))


class Block(nn.Module):
    """Two operations without a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.GroupNorm(1, 3)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.norm(self.conv(x)))


def test_one_error_names_them_all_and_their_places() -> None:
    net = nn.Sequential(*(Block() for _ in range(4)), nn.MaxPool2d(2), nn.Flatten(), nn.Mish())
    with pytest.raises(UnsupportedLayerError) as caught:
        Model.from_torch(net, torch.randn(PICTURE))
    norm, gelu, mish = caught.value.problems
    line = Path(__file__).read_text().split("return F.gelu")[0].count("\n") + 1
    assert norm.startswith("group_norm: Caffe has no layer for it (in '0.norm'")
    assert gelu.count(f"{__file__}:{line}") == 3
    assert gelu.endswith("and 1 more)")
    assert mish.endswith("(in '6')")
    assert net.training


def test_what_torch_cannot_follow_is_said_with_its_reason() -> None:
    module = Calls(lambda x: x if x.sum() > 0 else -x)
    with pytest.raises(CaffeError, match=r"torch\.export cannot trace Calls"):
        Model.from_torch(module, torch.randn(ROW))
    assert module.training
