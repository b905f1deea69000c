"""LSTM."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.ops.activation import power
from bigdl_caffe.from_torch.ops.joining import cat, cut
from bigdl_caffe.from_torch.ops.shaping import permute
from bigdl_caffe.from_torch.ops.table import op
from bigdl_caffe.from_torch.values import Top, Weight, fixed
from bigdl_caffe.weights.torch_layouts import LSTM


@op("lstm.input")
def lstm(
    net: Builder,
    x: Top,
    state: Sequence[Top | Weight],
    params: Sequence[Top | Weight],
    has_biases: bool,
    layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Top, Top | None, None]:
    """Return an LSTM layer for each of torch's and each direction, over steps first.

    Its cont, which says where a sequence begins, is made of the input's own shape, so that
    it fits other lengths and batches: zeros for the first step and ones for the rest.
    """
    weights = [fixed(value, "weights") for value in params]
    _check(net, x, state, weights, layers * (1 + bidirectional) * (4 if has_biases else 2))
    steps = permute(net, x, (1, 0, 2), part="steps") if batch_first else x
    cont = _cont(net, steps)
    groups = _groups(weights, has_biases)
    last = []
    for layer in range(layers):
        ways = [groups.pop(0) for _ in range(1 + bidirectional)]
        tops = [_way(net, steps, cont, way, _part(layer, i), bool(i)) for i, way in enumerate(ways)]
        last += tops
        steps = tops[0] if len(tops) == 1 else cat(net, tops, 2, part=f"l{layer}_both")
    out = permute(net, steps, (1, 0, 2), part="batches") if batch_first else steps
    return out, _ends(net, last, bidirectional) if 1 in net.used else None, None


def _check(
    net: Builder, x: Top, state: Sequence[Top | Weight], weights: list[Weight], count: int
) -> None:
    if any(isinstance(s, Top) or bool(s.tensor.any()) for s in state):
        raise UnsupportedLayerError("it begins from a given state; only zeros are layers of Caffe")
    if 2 in net.used:
        raise UnsupportedLayerError("its last cell state is used, which Caffe's LSTM keeps")
    if len(weights) != count:
        raise UnsupportedLayerError("it has a projection (proj_size); Caffe's LSTM has none")


def _groups(weights: list[Weight], biased: bool) -> list[list[Weight]]:
    """Return Caffe's blobs for each layer and direction: of inputs, bias, of outputs."""
    each = 4 if biased else 2
    return [_blobs(weights[i : i + each]) for i in range(0, len(weights), each)]


def _blobs(group: list[Weight]) -> list[Weight]:
    inputs, outputs, *biases = group
    zeros = torch.zeros_like(inputs.tensor[:, 0])
    added = [b.tensor for b in biases] or [zeros, zeros]
    with torch.no_grad():
        blobs = LSTM.to_caffe(inputs.tensor, outputs.tensor, *added)
    sources = inputs.source, "+".join(b.source for b in biases), outputs.source
    return [
        Weight(blob, source, inputs.learned) for blob, source in zip(blobs, sources, strict=True)
    ]


def _part(layer: int, reverse: int) -> str:
    return "" if layer == reverse == 0 else f"l{layer}{'_reverse' if reverse else ''}"


def _cont(net: Builder, steps: Top) -> Top:
    """Return (steps, streams): 0 for the first step, 1 for the others."""
    param = {"axis": 2, "coeff": 0}
    zeros = net.layer("Reduction", [steps], part="zeros", reduction_param=param)
    length = zeros.shape[0]
    if length == 1:
        return zeros
    first, rest = cut(net, zeros, 0, (0, 1, length), part="begin")
    return cat(net, [first, power(net, rest, shift=1, part="goes_on")], 0, part="cont")


def _way(net: Builder, x: Top, cont: Top, blobs: list[Weight], part: str, reverse: bool) -> Top:
    """Return one layer in one direction; no gradient goes into cont."""
    steps = _reversed(net, x, f"{part}_steps") if reverse else x
    param = {"num_output": blobs[2].shape[1]}
    way = {"recurrent_param": param, "propagate_down": [True, False]}
    top = net.layer("LSTM", [steps, cont], blobs, part, **way)
    return _reversed(net, top, f"{part}_output") if reverse else top


def _reversed(net: Builder, x: Top, part: str) -> Top:
    steps = cut(net, x, 0, range(x.shape[0] + 1), part=f"{part}_each")
    return x if len(steps) == 1 else cat(net, steps[::-1], 0, part=part)


def _ends(net: Builder, tops: list[Top], bidirectional: bool) -> Top:
    """Return torch's h_n (layers and directions, streams, size): what each ended with."""
    ends = []
    for i, top in enumerate(tops):
        length = top.shape[0]
        pieces = cut(net, top, 0, sorted({0, 1, length - 1, length}), part=f"end{i}")
        ends.append(pieces[0] if bidirectional and i % 2 else pieces[-1])
    return ends[0] if len(ends) == 1 else cat(net, ends, 0, part="ends")
