"""What many nets are made of."""

from __future__ import annotations

from torch import nn


def conv_bn(i: int, o: int, kernel: int, act: type[nn.Module] = nn.ReLU, **how: int) -> nn.Module:
    """Return convolution, normalisation and activation."""
    how = {"padding": kernel // 2, **how}
    conv = nn.Conv2d(i, o, kernel, bias=False, **how)
    return nn.Sequential(conv, nn.BatchNorm2d(o), act(inplace=True))
