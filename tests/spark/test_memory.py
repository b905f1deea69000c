"""Whether a worker keeps the memory that it frees, and who can forbid it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import pytest

from bigdl_caffe.spark import memory


class Glibc:
    """A C library that notes what it is told."""

    def __init__(self, *, known: int = 1) -> None:
        self.told: list[tuple[int, int]] = []
        self.known = known
        self.gnu_get_libc_version = None

    def malloc_trim(self, pad: int) -> int:
        self.told.append((0, pad))
        return 1

    def mallopt(self, name: int, value: int) -> int:
        self.told.append((name, value))
        return self.known


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("GLIBC_TUNABLES", "MALLOC_ARENA_MAX", memory.SWITCH):
        monkeypatch.delenv(name, raising=False)
    memory.keep_memory.cache_clear()
    yield
    memory.keep_memory.cache_clear()


def with_library(monkeypatch: pytest.MonkeyPatch, library: Any) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)


def test_glibc_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Glibc()
    with_library(monkeypatch, library)
    assert memory.keep_memory()
    assert memory.keep_memory()
    assert library.told == [(-3, 32 << 20), (-1, 2**31 - 1)]


def test_what_is_kept_is_trimmed_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Glibc()
    with_library(monkeypatch, library)
    memory.trim_memory()
    assert library.told[-1] == (0, 0)


def test_what_is_not_kept_is_not_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Glibc()
    with_library(monkeypatch, library)
    monkeypatch.setenv(memory.SWITCH, "0")
    memory.trim_memory()
    assert library.told == []


def test_a_library_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with_library(monkeypatch, Glibc(known=0))
    assert not memory.keep_memory()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with_library(monkeypatch, object())
    assert not memory.keep_memory()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (memory.SWITCH, "0"),
        ("MALLOC_TRIM_THRESHOLD_", "1000"),
        ("GLIBC_TUNABLES", "glibc.malloc.arena_max=1"),
    ],
)
def test_the_environment_goes_before(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    library = Glibc()
    with_library(monkeypatch, library)
    monkeypatch.setenv(name, value)
    assert not memory.keep_memory()
    assert not library.told
