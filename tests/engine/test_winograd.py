"""3×3 convolutions by transforms: the same numbers as torch's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.engine import onednn, winograd
from bigdl_caffe.engine.fused import NO_ACTIVATION, Activation, Joined
from bigdl_caffe.engine.packed import can_map, read_packed, write_packed
from bigdl_caffe.engine.program import Op, Program
from bigdl_caffe.engine.winograd import WinogradConvolution, fits, pack_weight, tiles
from bigdl_caffe.nn.convolution import Convolution

pytestmark = pytest.mark.skipif(
    not onednn.available(), reason="this torch or processor has no oneDNN kernels to join"
)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def convolution(
    channels: int = 8,
    outputs: int = 16,
    padding: tuple[int, int] = (1, 1),
    bias: bool = True,
    kernel: int = 3,
    **how: int,
) -> Convolution:
    draw = torch.Generator().manual_seed(3)
    step, far, groups = how.get("stride", 1), how.get("dilation", 1), how.get("groups", 1)
    module = Convolution((step, step), padding, (far, far), groups)
    weight = torch.randn(outputs, channels // groups, kernel, kernel, generator=draw)
    module.weight = nn.Parameter(weight / (9 * channels) ** 0.5)
    module.bias = nn.Parameter(torch.randn(outputs, generator=draw)) if bias else None
    return module


def bottom(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(7))


def quick(
    module: Convolution, tiles: int, activation: Activation = NO_ACTIVATION, adds: bool = False
) -> WinogradConvolution:
    return WinogradConvolution(module, pack_weight(module, tiles), tiles, activation, adds)


def exact(module: Convolution, x: Tensor) -> Tensor:
    bias = None if module.bias is None else module.bias.double()
    pad = module.convolve.keywords["padding"]
    return F.conv2d(x.double(), module.weight.double(), bias, padding=pad)


def assert_same(got: Tensor, want: Tensor) -> None:
    assert got.shape == want.shape
    assert got.is_contiguous(memory_format=torch.channels_last)
    assert float((got - want).abs().max()) <= 1e-5 * max(1.0, float(want.abs().max()))


@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 2), (0, 2), (1, 0)])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 14), (3, 3)])
def test_every_place_is_what_torch_computes(
    padding: tuple[int, int], size: tuple[int, int]
) -> None:
    module = convolution(padding=padding)
    x = bottom(2, 8, *size)
    assert_same(quick(module, 4)(x), exact(module, x))


@pytest.mark.parametrize("rows", [1, 3, 8])
@pytest.mark.parametrize("block", [4, 9, 18, 40])
def test_blocks_of_part_of_an_image_and_of_several(rows: int, block: int) -> None:
    module = convolution()
    x = bottom(rows, 8, 12, 10)  # 9 tiles an image
    assert_same(quick(module, block)(x), exact(module, x))


def test_without_bias() -> None:
    module, x = convolution(bias=False), bottom(1, 8, 8, 8)
    assert_same(quick(module, 4)(x), exact(module, x))


def test_sum_then_activation() -> None:
    module, x, other = convolution(), bottom(3, 8, 6, 8), bottom(3, 16, 6, 8)
    kept = other.clone()
    for activation, function in (
        (Activation("relu"), torch.relu),
        (Activation("leaky_relu", (0.1,)), lambda y: F.leaky_relu(y, 0.1)),
    ):
        got = quick(module, 6, activation, adds=True)(x, other)
        assert_same(got, function(exact(module, x) + other.double()))
    assert torch.equal(other, kept)


def test_a_block_larger_than_what_is_given_computes_directly() -> None:
    module, x, other = convolution(), bottom(1, 8, 8, 8), bottom(1, 16, 8, 8)
    got = quick(module, 64, Activation("relu"), adds=True)(x, other)
    want = torch.relu(exact(module, x) + other)
    assert float((got - want).abs().max()) < 1e-5


def test_a_check_sees_the_transforms_however_few_rows_it_has() -> None:
    module, x = convolution(), bottom(1, 8, 8, 8)
    by_block = quick(module, 64)
    by_block.packed = (pack_weight(convolution(bias=False), 64), by_block.packed[1] * 2)
    with winograd.always():
        assert float((by_block(x) - exact(module, x)).abs().max()) > 0.1
    assert float((by_block(x) - exact(module, x)).abs().max()) < 1e-5


def test_a_wider_image_than_a_block_computes_directly() -> None:
    module, x = convolution(), bottom(1, 8, 4, 40)
    assert float((quick(module, 4)(x) - exact(module, x)).abs().max()) < 1e-5


def test_large_numbers_lose_no_more_than_others() -> None:
    module, x = convolution(channels=512, outputs=64), 1e4 * bottom(1, 512, 8, 8).relu_()
    want = exact(module, x)
    assert float((quick(module, 4)(x) - want).abs().max()) <= 1e-5 * float(want.abs().max())


@pytest.mark.parametrize(
    "module",
    [
        convolution(kernel=5),
        convolution(kernel=1),
        convolution(stride=2),
        convolution(dilation=2),
        convolution(groups=2),
        convolution(padding=(3, 0)),
    ],
    ids=["5x5", "1x1", "stride", "dilation", "groups", "padding"],
)
def test_what_it_cannot_do(module: Convolution) -> None:
    assert not fits(module)
    assert tiles(module, (16, 8, 64, 64)) == 0


@pytest.mark.parametrize(
    ("channels", "shape", "block"),
    [
        (64, (1, 64, 56, 56), 0),  # too few channels
        (128, (1, 128, 112, 112), 140),  # five of 28 rows
        (256, (1, 256, 56, 56), 98),  # half an image
        (512, (1, 512, 14, 14), 16),
        (512, (16, 512, 14, 14), 128),  # eight images
        (256, (1, 256, 14, 14), 0),  # too few tiles
        (128, (1, 128, 1, 1024), 256),  # a row at least
        (512, (0, 512, 14, 14), 0),
        (128, (1, 128, 0, 0), 0),
    ],
)
def test_where_it_is_quicker(channels: int, shape: tuple[int, ...], block: int) -> None:
    assert tiles(convolution(channels, channels), shape) == block


def test_lowering_takes_it_where_it_pays() -> None:
    module = convolution(128, 128)
    op = Op(Joined(module, Activation("relu")), ("data",), ("conv",), ("conv", "relu"))
    program = Program({"data": "data"}, (op,), {"conv": "conv"})

    def lowered(size: int) -> Program:
        shapes = {"data": (1, 128, size, size), "conv": (1, 128, size, size)}
        return onednn.lowered(program, shapes, (1, 1), lambda name, make: make())

    assert type(lowered(8).ops[0].module) is onednn.PackedConvolution
    packed = lowered(32).ops[0].module
    assert type(packed) is WinogradConvolution
    x = bottom(1, 128, 32, 32)
    assert_same(packed(x), torch.relu(exact(module, x)))


@pytest.mark.skipif(not can_map(), reason="this torch maps no packed weights")
def test_its_weight_is_shared_by_file(tmp_path) -> None:
    module, path, x = convolution(), tmp_path / "packed", bottom(2, 8, 8, 8)
    with path.open("xb") as out:
        write_packed(out, [("conv", pack_weight(module, 4))])
    weights = read_packed(path)
    mapped = WinogradConvolution(module, weights["conv"], 4, NO_ACTIVATION, False)
    assert torch.equal(mapped(x), quick(module, 4)(x))


def test_the_matrices_are_winograds() -> None:
    """Of whole numbers, one row's tile is the correlation to the last bits of a double."""
    d, w = torch.arange(6.0, dtype=torch.float64) ** 2, torch.tensor([2.0, -3, 5]).double()
    before, top = torch.empty_like(d), torch.empty(4, dtype=torch.float64)
    winograd._before(list(d), list(before))
    winograd._behind(list(before * (torch.tensor(winograd._G).double() @ w)), list(top))
    assert torch.allclose(top, d.unfold(0, 3, 1) @ w, rtol=1e-6)
