"""GoogLeNet, SqueezeNet and ResNet-50: layers side by side."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.nets.draft import Draft, Top

INCEPTIONS = {  # 1×1, before 3×3, 3×3, before 5×5, 5×5, behind the pooling: the paper's table 1
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
FIRES = {2: 16, 3: 16, 4: 32, 5: 32, 6: 48, 7: 48, 8: 64, 9: 64}
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
BRANCH_GAIN = 0.4
"""How much a residual branch adds: sixteen of them leave values of one size."""


def googlenet(side: int = 224) -> Draft:
    """Return GoogLeNet of Szegedy et al. (2014), without the classifiers that train it."""
    net = Draft("GoogLeNet")
    top = net.relu(net.conv("conv1", net.data(side), 64, 7, stride=2, pad=3))
    top = net.lrn("norm1", net.max_pool("pool1", top, 3, 2))
    top = net.relu(net.conv("conv2/reduce", top, 64, 1))
    top = net.relu(net.conv("conv2", top, 192, 3, pad=1))
    top = net.max_pool("pool2", net.lrn("norm2", top), 3, 2)
    for name, widths in INCEPTIONS.items():
        top = _inception(net, f"inception_{name}", top, widths)
        if name in ("3b", "4e"):
            top = net.max_pool(f"pool_{name}", top, 3, 2)
    top = net.dropout(net.global_pool("pool5", top), 0.4)
    net.softmax(net.dense("classifier", top, 1000))
    return net


def _inception(net: Draft, name: str, bottom: Top, widths: tuple[int, ...]) -> Top:
    one, reduce3, three, reduce5, five, pooled = widths
    first = net.relu(net.conv(f"{name}/1x1", bottom, one, 1))
    second = net.relu(net.conv(f"{name}/3x3_reduce", bottom, reduce3, 1))
    second = net.relu(net.conv(f"{name}/3x3", second, three, 3, pad=1))
    third = net.relu(net.conv(f"{name}/5x5_reduce", bottom, reduce5, 1))
    third = net.relu(net.conv(f"{name}/5x5", third, five, 5, pad=2))
    fourth = net.max_pool(f"{name}/pool", bottom, 3, 1, pad=1)
    fourth = net.relu(net.conv(f"{name}/pool_proj", fourth, pooled, 1))
    return net.concat(f"{name}/output", [first, second, third, fourth])


def squeezenet(side: int = 227) -> Draft:
    """Return SqueezeNet 1.1, its authors' quicker form of Iandola et al. (2016)."""
    net = Draft("SqueezeNet")
    top = net.relu(net.conv("conv1", net.data(side), 64, 3, stride=2))
    top = net.max_pool("pool1", top, 3, 2)
    for number, squeeze in FIRES.items():
        top = _fire(net, f"fire{number}", top, squeeze)
        if number in (3, 5):
            top = net.max_pool(f"pool{number}", top, 3, 2)
    top = net.relu(net.conv("conv10", net.dropout(top), 1000, 1, variance=3.0))
    net.softmax(net.global_pool("pool10", top))
    return net


def _fire(net: Draft, name: str, bottom: Top, squeeze: int) -> Top:
    small = net.relu(net.conv(f"{name}/squeeze", bottom, squeeze, 1))
    one = net.relu(net.conv(f"{name}/expand1x1", small, 4 * squeeze, 1))
    three = net.relu(net.conv(f"{name}/expand3x3", small, 4 * squeeze, 3, pad=1))
    return net.concat(f"{name}/concat", [one, three])


def resnet50(side: int = 224) -> Draft:
    """Return ResNet-50 of He et al. (2015): strides in the blocks' first convolutions."""
    net = Draft("ResNet50")
    top = net.conv("conv1", net.data(side), 64, 7, stride=2, pad=3, bias=False)
    top = net.max_pool("pool1", net.relu(net.norm(top)), 3, 2)
    for stage, (width, blocks) in enumerate(STAGES, 2):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 2 else 1
            top = _bottleneck(net, f"res{stage}{chr(97 + block)}", top, width, stride)
    net.softmax(net.dense("fc1000", net.global_pool("pool5", top), 1000))
    return net


def _bottleneck(net: Draft, name: str, bottom: Top, width: int, stride: int) -> Top:
    shortcut = bottom
    if bottom.channels != 4 * width:
        way = net.conv(f"{name}/way", bottom, 4 * width, 1, stride=stride, bias=False)
        shortcut = net.norm(way)
    top = net.conv(f"{name}/a", bottom, width, 1, stride=stride, bias=False)
    top = net.conv(f"{name}/b", net.relu(net.norm(top)), width, 3, pad=1, bias=False)
    top = net.conv(f"{name}/c", net.relu(net.norm(top)), 4 * width, 1, bias=False)
    added = net.norm(top, BRANCH_GAIN)
    kept = shortcut.power if shortcut is bottom else shortcut.power / 2  # an own one is positive
    return replace(net.relu(net.sum(name, shortcut, added)), power=kept + added.power)
