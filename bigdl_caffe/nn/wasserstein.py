"""The Wasserstein loss of predicted and true distributions over classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.labels import class_labels
from bigdl_caffe.nn.surrogate import WholeBatch, surrogate


class WassersteinLoss(WholeBatch, nn.Module):
    """Smoothed earth mover's distance by Sinkhorn's scaling (wasserstein_loss_layer.cpp).

    The gradient from above is not read, nor is loss_weight. The value is not a number where a
    distribution has zeros, as labels do: there 0 is multiplied by the logarithm of 0.

    Parameters
    ----------
    metric : Tensor
        (classes, classes) How far classes lie apart.
    rounds : int
        How often the two scalings are set right in turn.
    smoothness : float
        What metrics are multiplied by; 1 over it is what the entropy counts for.
    shift : bool
        Whether each row's gradient sums up to 0.
    """

    metric: Tensor

    def __init__(self, metric: Tensor, rounds: int, smoothness: float, shift: bool) -> None:
        super().__init__()
        self.rounds, self.smoothness, self.shift = rounds, smoothness, shift
        self.register_buffer("metric", metric, persistent=False)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return the scalar loss of (N, classes), and of labels (N, 1) or (N, classes)."""
        flat = x.reshape(len(x), -1)
        metric = self.metric.to(x)
        kernel = torch.exp(-self.smoothness * metric - 1)
        given = label.detach().reshape(len(x), -1)
        if given.shape[1] == 1:
            given = F.one_hot(class_labels(given, len(metric))[:, 0], len(metric)).to(x)
        u, v = self._scale(flat.detach(), given, kernel)
        slope = u.log() / (self.smoothness * len(x))
        if self.shift:
            slope = slope - slope.mean(1, keepdim=True)
        value = self._value(u, v, kernel, kernel * metric)
        return surrogate(value, (slope * flat).sum(), weighted=False)

    def _scale(self, x: Tensor, given: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
        u = v = torch.ones_like(x)
        for _ in range(self.rounds):
            v = given / (u @ kernel)
            u = x / (v @ kernel.T)
        return u, v

    def _value(self, u: Tensor, v: Tensor, kernel: Tensor, moved: Tensor) -> Tensor:
        entropy = (
            (u * u.log()) @ kernel * v
            + (v * v.log()) @ kernel.T * u
            + u @ (kernel * kernel.log()) * v
        )
        return (u @ moved * v + entropy / self.smoothness).sum() / len(u)
