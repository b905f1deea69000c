"""The immutable net that every pass takes and gives back.

A *blob* is Caffe's named array. An in-place layer writes its blob again, so one
blob can hold several *values* in the course of a forward pass. Passes and the
runtime work on values: the last value of a blob is called by the blob's own name
(what pycaffe's ``net.blobs[name]`` shows after a forward pass), earlier ones are
called ``name~0``, ``name~1``, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.unknown import unknown_fields

Shape = tuple[int, ...]

INT_MAX = 2**31 - 1
"""The largest number Caffe counts elements and sizes with."""


@dataclass(frozen=True)
class LayerDef:
    """One layer of a net, in V2 terms.

    Attributes
    ----------
    name, type : str
        Caffe's names.
    bottoms, tops : tuple of str
        Blob names as the prototxt gives them.
    param : LayerParameter
        The layer's message. Shared between passes: never changed.
    reads, writes : tuple of str
        Values behind ``bottoms`` and ``tops``; equal to them without in-place layers.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    param: pb.LayerParameter
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    @property
    def unknown(self) -> dict[str, Any]:
        """Fields of the prototxt that the schema does not know, as a plain dict."""
        return unknown_fields(self.param)

    def __str__(self) -> str:
        return f"layer '{self.name}' ({self.type})"


@dataclass(frozen=True)
class Net:
    """A net: layers in the order Caffe runs them, and the shapes they make.

    Attributes
    ----------
    name : str
        The net's name; may be empty.
    layers : tuple of LayerDef
        In execution order.
    inputs : mapping of str to Shape
        Blobs that the caller feeds, with their declared shapes.
    outputs : tuple of str
        Blobs that nothing consumes, sorted as pycaffe's ``net.outputs`` is.
    phase : str
        "TRAIN" or "TEST".
    definition : NetParameter
        The whole upgraded definition, before phase rules took layers away.
    shapes : mapping of str to Shape
        Shape of every value, once inferred; empty before.
    losses : mapping of str to float
        The values that Caffe sums up as the net's loss, with what each is multiplied by.
    """

    name: str
    layers: tuple[LayerDef, ...]
    inputs: Mapping[str, Shape]
    outputs: tuple[str, ...]
    phase: str
    definition: pb.NetParameter
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    losses: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def fed(self) -> Mapping[str, str]:
        """Input blob → the value the caller feeds (another than the blob's last, in place)."""
        makers = [layer for layer in self.layers if not layer.bottoms]
        values = {b: v for m in makers for b, v in zip(m.tops, m.writes, strict=True)}
        return {blob: values[blob] for blob in self.inputs}
