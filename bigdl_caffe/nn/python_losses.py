"""Losses that well-known nets bring along as Python layers.

None of them reads the gradient from above, so that loss_weight does not change theirs.
"""

from __future__ import annotations

from torch import Tensor, nn

from bigdl_caffe.nn.surrogate import WholeBatch, surrogate


class EuclideanLoss(WholeBatch, nn.Module):
    """Half the squared distance a row (examples/pycaffe/layers/pyloss.py of Caffe)."""

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Return (1,) for two times (N, ...)."""
        loss = _half_square(x - target, len(x))
        return surrogate(loss, loss, weighted=False)


class NormalisedEuclideanLoss(WholeBatch, nn.Module):
    """Half the squared distance a row, over the distance between the eyes (NormlizedMSE.py).

    The gradient is divided by that distance once, the value by its square.

    Parameters
    ----------
    left, right : int
        Columns of the eyes' x; y is in the next one.
    """

    def __init__(self, left: int, right: int) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Return (1,) for landmarks (N, 2 * number)."""
        eyes = (
            target.detach()[:, [self.left, self.left + 1]]
            - target.detach()[:, [self.right, self.right + 1]]
        )
        apart = 1e-6 + eyes.square().sum(1, keepdim=True).sqrt()
        difference = x - target
        value = _half_square(difference / apart, len(x))
        return surrogate(value, _half_square(difference / apart.sqrt(), len(x)), weighted=False)


def _half_square(difference: Tensor, rows: int) -> Tensor:
    return (difference.square().sum() / rows / 2).reshape(1)


class DiceLoss(WholeBatch, nn.Module):
    """Sum of the rows' Dice coefficients, with V-Net's gradient (pyLayer.py of V-Net).

    The value counts voxels whose second class scores higher; the gradient is that of the
    coefficient's negative, taken of the probabilities.
    """

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return (1,) for probabilities (N, 2, voxels) and labels (N, 1, voxels)."""
        truth = (label.detach().reshape(len(x), -1) > 0.5).to(x)
        found = x.detach().argmax(1).to(x)
        union, common = found.sum(1) + truth.sum(1), (found * truth).sum(1)
        union, common = union[:, None], common[:, None]
        slope = 2 * (truth * union / union**2 - 2 * x.detach()[:, 1] * common / union**2)
        value = (2 * common / (union + 1e-5)).sum().reshape(1)
        source = (slope * (x[:, 0] - x[:, 1])).sum().reshape(1)
        return surrogate(value, source, weighted=False)
