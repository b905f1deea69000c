"""Enlarging and shrinking of images, of forks for segmentation and for YOLO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.options import Fields, same_shapes
from bigdl_caffe.layers.pooling import MAX, Pooling
from bigdl_caffe.layers.registry import Layer, between, count, exactly, register
from bigdl_caffe.nn import resampling as modules
from bigdl_caffe.nn.pooling import Pair

ABSENT = -1
"""Stands for an option that is not given, where 0 would be one that is."""

LOOPS = (
    "no case can exist where that fork was not run; it is held against loops written after its "
    "source, in tests/layers/test_resampling.py"
)


def _check_image(bottom: Shape, kind: str) -> None:
    if len(bottom) != 4:
        raise ShapeError(
            f"the bottom is {bottom}; {kind} takes 4 axes (num, channels, height, width): "
            f"reshape it"
        )


@register("Interp")
class Interp(Layer):
    """Bilinear interpolation with fixed corners (interp_layer.cpp of DeepLab and PSPNet).

    The size is ``height`` and ``width``, or the bottom's by ``shrink_factor`` and
    ``zoom_factor``; with a second bottom (``use_blob_size``) it is that one's.
    """

    meanings = (
        "With `use_blob_size`, or a second bottom, the size is that bottom's; otherwise DeepLab's "
        "and PSPNet's fields give it."
    )
    drops_gradient = (1,)
    bottoms = between(1, 2)
    in_place = False
    fork = "hszhao/PSPNet, after DeepLab's"
    fork_options: ClassVar[Messages] = {"interp_param": {"use_blob_size": False}}
    without_golden = LOOPS

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        by_blob = self.fork_values["interp_param"]["use_blob_size"]
        self.grid = self._grid(by_blob or len(spec.bottoms) > 1)
        if by_blob and len(spec.bottoms) == 1:
            raise ShapeError("use_blob_size takes the size of a second bottom: give one")
        if max(self.grid.pad) > 0:
            raise ShapeError(
                f"pad_beg and pad_end are {self.grid.pad}; Interp only cuts away: give 0 or less"
            )

    def _grid(self, by_blob: bool) -> modules.Grid:
        """Return the sizes, with the precedence of the fork's Reshape."""
        p = self.spec.param.interp_param
        pad, shrink, zoom = (p.pad_beg, p.pad_end), p.shrink_factor, p.zoom_factor
        factors = p.HasField("shrink_factor") + p.HasField("zoom_factor")
        sides = p.HasField("height") and p.HasField("width")
        if by_blob and (factors or sides):
            raise ShapeError("the second bottom gives the size: remove it, or all other sizes")
        if not by_blob and not factors and not sides:
            raise ShapeError("it has no size: give height and width, zoom_factor or shrink_factor")
        if min(shrink, zoom) < 1:
            raise ShapeError(f"shrink_factor {shrink} or zoom_factor {zoom} is below 1: raise it")
        if sides and factors != 1:
            return modules.Grid(pad, (p.height, p.width))
        return modules.Grid(pad, None, shrink, zoom)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (n, c, rows, columns)."""
        for bottom in bottoms:
            _check_image(bottom, "Interp")
        left = self.grid.cut(bottoms[0][2:])
        size = bottoms[1][2:] if len(bottoms) > 1 else self.grid.top(bottoms[0][2:])
        if min(*left, *size) < 1:
            raise ShapeError(
                f"bottom {bottoms[0]} is {left} after pad_beg and pad_end and becomes {size}: "
                f"neither may be empty"
            )
        return [(*bottoms[0][:2], *size)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Interp(self.grid)

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return four multiplications an element."""
        return 4 * count(tops[0])


class Enlarging(Layer):
    """What Upsample and Unpooling share: a top that is larger than the bottom."""

    drops_gradient = (1,)
    in_place = False
    without_golden = LOOPS

    def enlarger(self) -> modules.Repeat | modules.Unpool:
        """Return the torch module, which knows the top's size."""
        raise NotImplementedError

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (n, c, rows, columns)."""
        _check_image(bottoms[0], self.spec.type)
        same_shapes(bottoms)
        size = self.enlarger().size(bottoms[0][2:])
        if min(size) < 1:
            raise ShapeError(
                f"bottom {bottoms[0]} becomes {size}, which is empty: feed larger ones"
            )
        return [(*bottoms[0][:2], *size)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return self.enlarger()


UPSAMPLE = {
    **dict.fromkeys(("scale_h", "scale_w", "upsample_h", "upsample_w"), ABSENT),
    **dict.fromkeys(("pad_out_h", "pad_out_w"), False),
}
"""Fields of caffe-segnet's upsample_param besides ``scale``."""


@register("Upsample")
class Upsample(Enlarging):
    """Two layers of one name, told apart by their bottoms (upsample_layer.cpp of each fork).

    One bottom, as in MobileNet-YOLO: each element becomes a square of ``scale`` (1).
    Two bottoms, as in caffe-segnet and ENet: elements go where the second one, the mask of
    a MAX pooling, says, and zeros elsewhere. The top is ``upsample_h`` by ``upsample_w``,
    or ``scale`` (2) times the bottom, one less with ``pad_out_h`` and ``pad_out_w``.
    """

    meanings = (
        "One bottom: MobileNet-YOLO's, each element a square of `scale`. Two bottoms: "
        "caffe-segnet's and ENet's, each element where the mask of a MAX pooling says."
    )
    bottoms = between(1, 2)
    fork = "eric612/MobileNet-YOLO and alexgkendall/caffe-segnet"
    fork_options: ClassVar[Messages] = {"upsample_param": UPSAMPLE}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.given = self.fork_values["upsample_param"]
        p = spec.param.upsample_param
        self.masked = len(spec.bottoms) > 1
        self.scale = p.scale if p.HasField("scale") or not self.masked else 2
        if self.masked:
            self.growth = self._growth(p.HasField("scale"))
        elif self.given != UPSAMPLE:
            raise ShapeError(
                f"{sorted(spec.unknown['upsample_param'])} belong to an Upsample with a mask: give "
                f"the mask as second bottom, or scale alone"
            )
        elif self.scale < 1:
            raise ShapeError(f"scale {self.scale} is below 1: raise it")

    def _growth(self, scaled: bool) -> tuple[Pair, Pair]:
        """Return what a bottom's size is multiplied by, and what is added."""
        o = self.given
        size, scales = (o["upsample_h"], o["upsample_w"]), (o["scale_h"], o["scale_w"])
        for pair, names in ((size, "upsample_h/upsample_w"), (scales, "scale_h/scale_w")):
            if pair != (ABSENT, ABSENT) and min(pair) < 2:
                raise ShapeError(f"{names} are {pair} (-1: not given): give two numbers above 1")
        if size != (ABSENT, ABSENT):
            return (0, 0), size
        if scaled and scales != (ABSENT, ABSENT):
            raise ShapeError("scale and scale_h/scale_w are both given: keep one form")
        times = scales if scales != (ABSENT, ABSENT) else (self.scale, self.scale)
        odd = (o["pad_out_h"], o["pad_out_w"])
        if min(times) < 2 or any(t != 2 and cut for t, cut in zip(times, odd, strict=True)):
            raise ShapeError(f"scale is {times}: give more than 1, and 2 for pad_out_h/pad_out_w")
        return times, (-odd[0], -odd[1])

    def enlarger(self) -> modules.Repeat | modules.Unpool:
        """Return the torch module."""
        return modules.Unpool(*self.growth) if self.masked else modules.Repeat(self.scale)


UNPOOLING = {
    "unpool": "MAX",
    **dict.fromkeys(("unpool_size", "unpool_h", "unpool_w"), ABSENT),
    **dict.fromkeys(("kernel_size", "kernel_h", "kernel_w", "stride", "stride_h", "stride_w"), 1),
    **dict.fromkeys(("pad", "pad_h", "pad_w"), 0),
}
"""DeconvNet's unpooling_param; kernel and stride say nothing where the mask does."""


@register("Unpooling")
class Unpooling(Enlarging):
    """MAX pooling undone by its mask, the second bottom (unpooling_layer.cpp of each fork).

    With pooling_param, as in the pull request BVLC/caffe#3376: the top is
    ``(size - 1) * stride + kernel - 2 * pad``. With unpooling_param, as in DeconvNet: it is
    ``unpool_size``, or ``unpool_h`` by ``unpool_w``. Elements whose place the mask names twice
    are not added up: the last one stays.
    """

    meanings = (
        "With `unpooling_param`: DeconvNet's, of a given size. Otherwise pull request 3376's, by "
        "the windows of `pooling_param`."
    )
    bottoms = exactly(2)
    fork = "BVLC/caffe#3376 and HyeonwooNoh/caffe"
    options = ("pooling_param",)
    fork_options: ClassVar[Messages] = {"unpooling_param": UNPOOLING}
    refused: ClassVar[Fields] = Pooling.refused

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        fixed = "unpooling_param" in spec.unknown
        self.growth = self._fixed() if fixed else self._by_window()

    def _fixed(self) -> tuple[Pair, Pair]:
        o = self.fork_values["unpooling_param"]
        if o["unpool"] != "MAX" or o["pad"] or o["pad_h"] or o["pad_w"]:
            raise UnsupportedLayerError("only unpool: MAX without padding is computed here")
        square = o["unpool_size"]
        size = (o["unpool_h"], o["unpool_w"]) if square == ABSENT else (square, square)
        if min(size) < 1:
            raise ShapeError(f"the size is {size}: give unpool_size, or unpool_h and unpool_w")
        return (0, 0), size

    def _by_window(self) -> tuple[Pair, Pair]:
        pooling = Pooling(self.spec, self.phase)
        if pooling.param.pool != MAX or pooling.window is None:
            raise UnsupportedLayerError("only pool: MAX with a kernel is undone here")
        w = pooling.window
        rows, columns = (k - s - 2 * p for k, s, p in zip(w.kernel, w.stride, w.pad, strict=True))
        return w.stride, (rows, columns)

    def enlarger(self) -> modules.Unpool:
        """Return the torch module."""
        return modules.Unpool(*self.growth)
