"""oneDNN's int8 kernels, which torch has for its compiler, and what stands between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bigdl_caffe.engine.fused import Activation
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.nn.convolution import Convolution
from bigdl_caffe.nn.dense import InnerProduct
from bigdl_caffe.nn.pooling import MaxPool
from bigdl_caffe.nn.quantized import Whole, scales_of
from bigdl_caffe.weights.scheme import LEAST, MOST, Steps

ACTIVATIONS: Mapping[tuple[type, bool], frozenset[str]] = {
    (Convolution, False): frozenset({"none", "relu", "hardtanh"}),
    (Convolution, True): frozenset({"none", "relu"}),
    (InnerProduct, False): frozenset({"none", "relu"}),
}
"""Layer, whether a bottom is added → the activations that its kernel has."""

Pack = Callable[[str, Callable[[], Tensor]], Tensor]


class AnyLayout(nn.Module):
    """What takes tensors in any order of memory, and gives them in the order it likes."""


class Quantize(AnyLayout):
    """Floats to the whole numbers nearest to them."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        """Return uint8."""
        # Divided, not multiplied by the inverse: a half is rounded as `nn.quantized.Round` does.
        whole = torch.div(x, self.steps.scale).round_().add_(self.steps.zero)
        return whole.clamp_(LEAST, MOST).to(torch.uint8)


class Dequantize(AnyLayout):
    """Whole numbers to the floats they mean: new memory."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        """Return float32."""
        return x.to(torch.float32).sub_(self.steps.zero).mul_(self.steps.scale)


class Activate(AnyLayout):
    """An activation over memory that nothing else reads."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``, changed."""
        return self.activation(x)


class Int8MaxPool(AnyLayout):
    """`MaxPool` of whole numbers: the order of numbers is that of what they mean."""

    def __init__(self, exact: MaxPool) -> None:
        super().__init__()
        assert exact.window is not None  # `takes` it
        w = exact.window
        self.how = [list(w.kernel), list(w.stride), list(w.pad), [1, 1], w.ceil]

    @staticmethod
    def takes(module: MaxPool) -> bool:
        """Return whether torch's own kernel makes the windows of ``module``."""
        return module.window is not None and module.window.native and not module.mask

    def forward(self, x: Tensor) -> Tensor:
        """Pool (n, c, height, width) of uint8."""
        x = x.contiguous(memory_format=torch.channels_last)
        top: Tensor = torch.ops.quantized.max_pool2d(x, *self.how)
        return top


class Int8Layer(nn.Module):
    """A layer of int8 weights and a uint8 bottom, not packed yet: it computes in floats.

    Parameters
    ----------
    first : Convolution or InnerProduct
    activation : Activation
        One of `ACTIVATIONS`.
    bottom : Steps
    top : Steps or None
        None for a float top.
    other : Steps, optional
        Those of a uint8 bottom that is added; floats have none.
    adds : bool
        Whether a second bottom is added.
    spares : bool
        Whether that one's memory, where the kernel puts the top, is read later.
    """

    def __init__(
        self,
        first: Convolution | InnerProduct,
        activation: Activation,
        bottom: Steps,
        top: Steps | None,
        other: Steps | None = None,
        adds: bool = False,
        spares: bool = True,
    ) -> None:
        super().__init__()
        self.first, self.activation, self.bottom, self.top = first, activation, bottom, top
        self.other, self.adds, self.spares = other, adds, spares

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """Return what the kernel has to return."""
        top = Whole(self.first, self.bottom.scale)(Dequantize(self.bottom)(x))
        for other in others:
            top.add_(Dequantize(self.other)(other) if self.other else other)
        top = self.activation(top)
        return Quantize(self.top)(top) if self.top else top

    def packed(self, name: str, rows: tuple[int, int], shape: Shape, pack: Pack) -> nn.Module:
        """Return it with its weight as the kernel wants it; see `engine.onednn.lowered`."""
        if isinstance(self.first, InnerProduct):
            weight = pack(name, lambda: _pack_product(self, rows[1]))
            return Int8Product(self, weight)
        weight = pack(name, lambda: _pack_convolution(self, (rows[0], *shape[1:])))
        return Int8Convolution(self, weight)


def _pack_convolution(layer: Int8Layer, shape: Shape) -> Tensor:
    assert isinstance(layer.first, Convolution)
    how = layer.first.convolve.keywords
    sizes = [list(how[name]) for name in ("stride", "padding", "dilation")]
    numbers = (layer.first.weight, scales_of(layer.first), layer.bottom.scale, layer.bottom.zero)
    packed: Tensor = torch.ops.onednn.qconv_prepack(*numbers, *sizes, how["groups"], list(shape))
    return packed


def _pack_product(layer: Int8Layer, rows: int) -> Tensor:
    weight = layer.first.weight
    packed: Tensor = torch.ops.onednn.qlinear_prepack(weight, [rows, weight.shape[1]])
    return packed


class _Packed(AnyLayout):
    """The kernels' arguments."""

    def __init__(self, layer: Int8Layer, weight: Tensor) -> None:
        super().__init__()
        scales, bias = scales_of(layer.first), layer.first.bias
        self.bottom = (layer.bottom.scale, layer.bottom.zero)
        self.packed = (weight, scales, torch.zeros_like(scales, dtype=torch.int64))
        self.bias = None if bias is None else bias.detach()
        steps = layer.top
        self.top: tuple[Any, ...] = (1.0, 0, torch.float32)
        if steps is not None:
            self.top = (steps.scale, steps.zero, torch.uint8)
        self.post = (layer.activation.name, list(layer.activation.scalars), "")


class Int8Convolution(_Packed):
    """A 2-D convolution of uint8, what is added to it, and the activation, in one kernel."""

    def __init__(self, layer: Int8Layer, weight: Tensor) -> None:
        super().__init__(layer, weight)
        assert isinstance(layer.first, Convolution)
        how = layer.first.convolve.keywords
        self.sizes = [list(how[name]) for name in ("stride", "padding", "dilation")]
        self.groups = how["groups"]
        self.adds, self.spares = layer.adds, layer.spares
        other = layer.other
        self.added = (other.scale, other.zero) if other else (1.0, 0)

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """Return (n, channels, height, width), in channels-last order."""
        x = x.contiguous(memory_format=torch.channels_last)
        if not self.adds:
            top: Tensor = torch.ops.onednn.qconv2d_pointwise(
                x, *self.bottom, *self.packed, self.bias, *self.sizes, self.groups, *self.top,
                *self.post,
            )  # fmt: skip  # one argument a line would be twenty
            return top
        (other,) = (o.contiguous(memory_format=torch.channels_last) for o in others)
        other = other.clone(memory_format=torch.preserve_format) if self.spares else other
        added: Tensor = torch.ops.onednn.qconv2d_pointwise.binary(
            x, *self.bottom, *self.packed, other, self.bias, *self.sizes, self.groups, *self.top,
            *self.added, "sum", 1.0, *self.post,
        )  # fmt: skip  # one argument a line would be twenty
        return added


class Int8Product(_Packed):
    """A matrix product of uint8 and the activation behind it."""

    def __init__(self, layer: Int8Layer, weight: Tensor) -> None:
        super().__init__(layer, weight)
        assert isinstance(layer.first, InnerProduct)
        self.axis = layer.first.axis

    def forward(self, x: Tensor) -> Tensor:
        """Return (axes before the product's..., outputs)."""
        x = x.contiguous().flatten(self.axis)
        rows = x.reshape(-1, x.shape[-1])
        top: Tensor = torch.ops.onednn.qlinear_pointwise(
            rows, *self.bottom, *self.packed, self.bias, *self.top, *self.post
        )
        return top.reshape(*x.shape[:-1], -1)
