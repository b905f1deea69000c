"""Normalisation, scale and shift folded into the layer before: fewer layers, the same numbers.

Behind a layer that is linear in its weights, ``BatchNorm`` with stored statistics, ``Scale``
and ``Bias`` multiply and shift each channel by a constant, which its weights and bias can do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Net

Blobs = Mapping[str, Sequence[NDArray[np.float32]]]
Affine = tuple[NDArray[np.float64], NDArray[np.float64]]
"""What each channel is multiplied by, and what is then added to it."""


@dataclass(frozen=True)
class Folded:
    """What became of a net.

    Attributes
    ----------
    definition : NetParameter
        The definition without the layers that were folded.
    blobs : mapping of str to sequence of ndarray
        The new weight and bias of each layer that took others in, float32.
    gone : frozenset of str
        The layers that were folded.
    """

    definition: pb.NetParameter
    blobs: Blobs
    gone: frozenset[str]


def fold(net: Net, blobs: Blobs) -> Folded:
    """Fold what can be folded of ``net``, computing in float64 and rounding once.

    Left as they are: layers whose channels are not axis 1, that share blobs with others or
    have another's name, that others read or the caller fetches as they are before, BatchNorm
    by the batch's own statistics, and factors that are no finite numbers. The new net is for
    scoring: in TRAIN, Caffe's BatchNorm would have learned from its batches.

    Parameters
    ----------
    net : Net
    blobs : mapping of str to sequence of ndarray
        Layer → its blobs; of layers with one name, none is looked at.

    Returns
    -------
    Folded
        Nothing given is changed.
    """
    new: dict[str, Sequence[NDArray[np.float32]]] = {}
    definition = pb.NetParameter()
    definition.CopyFrom(net.definition)
    layers = {layer.name: layer for layer in definition.layer}
    gone: set[str] = set()
    for host, *behind in _chains(net):
        weight, *bias = blobs[host.name]
        affine = _affine(bias, behind, blobs)
        if all(np.isfinite(numbers).all() for numbers in affine):
            gone |= {layer.name for layer in behind}
            new[host.name] = _take_in(host.param, weight, affine)
            layers[host.name].top[0] = behind[-1].tops[0]
            if not bias:
                _options(layers[host.name]).bias_term = True
    kept = [layer for layer in definition.layer if layer.name not in gone]
    del definition.layer[:]
    definition.layer.extend(kept)
    return Folded(definition, new, frozenset(gone))


Chain = tuple[LayerDef, ...]
"""A layer with weights, and those behind it that fold into it."""


def _chains(net: Net) -> list[Chain]:
    finder = _Finder(net)
    return [chain for layer in net.layers if len(chain := finder.chain(layer)) > 1]


class _Finder:
    def __init__(self, net: Net) -> None:
        self.net = net
        self.readers: dict[str, list[LayerDef]] = {}
        for layer in net.layers:
            for value in layer.reads:
                self.readers.setdefault(value, []).append(layer)
        self.names = Counter(layer.name for layer in net.definition.layer)
        self.shared = Counter(
            spec.name for layer in net.definition.layer for spec in layer.param if spec.name
        )
        kept = {layer.name for layer in net.layers}
        self.outside = {
            b for layer in net.definition.layer if layer.name not in kept for b in layer.bottom
        }

    def chain(self, first: LayerDef) -> Chain:
        """Return ``first`` and what folds into it."""
        if first.type not in HOSTS or not self.is_plain(first) or not self.at_channels(first):
            return ()
        found = [first]
        while (behind := self.only_reader(found[-1])) and self.folds(behind):
            found.append(behind)
        tops = {layer.tops[0] for layer in found} - {found[-1].tops[0]}
        return () if tops & self.outside else tuple(found)

    def is_plain(self, layer: LayerDef) -> bool:
        """Return whether it has one bottom, one top, and blobs and a name of its own."""
        alone = all(self.shared[spec.name] < 2 for spec in layer.param.param)
        ends = (len(layer.bottoms), len(layer.tops), self.names[layer.name])
        return ends == (1, 1, 1) and alone and not layer.param.loss_weight

    def only_reader(self, layer: LayerDef) -> LayerDef | None:
        """Return the one layer that reads what ``layer`` makes; None if anyone else does."""
        readers = self.readers.get(layer.writes[0], [])
        wanted = layer.writes[0] in self.net.outputs
        return readers[0] if len(readers) == 1 and not wanted else None

    def folds(self, layer: LayerDef) -> bool:
        fits = FOLLOWERS.get(layer.type)
        return fits is not None and self.is_plain(layer) and fits(layer, self.net)

    def at_channels(self, layer: LayerDef) -> bool:
        """Return whether the outputs of a layer with weights are axis 1."""
        rank = len(self.net.shapes[layer.reads[0]])
        axis: int = _options(layer.param).axis
        return axis % rank == 1


def _is_stored(layer: LayerDef, net: Net) -> bool:
    """Return whether a BatchNorm's statistics are the stored ones."""
    param = layer.param.batch_norm_param
    return param.use_global_stats if param.HasField("use_global_stats") else net.phase == "TEST"


def _is_channelwise(layer: LayerDef, net: Net) -> bool:
    """Return whether a Scale or Bias has a number for each channel."""
    param = layer.param.scale_param if layer.type == "Scale" else layer.param.bias_param
    rank = len(net.shapes[layer.reads[0]])
    start = param.axis % rank
    return (start, rank - start if param.num_axes == -1 else param.num_axes) == (1, 1)


FOLLOWERS: Mapping[str, Callable[[LayerDef, Net], bool]] = {
    "BatchNorm": _is_stored,
    "Bias": _is_channelwise,
    "Scale": _is_channelwise,
}
"""The types that fold, and what has to hold."""


def _batch_norm(param: pb.LayerParameter, blobs: Sequence[NDArray[np.float64]]) -> Affine:
    mean, variance, (factor,) = blobs
    share = 0 if factor == 0 else 1 / factor
    scale = 1 / np.sqrt(variance * share + param.batch_norm_param.eps)
    return scale, -mean * share * scale


AFFINES: Mapping[str, Callable[[pb.LayerParameter, Sequence[NDArray[np.float64]]], Affine]] = {
    "BatchNorm": _batch_norm,
    "Bias": lambda param, blobs: (np.ones(1), blobs[0]),
    "Scale": lambda param, blobs: (blobs[0], blobs[1] if len(blobs) > 1 else np.zeros(1)),
}


def _affine(
    bias: Sequence[NDArray[np.float32]], behind: Sequence[LayerDef], blobs: Blobs
) -> Affine:
    """Return what a layer's weights are to be multiplied by, and what its bias is to be."""
    factor, shift = np.ones(1), bias[0].astype(np.float64) if bias else np.zeros(1)
    with np.errstate(all="ignore"):  # what is not finite will not be folded
        for layer in behind:
            own = [blob.astype(np.float64) for blob in blobs[layer.name]]
            scale, add = AFFINES[layer.type](layer.param, own)
            factor, shift = factor * scale, shift * scale + add
    return factor, shift


def _at_front(factor: NDArray[np.float64], weight: NDArray[np.float32], groups: int) -> Any:
    return factor.reshape(-1, *[1] * (weight.ndim - 1))


def _at_back(factor: NDArray[np.float64], weight: NDArray[np.float32], groups: int) -> Any:
    """Return factors for (channels, outputs / groups, ...): each group has its own outputs."""
    each = np.broadcast_to(factor, weight.shape[1] * groups).reshape(groups, -1)
    rows = np.repeat(each, len(weight) // groups, axis=0) if groups > 1 else each
    return rows.reshape(*rows.shape, *[1] * (weight.ndim - 2))


Spread = Callable[[NDArray[np.float64], NDArray[np.float32], int], Any]
"""Factors for the outputs, a weight and its groups → factors that go over the weight."""

HOSTS: Mapping[str, tuple[str, Spread]] = {
    "Convolution": ("convolution_param", _at_front),
    "ConvolutionDepthwise": ("convolution_param", _at_front),
    "Deconvolution": ("convolution_param", _at_back),
    "DepthwiseConvolution": ("convolution_param", _at_front),
    "InnerProduct": ("inner_product_param", _at_front),
}
"""The types that take others in: their options, and where their weight has its outputs."""


def _options(layer: pb.LayerParameter) -> Any:
    return getattr(layer, HOSTS[layer.type][0])


def _take_in(
    layer: pb.LayerParameter, weight: NDArray[np.float32], affine: Affine
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the new weight and bias; the product is made in float64, without a copy in it."""
    factor, shift = affine
    options, (_, spread) = _options(layer), HOSTS[layer.type]
    if layer.type == "InnerProduct" and options.transpose:
        spread = _at_back
    new = np.empty(weight.shape, np.float32)
    groups = 1 if layer.type == "InnerProduct" else options.group
    np.multiply(weight, spread(factor, weight, groups), out=new, dtype=float, casting="same_kind")
    return new, np.broadcast_to(shift, options.num_output).astype(np.float32)
