"""``bigdl-caffe draw``."""

from __future__ import annotations

import argparse
import sys

from bigdl_caffe.cli.command import Command
from bigdl_caffe.cli.files import check_free
from bigdl_caffe.cli.options import add_net, net


def _arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("prototxt", metavar="P", help="the net's definition")
    add("picture", metavar="OUT.svg|png|dot", help="what to write; its ending says in which form")
    add("--whole", action="store_true", help="draw each block, also those that are repeated")
    add("--overwrite", action="store_true", help="replace a picture that is there")
    add_net(command)


def _run(args: argparse.Namespace) -> int:
    # torch, only for commands that need it
    from bigdl_caffe.draw import draw
    from bigdl_caffe.layers.assemble import Options
    from bigdl_caffe.layers.outline import outline
    from bigdl_caffe.layers.registry import registry
    from bigdl_caffe.load import read_definition

    check_free((args.picture,), args.overwrite)
    told = outline(read_definition(args.prototxt), Options(**net(args)), registry())
    draw(told.net, args.picture, repeats=not args.whole)
    print(f"wrote {args.picture}")
    for problem in told.problems:
        print(f"bigdl-caffe: not run, but drawn: {problem}", file=sys.stderr)
    return 0


DRAW = Command(
    "draw",
    "draw a net's layers into a picture",
    """example:
  bigdl-caffe draw lenet.prototxt lenet.svg

Boxes are layers, by kind in their colours, with those that work in place behind them; arrows have
the shapes of what goes along them. A block that is repeated is drawn once, in a frame that says
how often. Where a mouse rests on a box of an SVG, its definition is shown. A net that could not be
run, for layers that are not known or inputs of open shape, is drawn all the same, and why is said.
A .png needs Pillow, and a .dot is for Graphviz.
""",
    _arguments,
    _run,
)
