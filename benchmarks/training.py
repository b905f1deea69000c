"""Measure training: our loop beside a plain one of torch, and two ranks beside one.

All train the same residual net of the CIFAR-10 kind on the same rows in memory, in a process
each, in turns; a rank has one thread. "plain" is torch's own SGD on the same module, without
anything else. Two ranks share each batch by gloo, and are on a core each.

glibc gives the memory of a pass back to the kernel, or does not, as the sizes of its first
blocks happen to be, which makes a third of the time; here all processes are told to keep it.

    python -m benchmarks.training [--rounds 3] [--seconds 20] [--batch 64]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import torch

from bigdl_caffe import Model
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.train.definition import SolverDef, solver_def
from bigdl_caffe.train.feeds import Pass
from bigdl_caffe.train.group import join
from bigdl_caffe.train.nets import train_net
from bigdl_caffe.train.ranks import Ranks
from bigdl_caffe.train.solver import Solver

KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 33), "MALLOC_MMAP_THRESHOLD_": str(1 << 25)}
SOLVER = {"base_lr": 0.05, "lr_policy": "fixed", "momentum": 0.9, "weight_decay": 1e-4}
MIXED = """
layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
  convolution_param {{ num_output: {channels} kernel_size: {kernel} pad: {pad} stride: {stride}
    bias_term: false weight_filler {{ type: "msra" }} }} }}
layer {{ name: "{name}/bn" type: "BatchNorm" bottom: "{name}" top: "{name}" }}
layer {{ name: "{name}/scale" type: "Scale" bottom: "{name}" top: "{name}"
  scale_param {{ bias_term: true }} }}
"""
RELU = 'layer {{ name: "{0}/relu" type: "ReLU" bottom: "{0}" top: "{0}" }}\n'
SUM = 'layer {{ name: "{0}" type: "Eltwise" bottom: "{1}" bottom: "{2}" top: "{0}" }}\n'
ENDS = """
layer {{ name: "pool" type: "Pooling" bottom: "{0}" top: "pool"
  pooling_param {{ pool: AVE global_pooling: true }} }}
layer {{ name: "score" type: "InnerProduct" bottom: "pool" top: "score"
  inner_product_param {{ num_output: 10 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }}
"""


def mixed(name: str, bottom: str, channels: int, kernel: int = 3, stride: int = 1) -> str:
    """Return a convolution with its normalisation."""
    how = {"channels": channels, "kernel": kernel, "pad": kernel // 2, "stride": stride}
    return MIXED.format(name=name, bottom=bottom, **how)


def resnet(batch: int) -> pb.NetParameter:
    """Return the definition of a residual net of 8 layers with weights for (batch, 3, 32, 32)."""
    text = (
        'name: "resnet8" layer { name: "data" type: "Input" top: "data" top: "label" '
        f"input_param {{ shape {{ dim: {batch} dim: 3 dim: 32 dim: 32 }} "
        f"shape {{ dim: {batch} }} }} }}"
    )
    text += mixed("stem", "data", 16) + RELU.format("stem")
    bottom = "stem"
    for stage, channels in enumerate((16, 32, 64)):
        name, stride = f"res{stage}", 1 if stage == 0 else 2
        text += mixed(f"{name}/a", bottom, channels, 3, stride) + RELU.format(f"{name}/a")
        text += mixed(f"{name}/b", f"{name}/a", channels)
        text += mixed(f"{name}/way", bottom, channels, 1, stride)
        text += SUM.format(name, f"{name}/b", f"{name}/way") + RELU.format(name)
        bottom = name
    return parse(text + ENDS.format(bottom), pb.NetParameter)


class Memory:
    """The same random rows in every pass."""

    per_epoch = None

    def __init__(self, rows: int) -> None:
        rng = np.random.default_rng(0)
        data = rng.standard_normal((rows, 3, 32, 32)).astype(np.float32)
        label = rng.integers(10, size=rows).astype(np.float32)
        self.each = Pass({"data": data, "label": label}, rows)

    def passes(self, start: int = 0) -> Iterator[Pass]:
        """Yield passes without end."""
        return (self.each for _ in count(start))


def definition(batch: int) -> SolverDef:
    """Return the solver."""
    return solver_def(pb.SolverParameter(net_param=resnet(batch), random_seed=1, **SOLVER))


def per_second(batch: int, seconds: float, step: Callable[[], Any]) -> float:
    """Return how many rows a second go through ``step``, once it is warm."""
    for _ in range(3):
        step()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        step()
        done += 1
    return done * batch / (time.perf_counter() - start)


def plain(model: Model, batch: int) -> Callable[[], None]:
    """Return a step of torch's own."""
    net, each = model.to_torch(), Memory(batch).each
    moved = [p for p in net.parameters() if p.requires_grad]
    sgd = torch.optim.SGD(moved, SOLVER["base_lr"], 0.9, weight_decay=1e-4)

    def step() -> None:
        sgd.zero_grad()
        loss = net.loss({blob: torch.from_numpy(array) for blob, array in each.feed.items()})
        loss.backward()
        sgd.step()
        loss.item()

    return step


def ours(model: Model, batch: int, ranks: Ranks) -> Callable[[], None]:
    """Return a step of `Solver`."""
    solver = Solver(definition(batch), model, Memory(batch // ranks.size), ranks=ranks)
    return lambda: solver.step(1)


def alone(way: str, batch: int, seconds: float, told: Any) -> None:
    """Measure in a process of one thread, on one core."""
    torch.set_num_threads(1)
    model = train_net(definition(batch).train_net, seed=1)
    step = plain(model, batch) if way == "plain" else ours(model, batch, Ranks())
    told.put(per_second(batch, seconds, step))


def ranked(rank: int, size: int, batch: int, steps: int, words: Any, told: Any) -> None:
    """Measure one of several ranks: all do the same number of steps."""
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})

    def tell(word: str) -> list[str]:
        if rank == 0:
            for _ in range(size):
                words.put(word)
        return [words.get()]

    with join(rank, ["localhost"] * size, tell) as group:
        model = train_net(definition(batch).train_net, seed=1)
        step = ours(model, batch, group)
        for _ in range(3):
            step()
        start = time.perf_counter()
        for _ in range(steps):
            step()
        if rank == 0:
            told.put(steps * batch / (time.perf_counter() - start))


def measured(target: Callable[..., None], each: list[tuple[Any, ...]]) -> float:
    """Return what the processes of one way say."""
    context = multiprocessing.get_context("spawn")
    words, told = context.Queue(), context.Queue()
    more = (words, told) if target is ranked else (told,)
    running = [context.Process(target=target, args=(*args, *more)) for args in each]
    for process in running:
        process.start()
    found: float = told.get()
    for process in running:
        process.join()
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()
    os.environ.update(KEEP_MEMORY)
    found: dict[str, list[float]] = {"plain": [], "one rank": [], "two ranks": []}
    for _ in range(args.rounds):
        for way in ("plain", "one rank"):
            found[way].append(measured(alone, [(way, args.batch, args.seconds)]))
        steps = max(5, int(args.seconds * 1.5 * found["one rank"][-1] / args.batch))
        each = [(rank, 2, args.batch, steps) for rank in range(2)]
        found["two ranks"].append(measured(ranked, each))
    middle = {way: statistics.median(speeds) for way, speeds in found.items()}
    print(f"batch {args.batch}, load average {os.getloadavg()[0]:.1f}\n")
    print("| way | images/s | spread | beside plain | beside one rank |\n|---|---|---|---|---|")
    for way, speeds in found.items():
        ratios = [middle[way] / middle[peer] for peer in ("plain", "one rank")]
        print(
            f"| {way} | {middle[way]:.0f} | {min(speeds):.0f} to {max(speeds):.0f} | "
            f"{ratios[0]:.2f}× | {ratios[1]:.2f}× |"
        )


if __name__ == "__main__":
    main()
