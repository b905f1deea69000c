"""How the tensors of torch's own modules lie in the blobs of Caffe's layers, both ways.

`parts` looks a module up. What it returns says which Caffe layer types hold its tensors,
and turns the tensors into that layer's blobs (``to_caffe``, for saving and for the shapes
that a file must have) and the blobs into the tensors (``to_torch``).

A module of any other class says by an attribute ``caffe_blobs``, the names of its tensors
in Caffe's order, that they are the layer's blobs as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bigdl_caffe.format._pb import caffe_pb2 as pb

Turn = Callable[..., Sequence[Tensor]]


@dataclass(frozen=True)
class Layout:
    """Two functions that undo each other.

    Attributes
    ----------
    to_caffe : callable
        From the module's tensors, one argument each, to the layer's blobs in Caffe's shapes.
    to_torch : callable
        From the blobs, one argument each, to the tensors.
    """

    to_caffe: Turn
    to_torch: Turn


def _as_is(*tensors: Tensor) -> Sequence[Tensor]:
    return tensors


AS_IS = Layout(_as_is, _as_is)

TRANSPOSED = Layout(
    lambda weight, *bias: (weight.flatten(1).t(), *bias),
    lambda weight, *bias: (weight.t(), *bias),
)

SUMS = Layout(
    lambda mean, variance: (mean, variance, mean.new_ones(1)),
    lambda mean, variance, factor: (mean * _inverse(factor), variance * _inverse(factor)),
)
"""BatchNorm's statistics as running sums with their common factor (batch_norm_layer.cpp)."""

SCALE_ONLY = Layout(
    lambda weight, bias: (weight,), lambda weight: (weight, torch.zeros_like(weight))
)

ONE_SLOPE = Layout(
    lambda weight: (weight.reshape(()) if weight.numel() == 1 else weight,),
    lambda weight: (weight.reshape(1),),
)

ROWS_PLUS_BIAS = Layout(
    lambda weight: (weight, weight.new_zeros(weight.shape[1])),
    lambda weight, bias: (weight + bias,),
)


def _inverse(factor: Tensor) -> Tensor:
    return torch.where(factor == 0, factor, 1 / factor)


def _swapped(gates: Tensor) -> Tensor:
    """Return Caffe's gates i, f, o, g in torch's order i, f, g, o, or the other way round."""
    i, f, third, last = gates.chunk(4)
    return torch.cat((i, f, last, third))


def _recurrent(order: Callable[[Tensor], Tensor]) -> Layout:
    """Return the layout of W_x, b, W_h, whose bias torch has in two parts."""
    return Layout(
        lambda w_x, w_h, b_x, b_h: (order(w_x), order(b_x + b_h), order(w_h)),
        lambda w_x, b, w_h: (order(w_x), order(w_h), order(b), torch.zeros_like(b)),
    )


LSTM = _recurrent(_swapped)
RNN = _recurrent(lambda gates: gates)

Choice = Callable[[pb.LayerParameter], Layout]


@dataclass(frozen=True)
class Part:
    """Some tensors of a module that one Caffe layer has in its blobs.

    Attributes
    ----------
    tensors : tuple of str
        Their names in the module. Only a "bias" may be absent.
    types : frozenset of str
        Caffe types of that layer; none for a module that says itself how its tensors lie.
    layout : callable
        From the layer's parameters to the `Layout`.
    scale : bool
        Whether it is the Scale behind the module's own layer.
    """

    tensors: tuple[str, ...]
    types: frozenset[str] = frozenset()
    layout: Choice = lambda param: AS_IS
    scale: bool = False


def _dense(param: pb.LayerParameter) -> Layout:
    return TRANSPOSED if param.inner_product_param.transpose else AS_IS


def _scale(param: pb.LayerParameter) -> Layout:
    return AS_IS if param.scale_param.bias_term else SCALE_ONLY


def _slopes(param: pb.LayerParameter) -> Layout:
    return ONE_SLOPE if param.prelu_param.channel_shared else AS_IS


def _rows(param: pb.LayerParameter) -> Layout:
    return ROWS_PLUS_BIAS if param.embed_param.bias_term else AS_IS


def _part(tensors: str, types: str, layout: Choice = lambda param: AS_IS) -> tuple[Part, ...]:
    return (Part(tuple(tensors.split()), frozenset(types.split()), layout),)


# A fully connected layer is a convolution over the whole of its bottom, so that either's
# blobs, reshaped, go into the other's module.
_CONVOLUTION = _part(
    "weight bias",
    "Convolution DepthwiseConvolution ConvolutionDepthwise InnerProduct",
    _dense,
)
_DECONVOLUTION = _part("weight bias", "Deconvolution")
_BATCH_NORM = (
    *_part("running_mean running_var", "BatchNorm", lambda param: SUMS),
    Part(("weight", "bias"), frozenset({"Scale"}), _scale, scale=True),
)
_GATES = "weight_ih{0} weight_hh{0} bias_ih{0} bias_hh{0}"

PARTS: dict[type[nn.Module], tuple[Part, ...]] = {
    nn.Conv1d: _CONVOLUTION,
    nn.Conv2d: _CONVOLUTION,
    nn.Conv3d: _CONVOLUTION,
    nn.ConvTranspose1d: _DECONVOLUTION,
    nn.ConvTranspose2d: _DECONVOLUTION,
    nn.ConvTranspose3d: _DECONVOLUTION,
    nn.Linear: _part("weight bias", "InnerProduct Convolution RNN", _dense),
    nn.BatchNorm1d: _BATCH_NORM,
    nn.BatchNorm2d: _BATCH_NORM,
    nn.BatchNorm3d: _BATCH_NORM,
    nn.SyncBatchNorm: _BATCH_NORM,
    nn.PReLU: _part("weight", "PReLU", _slopes),
    nn.Embedding: _part("weight", "Embed", _rows),
    nn.LSTM: _part(_GATES.format("_l0"), "LSTM", lambda param: LSTM),
    nn.LSTMCell: _part(_GATES.format(""), "LSTM", lambda param: LSTM),
    nn.RNN: _part(_GATES.format("_l0"), "RNN", lambda param: RNN),
    nn.RNNCell: _part(_GATES.format(""), "RNN", lambda param: RNN),
}
"""Torch's modules and the parts they have; a subclass has its base's."""

KNOWN_TYPES = frozenset(t for parts in PARTS.values() for part in parts for t in part.types)
"""Caffe types whose weights some torch module takes."""


def parts(module: nn.Module) -> tuple[Part, ...]:
    """Return the parts of ``module``; none where Caffe has no layer like it."""
    own = getattr(module, "caffe_blobs", None)
    if own is not None:
        return (Part(tuple(own)),)
    return next((PARTS[cls] for cls in type(module).__mro__ if cls in PARTS), ())
