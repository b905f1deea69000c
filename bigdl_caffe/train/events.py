"""What happens while a net is trained: told to observers, and judged by rules.

Every process of a training sees the same events with the same numbers, but for ``seconds``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Output:
    """An output blob of a net.

    Attributes
    ----------
    blob : str
    values : tuple of float
        All its numbers: of a train net those of the iteration's last pass, of a test net
        the mean of all passes.
    weight : float
        Its loss_weight, 0 for what is no loss.
    """

    blob: str
    values: tuple[float, ...]
    weight: float = 0.0


@dataclass(frozen=True)
class Started:
    """Training begins, or goes on.

    Attributes
    ----------
    net : str
    type : str
        The solver's: "SGD", "Adam", ...
    iteration, max_iter : int
        The first to be done, and how many there are to be in all.
    ranks : int
        Processes that train together.
    passes : int or None
        Forward-backward passes through all the data, where they end.
    resumed : str
        File that the state came from, "" for a beginning.
    """

    net: str
    type: str
    iteration: int
    max_iter: int
    ranks: int = 1
    passes: int | None = None
    resumed: str = ""


@dataclass(frozen=True)
class Iterated:
    """An iteration is done: its passes, and the update.

    Attributes
    ----------
    iteration : int
        Caffe's number of it, 0-based.
    loss : float
        Mean of its ``iter_size`` passes, over the rows of all ranks.
    smoothed : float
        Mean of the last ``average_loss`` iterations' losses, as Caffe displays.
    rate : float
        The learning rate it was done with.
    outputs : tuple of Output
        Of the train net.
    rows : int
        That all ranks together fed.
    epoch : float
        How many times the data have been gone through; 0 where they have no end.
    seconds : float
        What it took, without tests and snapshots.
    displayed : bool
        Whether the solver's ``display`` asks to show it.
    """

    iteration: int
    loss: float
    smoothed: float
    rate: float
    outputs: tuple[Output, ...]
    rows: int
    epoch: float
    seconds: float
    displayed: bool


@dataclass(frozen=True)
class Tested:
    """A test net has been run over its data.

    Attributes
    ----------
    iteration : int
        How many iterations are done.
    net : int
        Number of the test net.
    outputs : tuple of Output
    loss : float or None
        The weighted sum of its losses, None where it has none.
    rows : int
    """

    iteration: int
    net: int
    outputs: tuple[Output, ...]
    loss: float | None
    rows: int


@dataclass(frozen=True)
class Snapshotted:
    """A snapshot is written.

    Attributes
    ----------
    iteration : int
        How many iterations are done.
    weights, state : str
        The files.
    """

    iteration: int
    weights: str
    state: str


@dataclass(frozen=True)
class Ended:
    """Training is over.

    Attributes
    ----------
    iteration : int
        How many iterations are done.
    why : str
        "" for max_iter; else what stopped it.
    dropped : int
        Rows to train on that could not be read, and were left out, of all ranks.
    """

    iteration: int
    why: str = ""
    dropped: int = 0


Event = Started | Iterated | Tested | Snapshotted | Ended
Observer = Callable[[Event], None]
"""Is told of every event; on the first rank alone."""


class Action(Enum):
    """What a rule asks for."""

    NONE = 0
    TEST = 1
    SNAPSHOT = 2
    STOP = 3


Rule = Callable[[Event], Action]
"""Asks for something because of an event: on every rank, so it may go by its numbers only.

One that asks to stop may have an attribute ``why``, which `Ended` then tells.
"""
