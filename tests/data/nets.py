"""Nets that are nothing but data layers, and what they give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bigdl_caffe.data import SOURCES, batches, shapes
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.graph import names
from bigdl_caffe.graph.ir import LayerDef, Net
from bigdl_caffe.graph.phase import State, filter_layers
from bigdl_caffe.load import read_definition

Array = np.ndarray[Any, Any]
Batch = dict[str, Array]


def net(definition: pb.NetParameter, phase: str = "TEST") -> Net:
    """Return the net without its shapes, which data need not have to be read."""
    layers, _ = filter_layers(definition.layer, State(phase))
    specs = names.name_values(names.layer_defs(layers), lambda layer: False)
    return Net(definition.name, specs, {}, (), phase, definition)


def golden_net(folder: Path, version: str = "", phase: str = "TEST") -> Net:
    return net(read_definition(str(folder / f"net{version}.prototxt")), phase)


def layer(kind: str, options: str, tops: int = 2) -> LayerDef:
    """Return a data layer with tops "data", "label", "t2", ..."""
    blobs = " ".join(f"top: '{top}'" for top in ["data", "label", "t2"][:tops])
    text = f"layer {{ name: 'l' type: '{kind}' {blobs} {options} }}"
    (spec,) = net(parse(text, pb.NetParameter)).layers
    return spec


def read(
    kind: str, options: str, tops: int = 2, phase: str = "TEST", **how: Any
) -> Iterator[Batch]:
    """Return the batches of one data layer."""
    blobs = " ".join(f"top: '{top}'" for top in ["data", "label", "t2"][:tops])
    text = f"layer {{ name: 'l' type: '{kind}' {blobs} {options} }}"
    return batches(net(parse(text, pb.NetParameter), phase), **how)


def known_shapes(net: Net, root: Path) -> dict[str, tuple[int, ...]]:
    """Return what the data of ``net`` tell of its shapes."""
    found = [shapes(s, net.phase, root=root) for s in net.layers if s.type in SOURCES]
    return {blob: shape for each in found for blob, shape in each.items()}
