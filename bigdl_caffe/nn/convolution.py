"""Convolution on any axis, over any number of bottoms and 0 to 3 spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.blobs import Weighted

CONVOLVE = (F.conv1d, F.conv2d, F.conv3d)
DECONVOLVE = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


class Convolution(Weighted):
    """Convolve every bottom with the same weights, as base_conv_layer.cpp.

    Parameters
    ----------
    stride, padding, dilation : sequence of int
        One value a spatial axis; none of them for a 1×1 kernel over no axes.
    groups : int
        Groups that channels fall into.
    axis : int
        Non-negative channel axis. All axes before it are the batch.
    transposed : bool
        Deconvolve instead.
    """

    def __init__(
        self,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
        axis: int = 1,
        transposed: bool = False,
    ) -> None:
        super().__init__()
        self.axis, self.spatial, self.transposed = axis, len(stride), transposed
        convolve = (DECONVOLVE if transposed else CONVOLVE)[max(self.spatial, 1) - 1]
        self.convolve = partial(
            convolve,
            stride=tuple(stride) or 1,
            padding=tuple(padding) or 0,
            dilation=tuple(dilation) or 1,
            groups=groups,
        )

    def forward(self, *bottoms: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return one top a bottom: (batch..., channels, spatial...) each."""
        tops = tuple(map(self._plain if self.axis == 1 and self.spatial else self._any, bottoms))
        return tops[0] if len(tops) == 1 else tops

    def _plain(self, x: Tensor) -> Tensor:
        y: Tensor = self.convolve(x, self.weight, self.bias)
        return y

    def _any(self, x: Tensor) -> Tensor:
        batch, one = x.shape[: self.axis], not self.spatial
        x = x.reshape(-1, *x.shape[self.axis :])
        if one:  # torch convolves over one axis at least
            y = self.convolve(x[..., None], self.weight[..., None], self.bias)[..., 0]
        else:
            y = self.convolve(x, self.weight, self.bias)
        return y.reshape(*batch, *y.shape[1:])


class Im2col(nn.Module):
    """Lay out what a kernel covers at each of its places as channels (im2col.cpp).

    Parameters
    ----------
    kernel, stride, padding, dilation : sequence of int
        One value a spatial axis.
    axis : int
        Non-negative channel axis. All axes before it are the batch.
    """

    def __init__(
        self,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        axis: int,
    ) -> None:
        super().__init__()
        self.axis = axis
        self.edges = tuple(p for pad in reversed(padding) for p in (pad, pad))
        extent = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        self.windows = tuple(zip(extent, stride, dilation, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch..., channels * kernel, spatial...); padding is 0."""
        x, n, first = F.pad(x, self.edges), len(self.windows), self.axis + 1
        for i, (extent, stride, dilation) in enumerate(self.windows, first):
            x = x.unfold(i, extent, stride)[..., ::dilation]
        places, offsets = range(first, first + n), range(first + n, first + 2 * n)
        return x.permute(*range(first), *offsets, *places).flatten(self.axis, self.axis + n)
