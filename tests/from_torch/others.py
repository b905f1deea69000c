"""Small copies of nets that segment, read sequences or make pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.from_torch.blocks import conv_bn


class UNet(nn.Module):
    """Down, up by transposed convolution or interpolation, and joined on each level."""

    def __init__(self, bilinear: bool) -> None:
        super().__init__()
        self.inc, self.down = conv_bn(3, 8, 3), conv_bn(8, 16, 3)
        self.pool = nn.MaxPool2d(2)
        if bilinear:
            up: nn.Module = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.up = nn.Sequential(up, nn.Conv2d(16, 8, 1))
        else:
            self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.merge, self.outc = conv_bn(16, 8, 3), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.inc(x)
        x = self.up(self.down(self.pool(skip)))
        rows, columns = skip.size(2) - x.size(2), skip.size(3) - x.size(3)
        x = F.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.outc(self.merge(torch.cat([skip, x], dim=1)))


class FCN(nn.Module):
    """A head, and one beside it, enlarged to the input's size; its output is a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            conv_bn(3, 8, 3, stride=2), conv_bn(8, 8, 3, dilation=2, padding=2)
        )
        self.classifier, self.aux_classifier = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.backbone(x)
        heads = {"out": self.classifier, "aux": self.aux_classifier}
        return {
            name: F.interpolate(head(features), x.shape[-2:], mode="bilinear", align_corners=False)
            for name, head in heads.items()
        }


class Generator(nn.Module):
    """A DCGAN's generator."""

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *(nn.ConvTranspose2d(6, 8, 4, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU(True)),
            *(nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False), nn.Tanh()),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x)


class SubPixel(nn.Module):
    """ESPCN: channels become places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.shuffle = nn.Conv2d(1, 4, 3, padding=1), nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(torch.tanh(self.conv(x)))


class Darknet(nn.Module):
    """Leaky units, a residual and YOLO's enlarging."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.down = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, 1)
        self.act, self.up = nn.LeakyReLU(0.1), nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.conv(x))
        return torch.cat([x, self.up(self.act(self.down(x)))], 1)


class Sentences(nn.Module):
    """Embedded words, an LSTM, and a product of its last step or state."""

    def __init__(self, batch_first: bool, **how: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.lstm = nn.LSTM(6, 5, batch_first=batch_first, **how)
        ways = 2 if how.get("bidirectional") else 1
        self.fc = nn.Linear(5 * ways, 3)
        self.batch_first = batch_first

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        out, (hidden, _) = self.lstm(self.embed(tokens))
        last = out[:, -1] if self.batch_first else out[-1]
        return {"scores": F.log_softmax(self.fc(last), dim=1), "hidden": hidden}


class CRNN(nn.Module):
    """Columns of a picture as the steps of an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = nn.Sequential(conv_bn(1, 4, 3), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d((1, None)))
        self.rnn, self.fc = nn.LSTM(4, 5, bidirectional=True), nn.Linear(10, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cnn(x).squeeze(2).permute(2, 0, 1)
        return self.fc(self.rnn(x)[0])


class TextCNN(nn.Module):
    """Convolutions along a sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.convs = nn.ModuleList(nn.Conv1d(6, 4, k) for k in (2, 3))
        self.fc = nn.Linear(8, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens).transpose(1, 2)
        return self.fc(torch.cat([F.relu(conv(x)).mean(2) for conv in self.convs], 1))


WORDS = torch.arange(12).reshape(3, 4)
OTHERS: dict[str, tuple[nn.Module, Tensor]] = {
    "U-Net": (UNet(bilinear=False), torch.randn(2, 3, 16, 24)),
    "U-Net, bilinear": (UNet(bilinear=True), torch.randn(2, 3, 16, 24)),
    "FCN": (FCN(), torch.randn(2, 3, 18, 22)),
    "DCGAN": (Generator(), torch.randn(2, 6, 1, 1)),
    "ESPCN": (SubPixel(), torch.randn(2, 1, 6, 5)),
    "Darknet": (Darknet(), torch.randn(2, 3, 8, 8)),
    "LSTM": (Sentences(batch_first=False), WORDS),
    "LSTM, batch first": (Sentences(batch_first=True), WORDS),
    "LSTM, deep": (Sentences(batch_first=True, num_layers=2, dropout=0.5), WORDS),
    "LSTM, both ways": (Sentences(batch_first=True, num_layers=2, bidirectional=True), WORDS),
    "LSTM, without bias": (Sentences(batch_first=False, bias=False), WORDS),
    "CRNN": (CRNN(), torch.randn(2, 1, 8, 12)),
    "TextCNN": (TextCNN(), WORDS),
}
"""Name → the net and what it is fed."""
