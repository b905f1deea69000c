"""How many blobs a layer takes or makes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Arity:
    """How many blobs a layer takes or makes. ``most=None`` is any number from ``least`` up."""

    least: int
    most: int | None

    def __contains__(self, n: int) -> bool:
        return self.least <= n and (self.most is None or n <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least}"
        if self.least == self.most:
            return f"exactly {self.least}"
        return f"{self.least} to {self.most}"


def exactly(n: int) -> Arity:
    """Return the arity of exactly ``n`` blobs."""
    return Arity(n, n)


def at_least(n: int) -> Arity:
    """Return the arity of ``n`` blobs or more."""
    return Arity(n, None)


def between(least: int, most: int) -> Arity:
    """Return the arity of ``least`` to ``most`` blobs."""
    return Arity(least, most)
