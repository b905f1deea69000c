"""BigDL's triggers: when to stop, test or write a checkpoint, by how far a training is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

from bigdl_caffe.train.events import Action, Event, Iterated, Tested


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes
    ----------
    iteration : int
        How many iterations are done.
    epoch : float
        How many times the data have been gone through.
    loss : float
        Of the last iteration.
    score : float
        What the last validation's first method gave.
    """

    iteration: int = 0
    epoch: float = 0.0
    loss: float = float("inf")
    score: float = float("-inf")


class Trigger(ABC):
    """Base of all: a condition on a `Progress`."""

    @abstractmethod
    def __call__(self, now: Progress) -> bool:
        """Return whether it holds."""

    def iterations(self, per_epoch: int) -> int | None:
        """Return the first number of iterations at which it surely holds, if that is known."""
        return None


@dataclass(frozen=True)
class MaxIteration(Trigger):
    """``max`` iterations are done."""

    max: int

    def __call__(self, now: Progress) -> bool:
        """Return whether it holds."""
        return now.iteration >= self.max

    def iterations(self, per_epoch: int) -> int:
        """Return ``max``."""
        return self.max


@dataclass(frozen=True)
class MaxEpoch(Trigger):
    """The data have been gone through ``max`` times."""

    max: int

    def __call__(self, now: Progress) -> bool:
        """Return whether it holds."""
        return now.epoch >= self.max

    def iterations(self, per_epoch: int) -> int:
        """Return those of ``max`` epochs."""
        return self.max * per_epoch


@dataclass(frozen=True)
class EveryEpoch(Trigger):
    """An epoch has just ended."""

    def __call__(self, now: Progress) -> bool:
        """Return whether it holds."""
        return now.epoch > 0 and now.epoch == int(now.epoch)


@dataclass(frozen=True)
class SeveralIteration(Trigger):
    """Another ``interval`` iterations are done."""

    interval: int

    def __call__(self, now: Progress) -> bool:
        """Return whether it holds."""
        return now.iteration > 0 and now.iteration % self.interval == 0


@dataclass(frozen=True)
class MaxScore(Trigger):
    """The last validation's first method gave more than ``max``."""

    max: float

    def __call__(self, now: Progress) -> bool:
        """Return whether it holds."""
        return now.score > self.max


@dataclass(frozen=True)
class MinLoss(Trigger):
    """The last iteration's loss was less than ``min``."""

    min: float

    def __call__(self, now: Progress) -> bool:
        """Return whether it holds."""
        return now.loss < self.min


class _Of(Trigger):
    """What triggers made of others share."""

    def __init__(self, first: Trigger, *other: Trigger) -> None:
        self.triggers = (first, *other)

    def _known(self, per_epoch: int) -> list[int]:
        known = (trigger.iterations(per_epoch) for trigger in self.triggers)
        return [number for number in known if number is not None]


class TriggerAnd(_Of):
    """All of several triggers hold."""

    def __call__(self, now: Progress) -> bool:
        """Return whether it holds."""
        return all(trigger(now) for trigger in self.triggers)

    def iterations(self, per_epoch: int) -> int | None:
        """Return the largest of theirs, None where one is not known."""
        known = self._known(per_epoch)
        return max(known) if len(known) == len(self.triggers) else None


class TriggerOr(_Of):
    """One of several triggers holds."""

    def __call__(self, now: Progress) -> bool:
        """Return whether it holds."""
        return any(trigger(now) for trigger in self.triggers)

    def iterations(self, per_epoch: int) -> int | None:
        """Return the least of theirs."""
        return min(self._known(per_epoch), default=None)


class Asks:
    """Rule that asks for ``action`` behind an iteration at which ``trigger`` holds.

    To stop it asks behind a validation as well.

    Parameters
    ----------
    action : Action
    trigger : Trigger
    score : str
        The output of the validation's net that is its score.
    """

    def __init__(self, action: Action, trigger: Trigger, score: str = "") -> None:
        self._action, self._trigger, self._score = action, trigger, score
        self._now = Progress()

    def __call__(self, event: Event) -> Action:
        """Note what ``event`` says, and ask."""
        if isinstance(event, Iterated):
            self._now = replace(
                self._now, iteration=event.iteration + 1, epoch=event.epoch, loss=event.loss
            )
        elif isinstance(event, Tested):
            scores = [output.values[0] for output in event.outputs if output.blob == self._score]
            self._now = replace(self._now, score=scores[0] if scores else self._now.score)
        asked = isinstance(event, Iterated) or (
            isinstance(event, Tested) and self._action is Action.STOP
        )
        return self._action if asked and self._trigger(self._now) else Action.NONE
