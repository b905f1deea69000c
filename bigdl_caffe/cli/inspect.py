"""``bigdl-caffe inspect``."""

from __future__ import annotations

import argparse

from bigdl_caffe.cli.command import Command
from bigdl_caffe.cli.options import add_net, net

RUNS, RUNS_NOT, TROUBLE = 0, 1, 2
"""Exit statuses."""


def _arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("prototxt", metavar="P", help="the net's definition")
    add("weights", metavar="W", nargs="?", help="its weights; checked against it")
    add("--json", action="store_true", help="print JSON")
    add_net(command)


def _run(args: argparse.Namespace) -> int:
    # torch, only for commands that need it
    from bigdl_caffe.inspection import inspect
    from bigdl_caffe.layers.assemble import Options

    found = inspect(args.prototxt, args.weights, Options(**net(args)))
    print(found.to_json() if args.json else found)
    return RUNS if found.runs else RUNS_NOT


INSPECT = Command(
    "inspect",
    "say what is in a net's files, and whether it can be run",
    """example:
  bigdl-caffe inspect lenet.prototxt lenet.caffemodel

Told are the format, what goes in and comes out, the layers by type, parameters and costs, how
pictures are prepared, fields that nothing reads, and why the net cannot be run, if it cannot. No
number of the weights is read: this takes as long for 500 MB as for one.

The exit status is 0 for a net that can be run, 1 for one that cannot, 2 for files that cannot be
read.
""",
    _arguments,
    _run,
    trouble=TROUBLE,
)
