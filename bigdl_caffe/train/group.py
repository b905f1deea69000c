"""Processes that train together over torch.distributed: gloo, and nccl between GPUs."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # not in its __all__
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from bigdl_caffe.train.interfaces import interface_to
from bigdl_caffe.train.ranks import Ranks

Tell = Callable[[str], Sequence[str]]
"""Gives every rank the words of all, in the order of ranks; each rank calls it as often."""

_LOST = re.compile(r"gloo/|NCCL|[Cc]onnection (was )?(closed|reset|refused)|[Tt]imed out|[Bb]roken")


class Group(Ranks):
    """One of the processes that `join` brought together."""

    def __init__(self) -> None:
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()

    def total(self, values: Tensor) -> Tensor:
        """Return ``values`` summed over all ranks, element by element; without gradient."""
        sums = values.detach().clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(sums)
        return sums

    def total_with_gradient(self, values: Tensor) -> Tensor:
        """Return the same, through which the gradients of all ranks flow back."""
        sums: Tensor = _Total.apply(values)  # type: ignore[no-untyped-call]  # torch gives no type
        return sums

    def together(self, module: nn.Module, reached: bool = False) -> nn.Module:
        """Return ``module`` such that backward() leaves the sum of all ranks' gradients.

        Buckets of gradients travel while backward() goes on. Its parameters and buffers are
        rank 0's from now on. What its forward returns, and the loss is not made of, has to
        be detached.
        """
        if not any(parameter.requires_grad for parameter in module.parameters()):
            return module
        # No device_ids: the module and its inputs are on the device already.
        with warnings.catch_warnings():
            # torch 2.13 has a new name for broadcast_buffers, which those before do not know.
            warnings.simplefilter("ignore", FutureWarning)
            wrapped = DistributedDataParallel(
                module, broadcast_buffers=False, find_unused_parameters=not reached
            )
        # torch looks at a hook's annotations, and does not take them as text.
        wrapped.register_comm_hook(None, lambda _, bucket: _summed(bucket))
        return wrapped

    @contextmanager
    def apart(self, module: nn.Module) -> Iterator[None]:
        """Leave out the summing within: it is done at a later backward(), for all at once.

        The forward pass has to be within, too.
        """
        with module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext():
            yield

    def same_buffers(self, module: nn.Module) -> None:
        """Give every rank the buffers that the first one has."""
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for buffer in module.buffers():
            by_type.setdefault(buffer.dtype, []).append(buffer)
        for buffers in by_type.values():  # one message each: there may be hundreds of buffers
            flat = torch.cat([buffer.flatten() for buffer in buffers])
            distributed.broadcast(flat, 0)
            parts = torch.split(flat, [buffer.numel() for buffer in buffers])
            for buffer, part in zip(buffers, parts, strict=True):
                buffer.copy_(part.view_as(buffer))


class _Total(torch.autograd.Function):
    """Sums over ranks; so is the gradient, as every rank's loss has a part in each value."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        sums = values.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(sums)
        return sums

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return _Total.forward(context, gradients[0])


def _summed(bucket: Any) -> Future[Tensor]:
    """Sum a bucket of gradients, which DistributedDataParallel would average."""
    work = distributed.all_reduce(bucket.buffer(), async_op=True)
    done: Future[Tensor] = work.get_future().then(lambda future: future.value()[0])
    return done


@contextmanager
def join(
    rank: int,
    hosts: Sequence[str],
    tell: Tell,
    device: torch.device | None = None,
    timeout: float = 60.0,
) -> Iterator[Group]:
    """Give the group of one process for each of ``hosts``; it ends with the context.

    Parameters
    ----------
    rank : int
        Which process this is, 0-based.
    hosts : sequence of str
        Under which name or address the others reach each rank's host.
    tell : callable
        How rank 0 makes its port known, which the system picks.
    device : device
        Of the nets to be trained, the CPU by default: what is on a GPU goes by nccl.
    timeout : float
        Seconds that the others may take to come, and afterwards that a rank may keep the
        others waiting.

    Raises
    ------
    RuntimeError
        Here and in the methods of the group, when a rank is gone or late: see `lost_contact`.
    """
    device = device or torch.device("cpu")
    wait = timedelta(seconds=timeout)
    near = len(set(hosts)) == 1
    host = "127.0.0.1" if near or rank == 0 else hosts[0]
    size, first = len(hosts), rank == 0
    store = TCPStore(host, 0, size, True, wait, wait_for_workers=False) if first else None
    port = int(tell(str(store.port) if store else "")[0])
    store = store or TCPStore(host, port, size, False, wait)
    peer = "127.0.0.1" if near else next(h for h in (hosts[0], *hosts) if h != hosts[rank])
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    with _reached_by(interface_to(peer)):
        distributed.init_process_group(
            backend, store=store, rank=rank, world_size=size, timeout=wait
        )
    try:
        yield Group()
    finally:
        distributed.destroy_process_group()


@contextmanager
def _reached_by(interface: str | None) -> Iterator[None]:
    """Have this process listen where the others reach it.

    By itself gloo listens where the host's own name leads, which may be nowhere, or on the
    host alone.
    """
    names = [] if interface is None else ["GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"]
    ours = {name: interface for name in names if name not in os.environ}
    os.environ.update({name: value for name, value in ours.items() if value})
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def lost_contact(error: BaseException) -> bool:
    """Whether ``error`` says that another rank is gone or late, and not what went wrong there."""
    return isinstance(error, distributed.DistError) or (
        isinstance(error, RuntimeError) and _LOST.search(str(error)) is not None
    )
