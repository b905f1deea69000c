"""A layer from a few lines of prototxt, for tests of one layer type."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.registry import Layer, registry


def layer(
    kind: str, options: str = "", bottoms: int = 1, tops: int = 1, phase: str = "TEST"
) -> Layer:
    """Return a layer of type ``kind`` with bottoms b0, b1... and tops t0, t1..."""
    blobs = [f"bottom: 'b{i}'" for i in range(bottoms)] + [f"top: 't{i}'" for i in range(tops)]
    text = f"layer {{ name: 'l' type: '{kind}' {' '.join(blobs)} {options} }}"
    (param,) = parse(text, pb.NetParameter).layer
    spec = LayerDef("l", kind, tuple(param.bottom), tuple(param.top), param)
    return registry()[kind](spec, phase)


def filled(layer: Layer, bottoms: Sequence[Shape], blobs: Sequence[Tensor]) -> nn.Module:
    """Return the layer's module with ``blobs`` set, in Caffe's order."""
    module = layer.module(bottoms)
    for spec, blob in zip(layer.blob_specs(bottoms), blobs, strict=True):
        assert tuple(blob.shape) == tuple(spec.shape)
        setattr(module, spec.attr, nn.Parameter(blob) if spec.trainable else blob)
    return module


def random(*shape: int) -> Tensor:
    """Return normal numbers, the same every time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(7))
