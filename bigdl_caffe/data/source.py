"""What every source of data has in common."""

from __future__ import annotations

import posixpath
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from bigdl_caffe.data.part import Part
from bigdl_caffe.errors import CaffeError, UnsupportedLayerError
from bigdl_caffe.format.paths import PathLike, check_finite
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.registry import Arity, exactly

Array = NDArray[Any]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Place:
    """Where the files that a net names lie, and what the caller gives instead of files.

    Attributes
    ----------
    root : path or URI, optional
        Folder that names in the net are relative to; None is the working directory, as
        in Caffe.
    arrays : mapping of str to ndarray
        Blob → what a MemoryData layer is to show there.
    """

    root: PathLike | None = None
    arrays: Mapping[str, Array] = field(default_factory=dict)

    def path(self, name: str) -> str:
        """Return where the file or folder that a net calls ``name`` is."""
        if not name:
            raise CaffeError("no source is given: name it in the layer's parameters")
        elsewhere = self.root is None or "://" in name
        path = name if elsewhere else posixpath.join(str(self.root), name)
        check_finite(path)
        return path


class Source(ABC):
    """The data of one layer.

    Parameters
    ----------
    layer : LayerDef
        The data layer.
    phase : str
        "TRAIN" or "TEST": in training crops are random.
    place : Place

    Raises
    ------
    UnsupportedLayerError
        For options of forks that are not computed here.
    CaffeError
        For options that Caffe refuses.
    """

    options: ClassVar[Mapping[str, str]] = {}
    """Parameter message → the names of its fields that are read, or that Caffe does not read."""

    tops: ClassVar[Arity] = exactly(2)

    def __init__(self, layer: LayerDef, phase: str, place: Place) -> None:
        self.layer, self.phase, self.place = layer, phase, place
        if len(layer.tops) not in self.tops:
            raise CaffeError(f"it makes {self.tops} top blobs and has {len(layer.tops)}")
        for name, known in self.options.items():
            refuse_others(name, getattr(layer.param, name), known)

    @abstractmethod
    def shapes(self) -> list[Shape]:
        """Return the tops' shapes, read from the data as Caffe does when it sets the layer up."""

    @abstractmethod
    def batches(self, part: Part) -> Iterator[list[Floats]]:
        """Yield the tops of ``part``'s forward passes, without end, and of its rows only."""


def refuse_others(name: str, param: Message, known: str) -> None:
    """Raise for fields of ``param``, called ``name``, that are set and not among ``known``."""
    defaults = type(param)()
    wrong = [
        field.name
        for field, value in param.ListFields()
        if field.name not in known.split() and value != getattr(defaults, field.name)
    ]
    if wrong:
        raise UnsupportedLayerError(
            f"{name} has {', '.join(wrong)}, which a fork computes and this does not: leave "
            "them out, or make the data so beforehand"
        )


@contextmanager
def at(place: object) -> Iterator[None]:
    """Put ``place`` before every problem of a CaffeError raised inside."""
    try:
        yield
    except CaffeError as error:
        # Errors about places in files are made of other things, which their words have by now.
        plain = type(error).__init__ is CaffeError.__init__
        kind = type(error) if plain else CaffeError
        raise kind(*(f"{place}: {problem}" for problem in error.problems)) from error


def positive(value: int, name: str) -> int:
    """Return ``value``, an option called ``name`` that has to be at least 1."""
    if value < 1:
        raise CaffeError(f"{name} is {value}: give 1 or more")
    return value
