"""Make the next items of an iterator ready while the last one is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T], depth: int = 2) -> Generator[T, None, None]:
    """Yield ``items``, of which up to ``depth`` are made beforehand on a thread of their own.

    An error is raised where its item would have come. Once this generator ends or is closed,
    nothing runs any more and ``items`` is closed, if it can be: a map cannot, and would leave what
    it reads as it is for as long as somebody has it.

    Parameters
    ----------
    items : iterator
        Passes, for one.
    depth : int
        Caffe's prefetch is 2 or more. Nothing is made before the first item is asked for.
    """
    thread = ThreadPoolExecutor(1, "bigdl-caffe-ahead")
    end = object()
    waiting = deque(thread.submit(next, items, end) for _ in range(depth))
    try:
        while (item := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, items, end))
            yield item  # type: ignore[misc]  # no item is `end` here
    finally:
        thread.shutdown(cancel_futures=True)
        close = getattr(items, "close", None)
        if close is not None:
            close()


def read_ahead(items: Generator[T, None, None], threads: int) -> closing[Generator[T, None, None]]:
    """Return ``items``, closed behind the block, the next made while one is used if it can be.

    Parameters
    ----------
    items : generator
        Decoded batches, for one.
    threads : int
        The task's cores. One does both in turn: a second thread would only push what the first
        computes out of its cache.
    """
    return closing(ahead(items, 1) if threads > 1 else items)
