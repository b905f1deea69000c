"""Convolution with a kernel of its own at each place."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from bigdl_caffe.nn.blobs import Weighted


class Local(Weighted):
    """A kernel for each place of the top (local_layer.cpp of BVLC/caffe#1271).

    Parameters
    ----------
    kernel, stride, pad : int
        The same along both axes.

    Attributes
    ----------
    weight : Tensor
        (num_output, 1, channels * kernel * kernel, places).
    bias : Tensor or None
        (1, 1, num_output, places).
    """

    def __init__(self, kernel: int, stride: int, pad: int) -> None:
        super().__init__()
        self.kernel, self.stride, self.pad = kernel, stride, pad

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (n, channels, height, width)."""
        columns = F.unfold(x, self.kernel, padding=self.pad, stride=self.stride)
        top = torch.einsum("nkp,okp->nop", columns, self.weight[:, 0])
        if self.bias is not None:
            top = top + self.bias[0]
        rows = (x.shape[2] + 2 * self.pad - self.kernel) // self.stride + 1
        return top.view(*top.shape[:2], rows, top.shape[2] // rows)
