"""Element-wise functions that torch has no module for."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.blobs import Weighted
from bigdl_caffe.nn.surrogate import surrogate


class PReLU(Weighted):
    """``max(x, 0) + weight * min(x, 0)``, a weight a channel or one for all (prelu_layer.cpp)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return F.prelu(x, self.weight)


class ReLU6(nn.Module):
    """A leaky ReLU cut off at 6, where the gradient ends (relu6_layer.cpp)."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return torch.where(x < 6, F.leaky_relu(x, self.slope), 6.0)


class Dropout(nn.Module):
    """Zero elements at random, and scale the others up (dropout_layer.cpp, TRAIN phase).

    The phase decides, so torch's train() and eval() do not.

    Parameters
    ----------
    ratio : float
        Probability of zero, in [0, 1).
    scale : bool
        Whether to divide the others by ``1 - ratio``.
    """

    def __init__(self, ratio: float, scale: bool) -> None:
        super().__init__()
        self.ratio, self.scale = ratio, scale

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        top = F.dropout(x, self.ratio, training=True)
        return top if self.scale else top * (1 - self.ratio)


class Power(nn.Module):
    """``(shift + scale * x) ** power`` (power_layer.cpp).

    Where x and shift are 0 the gradient is the function's own; Caffe's, a quotient, is NaN.
    With a power or scale of 0 the bottom is not read, whatever is in it, and gets zeros.
    """

    def __init__(self, power: float, scale: float, shift: float) -> None:
        super().__init__()
        self.power, self.scale, self.shift = power, scale, shift

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        if self.power * self.scale == 0:
            return self._constant(x)
        if self.scale != 1:
            x = x * self.scale
        if self.shift != 0:
            x = x + self.shift
        return x if self.power == 1 else x**self.power

    def _constant(self, x: Tensor) -> Tensor:
        # torch's power, unlike Python's, is infinite or no number where C's is.
        value = torch.tensor(self.shift, dtype=torch.float64).pow(self.power).item()
        top = torch.full_like(x, value)
        return surrogate(top, x * 0) if x.requires_grad else top


class Exp(nn.Module):
    """``base ** (shift + scale * x)``; base -1 is e (exp_layer.cpp)."""

    def __init__(self, base: float, scale: float, shift: float) -> None:
        super().__init__()
        log = 1.0 if base == -1 else math.log(base)
        self.inner = log * scale
        # torch's exp, unlike math's, gives inf where the number is too large, as Caffe's does.
        self.outer = torch.tensor(log * shift, dtype=torch.float64).exp().item()

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        top = torch.exp(x if self.inner == 1 else x * self.inner)
        return top if self.outer == 1 else top * self.outer


class Log(nn.Module):
    """``log_base(shift + scale * x)``; base -1 is e (log_layer.cpp)."""

    def __init__(self, base: float, scale: float, shift: float) -> None:
        super().__init__()
        self.factor = 1.0 if base == -1 else 1 / math.log(base)
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        top = torch.log(x * self.scale + self.shift)
        return top if self.factor == 1 else top * self.factor


class Threshold(nn.Module):
    """1 where ``x > threshold``, else 0 (threshold_layer.cpp)."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape and type."""
        return (x > self.threshold).to(x.dtype)


class Clip(nn.Module):
    """``min(max(x, low), high)``, with a gradient at the limits too (clip_layer.cpp)."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return x.clamp(self.low, self.high)


class Swish(nn.Module):
    """``x * sigmoid(beta * x)`` (swish_layer.cpp)."""

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return F.silu(x) if self.beta == 1 else x * torch.sigmoid(x * self.beta)


class AbsVal(nn.Module):
    """``|x|`` (absval_layer.cpp)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        return x.abs()
