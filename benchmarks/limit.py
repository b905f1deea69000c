"""What the machine can do at most: the rates of its best matrix product and convolution.

    python -m benchmarks.limit

One thread, on one core. A net's fraction of it is told beside its speed: two operations for
each of its multiply-accumulates, over the faster of the two rates.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.child import Child, serve
from benchmarks.machine import last_core, pin
from benchmarks.timing import Times, interleaved, markdown, seconds_each, write_json

PRODUCTS = (512, 1024, 2048)
"""Sides of square matrices."""

CONVOLUTIONS = {  # channels, side of the map, side of the kernel
    "1×1, 256 channels, 28×28": (256, 28, 1),
    "3×3, 64 channels, 56×56": (64, 56, 3),
    "3×3, 128 channels, 28×28": (128, 28, 3),
    "3×3, 256 channels, 14×14": (256, 14, 3),
}
ROWS = 4

Limits = dict[str, float]
"""What was measured → the best of its rates, in operations a second."""


def product(side: int) -> tuple[Callable[[], object], int]:
    """Return what multiplies two square matrices, and its operations."""
    import torch

    one, other, out = (torch.rand(side, side) for _ in range(3))
    return lambda: torch.mm(one, other, out=out), 2 * side**3


def convolution(channels: int, side: int, kernel: int) -> tuple[Callable[[], object], int]:
    """Return oneDNN's convolution with packed weights on channels-last maps; its operations."""
    import torch
    from torch.nn import functional as F

    data = torch.rand(ROWS, channels, side, side).to(memory_format=torch.channels_last)
    weight = torch.rand(channels, channels, kernel, kernel)
    pad = kernel // 2
    operations = 2 * ROWS * side**2 * channels**2 * kernel**2
    try:
        lay = torch.ops.mkldnn._reorder_convolution_weight
        packed = lay(weight.to_mkldnn(), [pad] * 2, [1] * 2, [1] * 2, 1, list(data.shape))
        run = torch.ops.mkldnn._convolution_pointwise
        how = (None, [pad] * 2, [1] * 2, [1] * 2, 1, "none", [], "")
        run(data, packed, *how)
    except (AttributeError, RuntimeError):  # another torch has other names for it, or no oneDNN
        plain = weight.to(memory_format=torch.channels_last)
        return lambda: F.conv2d(data, plain, padding=pad), operations
    return lambda: run(data, packed, *how), operations


class Works:
    """What a child measures, by name: on one core."""

    def __init__(self, core: int) -> None:
        import torch

        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        self._made = {f"sgemm, {side}×{side}": product(side) for side in PRODUCTS}
        shapes = CONVOLUTIONS.items()
        self._made |= {f"convolution, {name}": convolution(*shape) for name, shape in shapes}
        pin({core})
        for work, _ in self._made.values():
            work()

    def operations(self) -> dict[str, int]:
        """Return how many each has."""
        return {name: count for name, (_, count) in self._made.items()}

    def time(self, name: str) -> float:
        """Return the seconds of one."""
        return seconds_each(self._made[name][0])


def child() -> None:
    """Serve the measurements."""
    works = Works(last_core())
    serve({"operations": works.operations, "time": works.time})


def measured(rounds: int) -> tuple[dict[str, int], dict[str, Times]]:
    """Return the operations and the times of each."""
    with Child("benchmarks.limit") as process:
        operations: dict[str, int] = process.ask("operations")

        def timer(name: str) -> Callable[[], float]:
            return lambda: float(process.ask("time", name=name))

        return operations, interleaved({name: timer(name) for name in operations}, rounds)


def limits(operations: dict[str, int], times: dict[str, Times]) -> Limits:
    """Return the best rate of each kind."""
    rates: Limits = {}
    for name, taken in times.items():
        kind = name.partition(",")[0]
        rates[kind] = max(rates.get(kind, 0.0), operations[name] / taken.median)
    return rates


def table(operations: dict[str, int], times: dict[str, Times]) -> str:
    """Return the rates as markdown."""
    rows = [
        [name, f"{operations[name] / taken.median / 1e9:.0f}", taken.spread("{:.2f}"), taken.load]
        for name, taken in times.items()
    ]
    return markdown(["what", "GFLOP/s", "ms, spread", "load"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    operations, times = measured(args.rounds)
    best = limits(operations, times)
    write_json(args.json, {"operations": operations, "times": times, "best": best})
    print(table(operations, times))
    told = ", ".join(f"{kind} {rate / 1e9:.0f} GFLOP/s" for kind, rate in best.items())
    print(f"\nBest: {told}.")


if __name__ == "__main__":
    child() if "--child" in sys.argv else main()
