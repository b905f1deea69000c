"""Train lenet.prototxt on scikit-learn's digits, and write what the example needs.

Everything beside this file but the prototxt, the README and the script itself is made
here, the same on every run with the same torch. Plain torch is used, not the package's
own training, so that the example is a check of the package and not of itself.

    python examples/digits/train.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

from bigdl_caffe.format.caffemodel_writer import write_caffemodel
from bigdl_caffe.format.prototxt import read_net

HERE = Path(__file__).resolve().parent
LEVEL = 15  # grey levels of a PNG pixel for each of the 16 steps of a scan
HELD_OUT = 300
EPOCHS = 60
BATCH = 64


def build() -> nn.Sequential:
    """Return lenet.prototxt as torch has it; only layers with weights go by Caffe's name.

    Both poolings meet even sizes, where Caffe's rounding up and torch's rounding down
    of the output's size agree.
    """
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(1, 20, 3, padding=1))
    net.extend([nn.ReLU(), nn.MaxPool2d(2)])
    net.add_module("conv2", nn.Conv2d(20, 40, 3, padding=1))
    net.extend([nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()])
    net.add_module("ip1", nn.Linear(160, 64))
    net.append(nn.ReLU())
    net.add_module("ip2", nn.Linear(64, 10))
    return net


def shifted(images: torch.Tensor) -> torch.Tensor:
    """Return ``images`` (N×1×8×8), each moved by -1, 0 or 1 pixels both ways."""
    padded = F.pad(images, (1, 1, 1, 1))
    x, y = torch.randint(0, 3, (2, len(images))).tolist()
    moved = [p[:, j : j + 8, i : i + 8] for p, i, j in zip(padded, x, y, strict=True)]
    return torch.stack(moved)


def train(images: torch.Tensor, digits: torch.Tensor) -> nn.Sequential:
    """Return a net trained on ``images`` (N×1×8×8, 0 to 1) and their ``digits``."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = build()
    steps = EPOCHS * -(-len(images) // BATCH)
    optimizer = torch.optim.Adam(net.parameters(), weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(net(shifted(images[rows])), digits[rows]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def write_weights(net: nn.Sequential) -> None:
    """Write the weights of ``net`` under the names that lenet.prototxt has for its layers."""
    blobs = {
        name: [value.detach().numpy() for value in module.parameters()]
        for name, module in net.named_children()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    definition = read_net(str(HERE / "lenet.prototxt"))
    in_order = [blobs.get(layer.name, []) for layer in definition.layer]
    write_caffemodel(HERE / "lenet.caffemodel", definition, in_order)


def write_images(pixels: np.ndarray, digits: np.ndarray, index: np.ndarray) -> None:
    """Write the scans as 8×8 grey PNGs named by their row, and Caffe's list of them."""
    (HERE / "images").mkdir(exist_ok=True)
    lines = []
    for row in sorted(index):
        name = f"images/{row:04d}.png"
        Image.fromarray((pixels[row] * LEVEL).astype(np.uint8)).save(HERE / name)
        lines.append(f"{name} {digits[row]}\n")
    (HERE / "labels.txt").write_text("".join(lines), encoding="utf-8")
    (HERE / "classes.txt").write_text("".join(f"{d}\n" for d in range(10)), encoding="utf-8")


def main() -> None:
    data = load_digits()
    rows = np.arange(len(data.target))
    kept, held = train_test_split(rows, test_size=HELD_OUT, random_state=0, stratify=data.target)
    images = torch.from_numpy(data.images[:, None] / 16).float()
    digits = torch.from_numpy(data.target).long()
    net = train(images[kept], digits[kept])
    right = int((net(images[held]).argmax(1) == digits[held]).sum())
    write_weights(net)
    write_images(data.images, data.target, held)
    print(f"{right} of {len(held)} held-out digits right ({right / len(held):.2%})")


if __name__ == "__main__":
    main()
