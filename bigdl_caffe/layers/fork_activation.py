"""Layers of forks that work on each element, or on each channel, by itself."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import ClassVar

import numpy as np
from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.param_str import param_str
from bigdl_caffe.layers.registry import Layer, count, register
from bigdl_caffe.nn import fork_activation as modules
from bigdl_caffe.nn.activation import Power

LOOPS = (
    "no case can exist where that fork was not run; it is held against numpy written after its "
    "source, and what is random by its statistic, in tests/layers/test_fork_activation.py"
)


@register("SeLu")
class SeLu(Layer):
    """``lambda * x`` above 0, else ``lambda * alpha * (exp(x) - 1)`` (selu_layer.cpp)."""

    fork = "soeaver/caffe-model"
    without_golden = LOOPS
    fork_options: ClassVar[Messages] = {"selu_param": {"alpha": 1.67326324, "lambda": 1.050700987}}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = self.fork_values["selu_param"]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.SeLu(self.param["alpha"], self.param["lambda"])


@register("SeLuDropout")
class SeLuDropout(Layer):
    """Identity in TEST; in TRAIN elements become ``alpha`` at random (selu_dropout_layer.cpp).

    A scale and a shift then give mean and variance back to a self-normalising net.
    """

    fork = "soeaver/caffe-model"
    without_golden = LOOPS
    fork_options: ClassVar[Messages] = {
        "selu_dropout_param": {"dropout_ratio": 0.1, "alpha": -1.75809934}
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = self.fork_values["selu_dropout_param"]
        _check_share("dropout_ratio", self.param["dropout_ratio"])

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        if self.phase == "TEST":
            return nn.Identity()
        return modules.SeLuDropout(self.param["dropout_ratio"], self.param["alpha"])


@register("spatial_dropout.SpatialDropoutLayer")
class SpatialDropout(Layer):
    """Whole channels zeroed at random, and all scaled by ``1 / (1 - p)`` (spatial_dropout.py).

    The phase is ``param_str``'s own, not the net's. "TEST" zeroes nothing, but scales too. The
    fork's gradient in "TRAIN" is that of the last image's channels for all images; here each
    image has its own.
    """

    in_place = False
    fork = "TimoSaemann/ENet (spatial_dropout.py)"
    without_golden = LOOPS

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        given = param_str(spec)
        try:
            self.own_phase, self.p = given["phase"], float(given["p"])
        except (KeyError, TypeError, ValueError):
            raise ShapeError(
                f"param_str is {given}: give \"{{'phase': 'TEST', 'p': '0.1'}}\""
            ) from None
        _check_share("p", self.p)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, which has four axes."""
        if len(bottoms[0]) != 4:
            raise ShapeError(f"the bottom is {bottoms[0]}: give (num, channels, height, width)")
        return [bottoms[0]]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        if self.own_phase == "TRAIN":
            return modules.ChannelDropout(self.p)
        return Power(1, 1 / (1 - self.p), 0)


def _check_share(name: str, share: float) -> None:
    if not 0 < share < 1:
        raise ShapeError(f"{name} {share} is not between 0 and 1: give a share of the elements")


@register("Insanity")
class Insanity(Layer):
    """``x`` above 0, else ``x / slope``: the randomised leaky ReLU (insanity_layer.cpp).

    In TRAIN each slope is drawn from ``lb`` to ``ub``; in TEST it is
    ``(ub - lb) / log(ub / lb)``, the inverse of the mean of ``1 / slope``.
    """

    fork = "happynear/caffe-windows"
    without_golden = LOOPS
    fork_options: ClassVar[Messages] = {"insanity_param": {"lb": 5.0, "ub": 10.0}}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = self.fork_values["insanity_param"]
        low, high = self.param["lb"], self.param["ub"]
        if not 0 < low < high:
            raise ShapeError(f"lb {low} and ub {high} are no slopes: give 0 < lb < ub")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, which has two axes or more."""
        if len(bottoms[0]) < 2:
            raise ShapeError(f"the bottom is {bottoms[0]}; Insanity takes 2 axes or more")
        return [bottoms[0]]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        low, high = self.param["lb"], self.param["ub"]
        if self.phase == "TRAIN":
            return modules.RandomLeakyReLU(low, high)
        return nn.LeakyReLU(log(high / low) / (high - low))


@register("TopK", "TOPK")
class TopK(Layer):
    """The ``k`` largest elements of each row, zeros elsewhere: ``a * k`` of them in TEST.

    topk_layer.cpp of the pull request BVLC/caffe#1137, for k-sparse autoencoders.
    """

    fork = "BVLC/caffe#1137"
    without_golden = LOOPS
    fork_options: ClassVar[Messages] = {"topk_param": {"k": 0, "a": 0.0}}

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        param = self.fork_values["topk_param"]
        # As in the fork, what is left of a * k is cut off in single precision.
        scaled = int(np.float32(param["k"]) * np.float32(param["a"]))
        self.k = param["k"] if phase == "TRAIN" else scaled
        if self.k < 1:
            raise ShapeError(
                f"k is {param['k']} and a {param['a']:g}: give both, so that 1 or more are kept"
            )

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, whose rows have ``k`` elements or more."""
        if not bottoms[0] or count(bottoms[0][1:]) < self.k:
            raise ShapeError(
                f"the rows of bottom {bottoms[0]} have fewer than {self.k} elements: reduce k"
            )
        return [bottoms[0]]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.TopK(self.k)

    def chooses(self) -> bool:
        """Return True: elements stand in competition."""
        return True
