"""LeNet, AlexNet and VGG-16: convolutions one after the other, then matrix products."""

from __future__ import annotations

from benchmarks.nets.draft import Draft, Top

VGG_BLOCKS = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)


def lenet() -> Draft:
    """Return LeNet as Caffe's MNIST example has it, after LeCun et al. (1998)."""
    net = Draft("LeNet")
    top = net.conv("conv1", net.data(28, channels=1), 20, 5)
    top = net.conv("conv2", net.max_pool("pool1", top, 2, 2), 50, 5)
    top = net.relu(net.dense("ip1", net.max_pool("pool2", top, 2, 2), 500))
    net.softmax(net.dense("ip2", top, 10))
    return net


def alexnet(side: int = 227) -> Draft:
    """Return AlexNet of Krizhevsky et al. (2012), for one device but with its groups."""
    net = Draft("AlexNet")
    top = net.relu(net.conv("conv1", net.data(side), 96, 11, stride=4))
    top = net.max_pool("pool1", net.lrn("norm1", top), 3, 2)
    top = net.relu(net.conv("conv2", top, 256, 5, pad=2, group=2))
    top = net.max_pool("pool2", net.lrn("norm2", top), 3, 2)
    top = net.relu(net.conv("conv3", top, 384, 3, pad=1))
    top = net.relu(net.conv("conv4", top, 384, 3, pad=1, group=2))
    top = net.relu(net.conv("conv5", top, 256, 3, pad=1, group=2))
    _dense(net, net.max_pool("pool5", top, 3, 2))
    return net


def vgg16(side: int = 224) -> Draft:
    """Return configuration D of Simonyan and Zisserman (2014)."""
    net = Draft("VGG16")
    top = net.data(side)
    for block, widths in enumerate(VGG_BLOCKS, 1):
        for i, channels in enumerate(widths, 1):
            top = net.relu(net.conv(f"conv{block}_{i}", top, channels, 3, pad=1))
        top = net.max_pool(f"pool{block}", top, 2, 2)
    _dense(net, top)
    return net


def _dense(net: Draft, top: Top) -> None:
    """End with the three matrix products that AlexNet and VGG have."""
    for name in ("fc6", "fc7"):
        top = net.dropout(net.relu(net.dense(name, top, 4096)))
    net.softmax(net.dense("fc8", top, 1000))
