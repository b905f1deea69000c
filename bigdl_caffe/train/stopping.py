"""Rules that go by tests: when to stop, and a last test at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.train.events import Action, Event, Iterated, Tested

LOSS = "loss"


@dataclass
class EarlyStop:
    """Asks to stop once tests do not get better any more.

    Attributes
    ----------
    monitor : str
        "loss" for the test net's, or one of its outputs by the blob's name: of a loss the
        smaller is the better, of anything else the larger.
    patience : int
        So many tests in a row without a better one are enough.
    min_delta : float
        By how much it has to be better to count.
    """

    monitor: str = LOSS
    patience: int = 1
    min_delta: float = 0.0
    _best: float | None = field(default=None, init=False)
    _waited: int = field(default=0, init=False)

    def __call__(self, event: Event) -> Action:
        """Return what a test asks for.

        Raises
        ------
        CaffeError
            The test net has no such output.
        """
        if not isinstance(event, Tested) or event.net:
            return Action.NONE
        value = self._loss(event)
        if self._best is None or value < self._best - self.min_delta:
            self._best, self._waited = value, 0
        else:
            self._waited += 1
        return Action.STOP if self._waited >= self.patience else Action.NONE

    def _loss(self, event: Tested) -> float:
        """Return what is watched, such that less is better."""
        found = {output.blob: output for output in event.outputs}
        if self.monitor in found:
            watched = found[self.monitor]
            mean = sum(watched.values) / len(watched.values)
            return mean if watched.weight else -mean
        if self.monitor == LOSS and event.loss is not None:
            return event.loss
        raise CaffeError(
            f"monitor is '{self.monitor}', which the test net does not tell: give one of "
            f"{', '.join([LOSS, *found])}"
        )


@dataclass(frozen=True)
class LastTest:
    """Asks for a test after the last iteration, where the interval of tests leaves it out."""

    max_iter: int
    test_interval: int

    def __call__(self, event: Event) -> Action:
        """Return what an iteration asks for."""
        last = isinstance(event, Iterated) and event.iteration + 1 == self.max_iter
        due = self.test_interval and self.max_iter % self.test_interval == 0
        return Action.TEST if last and not due else Action.NONE
