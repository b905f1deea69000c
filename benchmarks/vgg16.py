"""Write VGG-16 as a prototxt and a 553 MB caffemodel with seeded random weights.

The structure is configuration D of Simonyan and Zisserman (2014). The weights come from
a seed (He's scaling keeps the activations finite), so a benchmark needs no download. The
file is streamed: memory stays near 4 MB whatever its size. It is written field by field
here and not by the package, so that its reader is measured against another's writer.

    python benchmarks/vgg16.py out/vgg16
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod, sqrt
from pathlib import Path
from typing import BinaryIO

import numpy as np

CONV_BLOCKS = [[64, 64], [128, 128], [256, 256, 256], [512, 512, 512], [512, 512, 512]]
DENSE = {"fc6": 4096, "fc7": 4096, "fc8": 1000}
CHUNK = 1 << 20  # floats made and written at a time
NAME, TYPE, BLOBS = 1, 2, 7  # fields of LayerParameter
NET_NAME, LAYER = 1, 100  # fields of NetParameter
DATA, SHAPE = 5, 7  # fields of BlobProto


@dataclass(frozen=True)
class Learned:
    """A layer with a weight and a bias: Caffe's shapes of both."""

    name: str
    type: str
    weight: tuple[int, ...]

    @property
    def blobs(self) -> list[tuple[int, ...]]:
        """Shapes of the weight and of the bias."""
        return [self.weight, self.weight[:1]]


def learned_layers() -> Iterator[Learned]:
    """Yield VGG-16's layers that have weights, in order."""
    channels, side = 3, 224
    for block, widths in enumerate(CONV_BLOCKS, 1):
        for i, width in enumerate(widths, 1):
            yield Learned(f"conv{block}_{i}", "Convolution", (width, channels, 3, 3))
            channels = width
        side //= 2
    inputs = channels * side * side
    for name, outputs in DENSE.items():
        yield Learned(name, "InnerProduct", (outputs, inputs))
        inputs = outputs


# --- the prototxt ---------------------------------------------------------------------


def layer(name: str, kind: str, bottom: str, top: str, options: str = "") -> str:
    """Return one layer as prototxt text."""
    links = f'bottom: "{bottom}" top: "{top}"'
    return f'layer {{ name: "{name}" type: "{kind}" {links} {options}}}\n'


def convolutions() -> Iterator[str]:
    """Yield the convolutional part, block by block, each ended by a 2×2 pooling."""
    bottom = "data"
    for block, widths in enumerate(CONV_BLOCKS, 1):
        for i, width in enumerate(widths, 1):
            top = f"conv{block}_{i}"
            options = f"convolution_param {{ num_output: {width} kernel_size: 3 pad: 1 }} "
            yield layer(top, "Convolution", bottom, top, options)
            yield layer(f"relu{block}_{i}", "ReLU", top, top)
            bottom = top
        options = "pooling_param { pool: MAX kernel_size: 2 stride: 2 } "
        yield layer(f"pool{block}", "Pooling", bottom, f"pool{block}", options)
        bottom = f"pool{block}"


def dense() -> Iterator[str]:
    """Yield the fully connected part, with ReLU and dropout after all but the last."""
    bottom = f"pool{len(CONV_BLOCKS)}"
    for i, (name, outputs) in enumerate(DENSE.items(), 6):
        options = f"inner_product_param {{ num_output: {outputs} }} "
        yield layer(name, "InnerProduct", bottom, name, options)
        if name != "fc8":
            yield layer(f"relu{i}", "ReLU", name, name)
            yield layer(f"drop{i}", "Dropout", name, name)
        bottom = name
    yield layer("prob", "Softmax", bottom, "prob")


def prototxt(batch: int = 1) -> str:
    """Return VGG-16's deploy prototxt for inputs of ``batch``×3×224×224."""
    shape = f"input_param {{ shape {{ dim: {batch} dim: 3 dim: 224 dim: 224 }} }}"
    head = f'name: "VGG16"\nlayer {{ name: "data" type: "Input" top: "data" {shape} }}\n'
    return head + "".join([*convolutions(), *dense()])


# --- the caffemodel -------------------------------------------------------------------


def varint(value: int) -> bytes:
    """Return ``value`` in protobuf's variable-length form."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def delimited(field: int, size: int) -> bytes:
    """Return the head of a length-delimited field whose payload has ``size`` bytes."""
    return varint(field << 3 | 2) + varint(size)


def packed(field: int, payload: bytes) -> bytes:
    """Return a whole length-delimited field."""
    return delimited(field, len(payload)) + payload


def blob_head(shape: tuple[int, ...]) -> bytes:
    """Return a BlobProto up to where its floats begin."""
    dims = packed(1, b"".join(map(varint, shape)))
    return packed(SHAPE, dims) + delimited(DATA, 4 * prod(shape))


def write_floats(out: BinaryIO, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """Write He-scaled normal weights, or a small normal bias, in pieces of ``CHUNK``."""
    scale = np.float32(sqrt(2 / prod(shape[1:])) if len(shape) > 1 else 0.01)
    left = prod(shape)
    while left:
        piece = rng.standard_normal(min(left, CHUNK), dtype=np.float32)
        out.write((piece * scale).tobytes())
        left -= len(piece)


def write_layer(out: BinaryIO, learned: Learned, rng: np.random.Generator) -> None:
    """Write one LayerParameter: name, type and blobs."""
    head = packed(NAME, learned.name.encode()) + packed(TYPE, learned.type.encode())
    heads = [blob_head(shape) for shape in learned.blobs]
    sizes = [len(h) + 4 * prod(s) for h, s in zip(heads, learned.blobs, strict=True)]
    size = len(head) + sum(len(delimited(BLOBS, n)) + n for n in sizes)
    out.write(delimited(LAYER, size) + head)
    for blob, blob_size, shape in zip(heads, sizes, learned.blobs, strict=True):
        out.write(delimited(BLOBS, blob_size) + blob)
        write_floats(out, shape, rng)


def write(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Write both files below ``folder`` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    net, weights = folder / "vgg16.prototxt", folder / "vgg16.caffemodel"
    net.write_text(prototxt(), encoding="utf-8")
    rng = np.random.default_rng(seed)
    with weights.open("wb") as out:
        out.write(packed(NET_NAME, b"VGG16"))
        for learned in learned_layers():
            write_layer(out, learned, rng)
    return net, weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for path in write(args.folder, args.seed):
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
