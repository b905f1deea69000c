"""BatchNorm over the rows of all ranks, as one process with the whole batch computes it."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.nn.fork_normalization import BatchBN
from bigdl_caffe.nn.normalization import BatchNorm
from bigdl_caffe.train.ranks import Ranks


def synchronise(net: nn.Module, ranks: Ranks) -> None:
    """Let every BatchNorm of ``net`` that goes by its batch go by that of all ranks.

    Raises
    ------
    CaffeError
        The net has a fork's BN layer that goes by its batch, of which only a rank's own is there.
    """
    if any(isinstance(module, BatchBN) for module in net.modules()):
        raise CaffeError(
            "BN layers of forks are not synchronised: let batchNorm be 'local', or have frozen: "
            "true in their bn_param"
        )
    for module in net.modules():
        if isinstance(module, BatchNorm) and not module.stored:
            module.moments = partial(moments, ranks)


def moments(ranks: Ranks, x: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return mean and variance of the channels of all ranks' (n, channels, ...), and the count.

    A rank that is idle counts for nothing.
    """
    axes = [axis for axis in range(x.dim()) if axis != 1]
    own = 0.0 if ranks.idle else x.numel() / x.shape[1]
    count = float(ranks.total(torch.tensor([own], dtype=torch.float64)))
    here = float(not ranks.idle) / count
    mean = ranks.total_with_gradient(x.sum(axes) * here)
    centred = x - mean.reshape(1, -1, *[1] * (x.dim() - 2))
    variance = ranks.total_with_gradient(centred.square().sum(axes) * here)
    return mean, variance, count
