"""What YOLO does with whole maps on the way to its detections."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bigdl_caffe.nn import darknet
from bigdl_caffe.nn.surrogate import surrogate


class Reorg(nn.Module):
    """Turn squares of places into channels, the way darknet does (reorg_layer.hpp).

    Darknet reads the bottom's memory as fewer channels of larger maps, so that a square is not
    of neighbouring places, and ``reverse`` does not undo that. The forks' backward pass reads a
    buffer that nothing fills: the gradient is zero.

    Parameters
    ----------
    stride : int
        Side of a square.
    reverse : bool
        Turn channels into squares.
    """

    def __init__(self, stride: int, reverse: bool) -> None:
        super().__init__()
        self.stride, self.reverse = stride, reverse

    def forward(self, x: Tensor) -> Tensor:
        """Turn (n, c, h, w) into (n, c * stride**2, h / stride, w / stride), or reversed."""
        (n, c, h, w), s = x.shape, self.stride
        if self.reverse:
            parts = x.reshape(n, s, s, c // (s * s), h, w).permute(0, 3, 4, 1, 5, 2)
            top = parts.reshape(n, c // (s * s), h * s, w * s)
        else:
            parts = x.reshape(n, c // (s * s), h, s, w, s).permute(0, 3, 5, 1, 2, 4)
            top = parts.reshape(n, c * s * s, h // s, w // s)
        return surrogate(top, top * 0) if top.requires_grad else top


class Region(nn.Module):
    """Sigmoids of centres and scores, and softmaxes of classes (region_layer.cpp of OpenVINO's).

    The fork's backward pass does nothing: the gradient is zero.

    Parameters
    ----------
    anchors, coords : int
        Anchors a place, and numbers of each before its score.
    """

    def __init__(self, anchors: int, coords: int) -> None:
        super().__init__()
        self.anchors, self.coords = anchors, coords

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Activate (n, anchors * (coords + 1 + classes), h, w)."""
        rows, c = darknet.by_anchor(x, self.anchors), self.coords
        center, size, score = rows[..., :2], rows[..., 2:c], rows[..., c : c + 1]
        parts = (center.sigmoid(), size, score.sigmoid(), rows[..., c + 1 :].softmax(-1))
        return darknet.by_channel(torch.cat(parts, -1))
