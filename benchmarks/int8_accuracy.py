"""Measure what int8 costs a net with real weights, on crops of photographs.

    python -m benchmarks.int8_accuracy deploy.prototxt weights.caffemodel photo.jpg...

It is calibrated on 24 crops and compared on 40 others, by each method, and with its first and
its last layer in floats. The signal-to-noise ratio is that of the first output.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.timing import markdown
from bigdl_caffe import Model
from bigdl_caffe.quantize.spread import METHODS

Array = np.ndarray[Any, Any]
MEAN = np.array([104, 117, 123], np.float32)[:, None, None]
CALIBRATED, COMPARED = 24, 40


def crops(photos: Sequence[Image.Image], count: int, size: tuple[int, int], seed: int) -> Array:
    """Return crops of 0.3 to 1 of a photograph's sides, some mirrored: (count, BGR, h, w)."""
    chance, out = np.random.default_rng(seed), []
    for i in range(count):
        photo, share = photos[i % len(photos)], chance.uniform(0.3, 1.0)
        width, height = int(photo.width * share), int(photo.height * share)
        left = int(chance.integers(0, photo.width - width + 1))
        top = int(chance.integers(0, photo.height - height + 1))
        part = photo.crop((left, top, left + width, top + height)).resize(size[::-1])
        pixels = np.asarray(part, np.float32)[:, :, ::-1].transpose(2, 0, 1)
        out.append((pixels[:, :, ::-1] if chance.random() < 0.5 else pixels) - MEAN)
    return np.stack(out)


def compared(model: Model, data: tuple[Array, Array], **how: Any) -> list[str]:
    """Return what an int8 net of ``model`` departs from it by."""
    seen, asked = data
    blob = model.outputs[0]
    int8 = model.quantize(seen, **how)
    want, got = (each.predict(asked, fetch=[blob]) for each in (model, int8))
    noise = float(np.square(want - got).mean())
    ratio = 10 * np.log10(float(np.square(want).mean()) / noise) if noise else float("inf")
    classes = [each.reshape(len(each), -1).argmax(1) for each in (want, got)]
    same = int((classes[0] == classes[1]).sum())
    return [f"{ratio:.1f} dB", f"{same} of {len(asked)}"]


def main() -> None:
    """Print the table of one net."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("prototxt", type=Path)
    parser.add_argument("caffemodel", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    model = Model.load_caffe_model(asked.prototxt, asked.caffemodel)
    photos = [Image.open(path).convert("RGB") for path in asked.photos]
    ((_, shape),) = model.inputs.items()
    counts = enumerate((CALIBRATED, COMPARED), 1)
    seen, rest = (crops(photos, count, shape[-2:], seed) for seed, count in counts)
    layers = [
        each.name for each in model.net.layers if each.type in {"Convolution", "InnerProduct"}
    ]
    ways = {name: {"method": name} for name in METHODS}
    ways |= {f"mse, {each} in floats": {"keep": [each]} for each in (layers[0], layers[-1])}
    rows = [[name, *compared(model, (seen, rest), **how)] for name, how in ways.items()]
    print(markdown(["way", "signal/noise", "same class"], rows))


if __name__ == "__main__":
    main()
