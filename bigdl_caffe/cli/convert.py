"""``bigdl-caffe convert``."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from typing import TYPE_CHECKING

from bigdl_caffe.cli.command import Command
from bigdl_caffe.cli.files import Files, check_free, in_pairs, is_bundle, is_record
from bigdl_caffe.cli.options import add_net, open_model
from bigdl_caffe.errors import CaffeError

if TYPE_CHECKING:
    from bigdl_caffe.model import Model


def _arguments(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("files", nargs="+", metavar="FILE", help="a model, then what to write: P W or BUNDLE.arrow")
    add("--v1", action="store_true", help="write V1, as Caffe had it until 2015, not V2")
    add("--fold", action="store_true", help="fold BatchNorm, Scale, Bias into the layer before")
    add(
        "--half",
        action="store_true",
        help="write half floats, as NVIDIA's fork and OpenCV read them, and Caffe itself does not",
    )
    add("--overwrite", action="store_true", help="replace what is there")
    add_net(command)


def _run(args: argparse.Namespace) -> int:
    source, target = _sides(args)
    check_free(target, args.overwrite)
    model = open_model(source, args)
    write = _write_bundle if is_bundle(target) else _write_halves if args.half else _write
    write(model, target, args)
    print(f"wrote {' and '.join(target)}")
    return 0


def _sides(args: argparse.Namespace) -> tuple[Files, Files]:
    """Return the files of the model, and those to write.

    Raises
    ------
    CaffeError
        For files that are no two models, and options that the result has no room for.
    """
    sides = in_pairs(args.files)
    if len(sides) != 2 or any(map(is_record, sides)):
        raise CaffeError(
            "one model is converted into one: give P W and then the P W to write, where a bundle "
            "(.arrow) may stand in the place of either P W"
        )
    source, target = sides
    packed = is_bundle(target)
    refused = (
        (packed and args.v1, "a bundle is V2: leave out --v1"),
        (packed and args.half, "a bundle holds floats: leave out --half"),
        (packed and args.fold and is_bundle(source), "a bundle is folded into P W: name those"),
        (args.half and target[-1].endswith(".h5"), "HDF5 holds floats: leave out --half"),
    )
    problems = [why for holds, why in refused if holds]
    if problems:
        raise CaffeError(*problems)
    return source, target


def _write(model: Model, target: Files, args: argparse.Namespace) -> None:
    prototxt, weights = target
    model.save_caffe(prototxt, weights, not args.v1, args.overwrite, args.fold)


def _write_halves(model: Model, target: Files, args: argparse.Namespace) -> None:
    from bigdl_caffe.format.half import halve
    from bigdl_caffe.format.together import write_together

    with tempfile.TemporaryDirectory(prefix="bigdl-caffe-") as folder:
        whole = (f"{folder}/net.prototxt", f"{folder}/net.caffemodel")
        _write(model, whole, args)
        with write_together(target, args.overwrite) as (text, numbers):
            shutil.copyfile(whole[0], text)
            halve(whole[1], numbers)


def _write_bundle(model: Model, target: Files, args: argparse.Namespace) -> None:
    (_folded(model, args) if args.fold else model).write_bundle(target[0])


def _folded(model: Model, args: argparse.Namespace) -> Model:
    with tempfile.TemporaryDirectory(prefix="bigdl-caffe-") as folder:
        files = (f"{folder}/net.prototxt", f"{folder}/net.caffemodel")
        _write(model, files, args)
        return open_model(files, args)


CONVERT = Command(
    "convert",
    "write a model in another form: V2 or V1, binary, HDF5 or one Arrow file",
    """examples:
  bigdl-caffe convert old.prototxt old.caffemodel new.prototxt new.caffemodel
  bigdl-caffe convert net.prototxt net.caffemodel net2.prototxt net2.caffemodel.h5
  bigdl-caffe convert net.prototxt net.caffemodel fast.prototxt fast.caffemodel --fold
  bigdl-caffe convert net.prototxt net.caffemodel net.arrow

The last names say the form: .h5 is HDF5, .arrow a bundle, all else binary. Read is any of
them, V0, V1 and V2, floats, doubles and half floats; written are floats. The text is the
whole definition. Layers of another phase have no weights in the result: --phase TRAIN
keeps those that only training has.

--fold leaves the same outputs but for rounding, and is how a net with BatchNorm and Scale
goes into V1. Half floats (--half) round each number to 11 bits.

bigdl-caffe diff says whether the two models compute the same.
""",
    _arguments,
    _run,
)
