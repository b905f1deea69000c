"""Layers that work on each element by itself, and Softmax."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import inf
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.options import Fields, constant
from bigdl_caffe.layers.registry import BlobSpec, Layer, register
from bigdl_caffe.nn import activation as modules


@register("ReLU")
class ReLU(Layer):
    """``max(x, 0) + negative_slope * min(x, 0)`` (relu_layer.cpp)."""

    refused: ClassVar[Fields] = {"relu_param": ("fuse",)}

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        slope = self.spec.param.relu_param.negative_slope
        return nn.LeakyReLU(slope) if slope else nn.ReLU()


@register("ReLU6")
class ReLU6(Layer):
    """ReLU cut off at 6 (relu6_layer.cpp).

    The slope below 0 is relu6_param's, or relu_param's as in NVIDIA's fork.
    """

    meanings = (
        "The slope is `relu6_param`'s (MobileNet-YOLO), or where that is absent `relu_param`'s "
        "(NVIDIA)."
    )
    fork = "eric612/MobileNet-YOLO, NVIDIA/caffe"
    options = ("relu6_param", "relu_param")
    refused: ClassVar[Fields] = {"relu6_param": ("fuse",), "relu_param": ("fuse",)}
    without_golden = (
        "that fork was not run; held against its formula in tests/layers/test_options.py"
    )

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        own = spec.param.HasField("relu6_param")
        self.param = spec.param.relu6_param if own else spec.param.relu_param

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        slope = self.param.negative_slope
        return modules.ReLU6(slope) if slope else nn.ReLU6()


@register("PReLU")
class PReLU(Layer):
    """ReLU with learned slopes (prelu_layer.cpp).

    Blob: slope (channels), or () with ``channel_shared``; 0.25 by default. More than four
    axes, at which BVLC's stops, are computed as by the forks that have 3-D nets.
    """

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape, which has two axes or more."""
        if len(bottoms[0]) < 2:
            raise ShapeError(
                f"the bottom is {bottoms[0]}; PReLU takes 2 axes or more: reshape it, or use ReLU"
            )
        return [bottoms[0]]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return the slopes."""
        p = self.spec.param.prelu_param
        filler = p.filler if p.HasField("filler") else constant(0.25)
        return [BlobSpec("weight", () if p.channel_shared else (bottoms[0][1],), filler)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.PReLU()


@register("ELU")
class ELU(Layer):
    """``x`` above 0, else ``alpha * (exp(x) - 1)`` (elu_layer.cpp)."""

    refused: ClassVar[Fields] = {"elu_param": ("lambda",)}

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return nn.ELU(self.spec.param.elu_param.alpha)


@register("Sigmoid")
class Sigmoid(Layer):
    """``1 / (1 + exp(-x))`` (sigmoid_layer.cpp)."""

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return nn.Sigmoid()


@register("TanH")
class TanH(Layer):
    """Hyperbolic tangent (tanh_layer.cpp)."""

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return nn.Tanh()


@register("BNLL")
class BNLL(Layer):
    """``log(1 + exp(x))`` (bnll_layer.cpp)."""

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return nn.Softplus(threshold=50)


@register("AbsVal")
class AbsVal(Layer):
    """``|x|`` (absval_layer.cpp)."""

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.AbsVal()


@register("Power")
class Power(Layer):
    """``(shift + scale * x) ** power`` (power_layer.cpp)."""

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.spec.param.power_param
        return modules.Power(p.power, p.scale, p.shift)


def _check_base(base: float) -> None:
    if base != -1 and not 0 < base < inf:
        raise ShapeError(
            f"base {base} is not positive and finite: give a positive number, or -1 for e"
        )


@register("Exp")
class Exp(Layer):
    """``base ** (shift + scale * x)`` (exp_layer.cpp)."""

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        _check_base(spec.param.exp_param.base)

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.spec.param.exp_param
        return modules.Exp(p.base, p.scale, p.shift)


@register("Log")
class Log(Layer):
    """``log_base(shift + scale * x)`` (log_layer.cpp)."""

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        _check_base(spec.param.log_param.base)
        if spec.param.log_param.base == 1:
            raise ShapeError("base 1 has no logarithm: give another positive number, or -1 for e")

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.spec.param.log_param
        return modules.Log(p.base, p.scale, p.shift)


@register("Threshold")
class Threshold(Layer):
    """1 above the threshold, else 0 (threshold_layer.cpp)."""

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Threshold(self.spec.param.threshold_param.threshold)

    def chooses(self) -> bool:
        """Return True: what is at the threshold is 0 or 1."""
        return True

    def no_gradient_to(self) -> Collection[int]:
        """Return the bottom: threshold_layer.hpp has no backward pass."""
        return (0,)


@register("Clip")
class Clip(Layer):
    """``x`` held between ``min`` and ``max`` (clip_layer.cpp)."""

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        p = self.spec.param.clip_param
        return modules.Clip(p.min, p.max)


@register("Swish")
class Swish(Layer):
    """``x * sigmoid(beta * x)`` (swish_layer.cpp)."""

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Swish(self.spec.param.swish_param.beta)


@register("Dropout")
class Dropout(Layer):
    """Identity in TEST; random zeros in TRAIN (dropout_layer.cpp).

    With ``scale_train: false`` of some forks, or ``scale_test: true`` of BVLC/caffe#5779, TEST
    scales by ``1 - dropout_ratio`` and TRAIN does not scale. With ``sample_weights_test`` of
    SegNet's, TEST does what TRAIN does. ``random_seed`` of NVIDIA's is not read: torch's own
    seed repeats a run.
    """

    meanings = (
        "BVLC's scales in TRAIN. With `scale_train: false` or `scale_test: true` (forks, pull "
        "request 5779) it scales in TEST; with `sample_weights_test` (SegNet's) TEST draws as "
        "TRAIN does. A type in capitals, `DROPOUT`, is V1's word and none of V2."
    )
    without_effect: ClassVar[Fields] = {"dropout_param": ("random_seed",)}
    fork_options: ClassVar[Messages] = {
        "dropout_param": {"sample_weights_test": False, "scale_test": False}
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.dropout_param
        options = self.fork_values["dropout_param"]
        self.random = phase == "TRAIN" or options["sample_weights_test"]
        self.scale_train = self.param.scale_train and not options["scale_test"]
        if not 0 <= self.param.dropout_ratio < 1:
            raise ShapeError(
                f"dropout_ratio {self.param.dropout_ratio} is not in [0, 1): give a share of the "
                f"elements"
            )

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        ratio = self.param.dropout_ratio
        if self.random:
            return modules.Dropout(ratio, self.scale_train)
        return nn.Identity() if self.scale_train else modules.Power(1, 1 - ratio, 0)


@register("Softmax")
class Softmax(Layer):
    """Exponentials over their sum along ``axis`` (softmax_layer.cpp)."""

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the bottom's shape."""
        self.axis(self.spec.param.softmax_param.axis, len(bottoms[0]))
        return [bottoms[0]]

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return whether the sum goes over the rows."""
        return self.axis(self.spec.param.softmax_param.axis, len(bottoms[0])) == 0

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return nn.Softmax(self.axis(self.spec.param.softmax_param.axis, len(bottoms[0])))
