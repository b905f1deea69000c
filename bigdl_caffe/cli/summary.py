"""``bigdl-caffe summary``."""

from __future__ import annotations

import argparse

from bigdl_caffe.cli.command import Command
from bigdl_caffe.cli.options import add_net, net


def _arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("prototxt", metavar="P", help="the net's definition")
    command.add_argument("weights", metavar="W", nargs="?", help="its weights; checked against it")
    add_net(command)


def _run(args: argparse.Namespace) -> int:
    from bigdl_caffe.model import Model  # torch, only for commands that need it

    print(Model.load_caffe_model(args.prototxt, args.weights, **net(args)).summary())
    return 0


SUMMARY = Command(
    "summary",
    "print a net's layers, shapes and costs",
    """example:
  bigdl-caffe summary lenet.prototxt lenet.caffemodel

Without weights the net is only checked and shown.
""",
    _arguments,
    _run,
)
