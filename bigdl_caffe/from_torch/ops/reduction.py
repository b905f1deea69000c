"""Sums and means."""

from __future__ import annotations

from collections.abc import Sequence

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.ops.pooling import whole
from bigdl_caffe.from_torch.ops.shaping import permute, reshape
from bigdl_caffe.from_torch.ops.table import op
from bigdl_caffe.from_torch.values import Top

SUM, MEAN = pb.ReductionParameter.SUM, pb.ReductionParameter.MEAN


@op("mean.dim")
def mean_of(net: Builder, x: Top, axes: Sequence[int] | None, *_: object) -> Top:
    """Global AVE Pooling over rows and columns, else Reduction."""
    if len(x.shape) == 4 and _sorted(x, axes) == [2, 3]:
        part = "" if len(net.result) == 4 else "pool"
        return reshape(net, whole(net, x, part=part), net.result)
    return _reduce(net, x, MEAN, axes)


@op("mean.default")
def mean(net: Builder, x: Top, *_: object) -> Top:
    """Reduction over all axes."""
    return _reduce(net, x, MEAN, None)


@op("sum.dim_IntList")
def sum_of(net: Builder, x: Top, axes: Sequence[int] | None, *_: object) -> Top:
    """Reduction."""
    return _reduce(net, x, SUM, axes)


@op("sum.default")
def sum_(net: Builder, x: Top, *_: object) -> Top:
    """Reduction over all axes."""
    return _reduce(net, x, SUM, None)


def _sorted(x: Top, axes: Sequence[int] | None) -> list[int]:
    rank = len(x.shape)
    return sorted(axis % rank for axis in axes) if axes else list(range(rank))


def _reduce(net: Builder, x: Top, operation: int, axes: Sequence[int] | None) -> Top:
    """Return the Reduction of the last axes, to which others are moved first."""
    gone = _sorted(x, axes)
    kept = [i for i in range(len(x.shape)) if i not in gone]
    last = permute(net, x, kept + gone, part="last")
    param = {"operation": operation, "axis": len(kept)}
    part = "" if len(net.result) == len(kept) else "flat"
    return reshape(
        net, net.layer("Reduction", [last], part=part, reduction_param=param), net.result
    )
