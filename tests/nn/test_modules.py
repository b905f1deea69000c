"""What the golden cases do not reach: other types, odd shapes, randomness."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from bigdl_caffe.nn.activation import Dropout, Exp, Log, Power, PReLU, ReLU6, Threshold
from bigdl_caffe.nn.blobs import Weighted
from bigdl_caffe.nn.convolution import Convolution
from bigdl_caffe.nn.dense import InnerProduct
from bigdl_caffe.nn.elementwise import Maximum, Sum
from bigdl_caffe.nn.normalization import BatchNorm, LRNAcross, LRNWithin, Scale
from bigdl_caffe.nn.pooling import AvePool, MaxPool, Window
from bigdl_caffe.nn.shaping import Reshape, Slice
from tests.compare import assert_close_to_caffe


def scale() -> Scale:
    module = Scale(1)
    module.weight, module.bias = nn.Parameter(torch.ones(3)), nn.Parameter(torch.zeros(3))
    return module


def with_weight(module: Weighted, *shape: int) -> Weighted:
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    module.weight = nn.Parameter(numbers / numbers[0].numel() ** 0.5)
    return module


def batch_norm(stored: bool, channels: int = 3) -> BatchNorm:
    module = BatchNorm(1e-5, 0.999, stored)
    module.mean, module.variance = torch.zeros(channels), torch.ones(channels)
    module.factor = torch.ones(1)
    return module


MODULES = {
    "ave": AvePool(Window((3, 3), (4, 4))),
    "batch_norm": batch_norm(stored=True),
    "convolution": with_weight(Convolution((2, 1), (1, 0), (1, 1), groups=1), 4, 3, 3, 2),
    "deconvolution": with_weight(
        Convolution((2, 2), (1, 1), (1, 1), groups=3, transposed=True), 3, 1, 3, 3
    ),
    "exp": Exp(2, 0.5, 1),
    "inner_product": with_weight(InnerProduct(1, transpose=True), 126, 5),
    "log": Log(10, 1, 20),
    "lrn": LRNAcross(5, 1e-4, 0.75, 1),
    "lrn_within": LRNWithin(3, 1e-4, 0.75),
    "max": MaxPool(Window((2, 2), (3, 3))),
    "power": Power(2, 0.5, 1),
    "relu6": ReLU6(0.1),
    "prelu": with_weight(PReLU(), 3),
    "reshape": Reshape((0, -1), 0, 4),
    "scale": scale(),
    "threshold": Threshold(0.5),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("name", MODULES)
def test_other_types_stay_what_they_are(name: str, dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, 7, 6, generator=torch.Generator().manual_seed(1))
    expected = MODULES[name](x)
    top = MODULES[name].to(dtype)(x.to(dtype))
    MODULES[name].float()
    assert top.dtype == dtype
    assert_close_to_caffe(top.detach().float(), expected.detach(), 2e-2)


@pytest.mark.parametrize("name", MODULES)
def test_the_bottom_is_left_as_it_was(name: str) -> None:
    x = torch.randn(2, 3, 7, 6)
    before = x.clone()
    MODULES[name](x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("name", MODULES)
def test_pickles(name: str) -> None:
    x = torch.randn(2, 3, 7, 6)
    assert torch.equal(pickle.loads(pickle.dumps(MODULES[name]))(x), MODULES[name](x))


@pytest.mark.parametrize("name", MODULES)
def test_exports_with_any_batch_size(name: str) -> None:
    batch = torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(
        nn.Sequential(MODULES[name]), (torch.randn(2, 3, 7, 6),), dynamic_shapes=({0: batch},)
    )
    x = torch.randn(5, 3, 7, 6)
    assert_close_to_caffe(exported.module()(x).detach(), MODULES[name](x).detach())


def test_convolution_over_the_last_axis_only_mixes_channels() -> None:
    conv = Convolution((), (), (), groups=2, axis=1)
    conv.weight = nn.Parameter(torch.randn(4, 3))
    x = torch.randn(5, 6)
    halves = [x[:, :3] @ conv.weight[:2].T, x[:, 3:] @ conv.weight[2:].T]
    assert_close_to_caffe(conv(x).detach(), torch.cat(halves, 1).detach())


def test_batch_norm_of_one_element_a_channel() -> None:
    norm = batch_norm(stored=False)
    x = torch.tensor([[2.0, 3.0, 4.0]], requires_grad=True)
    top = norm(x)
    top.sum().backward()
    assert top.tolist() == [[0, 0, 0]]
    assert_close_to_caffe(norm.mean, [2, 3, 4])
    assert_close_to_caffe(norm.variance, [0.999] * 3)
    assert_close_to_caffe(norm.factor, [1.999])
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_batch_norm_takes_a_single_axis_as_one_channel() -> None:
    norm = batch_norm(stored=False, channels=1)
    x = torch.randn(8)
    assert_close_to_caffe(norm(x), (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt())


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_phase_decides_and_not_torchs_mode(mode: str) -> None:
    x = torch.ones(1000)
    assert (getattr(Dropout(0.5, scale=True), mode)()(x) == 0).any()
    norm = getattr(batch_norm(stored=True), mode)()
    norm(torch.randn(2, 3, 4, 4))
    assert norm.factor.item() == 1


@pytest.mark.parametrize(("scale", "kept"), [(True, 1 / 0.7), (False, 1.0)])
def test_dropout_zeroes_its_share_and_scales_the_others(scale: bool, kept: float) -> None:
    torch.manual_seed(3)
    top = Dropout(0.3, scale)(torch.ones(100_000))
    assert abs((top == 0).float().mean().item() - 0.3) < 0.01
    assert_close_to_caffe(top[top != 0], np.full(int((top != 0).sum()), kept))


def test_maximum_gives_the_gradient_to_the_second_of_equals() -> None:
    bottoms = [torch.ones(1, requires_grad=True) for _ in range(3)]
    Maximum()(*bottoms).backward()
    assert [b.grad.item() if b.grad is not None else 0 for b in bottoms] == [0, 1, 0]


def test_sum_in_place_leaves_out_what_caffe_clears() -> None:
    a, b = torch.tensor([1.0], requires_grad=True), torch.tensor([5.0], requires_grad=True)
    top = Sum((2, 3), in_place=True)(a, b)
    top.backward()
    assert top.item() == 15
    assert (a.grad, b.grad) == (torch.tensor([2.0]), torch.tensor([3.0]))


def test_slice_follows_the_size_of_the_bottom() -> None:
    assert [t.shape[1] for t in Slice(1, 3)(torch.zeros(2, 9))] == [3, 3, 3]
    assert [t.shape[1] for t in Slice(1, (2, 5))(torch.zeros(2, 9))] == [2, 3, 4]
