"""Several processes have the sums, and the gradients, that one has."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bigdl_caffe.train.group import Group, join, lost_contact
from bigdl_caffe.train.ranks import Ranks

ROWS = 7
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])  # torch is imported once, for all of them


class Net(nn.Module):
    """Has a frozen parameter, one that the loss does not reach, and a buffer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.last = nn.Linear(5, 4), nn.Linear(4, 1)
        self.idle, self.frozen = nn.Linear(2, 2), nn.Linear(4, 4)
        self.frozen.requires_grad_(False)
        self.register_buffer("seen", torch.full((2,), float(seed)))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.frozen(self.first(x)).tanh()).square().sum()


def mean_is_taken_away(ranks: Ranks, x: Tensor) -> Tensor:
    """Use the mean over the rows of all ranks, as synchronised normalisation does."""
    x = x.clone().requires_grad_()
    sums = ranks.total_with_gradient(torch.cat([x.sum(0), torch.tensor([float(len(x))])]))
    ((x - sums[:-1] / sums[-1]) * x.detach() ** 2).sum().backward()
    assert x.grad is not None
    return x.grad


def passes(ranks: Ranks) -> dict[str, Any]:
    """Return what a rank has after two passes over its rows, summed once."""
    net = Net(ranks.rank)
    both = ranks.together(net)
    x = torch.randn(2, ROWS, 5, generator=torch.Generator().manual_seed(7))
    mine = x[:, ranks.rank :: ranks.size]
    with ranks.apart(both):
        both(mine[0]).backward()
    both(mine[1]).backward()
    ranks.same_buffers(net)
    return {
        "gradients": {n: p.grad.tolist() for n, p in net.named_parameters() if p.grad is not None},
        "through": mean_is_taken_away(ranks, mine[0]).tolist(),
        "total": ranks.total(mine[1].sum(0)).tolist(),
        "buffer": net.seen.tolist(),
    }


def dies(group: Group) -> str:
    """Have rank 1 killed, and return what rank 0 hears of it, and when."""
    if group.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    start = time.monotonic()
    try:
        group.total(torch.ones(1))
    except RuntimeError as error:
        return f"{lost_contact(error)} {time.monotonic() - start < 10}"
    return "nothing"


def dawdles(group: Group) -> str:
    """Have rank 1 come too late for rank 0."""
    if group.rank == 1:
        time.sleep(2)
        return ""
    try:
        group.total(torch.ones(1))
    except RuntimeError as error:
        return str(lost_contact(error))
    return "nothing"


def member(rank: int, hosts: Sequence[str], pipe: Connection, work: Any, timeout: float) -> None:
    """Run ``work`` as one rank, with the pipe to the parent for `Tell`."""
    torch.set_num_threads(1)

    def tell(words: str) -> list[str]:
        pipe.send(words)
        return pipe.recv()

    with join(rank, hosts, tell, timeout=timeout) as group:
        pipe.send(work(group))


def run(size: int, work: Callable[[Group], Any], timeout: float = 30) -> list[Any]:
    """Return what each of ``size`` processes made of ``work``; None for one that died."""
    pipes = [CONTEXT.Pipe() for _ in range(size)]
    hosts = ["no-name-that-resolves.invalid"] * size
    processes = [
        CONTEXT.Process(target=member, args=(rank, hosts, child, work, timeout))
        for rank, (_, child) in enumerate(pipes)
    ]
    for process, (_, child) in zip(processes, pipes, strict=True):
        process.start()
        child.close()
    words = [parent.recv() for parent, _ in pipes]
    for parent, _ in pipes:
        parent.send(words)
    found = [received(parent) for parent, _ in pipes]
    for process in processes:
        process.join(20)
        assert process.exitcode is not None
    return found


def received(pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        return None


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_have_what_one_process_has(size: int) -> None:
    alone, all_of_them = passes(Ranks()), run(size, passes)
    assert {n.split(".")[0] for n in alone["gradients"]} == {"first", "last"}
    for rank, one in enumerate(all_of_them):
        assert one["gradients"].keys() == alone["gradients"].keys()
        for name, gradient in one["gradients"].items():
            assert torch.allclose(*map(torch.tensor, (gradient, alone["gradients"][name])))
        through = torch.tensor(alone["through"])[rank::size]
        assert torch.allclose(torch.tensor(one["through"]), through, atol=1e-5)
        assert one["total"] == pytest.approx(alone["total"], abs=1e-5)
        assert one["buffer"] == [0, 0]


def test_a_rank_that_dies_or_dawdles_is_noticed() -> None:
    assert run(2, dies) == ["True True", None]
    assert run(2, dawdles, timeout=1)[0] == "True"
