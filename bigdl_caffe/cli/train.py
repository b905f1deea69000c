"""``bigdl-caffe train``."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bigdl_caffe.cli.command import Command
from bigdl_caffe.cli.options import named, positive
from bigdl_caffe.errors import CaffeError

if TYPE_CHECKING:
    from bigdl_caffe.train.events import Action, Event, Observer
    from bigdl_caffe.train.signals import Signals

EFFECTS = ("snapshot", "stop", "none")
ON_SPARK = ("feed", "validation", "checkpoints", "master")
"""Options that mean nothing in one process."""


def _arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--solver", required=True, metavar="S", help="the solver's definition")
    begin = command.add_mutually_exclusive_group()
    begin.add_argument("--weights", metavar="W[,W2]", help="weights to begin with")
    begin.add_argument("--snapshot", metavar="STATE", help="a .solverstate to go on from")
    add("--gpu", type=int, metavar="ID", help="compute on this GPU, not on the CPU")
    show = command.add_argument_group("what is shown").add_argument
    show("--log", metavar="FILE", help="write Caffe's log there; - for stderr")
    show("--tensorboard", metavar="DIR", help="write scalars for TensorBoard there")
    show("--curve", metavar="OUT.svg", help="draw the learning curve there")
    show("--quiet", action="store_true", help="leave out the progress bar")
    on = command.add_argument_group("signals, in one process").add_argument
    on("--sigint-effect", choices=EFFECTS, default="stop", help="what Ctrl-C does (stop)")
    on("--sighup-effect", choices=EFFECTS, default="snapshot", help="what SIGHUP does (snapshot)")
    _add_spark(command.add_argument_group("on Spark, by --data or --workers").add_argument)


def _add_spark(add: Callable[..., Any]) -> None:
    add("--data", metavar="DIR|LIST.txt|PARQUET", help="in place of the net's own data layers")
    add(
        "--feed",
        action="append",
        type=named,
        default=[],
        metavar="BLOB=COLUMN",
        help="which column feeds which input; may be given again",
    )
    add("--validation", type=float, metavar="SHARE", help="of the data, to test with")
    add("--workers", type=positive, metavar="N", help="tasks that train together (1)")
    add("--checkpoints", metavar="DIR", help="folder for snapshots, which all workers reach")
    add("--master", help="Spark's master (spark-submit's, or local[*])")


def _run(args: argparse.Namespace) -> int:
    from bigdl_caffe.train.show.watch import watching  # torch, only for commands that need it

    shown = {"log": args.log, "tensorboard": args.tensorboard, "curve": args.curve}
    bar = not (args.quiet or args.debug or args.log == "-")
    outcome = Outcome()
    with watching(args.solver, bar=bar, append=bool(args.snapshot), **shown) as observers:
        run = _on_spark if args.data or args.workers else _here
        run(args, [*observers, outcome])
    print(outcome)
    return 0


def _here(args: argparse.Namespace, observers: Sequence[Observer]) -> None:
    """Train in this process."""
    from bigdl_caffe.train.opening import load_solver

    if unused := [name for name in ON_SPARK if getattr(args, name)]:
        raise CaffeError(f"--{unused[0]} is of training on Spark: give --data or --workers as well")
    with _signals(args) as signals:
        device = "cpu" if args.gpu is None else f"cuda:{args.gpu}"
        solver = load_solver(
            args.solver, _weights(args), observers=observers, rules=[signals], device=device
        )
        if args.snapshot:
            solver.restore(args.snapshot)
        solver.solve()


def _on_spark(args: argparse.Namespace, observers: Sequence[Observer]) -> None:
    """Train on Spark's executors."""
    if args.gpu is not None:
        raise CaffeError("--gpu is of training in one process: on Spark, Spark assigns the GPUs")
    from bigdl_caffe.spark.session import command_session, plain_errors
    from bigdl_caffe.spark.train_job import Request, run

    request = Request(
        solver=args.solver,
        weights=_weights(args),
        snapshot=args.snapshot,
        data=args.data,
        feed=dict(args.feed),
        validation=args.validation,
        checkpoints=args.checkpoints,
        workers=args.workers or 1,
    )
    with plain_errors(), command_session("bigdl-caffe train", args.master, args.debug) as spark:
        print("wrote {} and {}".format(*run(spark, request, observers)))


def _weights(args: argparse.Namespace) -> list[str]:
    return args.weights.split(",") if args.weights else []


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

  bigdl-caffe train --solver lenet_solver.prototxt --data digits.parquet \\
    --feed data=image --feed label=digit --validation 0.2 --workers 4

trains on the rows of a Parquet, of a list of pictures ('path class' lines) or of a folder with a
folder of pictures for each class, by four of Spark's tasks that share each batch.
""",
    _arguments,
    _run,
)
