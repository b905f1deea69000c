"""Reading ahead: the same items, errors at their place, and no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import chain, islice
from time import monotonic, sleep

import pytest

from bigdl_caffe.ahead import ahead, read_ahead


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("bigdl-caffe-ahead")]


class Made:
    """Numbers to ``n``, then an error; knows how many were made and whether it was closed."""

    def __init__(self, n: int) -> None:
        self.n, self.made, self.closed = n, 0, False

    def __iter__(self) -> Iterator[int]:
        try:
            for i in range(self.n):
                self.made = i + 1
                yield i
            raise ValueError("broken")
        finally:
            self.closed = True


def test_items_are_the_same_and_the_thread_ends_with_them() -> None:
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert list(ahead(iter([]))) == []
    assert not threads()


def test_some_are_made_before_they_are_asked_for() -> None:
    source = Made(9)
    items = ahead(iter(source), depth=3)
    assert source.made == 0
    assert next(items) == 0
    limit = monotonic() + 10
    while source.made < 4 and monotonic() < limit:
        sleep(0.001)
    assert source.made == 4


def test_an_error_comes_where_its_item_would() -> None:
    items = ahead(iter(Made(5)))
    assert list(islice(items, 5)) == list(range(5))
    with pytest.raises(ValueError, match="broken"):
        next(items)
    assert not threads()


def test_closing_stops_the_thread_and_closes_what_is_read() -> None:
    source = Made(1000)
    items = ahead(iter(source))
    assert next(items) == 0
    items.close()
    assert source.closed
    assert source.made <= 3
    assert not threads()


class Closable:
    """An iterator that is no generator, and can be closed."""

    closed = False

    def __iter__(self) -> Closable:
        return self

    def __next__(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True


def test_what_is_no_generator_is_closed_if_it_can_be() -> None:
    source = Closable()
    items = ahead(source)
    assert next(items) == 0
    items.close()
    assert source.closed
    assert list(ahead(map(str, range(3)))) == ["0", "1", "2"]
    assert list(ahead(chain([0], [1]))) == [0, 1]


@pytest.mark.parametrize("cores", [1, 2])
def test_a_block_that_is_left_early_closes_what_is_read(cores: int) -> None:
    source = Made(1000)
    with read_ahead((number for number in source), cores) as items:
        assert next(items) == 0
        assert len(threads()) == cores - 1
    assert source.closed
    assert not threads()
