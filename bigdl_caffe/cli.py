"""The command line: ``bigdl-caffe``, ``python -m bigdl_caffe``, or through spark-submit."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bigdl_caffe.errors import CaffeError

if TYPE_CHECKING:
    from bigdl_caffe.image.recipe import Recipe
    from bigdl_caffe.model import Model
    from bigdl_caffe.spark.job import Request

HINTS = {
    "input_shapes": "--input-shape BLOB=N,C,H,W",
    "mean_file": "--mean FILE, --mean b,g,r, or --mean 0 to subtract nothing",
}
"""By a word of an error for Python users, how to do on the command line what it asks for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        0 if all went well; 1 after one message that says what did not. A command that
        cannot be understood ends the process with 2.
    """
    args = _parser().parse_args(argv)
    level = logging.INFO if args.debug else logging.WARNING
    logging.basicConfig(format="%(levelname)s: %(message)s", level=level)
    try:
        args.command(args)
    except CaffeError as error:
        if args.debug:
            raise
        hints = [
            f" (on the command line: {how})" for word, how in HINTS.items() if word in str(error)
        ]
        print(f"bigdl-caffe: {error}{''.join(hints)}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bigdl-caffe", description="Caffe models on Spark.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_score(commands)
    _add_summary(commands)
    for command in commands.choices.values():
        command.add_argument("--debug", action="store_true", help="show traces and Spark's log")
    return parser


# --- which net ------------------------------------------------------------------------


def _add_net(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--phase", choices=("TEST", "TRAIN"), default="TEST", help="whose layers (TEST)")
    add("--stage", action="append", default=[], help="a stage of its rules; may be given again")
    add(
        "--input-shape",
        action="append",
        type=_blob_shape,
        default=[],
        metavar="BLOB=N,C,H,W",
        help="shape of an input that the net leaves open; may be given again",
    )


def _net(args: argparse.Namespace) -> dict[str, Any]:
    shapes = dict(args.input_shape)
    return {"phase": args.phase, "stages": args.stage, "input_shapes": shapes}


def _blob_shape(text: str) -> tuple[str, tuple[int, ...]]:
    blob, equals, sizes = text.rpartition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not BLOB=N,C,H,W, such as data=1,3,227,227")
    return blob, tuple(map(_positive, sizes.split(",")))


# --- summary --------------------------------------------------------------------------


def _add_summary(commands: Any) -> None:
    command = commands.add_parser("summary", help="print a net's layers, shapes and costs")
    command.add_argument("prototxt", metavar="P", help="the net's definition")
    command.add_argument("weights", metavar="W", nargs="?", help="its weights; checked against it")
    _add_net(command)
    command.set_defaults(command=_summary)


def _summary(args: argparse.Namespace) -> None:
    from bigdl_caffe.model import Model  # torch, only for commands that need it

    print(Model.load_caffe_model(args.prototxt, args.weights, **_net(args)).summary())


# --- score ----------------------------------------------------------------------------


def _add_score(commands: Any) -> None:
    command = commands.add_parser(
        "score", help="score images, or rows of a Parquet, on Spark, and write a Parquet"
    )
    add = command.add_argument
    add("--prototxt", required=True, metavar="P", help="the net's definition")
    add("--weights", required=True, metavar="W", help="its weights (.caffemodel or HDF5)")
    add("--input", required=True, metavar="DIR|GLOB|PARQUET", help="image files, or a Parquet")
    add("--output", required=True, metavar="OUT.parquet", help="where the result goes")
    add("--overwrite", action="store_true", help="replace an earlier result there")
    add("--column", help="column of the Parquet to feed, if more than one can be")
    add("--fetch", action="append", metavar="BLOB", help="blob to write; may be given again")
    add("--top", type=_positive, default=5, metavar="N", help="how many best classes (5)")
    add("--labels", metavar="FILE", help="names of the classes, one a line")
    add("--truth", metavar="FILE", help="'path class' lines: report the accuracy")
    add("--batch-size", type=_positive, default=32, metavar="N", help="rows at a time (32)")
    add("--on-error", choices=("column", "drop", "fail"), default="column", help="for bad rows")
    _add_net(command)
    add("--master", help="Spark's master (spark-submit's, or local[*])")
    _add_recipe(command.add_argument_group("images", "by default as transform_param has it"))
    command.set_defaults(command=_score)


def _add_recipe(group: Any) -> None:
    add = group.add_argument
    add("--resize", type=_size, metavar="HxW", help="size before the centre is cut out")
    add(
        "--mean",
        metavar="FILE|b,g,r",
        help="mean file (.binaryproto or .npy), or a value a channel, to subtract; 0 for none",
    )
    add("--scale", type=float, metavar="S", help="factor after that")
    add("--channel-order", choices=("BGR", "RGB"), help="order of the net's channels (BGR)")


def _score(args: argparse.Namespace) -> None:
    # Spark and torch, only for commands that need them
    from bigdl_caffe.model import Model
    from bigdl_caffe.spark.job import run
    from bigdl_caffe.spark.output import check_free
    from bigdl_caffe.spark.report import report
    from bigdl_caffe.spark.session import command_session, plain_errors

    model = Model.load_caffe_model(args.prototxt, args.weights, **_net(args))
    request = _request(args, model)
    check_free(request.output, request.overwrite)
    with (
        plain_errors(),
        command_session("bigdl-caffe score", args.master, args.debug) as spark,
    ):
        outcome = run(spark, model, request)
        print(report(outcome, request))
    if outcome.failed == outcome.rows > 0:
        raise CaffeError(
            f"none of the {outcome.rows} rows could be scored: --on-error fail says why at the "
            "first of them"
        )


def _request(args: argparse.Namespace, model: Model) -> Request:
    from bigdl_caffe.spark.job import Request
    from bigdl_caffe.spark.ranking import read_lines, read_truth

    return Request(
        input=args.input,
        output=args.output,
        fetch=args.fetch,
        column=args.column,
        top=args.top,
        labels=read_lines(args.labels) if args.labels else (),
        truth=read_truth(args.truth) if args.truth else {},
        batch_size=args.batch_size,
        recipe=_recipe(args, model),
        on_error=args.on_error,
        overwrite=args.overwrite,
    )


def _recipe(args: argparse.Namespace, model: Model) -> Recipe | None:
    """Return the recipe that the options ask for, or None if they leave it to the net."""
    steps = {name: getattr(args, name) for name in ("resize", "scale", "channel_order")}
    steps["mean"] = _mean(args.mean) if args.mean else None
    given = {name: value for name, value in steps.items() if value is not None}
    return model.recipe(**given) if given else None


def _mean(text: str) -> Any:
    from bigdl_caffe.format.blob import read_mean

    try:
        values = tuple(float(value) for value in text.split(","))
    except ValueError:
        return read_mean(text)
    return values if any(values) else ()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    height, by, width = text.lower().partition("x")
    if not by:
        raise argparse.ArgumentTypeError(f"'{text}' is not HEIGHTxWIDTH, such as 256x256")
    return _positive(height), _positive(width)
