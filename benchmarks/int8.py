"""Measure int8 nets beside the float nets they are made of, on one thread.

    python -m benchmarks.int8 [--nets resnet50 vgg16 ...] [--batch 1 16] [--folder out/nets]

Both take turns in one process, by engine "torch". Weights are seeded random numbers, which says
nothing of accuracy: that is measured on the digits of examples/digits, and printed first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.nets import NETS, written
from benchmarks.timing import interleaved, markdown, seconds_each
from bigdl_caffe import Model

Array = np.ndarray[Any, Any]
DIGITS = Path(__file__).parent.parent / "examples" / "digits"
DEFAULT = ("resnet50", "vgg16", "googlenet", "alexnet", "squeezenet", "mobilenet")


def digits() -> str:
    """Return the report on the example's 300 digits, calibrated on the first 100."""
    model = Model.load_caffe_model(DIGITS / "lenet.prototxt", DIGITS / "lenet.caffemodel")
    lines = (DIGITS / "labels.txt").read_text(encoding="utf-8").splitlines()
    names, truth = zip(*map(str.split, lines), strict=True)
    pixels = np.stack([np.asarray(Image.open(DIGITS / name)) for name in names])[:, None]
    made = model.quantize(
        ({"data": part.astype(np.float32) / 240} for part in np.split(pixels, 30)),
        labels=[int(digit) for digit in truth],
    )
    return str(made.report)


def measured(name: str, batches: Sequence[int], folder: Path, rounds: int) -> list[list[str]]:
    """Return a row of the table for each batch."""
    files = written(folder, name)
    model = Model.load_caffe_model(files.prototxt, files.caffemodel)
    ((_, shape),) = model.inputs.items()
    chance = np.random.default_rng(0)
    data = chance.uniform(-120, 130, (max(batches), *shape[1:])).astype(np.float32)
    whole = model.quantize(data[:2])
    size = whole.report.int8_bytes / whole.report.float_bytes if whole.report else 0
    table = []
    for batch in batches:
        nets, rows = {"float": model, "int8": whole}, data[:batch]
        for each in nets.values():
            each.predict(rows, batch_size=batch)  # opens its engine
        works = {way: partial(_once, each, rows) for way, each in nets.items()}
        times = interleaved(works, rounds)
        before, now = (1e3 * times[way].median / batch for way in nets)
        cells = f"{before:.1f}", f"{now:.1f}", f"{before / now:.2f}×", f"{size:.1%}"
        table.append([name, str(batch), *cells, times["int8"].load])
    return table


def _once(model: Model, rows: Array) -> float:
    return seconds_each(partial(model.predict, rows, batch_size=len(rows)))


def main() -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(DEFAULT))
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--folder", type=Path, default=Path("out/nets"))
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(digits(), end="\n\n")
    header = ["net", "batch", "float, ms a row", "int8", "float takes", "bytes", "load average"]
    table: list[list[str]] = []
    for name in asked.nets:
        table += measured(name, asked.batch, asked.folder, asked.rounds)
    print(markdown(header, table))


if __name__ == "__main__":
    main()
