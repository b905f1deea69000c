"""Batch normalisation by stored statistics."""

from __future__ import annotations

import torch

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.from_torch.builder import Builder
from bigdl_caffe.from_torch.ops.table import op
from bigdl_caffe.from_torch.values import Top, Weight, fixed

Maybe = Top | Weight | None

EPS = 1e-5
"""The eps that Caffe's BatchNorm and torch's have where none is given."""


@op("_native_batch_norm_legit_no_training.default")
def stored(
    net: Builder,
    x: Top,
    weight: Maybe,
    bias: Maybe,
    mean: Weight,
    variance: Weight,
    momentum: float,
    eps: float,
) -> tuple[Top]:
    """BatchNorm, whose sums are mean and variance over a factor of 1, then Scale."""
    learned = [] if weight is None else [fixed(weight, "weight")]
    learned += [] if bias is None else [fixed(bias, "bias")]
    sums = [mean, variance, Weight(torch.ones(1))]
    top = net.layer("BatchNorm", [x], sums, batch_norm_param={} if eps == EPS else {"eps": eps})
    if not learned:
        return (top,)
    param = {"bias_term": True} if len(learned) > 1 else {}
    return (net.layer("Scale", [top], learned, "scale", scale_param=param),)


@op("batch_norm.default")
def batch_norm(
    net: Builder,
    x: Top,
    weight: Maybe,
    bias: Maybe,
    mean: Weight | None,
    variance: Weight | None,
    training: bool,
    momentum: float,
    eps: float,
    _: bool,
) -> Top:
    """Do the same under the name that earlier versions of torch leave."""
    if training or mean is None or variance is None:
        raise UnsupportedLayerError(
            "it normalises by the batch in evaluation mode too (track_running_stats=False)"
        )
    return stored(net, x, weight, bias, mean, variance, momentum, eps)[0]
