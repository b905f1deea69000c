"""``bigdl-caffe score``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bigdl_caffe.cli.command import Command
from bigdl_caffe.cli.options import add_net, engine, net, positive, size
from bigdl_caffe.errors import CaffeError

if TYPE_CHECKING:
    from bigdl_caffe.image.recipe import Recipe
    from bigdl_caffe.model import Model
    from bigdl_caffe.spark.job import Request

ENGINE = "what computes: torch (the default); exact, row by row in Caffe's order, with the same "
ENGINE += "bits for any partitions and batch size; docs/engines.md tells of all"
DTYPES = ("float32", "float64", "float16", "bfloat16")
STEPS = ("resize", "scale", "channel_order", "max_pixels")


def _arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--prototxt", required=True, metavar="P", help="the net's definition")
    add("--weights", required=True, metavar="W", help="its weights (.caffemodel or HDF5)")
    add("--input", required=True, metavar="DIR|GLOB|PARQUET", help="image files, or a Parquet")
    add("--output", required=True, metavar="OUT.parquet", help="where the result goes")
    add("--overwrite", action="store_true", help="replace an earlier result there")
    add("--column", help="column of the Parquet to feed, if more than one can be")
    add("--fetch", action="append", metavar="BLOB", help="blob to write; may be given again")
    add("--top", type=positive, default=5, metavar="N", help="how many best classes (5)")
    add("--labels", metavar="FILE", help="names of the classes, one a line")
    add("--truth", metavar="FILE", help="'path class' lines: report the accuracy")
    add("--batch-size", type=positive, default=32, metavar="N", help="rows at a time (32)")
    add("--on-error", choices=("column", "drop", "fail"), default="column", help="for bad rows")
    add("--engine", type=engine, default="torch", metavar="E", help=ENGINE)
    add("--dtype", choices=DTYPES, default="float32", help="what the net computes in (float32)")
    add_net(command)
    add("--master", help="Spark's master (spark-submit's, or local[*])")
    _add_recipe(command.add_argument_group("images", "by default as transform_param has it"))


def _add_recipe(group: Any) -> None:
    add = group.add_argument
    add("--resize", type=size, metavar="HxW", help="size before the centre is cut out")
    add(
        "--mean",
        metavar="FILE|b,g,r",
        help="mean file (.binaryproto or .npy), or a value a channel, to subtract; 0 for none",
    )
    add("--scale", type=float, metavar="S", help="factor after that")
    add("--channel-order", choices=("BGR", "RGB"), help="order of the net's channels (BGR)")
    add("--max-pixels", type=positive, metavar="N", help="larger pictures are errors (100000000)")


def _run(args: argparse.Namespace) -> int:
    # Spark and torch, only for commands that need them
    from bigdl_caffe.model import Model
    from bigdl_caffe.spark.job import run
    from bigdl_caffe.spark.output import check_free
    from bigdl_caffe.spark.report import report
    from bigdl_caffe.spark.session import command_session, plain_errors

    model = Model.load_caffe_model(args.prototxt, args.weights, **net(args))
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
    return 0


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
        engine=args.engine,
        dtype=args.dtype,
    )


def _recipe(args: argparse.Namespace, model: Model) -> Recipe | None:
    """Return the recipe that the options ask for, or None if they leave it to the net."""
    steps = {name: getattr(args, name) for name in STEPS}
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


SCORE = Command(
    "score",
    "score images, or rows of a Parquet, on Spark, and write a Parquet",
    """example:
  bigdl-caffe score --prototxt lenet.prototxt --weights lenet.caffemodel \\
    --input images --output scores.parquet --fetch prob --top 1

The recipe by which pictures become the net's input is printed first. A row that cannot
be scored stays, with the reason in the column 'error'.
""",
    _arguments,
    _run,
)
