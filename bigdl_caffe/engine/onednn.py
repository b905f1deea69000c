"""Convolutions and matrix products by oneDNN's fused kernels, which torch has for its compiler.

The kernels want activations in channels-last order and weights in blocks of their own. Both are
done once here: the weights are packed when the engine opens, and what lies between two such
operations stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.engine import winograd
from bigdl_caffe.engine.channels_last import quick
from bigdl_caffe.engine.fused import NO_ACTIVATION, Activation, Joined, activation
from bigdl_caffe.engine.int8 import FLOATS, in_float_weights
from bigdl_caffe.engine.int8_layers import AnyLayout, Int8Layer
from bigdl_caffe.engine.program import Op, Program
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.nn import elementwise, normalization, pooling
from bigdl_caffe.nn.convolution import Convolution
from bigdl_caffe.nn.dense import InnerProduct
from bigdl_caffe.nn.quantized import L, with_floats

Pack = Callable[[str, Callable[[], Tensor]], Tensor]
"""Takes the name of a weight and what packs it; returns the packed weight."""


@cache
def available() -> bool:
    """Return whether this torch, on this processor, has the kernels."""
    wanted = ("_convolution_pointwise", "_reorder_convolution_weight", "_linear_pointwise")
    names = set(torch._C._dispatch_get_all_op_names())
    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch's
    return built and all(f"mkldnn::{w}" in names for w in wanted)


def lowered(
    program: Program,
    shapes: Mapping[str, Shape],
    rows: tuple[int, int],
    pack: Pack,
    products: bool = True,
) -> Program:
    """Return ``program`` with packed operations where oneDNN has them.

    Parameters
    ----------
    program : Program
        For the CPU and float32.
    shapes : mapping of str to shape
        Of every value, at the sizes the weights are packed for. Others work too, slower.
    rows : tuple of int
        The batch that convolutions, and that matrix products are packed for.
    pack : callable
        Keeps each packed weight, or knows it; also those that stay as they lie, if they are
        int8 and the net is not: multiplied out.
    products : bool
        Whether weights of matrix products are packed, too. As they lie, a product takes up to
        half as long again, which is a hundredth of VGG-16's time.
    """
    lower = _Lowering(shapes, rows, pack, products)
    return program.with_ops([lower(op) for op in program.ops])


@dataclass(frozen=True)
class _Lowering:
    shapes: Mapping[str, Shape]
    rows: tuple[int, int]
    pack: Pack
    products: bool

    def __call__(self, op: Op) -> Op:
        joined = op.module if isinstance(op.module, Joined) else None
        first = joined.first if joined else op.module
        how = (joined.activation, joined.adds) if joined else (NO_ACTIVATION, False)
        if isinstance(op.module, Int8Layer):
            shape = self.shapes[op.reads[0]]
            return replace(op, module=op.module.packed(op.layers[0], self.rows, shape, self.pack))
        if type(first) is Convolution and is_2d(first) and len(op.reads) == 1 + how[1]:
            shape = (self.rows[0], *self.shapes[op.reads[0]][1:])
            return replace(op, module=self._convolution(op.layers[0], first, shape, *how))
        if type(first) is InnerProduct and not first.transpose and self.rows[1] > 1:
            return replace(op, module=self._product(op.layers[0], first, how[0]))
        floats = in_float_weights(op.module, lambda make: self.pack(op.layers[0] + FLOATS, make))
        return replace(op, module=quick(floats) if takes_any_layout(first) else Contiguous(floats))

    def _product(self, name: str, first: InnerProduct, activation: Activation) -> nn.Module:
        """Return a matrix product, packed if that is wanted."""
        plain = self._plain(name, first)
        weight = plain.weight.detach()
        if self.products:
            weight = self.pack(name, lambda: pack_product(with_floats(first), self.rows[1]))
        return PackedProduct(plain, weight, activation)

    def _plain(self, name: str, first: L) -> L:
        """Return a layer with weights that are floats and lie as Caffe has them."""
        return with_floats(first, partial(self.pack, name + FLOATS))

    def _convolution(
        self, name: str, first: Convolution, shape: Shape, activation: Activation, adds: bool
    ) -> nn.Module:
        """Return the quickest form of a convolution of bottoms of ``shape``."""
        tiles = winograd.tiles(first, shape)
        if tiles:
            weight = self.pack(name, lambda: winograd.pack_weight(with_floats(first), tiles))
            plain = self._plain(name, first)
            return winograd.WinogradConvolution(plain, weight, tiles, activation, adds)
        weight = self.pack(name, lambda: pack_convolution(with_floats(first), shape))
        return PackedConvolution(first, weight, activation, adds)


def is_2d(module: Convolution) -> bool:
    """Return whether a layer convolves (N, C, H, W)."""
    return module.axis == 1 and module.spatial == 2 and not module.transposed


def takes_any_layout(module: object) -> bool:
    """Return whether a layer is as good on channels-last tensors, and keeps them so."""
    plain = type(module) in ANY_LAYOUT or isinstance(module, AnyLayout)
    return plain or activation(module) is not None


ANY_LAYOUT = frozenset(
    {
        Convolution,
        InnerProduct,
        elementwise.Concat,
        elementwise.Maximum,
        elementwise.Product,
        elementwise.Sum,
        normalization.BatchNorm,
        normalization.LRNAcross,
        nn.Softmax,
        pooling.AvePool,
        pooling.MaxPool,
    }
)
"""Modules that are as good on channels-last tensors as on others, and keep them so."""


class Contiguous(nn.Module):
    """A layer that is given its bottoms in Caffe's order of memory.

    Parameters
    ----------
    module : callable
    """

    def __init__(self, module: Callable[..., Any]) -> None:
        super().__init__()
        self.module = module

    def forward(self, *bottoms: Tensor) -> Any:
        """Return what the layer does."""
        return self.module(*(bottom.contiguous() for bottom in bottoms))


def pack_convolution(module: Convolution, shape: Shape) -> Tensor:
    """Return the weight of a convolution of bottoms of ``shape`` in oneDNN's blocks."""
    how = module.convolve.keywords
    weight = module.weight.detach().contiguous(memory_format=torch.channels_last)
    sizes = [list(how[name]) for name in ("padding", "stride", "dilation")]
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        weight, *sizes, how["groups"], list(shape)
    )
    return packed


def pack_product(module: InnerProduct, rows: int) -> Tensor:
    """Return the weight of a matrix product of ``rows`` rows in oneDNN's blocks."""
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(module.weight.detach(), rows)
    return packed


class PackedConvolution(nn.Module):
    """A 2-D convolution, what is added to it, and the activation behind, in one kernel.

    Parameters
    ----------
    convolution : Convolution
    weight : Tensor
        From `pack_convolution`.
    activation : Activation
        Applied last.
    adds : bool
        Whether a second bottom is added before it.
    """

    def __init__(
        self, convolution: Convolution, weight: Tensor, activation: Activation, adds: bool
    ) -> None:
        super().__init__()
        how = convolution.convolve.keywords
        bias = convolution.bias
        self.packed = (weight, None if bias is None else bias.detach())
        names = ("padding", "stride", "dilation")
        self.sizes = (*(list(how[name]) for name in names), how["groups"])
        self.activation, self.adds = activation, adds
        self.post = (activation.name, list(activation.scalars), "")

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """Return (n, channels, height, width), in channels-last order."""
        x = x.contiguous(memory_format=torch.channels_last)
        if not self.adds:
            top: Tensor = torch.ops.mkldnn._convolution_pointwise(
                x, *self.packed, *self.sizes, *self.post
            )
            return top
        (other,) = (o.contiguous(memory_format=torch.channels_last) for o in others)
        relu = "relu" if self.activation.name == "relu" else None
        added: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(
            x, other, *self.packed, *self.sizes, "add", 1.0, relu, [], None
        )
        return added if relu else self.activation(added)


class PackedProduct(nn.Module):
    """A matrix product and the activation behind it.

    Parameters
    ----------
    product : InnerProduct
    weight : Tensor
        From `pack_product`.
    activation : Activation
        Applied last.
    """

    def __init__(self, product: InnerProduct, weight: Tensor, activation: Activation) -> None:
        super().__init__()
        bias = product.bias
        self.axis, self.plain = product.axis, product.weight.detach()
        self.packed = (weight, None if bias is None else bias.detach())
        self.activation = activation
        self.post = (activation.name, list(activation.scalars), "")

    def forward(self, x: Tensor) -> Tensor:
        """Return (axes before the product's..., outputs)."""
        x = x.contiguous().flatten(self.axis)
        if x.shape[:-1].numel() == 1:  # a vector: reading the weight takes the time
            return self.activation(F.linear(x, self.plain, self.packed[1]))
        top: Tensor = torch.ops.mkldnn._linear_pointwise(x, *self.packed, *self.post)
        return top
