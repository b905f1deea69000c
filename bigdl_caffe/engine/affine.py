"""Factors and shifts of channels that no weights can take in, in one pass over memory.

As DenseNet has them: BatchNorm, Scale and ReLU before a convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from bigdl_caffe.engine.fused import Joined, activation
from bigdl_caffe.engine.int8_layers import AnyLayout
from bigdl_caffe.engine.passes import join_pairs
from bigdl_caffe.engine.program import Op, Program
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.nn.normalization import BatchNorm, Bias, Scale

Numbers = tuple[Tensor, Tensor]
"""What each channel is multiplied by, and what is then added to it: (channels,), float64."""


class Affine(AnyLayout):
    """``x * factor + shift``, a number a channel each.

    Parameters
    ----------
    factor, shift : Tensor
        (channels,), float64: rounded once, when all that follows is in them.
    """

    def __init__(self, factor: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.exact = factor, shift
        self.factor, self.shift = factor.float(), shift.float()

    def forward(self, x: Tensor) -> Tensor:
        """Return new memory, in the order of ``x``: (n, channels, ...)."""
        like = (-1, *[1] * (x.dim() - 2))
        return torch.addcmul(self.shift.view(like), x, self.factor.view(like))


def with_affines(program: Program, shapes: Mapping[str, Shape]) -> Program:
    """Make one `Affine` of the BatchNorms, Scales and Biases that follow one another.

    The activation behind them is joined to it. Their weights are copied: they must not change.

    Parameters
    ----------
    program : Program
    shapes : mapping of str to Shape
        Of every value.
    """
    return join_pairs(program, partial(_joined, shapes))


def _joined(
    shapes: Mapping[str, Shape], op: Op, makers: Sequence[Op]
) -> tuple[Op, Op | None] | None:
    maker = makers[0] if makers and isinstance(makers[0].module, Affine) else None
    function = activation(op.module)
    if maker and function:
        both = Joined(maker.module, function)  # type: ignore[arg-type]  # an Affine, as was asked
        return Op(both, maker.reads, op.writes, (*maker.layers, *op.layers)), maker
    numbers = _numbers(op, shapes)
    if numbers is None:
        return None
    if maker is None:
        return Op(Affine(*numbers), op.reads, op.writes, op.layers), None
    factor, shift = maker.module.exact  # type: ignore[attr-defined]  # an Affine's
    whole = Affine(factor * numbers[0], shift * numbers[0] + numbers[1])
    return Op(whole, maker.reads, op.writes, (*maker.layers, *op.layers)), maker


def _numbers(op: Op, shapes: Mapping[str, Shape]) -> Numbers | None:
    """Return what an operation does to each channel, if that is all it does."""
    find = _NUMBERS.get(type(op.module))
    if find is None or len(op.reads) != 1 or len(shapes[op.reads[0]]) < 2:
        return None
    channels = shapes[op.reads[0]][1]
    found = find(op.module)
    if found is None or any(each.shape != (channels,) for each in found):
        return None
    return found if all(each.isfinite().all() for each in found) else None


def _batch_norm(module: BatchNorm) -> Numbers | None:
    if not module.stored:
        return None
    mean, variance, factor = (x.double() for x in (module.mean, module.variance, module.factor))
    share = torch.where(factor == 0, factor, 1 / factor)
    scale = (variance * share + module.eps).rsqrt()
    return scale, -mean * share * scale


def _scale(module: Scale) -> Numbers | None:
    if module.axis != 1:
        return None
    factor = module.weight.detach().double()
    bias = module.bias
    return factor, torch.zeros_like(factor) if bias is None else bias.detach().double()


def _bias(module: Bias) -> Numbers | None:
    if module.axis != 1 or module.bias is None:
        return None
    shift = module.bias.detach().double()
    return torch.ones_like(shift), shift


_NUMBERS: Mapping[type, Callable[..., Numbers | None]] = {
    BatchNorm: _batch_norm,
    Bias: _bias,
    Scale: _scale,
}
