"""Layers that go with recurrent ones, or turn blobs round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import INT_MAX, LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.registry import Layer, between, register
from bigdl_caffe.nn import sequence as modules
from bigdl_caffe.nn.shaping import Permute


@register("ContinuationIndicator")
class ContinuationIndicator(Layer):
    """0 for the first of ``time_step`` steps, 1 after: cont (continuation_indicator_layer.cpp).

    There are as many streams as ``batch_size`` says (xmfbit/warpctc-caffe, no bottom), or as
    the bottom has on ``axis`` (jolibrain/caffe).
    """

    meanings = (
        "No bottom: warpctc-caffe's, with `batch_size`. One bottom: jolibrain's, with `axis`."
    )
    drops_gradient = (0,)
    fork = "xmfbit/warpctc-caffe, jolibrain/caffe"
    without_golden = (
        "Those forks were not run; their rule is one line, which tests/layers/test_sequence.py "
        "writes out."
    )
    bottoms = between(0, 1)
    fork_options: ClassVar[Messages] = {
        "continuation_indicator_param": {"time_step": 0, "axis": 0, "batch_size": 0}
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.steps, self.start, streams = self.fork_values["continuation_indicator_param"].values()
        if (streams and spec.bottoms) or (self.start and not spec.bottoms):
            raise ShapeError(
                "batch_size goes with no bottom, and axis with one: remove the other of the two"
            )
        self.streams = 1 if spec.bottoms else streams
        if not (0 < self.steps <= INT_MAX and 0 < self.streams <= INT_MAX):
            raise ShapeError(
                f"time_step {self.steps} and batch_size {self.streams} have to be 1 to {INT_MAX}"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (steps, streams)."""
        if not bottoms:
            return [(self.steps, self.streams)]
        return [(self.steps, bottoms[0][self.axis(self.start, len(bottoms[0]))])]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Continuation(self.steps, self.streams, self.start)


@register("Transpose")
class Transpose(Layer):
    """Axes in the order of ``transpose_param { dim: ... }`` (transpose_layer.cpp of CTPN).

    The other layers of this name, of which each fork has its own, are refused.
    """

    meanings = "CTPN's, by `dim`. Other forks' have other fields and are refused by them."
    fork = "tianzhi0549/CTPN"
    without_golden = (
        "That fork was not run; tests/layers/test_sequence.py holds it to numpy.transpose."
    )
    in_place = False
    fork_options: ClassVar[Messages] = {"transpose_param": {"dim": []}}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.order = self.fork_values["transpose_param"]["dim"]

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's sizes in the new order."""
        rank = len(bottoms[0])
        if not rank or any(type(i) is not int for i in self.order):
            raise ShapeError(f"transpose_param's dim is {self.order} for bottom {bottoms[0]}")
        if sorted(self.order) != list(range(rank)):
            raise ShapeError(
                f"transpose_param's dim is {self.order}; for bottom {bottoms[0]} it takes each "
                f"of 0 to {rank - 1} once"
            )
        return [tuple(bottoms[0][i] for i in self.order)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return Permute(self.order)

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return whether the first axis becomes another one."""
        return bool(self.order[0] != 0)


@register("Reverse")
class Reverse(Layer):
    """The bottom from end to start along ``reverse_param``'s ``axis`` (reverse_layer.cpp)."""

    fork = "tianzhi0549/CTPN, jolibrain/caffe"
    without_golden = (
        "Those forks were not run; tests/layers/test_sequence.py holds it to numpy.flip."
    )
    in_place = False
    fork_options: ClassVar[Messages] = {"reverse_param": {"axis": 0}}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.along: int = self.fork_values["reverse_param"]["axis"]
        if self.along < 0:
            raise ShapeError(f"axis {self.along} is negative: count from the first axis, 0")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, which has the axis."""
        self.axis(self.along, len(bottoms[0]))
        return [bottoms[0]]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Flip([self.along])

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return whether the rows change places."""
        return self.along == 0


@register("Flip")
class Flip(Layer):
    """Images mirrored, left to right unless ``flip_param`` says otherwise (flip_layer.cpp)."""

    fork = "happynear/caffe-windows (ms)"
    without_golden = "That fork was not run; tests/layers/test_sequence.py holds it to numpy.flip."
    in_place = False
    fork_options: ClassVar[Messages] = {"flip_param": {"flip_width": True, "flip_height": False}}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        given = self.fork_values["flip_param"]
        self.axes = [2] * given["flip_height"] + [3] * given["flip_width"]

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, which has four axes."""
        if len(bottoms[0]) != 4:
            raise ShapeError(
                f"the bottom is {bottoms[0]}; Flip takes 4 axes (num, channels, height, width): "
                f"reshape it"
            )
        return [bottoms[0]]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Flip(self.axes)
