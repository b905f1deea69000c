"""`Solver`: the loop that trains a net, as src/caffe/solver.cpp runs it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import torch

from bigdl_caffe.ahead import ahead
from bigdl_caffe.errors import CaffeError, TrainingError
from bigdl_caffe.model import Model
from bigdl_caffe.train.batch_norm import synchronise
from bigdl_caffe.train.definition import SolverDef
from bigdl_caffe.train.events import (
    Action,
    Ended,
    Event,
    Iterated,
    Observer,
    Rule,
    Snapshotted,
    Started,
)
from bigdl_caffe.train.feeds import Feeds, Pass
from bigdl_caffe.train.nets import check_rows, copy_weights, learned, metrics, reaches_all
from bigdl_caffe.train.objective import Judged, Scores, over_all_ranks, shown
from bigdl_caffe.train.ranks import Ranks
from bigdl_caffe.train.rate import learning_rate
from bigdl_caffe.train.seeds import any_seed, mixed
from bigdl_caffe.train.snapshots import check_place, weights_of, write_snapshot
from bigdl_caffe.train.state import SolverState, read_state
from bigdl_caffe.train.testing import Test, tensors
from bigdl_caffe.train.update import Updater


class Solver:
    """Trains a net: pycaffe's solvers, of every type.

    Parameters
    ----------
    definition : SolverDef
        What ``solver.prototxt`` says.
    model : Model
        The net that learns, in the TRAIN phase.
    feeds : Feeds
        Its data.
    tests : sequence of Test
        Nets to test with, in the order of ``test_iter``.
    ranks : Ranks
        The processes that train together; each has a Solver, whose numbers are the same.
    observers : sequence of callable
        Told of every event, on the first rank.
    rules : sequence of callable
        Asked after every event whether to test, snapshot or stop.
    synchronised : bool
        Whether BatchNorm normalises by the rows of all ranks; else by its own rank's, and
        the sums that are kept are the first rank's.

    Attributes
    ----------
    iter : int
        How many iterations are done.
    net : Model
        The one that learns.
    test_nets : list of Model
    """

    def __init__(
        self,
        definition: SolverDef,
        model: Model,
        feeds: Feeds,
        tests: Sequence[Test] = (),
        *,
        ranks: Ranks | None = None,
        observers: Sequence[Observer] = (),
        rules: Sequence[Rule] = (),
        synchronised: bool = False,
    ) -> None:
        self.definition, self.net, self.feeds, self.tests = definition, model, feeds, tests
        self.ranks = ranks or Ranks()
        self.observers, self.rules = list(observers), list(rules)
        self.iter = 0
        self._rate_step = 0
        self._resumed = ""
        self._stop = ""
        self._empty = 0
        self._seed = definition.random_seed if definition.random_seed >= 0 else any_seed()
        self._losses: deque[float] = deque(maxlen=definition.average_loss)
        self._passes: Generator[Pass, None, None] | None = None
        self._local_sums = self.ranks.size > 1 and not synchronised
        if self.ranks.size > 1:
            check_rows(model)
        if synchronised and self.ranks.size > 1:
            synchronise(model.to_torch(), self.ranks)
        self._judged = Judged(model.to_torch(), metrics(model))
        self._module = self.ranks.together(self._judged, reaches_all(model))
        self._updater = Updater(definition, learned(model))
        if not self._updater.moving:
            raise CaffeError(
                "there is nothing to learn: every blob of the net is frozen, or has lr_mult 0"
            )

    @property
    def test_nets(self) -> list[Model]:
        """The nets to test with, which share the weights of `net`."""
        return [test.model for test in self.tests]

    # -- running -----------------------------------------------------------------------

    def solve(self) -> None:
        """Train up to ``max_iter``, from where the solver stands (Solver::Solve).

        Ends with a snapshot unless ``snapshot_after_train: false``, and with a test if one
        is due.
        """
        d = self.definition
        self._stop = ""
        if self.ranks.rank == 0 and (d.snapshot or d.snapshot_after_train):
            check_place(d.snapshot_prefix)
        data = self.ranks.size, self.feeds.per_epoch
        self._tell(Started(self.net.net.name, d.type, self.iter, d.max_iter, *data, self._resumed))
        self.step(d.max_iter - self.iter)
        if d.snapshot_after_train and not (d.snapshot and self.iter % d.snapshot == 0):
            self.snapshot()
        if d.test_interval and self.iter % d.test_interval == 0 and not self._stop:
            self.test()
        self._tell(Ended(self.iter, self._stop, self._dropped()))
        self.close()

    def step(self, iterations: int) -> None:
        """Do so many iterations, tests and snapshots in between as they are due (Solver::Step)."""
        last = self.iter + iterations
        try:
            while self.iter < last and not self._stop:
                self._next()
        except BaseException:
            self.close()  # the data may stand behind an iteration that is not done
            raise

    def _next(self) -> None:
        d = self.definition
        due = d.test_interval and self.iter % d.test_interval == 0
        if due and (self.iter or d.test_initialization):
            self.test()
            if self._stop:
                return
        self._tell(self._iterate())
        if d.snapshot and self.iter % d.snapshot == 0:
            self.snapshot()

    def test(self) -> None:
        """Run every test net over its data."""
        for number, test in enumerate(self.tests):
            self._tell(test.run(self.iter, number, self.ranks))

    def stop(self, why: str) -> None:
        """Let `step` and `solve` end after the iteration under way."""
        self._stop = why

    def close(self) -> None:
        """Let go of the data."""
        if self._passes is not None:
            self._passes.close()
        self._passes = None

    # -- one iteration -----------------------------------------------------------------

    def _iterate(self) -> Iterated:
        start, d = time.perf_counter(), self.definition
        self._module.zero_grad()
        rate, self._rate_step = learning_rate(d, self.iter, self._rate_step)
        with torch.random.fork_rng(devices=[]):
            # A state does not hold the generator's: so an iteration begins with its own.
            torch.manual_seed(mixed(self._seed, self.iter, self.ranks.rank))
            passes = [self._pass(k == d.iter_size - 1) for k in range(d.iter_size)]
        self._updater.apply(self.iter, rate)
        if self._local_sums:
            self.ranks.same_buffers(self.net.to_torch())
        self._check_rows(passes)
        loss = sum(each.loss for each in passes) / d.iter_size
        self._losses.append(loss)
        self.iter += 1
        return Iterated(
            iteration=self.iter - 1,
            loss=loss,
            smoothed=sum(self._losses) / len(self._losses),
            rate=rate,
            outputs=shown(self._judged, passes[-1].scores.tops, self.net.outputs),
            rows=sum(each.scores.rows for each in passes),
            epoch=self.iter * d.iter_size / self.feeds.per_epoch if self.feeds.per_epoch else 0.0,
            seconds=time.perf_counter() - start,
            displayed=bool(d.display) and (self.iter - 1) % d.display == 0,
        )

    def _pass(self, last: bool) -> _Passed:
        """Run forward and backward; the gradients add up in the weights."""
        if self._passes is None:
            start = self.iter * self.definition.iter_size
            self._passes = ahead(self.feeds.passes(start))
        each = next(self._passes)
        self.ranks.idle = not each.rows
        with nullcontext() if last else self.ranks.apart(self._module):
            like = next(self._judged.parameters(), torch.empty(0))
            tops, terms = self._module(tensors(each, like), each.rows)
            scores = over_all_ranks(tops, terms, each.rows, self.ranks)
            if each.rows and (wrong := self._judged.not_finite(tops)):
                raise TrainingError(
                    f"at iteration {self.iter} the loss {', '.join(wrong)}: lower base_lr, set "
                    "clip_gradients, or look for rows that are no numbers"
                )
            torch.autograd.backward(self._judged.weighted(tops, scores.shares))
        return _Passed(self._judged.loss(scores.tops), scores)

    def _check_rows(self, passes: Sequence[_Passed]) -> None:
        read = any(each.scores.rows for each in passes)
        self._empty = 0 if read else self._empty + len(passes)
        if self.feeds.per_epoch and self._empty >= self.feeds.per_epoch:
            raise TrainingError(
                "not one row of a whole epoch can be read: look at what one holds, and at the "
                "columns that are read"
            )

    def _dropped(self) -> int:
        own = getattr(self.feeds, "dropped", 0)  # of those that can drop rows
        return int(self.ranks.total(torch.tensor([float(own)])).item())

    # -- snapshots ---------------------------------------------------------------------

    def state(self, learned_net: str = "") -> SolverState:
        """Return where the solver stands, but for the weights."""
        history = tuple(h.float().cpu().numpy() for h in self._updater.history)
        return SolverState(self.iter, learned_net, self._rate_step, history)

    def snapshot(self) -> None:
        """Write weights and state as files of ``snapshot_prefix`` (Solver::Snapshot)."""
        if self.ranks.rank == 0:
            diffs = self._updater.updates() if self.definition.snapshot_diff else None
            weights, state = write_snapshot(self.net, self.state(), self.definition, diffs)
        else:
            weights = state = ""
        self._tell(Snapshotted(self.iter, weights, state))

    def restore(self, path: str) -> None:
        """Go on from a state, ours or Caffe's, and from the weights that it names.

        Parameters
        ----------
        path : str
            A .solverstate or .solverstate.h5 file. Weights that are not where it says are
            looked for beside it.

        Raises
        ------
        CaffeError
            The files are missing or damaged, or of another net or type of solver.
        """
        state = read_state(path)
        self.resume(state)
        copy_weights(self.net, weights_of(state, path))
        self._resumed = path

    def resume(self, state: SolverState) -> None:
        """Go on from ``state``, with the weights that the net has."""
        self._updater.restore(state.history)
        self.iter, self._rate_step = state.iter, state.current_step
        self._losses.clear()
        self.close()

    # -- telling -----------------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        if self.ranks.rank == 0:
            for observer in self.observers:
                observer(event)
        asked = {rule(event): rule for rule in self.rules}
        if Action.TEST in asked:
            self.test()
        if Action.SNAPSHOT in asked:
            self.snapshot()
        if Action.STOP in asked:
            self.stop(getattr(asked[Action.STOP], "why", "a rule asked for it"))


class _Passed(NamedTuple):
    """The loss of a pass, and what the net said."""

    loss: float
    scores: Scores
