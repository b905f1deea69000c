"""The program: the table of commands, and what becomes of errors."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from bigdl_caffe.cli.convert import CONVERT
from bigdl_caffe.cli.diff import DIFF
from bigdl_caffe.cli.draw import DRAW
from bigdl_caffe.cli.inspect import INSPECT
from bigdl_caffe.cli.jar import JAR
from bigdl_caffe.cli.score import SCORE
from bigdl_caffe.cli.summary import SUMMARY
from bigdl_caffe.cli.train import TRAIN
from bigdl_caffe.cli.upgrade import UPGRADE
from bigdl_caffe.errors import CaffeError

COMMANDS = (SCORE, TRAIN, INSPECT, SUMMARY, DRAW, DIFF, CONVERT, UPGRADE, JAR)

HINTS = {
    "input_shapes": "--input-shape BLOB=N,C,H,W",
    "mean_file": "--mean FILE, --mean b,g,r, or --mean 0 to subtract nothing",
    "overwrite=True": "--overwrite",
    "use_v2=True": "leave out --v1",
    "fold=True": "--fold",
    "feed=...": "--input FILE.npz",
    "feedDict=": "--feed BLOB=COLUMN",
    "numWorkers": "--workers N",
    "validationFraction": "--validation SHARE",
    "checkpointDir": "--checkpoints DIR",
}
"""By a word of an error for Python users, how to do on the command line what it asks for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        0 if all went well; 1 after one message that says what did not, or from ``diff``
        where two models differ, whose errors are 2. A command that cannot be understood
        ends the process with 2.
    """
    args = _parser().parse_args(argv)
    level = logging.INFO if args.debug else logging.WARNING
    logging.basicConfig(format="%(levelname)s: %(message)s", level=level)
    try:
        status: int = args.command.run(args)
    except (CaffeError, FileExistsError) as error:
        if args.debug:
            raise
        print(f"bigdl-caffe: {error}{_hints(str(error))}", file=sys.stderr)
        return int(args.command.trouble)
    return status


def _hints(message: str) -> str:
    told = (f" (on the command line: {how})" for word, how in HINTS.items() if word in message)
    return "".join(told)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bigdl-caffe",
        description="Caffe models: look at, compare, convert and train them, score them on Spark.",
        epilog="bigdl-caffe COMMAND --help shows what a command takes, with an example.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser
