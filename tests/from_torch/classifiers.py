"""Small copies of well-known classifiers: their wiring, at a reduced width."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.from_torch.blocks import conv_bn
from tests.from_torch.inceptions import GoogLeNet, InceptionV3, ShuffleNet


class Bottleneck(nn.Module):
    """ResNet's block of three convolutions, with groups as in ResNeXt."""

    def __init__(self, i: int, o: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        w = o // 2
        self.conv1, self.bn1 = nn.Conv2d(i, w, 1, bias=False), nn.BatchNorm2d(w)
        self.conv2 = nn.Conv2d(w, w, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(w)
        self.conv3, self.bn3 = nn.Conv2d(w, o, 1, bias=False), nn.BatchNorm2d(o)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or i != o:
            self.downsample = nn.Sequential(
                nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    """A stem with padded pooling, stages of blocks, a global mean and a product."""

    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(8), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Bottleneck(8, 16, 1, groups), Bottleneck(16, 16, 1, groups))
        self.layer2 = nn.Sequential(Bottleneck(16, 32, 2, groups), Bottleneck(32, 32, 1, groups))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(x, 1))


class VGG(nn.Module):
    """Plain convolutions, pooling to a fixed size, three products with dropout."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, o in ((3, 8), (8, 16)):
            layers += [nn.Conv2d(i, o, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2, 2)]
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((4, 4))
        self.classifier = nn.Sequential(
            *(nn.Linear(16 * 16, 32), nn.ReLU(True), nn.Dropout()),
            *(nn.Linear(32, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 10)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class MobileNetV1(nn.Module):
    """Depthwise and pointwise convolutions."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [conv_bn(3, 8, 3, stride=2)]
        for i, o, stride in ((8, 16, 1), (16, 16, 2)):
            blocks += [conv_bn(i, i, 3, stride=stride, groups=i), conv_bn(i, o, 1)]
        self.model = nn.Sequential(*blocks, nn.AvgPool2d(8))
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.model(x).view(-1, 16))


class InvertedResidual(nn.Module):
    """MobileNetV2's block."""

    def __init__(self, i: int, o: int, stride: int, expand: int) -> None:
        super().__init__()
        h = i * expand
        self.use_res = stride == 1 and i == o
        self.conv = nn.Sequential(
            conv_bn(i, h, 1, nn.ReLU6),
            conv_bn(h, h, 3, nn.ReLU6, stride=stride, groups=h),
            nn.Conv2d(h, o, 1, bias=False),
            nn.BatchNorm2d(o),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res else self.conv(x)


class MobileNetV2(nn.Module):
    """ReLU6 and linear bottlenecks."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_bn(3, 8, 3, nn.ReLU6, stride=2),
            InvertedResidual(8, 8, 1, 2),
            InvertedResidual(8, 12, 2, 3),
            conv_bn(12, 24, 1, nn.ReLU6),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(24, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


class SqueezeExcite(nn.Module):
    """MobileNetV3's weighting of channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, channels, 1)
        self.activation, self.scale_activation = nn.ReLU(), nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        scale = self.activation(self.fc1(self.avgpool(x)))
        return self.scale_activation(self.fc2(scale)) * x


class MobileNetV3(nn.Module):
    """Hardswish and squeeze-and-excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_bn(3, 8, 3, nn.Hardswish, stride=2), SqueezeExcite(8), conv_bn(8, 12, 1)
        )
        self.classifier = nn.Sequential(nn.Linear(12, 16), nn.Hardswish(), nn.Linear(16, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean([2, 3]))


class Fire(nn.Module):
    """SqueezeNet's block."""

    def __init__(self, i: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(i, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.squeeze(x))
        both = [self.activation(self.expand1x1(x)), self.activation(self.expand3x3(x))]
        return torch.cat(both, 1)


class SqueezeNet(nn.Module):
    """Pooling that rounds up, and a convolution as classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(True), nn.MaxPool2d(3, 2, ceil_mode=True)),
            *(Fire(8, 4, 8), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(16, 4, 8)),
        )
        self.classifier = nn.Sequential(
            *(nn.Dropout(), nn.Conv2d(16, 10, 1), nn.ReLU(True), nn.AdaptiveAvgPool2d((1, 1)))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)


class DenseLayer(nn.Module):
    """Normalisation first; reads everything that came before it."""

    def __init__(self, i: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(i), nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(i, 2 * growth, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(2 * growth), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False)

    def forward(self, input: list[Tensor]) -> Tensor:
        x = self.conv1(self.relu1(self.norm1(torch.cat(input, 1))))
        return self.conv2(self.relu2(self.norm2(x)))


class DenseNet(nn.Module):
    """Blocks of dense layers with transitions between them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(3, 8, 7, stride=2), nn.MaxPool2d(3, 2, 1))
        self.block1 = nn.ModuleDict(
            {"denselayer1": DenseLayer(8, 4), "denselayer2": DenseLayer(12, 4)}
        )
        self.transition = nn.Sequential(
            *(
                nn.BatchNorm2d(16),
                nn.ReLU(True),
                nn.Conv2d(16, 8, 1, bias=False),
                nn.AvgPool2d(2, 2),
            )
        )
        self.block2 = nn.ModuleDict({"denselayer1": DenseLayer(8, 4)})
        self.norm5, self.classifier = nn.BatchNorm2d(12), nn.Linear(12, 10)

    @staticmethod
    def run(block: nn.ModuleDict, x: Tensor) -> Tensor:
        features = [x]
        for layer in block.values():
            features.append(layer(features))
        return torch.cat(features, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.run(self.block2, self.transition(self.run(self.block1, self.stem(x))))
        x = F.relu(self.norm5(x), inplace=True)
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


CLASSIFIERS: dict[str, tuple[nn.Module, int]] = {
    "ResNet": (ResNet(), 64),
    "ResNeXt": (ResNet(groups=2), 64),
    "VGG": (VGG(), 32),
    "MobileNetV1": (MobileNetV1(), 32),
    "MobileNetV2": (MobileNetV2(), 32),
    "MobileNetV3": (MobileNetV3(), 32),
    "SqueezeNet": (SqueezeNet(), 65),
    "DenseNet": (DenseNet(), 64),
    "GoogLeNet": (GoogLeNet(), 64),
    "InceptionV3": (InceptionV3(), 39),
    "ShuffleNet": (ShuffleNet(), 32),
}
"""Name → the net, and the height and width of its pictures."""
