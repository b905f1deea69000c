"""The loss of MobileNet-YOLO's segmentation (yolo_seg.cpp)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bigdl_caffe.nn.surrogate import surrogate


class YoloSegLoss(nn.Module):
    """Sum of the squares of what sigmoids are off by, an image; rare classes weigh more.

    What a number is off by is also its gradient, over the number of images.

    Parameters
    ----------
    scale : float
        What all is multiplied by.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
        """Return the scalar loss.

        Parameters
        ----------
        x, labels : Tensor
            (n, classes, height, width): scores, and 0 or 1.
        counts : Tensor
            (n, classes): how many places of an image are of a class.
        """
        labels = labels.reshape(x.shape)
        with torch.no_grad():
            there = counts.reshape(len(x), -1).sum(0)
            rest = len(x) * x[0, 0].numel() - there
            weight = torch.where(labels > 0.5, 2 - (there / rest)[:, None, None], 1)
            delta = self.scale * weight * (x.sigmoid() - labels)
        return surrogate(delta.square().sum() / len(x), (x * delta).sum() / len(x))
