"""What the data of a training have to offer: passes, from any on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Pass:
    """What one rank feeds the net in one forward-backward pass.

    Attributes
    ----------
    feed : mapping of str to ndarray
        Input blob → float32 array (n, ...).
    rows : int
        How many rows of it count: n, or 0 where the rank has no row left in this pass and
        feeds any, only to stay in step with the others.
    """

    feed: Mapping[str, Array]
    rows: int


class Feeds(Protocol):
    """Data of one rank."""

    @property
    def per_epoch(self) -> int | None:
        """Passes through all the data once; None where they have no end."""

    def passes(self, start: int = 0) -> Iterator[Pass]:
        """Yield pass number ``start`` and those after it, without end.

        The same pass has the same rows whenever, and in whatever process, it is asked for.
        """


class TestFeeds(Protocol):
    """Data that a test net runs over, of one rank."""

    def passes(self) -> Iterator[Pass]:
        """Yield the passes of one test, as many on every rank."""
