"""Pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import INT_MAX, LayerDef, Shape
from bigdl_caffe.layers.options import Fields
from bigdl_caffe.layers.registry import Layer, between, count, register
from bigdl_caffe.nn.pooling import (
    AvePool,
    MaxPool,
    MinPool,
    Pair,
    PyramidPool,
    StochasticPool,
    Window,
    pyramid_window,
)

MAX, STOCHASTIC = pb.PoolingParameter.MAX, pb.PoolingParameter.STOCHASTIC


@register("Pooling")
class Pooling(Layer):
    """MAX, AVE and STOCHASTIC pooling (pooling_layer.cpp, and .cu for STOCHASTIC).

    STOCHASTIC draws at random in the TRAIN phase, and gives the mean of what it would draw
    in TEST. A second top of MAX holds each maximum's place. ``ceil_mode`` of Intel's and other
    forks is read like ``round_mode``, which wins where both are given. MIN of BVLC/caffe#5779
    is MAX of what has the other sign.
    """

    meanings = (
        "BVLC's `round_mode` and the forks' `ceil_mode` (Intel's and others) both say whether "
        "the last window may reach over the edge; `round_mode` wins. `pool: MIN` is pull request "
        "5779's."
    )
    tops = between(1, 2)
    in_place = False
    takes_unknown_values = True  # MIN is the only one that the prototxt reader lets through
    refused: ClassVar[Fields] = {
        "pooling_param": (
            *("pad_3d", "kernel_size_3d", "stride_3d", "avg_include_pad"),
            *("torch_pooling", "axis"),
        )
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.pooling_param
        self.least = spec.unknown.get("pooling_param", {}).get("pool") == "MIN"
        if len(spec.tops) > 1 and self.param.pool != MAX:
            raise ShapeError("only MAX and MIN pooling make a second top (a mask): remove it")
        self.window = None if self._is_global() else self._window()

    def _is_global(self) -> bool:
        """Return whether one window takes in everything; it has no numbers of its own then."""
        if not self.param.global_pooling:
            return False
        names = ("kernel_size", "kernel_h", "kernel_w")
        if any(map(self.param.HasField, names)):
            raise ShapeError(
                "global_pooling takes no kernel: remove kernel_size, kernel_h/kernel_w"
            )
        if self._pair("pad", 0) != (0, 0) or self._pair("stride", 1) != (1, 1):
            raise ShapeError("global_pooling takes pad 0 and stride 1 only: remove both")
        return True

    def _window(self) -> Window:
        kernel, stride, pad = self._pair("kernel", 0), self._pair("stride", 1), self._pair("pad", 0)
        if 0 in kernel + stride:
            raise ShapeError(f"kernel {kernel} and stride {stride} cannot be 0: give kernel_size")
        if max(kernel + stride) > INT_MAX:
            raise ShapeError(f"kernel {kernel} or stride {stride} is beyond {INT_MAX}: reduce it")
        if any(p >= k for p, k in zip(pad, kernel, strict=True)):
            raise ShapeError(f"pad {pad} is not smaller than the kernel {kernel}: reduce it")
        if any(pad) and self.param.pool == STOCHASTIC:
            raise ShapeError(f"STOCHASTIC pooling takes no padding: remove pad {pad}")
        return Window(kernel, stride, pad, self._ceil())

    def _pair(self, name: str, default: int) -> Pair:
        """Return (height, width) of kernel, stride or pad, given as one number or as two."""
        has, square = self.param.HasField, "kernel_size" if name == "kernel" else name
        tall, wide = has(f"{name}_h"), has(f"{name}_w")
        if tall != wide or (tall and has(square)):
            raise ShapeError(f"give either {square}, or both {name}_h and {name}_w")
        if tall:
            return getattr(self.param, f"{name}_h"), getattr(self.param, f"{name}_w")
        value = getattr(self.param, square) if has(square) else default
        return value, value

    def _ceil(self) -> bool:
        if not self.param.HasField("round_mode"):
            return bool(self.param.ceil_mode)
        return bool(self.param.round_mode == pb.PoolingParameter.CEIL)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (n, c, rows, columns) for each top."""
        if len(bottoms[0]) != 4:
            raise ShapeError(
                f"the bottom is {bottoms[0]}; pooling takes 4 axes (num, channels, height, width): "
                f"reshape it"
            )
        size = self.window.counts(bottoms[0][2:]) if self.window else (1, 1)
        if min(size) < 1:
            raise ShapeError(
                f"bottom {bottoms[0]} is smaller than the kernel (kernel_h and kernel_w are "
                f"{self.window and self.window.kernel}): feed larger inputs"
            )
        covered = self.window.covered(bottoms[0][2:]) if self.window else (1, 1)
        if count(bottoms[0][:2]) * count(covered) > INT_MAX:
            raise ShapeError(
                f"the windows over bottom {bottoms[0]} reach over {covered}, more than {INT_MAX} "
                f"elements: give a smaller kernel, stride or pad"
            )
        return [(*bottoms[0][:2], *size)] * len(self.spec.tops)

    def chooses(self) -> bool:
        """Return whether it says where the maxima are."""
        return len(self.spec.tops) > 1

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        if self.param.pool == MAX:
            return (MinPool if self.least else MaxPool)(self.window, mask=len(self.spec.tops) > 1)
        if self.param.pool == STOCHASTIC:
            return StochasticPool(self.window, draw=self.phase == "TRAIN")
        return AvePool(self.window) if self.window else nn.AdaptiveAvgPool2d(1)


PYRAMID_POOLS: dict[int, Callable[[Window], nn.Module]] = {
    pb.SPPParameter.MAX: MaxPool,
    pb.SPPParameter.AVE: AvePool,
    pb.SPPParameter.STOCHASTIC: partial(StochasticPool, draw=True),
}


@register("SPP")
class SPP(Layer):
    """Pooling into 1, 4, 16... bins of ``pyramid_height`` levels, in a row (spp_layer.cpp).

    STOCHASTIC draws at random in the TEST phase too, as Caffe gives the poolings inside no
    phase.
    """

    in_place = False

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.spp_param
        if not self.param.pyramid_height:
            raise ShapeError("pyramid_height is 0 or missing: give the number of levels")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (n, bins of all levels), or (n, channels, 1, 1) where there is one level."""
        if len(bottoms[0]) != 4:
            raise ShapeError(
                f"the bottom is {bottoms[0]}; SPP takes 4 axes (num, channels, height, width): "
                f"reshape it"
            )
        num, channels, *size = bottoms[0]
        bins = [count(self.window(i, size).counts(size)) for i in range(self.param.pyramid_height)]
        return [(num, channels, 1, 1) if len(bins) == 1 else (num, channels * sum(bins))]

    def window(self, level: int, size: Sequence[int]) -> Window:
        """Return the windows of a level; they may need more padding than pooling takes."""
        window = pyramid_window(level, size)
        too_much = (1, 1) if self.param.pool == pb.SPPParameter.STOCHASTIC else window.kernel
        if any(p >= k for p, k in zip(window.pad, too_much, strict=True)):
            raise ShapeError(
                f"level {level} of the pyramid cuts {tuple(size)} into {2**level} bins a side, "
                f"each {window.kernel} with pad {window.pad}, which pooling does not take: give a "
                f"smaller pyramid_height"
            )
        return window

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return PyramidPool(self.param.pyramid_height, PYRAMID_POOLS[self.param.pool])
