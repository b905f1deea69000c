"""``bigdl-caffe upgrade``."""

from __future__ import annotations

import argparse
import logging

from bigdl_caffe.cli.command import Command
from bigdl_caffe.cli.files import check_free

log = logging.getLogger("bigdl_caffe")


def _arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("input", metavar="IN", help="a net's or solver's prototxt, or a .caffemodel; V0, V1 or V2")
    add("output", metavar="OUT", help="where its new form goes; may be IN, with --overwrite")
    add("--overwrite", action="store_true", help="replace OUT if it is there")


def _run(args: argparse.Namespace) -> int:
    from bigdl_caffe.graph.upgrade_file import upgrade_file  # protobuf, only where it is needed

    check_free((args.output,), args.overwrite)
    what, notes = upgrade_file(args.input, args.output)
    for note in notes:
        log.warning("%s: %s", args.input, note)
    print(f"{args.output}: {what} in V2 terms")
    return 0


UPGRADE = Command(
    "upgrade",
    "rewrite an old file in the form that Caffe has had since 2015",
    """example:
  bigdl-caffe upgrade old.prototxt new.prototxt
  bigdl-caffe upgrade old.caffemodel new.caffemodel
  bigdl-caffe upgrade old_solver.prototxt new_solver.prototxt

As Caffe's upgrade_net_proto_text, upgrade_net_proto_binary and upgrade_solver_proto_text;
which of them is told by the file. Blobs are copied byte by byte. To give a model another
form of file as well (HDF5, one Arrow file, V1), see convert.
""",
    _arguments,
    _run,
)
