"""``bigdl-caffe diff``."""

from __future__ import annotations

import argparse

from bigdl_caffe.cli.command import Command
from bigdl_caffe.cli.files import in_pairs, is_record
from bigdl_caffe.cli.options import add_net, open_model, tolerance
from bigdl_caffe.errors import CaffeError

EQUAL, DIFFERENT, TROUBLE = 0, 1, 2
"""Exit statuses, as those of diff and cmp."""


def _arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("files", nargs="+", metavar="FILE", help="A, then B; each: P W, BUNDLE.arrow or RECORD.npz")
    add("--input", metavar="FILE", help="what to run them on: a picture, or an .npz of arrays")
    add("--tolerance", type=tolerance, default=1e-5, metavar="T", help="relative (1e-5)")
    add("--seed", type=int, default=0, metavar="N", help="of the random input (0)")
    add("--plot", metavar="OUT.svg", help="draw the error along the net")
    add("--json", action="store_true", help="print JSON instead of a table")
    add_net(command)


def _run(args: argparse.Namespace) -> int:
    from bigdl_caffe.verify import compare  # torch, only for commands that need it

    sides = in_pairs(args.files)
    if len(sides) != 2:
        raise CaffeError(
            f"two models are compared, and the files name {len(sides)}: give P W P W, where a "
            "bundle (.arrow) or a record (.npz) may stand in the place of P W"
        )
    a, b = (side[0] if is_record(side) else open_model(side, args) for side in sides)
    comparison = compare(a, b, args.input, args.tolerance, args.seed)
    if args.plot:
        comparison.write_plot(args.plot)
    print(comparison.to_json() if args.json else comparison)
    return EQUAL if comparison.equal else DIFFERENT


DIFF = Command(
    "diff",
    "run two models on the same input and name the first layer where they part",
    """example:
  bigdl-caffe diff lenet.prototxt lenet.caffemodel copy.prototxt copy.caffemodel \\
    --input digit.png --plot difference.svg

A model is a prototxt and its weights, or a bundle that ends in .arrow. In the place of one
of the two may stand a record: an .npz with arrays in/BLOB (the input) and out/BLOB, or with
plain blob names. Without --input and without a record, the input is random.

What is compared are the blobs that both have, by name: the largest difference of two
elements, relative to the largest magnitude of the blob. 'conv1~0' is what blob conv1 held
before a layer changed it in place. Rows with > are over the tolerance.

The exit status is 0 where all are equal, 1 where not, 2 where they cannot be compared.
""",
    _arguments,
    _run,
    trouble=TROUBLE,
)
