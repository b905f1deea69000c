"""What is minimised: a net's losses, over the rows that all ranks feed together.

A loss of Caffe's is a mean, of rows or of labels. Over several ranks it is the mean of all
their terms, which is not the mean of the ranks' means: each counts by how many terms it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef
from bigdl_caffe.layers.registry import count
from bigdl_caffe.nn.losses import Count, counts
from bigdl_caffe.nn.net import CaffeNet
from bigdl_caffe.train.events import Output
from bigdl_caffe.train.ranks import Ranks

Feed = Mapping[str, Tensor]


class Judged(nn.Module):
    """A net that returns its losses and metrics, each with how many terms it is the mean of.

    Parameters
    ----------
    net : CaffeNet
    metrics : sequence of str
        Values to return besides the net's losses.

    Attributes
    ----------
    values : tuple of str
        What it returns.
    weights : tuple of float
        The loss_weight of each, 0 for a metric.

    Raises
    ------
    CaffeError
        There is nothing to return.
    """

    def __init__(self, net: CaffeNet, metrics: Sequence[str] = ()) -> None:
        super().__init__()
        self.net = net
        self.values = tuple(dict.fromkeys((*net.net.losses, *metrics)))
        self.weights = tuple(net.net.losses.get(value, 0.0) for value in self.values)
        if not self.values:
            raise CaffeError(
                f"the net '{net.net.name}' has neither losses nor metrics in phase "
                f"{net.net.phase}: give a definition that has a loss layer for that phase"
            )
        # Of a top that has many numbers and a loss_weight Caffe adds up all of them.
        self._sums = [
            value
            for layer in net.net.layers
            for value in layer.writes
            if value in net.net.losses and (count(net.net.shapes[value]) > 1 or _adds(layer))
        ]
        self._judges: list[tuple[nn.Module, list[str]]] = []
        for layer, module in zip(net.net.layers, net.layer_modules(), strict=True):
            own = [value for value in layer.writes if value in self.values]
            if module is not None and own:
                self._judges.append((module, own))

    def forward(self, feed: Feed, rows: int) -> tuple[list[Tensor], list[Count]]:
        """Return the tops, and of how many terms each is the mean: of rows, if it says nothing."""
        terms: dict[str, Count] = dict.fromkeys(self.values, float(rows))
        # No hook stays behind: the net is the caller's, who may pickle it.
        with counts() as found, ExitStack() as hooks:
            for module, own in self._judges:
                hooks.enter_context(module.register_forward_hook(_noting(own, found, terms)))
            tops = self.net(feed, self.values)
        for value in self._sums:
            tops[value], terms[value] = tops[value].sum(), None
        made = zip((tops[value] for value in self.values), self.weights, strict=True)
        return (
            [top if weight else top.detach() for top, weight in made],
            [terms[value] for value in self.values],
        )

    def loss(self, tops: Sequence[Tensor]) -> float:
        """Return the weighted sum of the losses among ``tops``, which are `values`."""
        return float(self.weighted(tops, [1.0] * len(tops)))

    def not_finite(self, tops: Sequence[Tensor]) -> list[str]:
        """Return in words the losses among ``tops`` that are no finite numbers."""
        losses = zip(self.values, tops, self.weights, strict=True)
        return [
            f"'{value}' is {top.sum().item()}"
            for value, top, weight in losses
            if weight and not torch.isfinite(top).all()
        ]

    def weighted(self, tops: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """Return the same, of each loss only a share: what backward() begins with."""
        losses = zip(tops, self.weights, shares, strict=True)
        return torch.stack([top.sum() * (w * s) for top, w, s in losses if w]).sum()


def _adds(layer: LayerDef) -> bool:
    """Whether a layer's top is a sum of all in its bottom, and not a mean of rows."""
    mean = layer.param.reduction_param.operation == pb.ReductionParameter.MEAN
    return layer.type == "Reduction" and not mean


def _noting(
    values: Sequence[str], found: list[Count], terms: dict[str, Count]
) -> Callable[..., None]:
    """Return a hook that takes what a module counted, as the terms of its ``values``."""

    def note(*_: object) -> None:
        if found:
            terms.update(dict.fromkeys(values, found[0]))
            found.clear()

    return note


@dataclass(frozen=True)
class Scores:
    """What a net says of the rows that all ranks fed it in a pass.

    Attributes
    ----------
    shares : tuple of float
        What this rank's part of each value counts, of the whole.
    tops : tuple of Tensor
        Each value over all rows, on the CPU.
    rows : int
    """

    shares: tuple[float, ...]
    tops: tuple[Tensor, ...]
    rows: int


def over_all_ranks(
    tops: Sequence[Tensor], terms: Sequence[Count], rows: int, ranks: Ranks
) -> Scores:
    """Return the values of all rows, of each rank's own.

    Parameters
    ----------
    tops, terms : sequence
        As `Judged` returns them.
    rows : int
        How many of the rows fed count; 0 leaves them all out.
    """
    own = [top.detach().double().cpu() for top in tops]
    if ranks.size == 1 and rows:
        return Scores((1.0,) * len(own), tuple(own), rows)
    here = [1.0 if n is None else float(n) for n in terms] if rows else [0.0] * len(own)
    # Of no terms there is no sum, and their mean may be no number.
    sums = [
        (top * n if n else torch.zeros_like(top)).flatten()
        for top, n in zip(own, here, strict=True)
    ]
    total = ranks.total(torch.cat([torch.tensor([rows, *here], dtype=torch.float64), *sums]))
    whole = [
        1.0 if n is None else max(1.0, float(count))
        for n, count in zip(terms, total[1 : 1 + len(own)], strict=True)
    ]
    parts = torch.split(total[1 + len(own) :], [top.numel() for top in own])
    return Scores(
        tuple(n / all_of_them for n, all_of_them in zip(here, whole, strict=True)),
        tuple(
            (part / n).reshape(top.shape) for part, n, top in zip(parts, whole, own, strict=True)
        ),
        int(total[0]),
    )


def shown(judged: Judged, tops: Sequence[Tensor], blobs: Sequence[str]) -> tuple[Output, ...]:
    """Return those values that are among the ``blobs``, in their order."""
    found = {
        value: Output(value, tuple(top.flatten().tolist()), weight)
        for value, top, weight in zip(judged.values, tops, judged.weights, strict=True)
    }
    return tuple(found[blob] for blob in blobs if blob in found)
