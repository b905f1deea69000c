"""Small copies of classifiers whose blocks have several ways side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.from_torch.blocks import conv_bn


class Inception(nn.Module):
    """GoogLeNet's block of four ways."""

    def __init__(self, i: int) -> None:
        super().__init__()
        self.branch1 = conv_bn(i, 4, 1)
        self.branch2 = nn.Sequential(conv_bn(i, 4, 1), conv_bn(4, 6, 3))
        self.branch3 = nn.Sequential(conv_bn(i, 2, 1), conv_bn(2, 4, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), conv_bn(i, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        ways = self.branch1, self.branch2, self.branch3, self.branch4
        return torch.cat([way(x) for way in ways], 1)


class GoogLeNet(nn.Module):
    """Inception blocks between poolings that round up; its input is normalised again."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = conv_bn(3, 8, 7, stride=2)
        self.maxpool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.inception3a = Inception(8)
        self.maxpool3 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.inception4a = Inception(16)
        self.aux, self.fc = nn.Linear(16, 10), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        ch0 = torch.unsqueeze(x[:, 0], 1) * (0.229 / 0.5) + (0.485 - 0.5) / 0.5
        ch1 = torch.unsqueeze(x[:, 1], 1) * (0.224 / 0.5) + (0.456 - 0.5) / 0.5
        ch2 = torch.unsqueeze(x[:, 2], 1) * (0.225 / 0.5) + (0.406 - 0.5) / 0.5
        x = self.maxpool1(self.conv1(torch.cat((ch0, ch1, ch2), 1)))
        x = self.inception4a(self.maxpool3(self.inception3a(x)))
        x = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        return (self.fc(x), self.aux(x)) if self.training else self.fc(x)


class InceptionV3(nn.Module):
    """Kernels of one row or column, mean pooling with padding, pooling beside convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(3, 8, 3, stride=2, padding=0)
        self.b1x7 = nn.Conv2d(8, 6, (1, 7), padding=(0, 3), bias=False)
        self.b7x1 = nn.Conv2d(6, 6, (7, 1), padding=(3, 0), bias=False)
        self.pool, self.bn = nn.Conv2d(8, 4, 1), nn.BatchNorm2d(10, eps=0.001)
        self.down = nn.Conv2d(10, 8, 3, stride=2)
        self.fc = nn.Linear(18, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        pooled = self.pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))
        x = F.relu(self.bn(torch.cat([self.b7x1(self.b1x7(x)), pooled], 1)))
        x = torch.cat([self.down(x), F.max_pool2d(x, kernel_size=3, stride=2)], 1)
        return self.fc(torch.flatten(F.dropout(x.mean((2, 3)), training=self.training), 1))


class ShuffleNet(nn.Module):
    """Halves of the channels that are shuffled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch = conv_bn(3, 8, 3, stride=2), conv_bn(4, 4, 3)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.stem(x).chunk(2, dim=1)
        x = torch.cat((left, self.branch(right)), 1)
        n, c, h, w = x.size()
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)
        return self.fc(x.mean([2, 3]))
