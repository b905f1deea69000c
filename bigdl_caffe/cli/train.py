"""``bigdl-caffe train``."""

from __future__ import annotations

import argparse
import signal
from typing import TYPE_CHECKING

from bigdl_caffe.cli.command import Command

if TYPE_CHECKING:
    from bigdl_caffe.train.events import Action, Event
    from bigdl_caffe.train.signals import Signals

EFFECTS = ("snapshot", "stop", "none")


def _arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--solver", required=True, metavar="S", help="the solver's definition")
    begin = command.add_mutually_exclusive_group()
    begin.add_argument("--weights", metavar="W[,W2]", help="weights to begin with")
    begin.add_argument("--snapshot", metavar="STATE", help="a .solverstate to go on from")
    show = command.add_argument_group("what is shown").add_argument
    show("--log", metavar="FILE", help="write Caffe's log there; - for stderr")
    show("--tensorboard", metavar="DIR", help="write scalars for TensorBoard there")
    show("--curve", metavar="OUT.svg", help="draw the learning curve there")
    show("--quiet", action="store_true", help="leave out the progress bar")
    on = command.add_argument_group("signals").add_argument
    on("--sigint-effect", choices=EFFECTS, default="stop", help="what Ctrl-C does (stop)")
    on("--sighup-effect", choices=EFFECTS, default="snapshot", help="what SIGHUP does (snapshot)")


def _run(args: argparse.Namespace) -> int:
    # torch, only for commands that need it
    from bigdl_caffe.train.opening import load_solver
    from bigdl_caffe.train.show.watch import watching

    weights = args.weights.split(",") if args.weights else ()
    shown = {"log": args.log, "tensorboard": args.tensorboard, "curve": args.curve}
    bar = not (args.quiet or args.debug or args.log == "-")
    outcome = Outcome()
    with (
        watching(args.solver, bar=bar, append=bool(args.snapshot), **shown) as observers,
        _signals(args) as signals,
    ):
        solver = load_solver(args.solver, weights, observers=[*observers, outcome], rules=[signals])
        if args.snapshot:
            solver.restore(args.snapshot)
        solver.solve()
    print(outcome)
    return 0


class Outcome:
    """Observer that keeps what is said at the end: the last tests, the last files."""

    def __init__(self) -> None:
        self._tests: dict[int, str] = {}
        self._files = ""
        self._end = ""

    def __call__(self, event: Event) -> None:
        """Keep what ``event`` says."""
        from bigdl_caffe.train.events import Ended, Snapshotted, Tested
        from bigdl_caffe.train.show.history import scalars_of

        if isinstance(event, Tested):
            numbers = (f"{name} {value:.4g}" for name, value in scalars_of(event).items())
            said = f"test net #{event.net} after {event.iteration} iterations: "
            self._tests[event.net] = said + ", ".join(numbers)
        elif isinstance(event, Snapshotted):
            self._files = f"wrote {event.weights} and {event.state}"
        elif isinstance(event, Ended):
            stopped = f", stopped: {event.why}" if event.why else ""
            self._end = f"{event.iteration} iterations done{stopped}"

    def __str__(self) -> str:
        return "\n".join(filter(None, [*self._tests.values(), self._files, self._end]))


def _signals(args: argparse.Namespace) -> Signals:
    from bigdl_caffe.train.signals import EFFECTS, Signals

    effects: dict[int, Action] = {signal.SIGINT: EFFECTS[args.sigint_effect]}
    if hasattr(signal, "SIGHUP"):  # Windows has none
        effects[signal.SIGHUP] = EFFECTS[args.sighup_effect]
    return Signals(effects)


TRAIN = Command(
    "train",
    "train a net as its solver.prototxt says, and write snapshots that Caffe reads",
    """example:
  bigdl-caffe train --solver lenet_solver.prototxt --weights lenet.caffemodel \\
    --log train.log --curve train.svg

The solver and its nets are read as Caffe reads them: the files that they name are relative to
the working directory. Ctrl-C ends the training after the iteration under way, with a snapshot
that --snapshot goes on from; a second one ends it at once. The log is what caffe train writes.
""",
    _arguments,
    _run,
)
