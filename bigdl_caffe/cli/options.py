"""Options that commands share, and the types of their values."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bigdl_caffe.cli.files import Files, is_bundle
from bigdl_caffe.errors import CaffeError

if TYPE_CHECKING:
    from bigdl_caffe.model import Model


def add_net(command: argparse.ArgumentParser) -> None:
    """Add the options that say which net a definition means."""
    add = command.add_argument
    add("--phase", choices=("TEST", "TRAIN"), default="TEST", help="whose layers (TEST)")
    add("--stage", action="append", default=[], help="a stage of its rules; may be given again")
    add(
        "--input-shape",
        action="append",
        type=blob_shape,
        default=[],
        metavar="BLOB=N,C,H,W",
        help="shape of an input that the net leaves open; may be given again",
    )


def net(args: argparse.Namespace) -> dict[str, Any]:
    """Return what `add_net` understood, as `Model.load_caffe_model` takes it."""
    shapes = dict(args.input_shape)
    return {"phase": args.phase, "stages": args.stage, "input_shapes": shapes}


def open_model(files: Files, args: argparse.Namespace) -> Model:
    """Return the model of ``files``; a bundle says itself which net it is."""
    from bigdl_caffe.model import Model  # torch, only for commands that need it

    if is_bundle(files):
        return Model.open_bundle(files[0])
    return Model.load_caffe_model(*files, **net(args))


def blob_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Read BLOB=N,C,H,W."""
    blob, equals, sizes = text.rpartition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"'{text}' is not BLOB=N,C,H,W, such as data=1,3,227,227")
    return blob, tuple(map(positive, sizes.split(",")))


def named(text: str) -> tuple[str, str]:
    """Read BLOB=COLUMN."""
    blob, equals, column = text.partition("=")
    if not (blob and equals and column):
        raise argparse.ArgumentTypeError(f"'{text}' is not BLOB=COLUMN, such as data=image")
    return blob, column


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def size(text: str) -> tuple[int, int]:
    """Read HEIGHTxWIDTH."""
    height, by, width = text.lower().partition("x")
    if not by:
        raise argparse.ArgumentTypeError(f"'{text}' is not HEIGHTxWIDTH, such as 256x256")
    return positive(height), positive(width)


def engine(text: str) -> str:
    """Read the name of an engine."""
    from bigdl_caffe.engine.opening import find  # torch, only where an engine is named

    try:
        return find(text).name
    except CaffeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def tolerance(text: str) -> float:
    """Read a number from 0 up."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 up, such as 1e-5")
    return value
