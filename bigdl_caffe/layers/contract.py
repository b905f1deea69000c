"""What a layer type gives back, held to what `Layer` asks of it.

So that who writes a type of their own learns which of its methods is wrong, and how.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.registry import BlobSpec, Layer


def blobs_of(layer: Layer, bottoms: Sequence[Shape]) -> Sequence[BlobSpec]:
    """Return ``layer.blob_specs(bottoms)``.

    Raises
    ------
    CaffeError
        Where that is no list of BlobSpec, or two have one ``attr``.
    """
    specs = layer.blob_specs(bottoms)
    if not isinstance(specs, (list, tuple)) or any(not isinstance(s, BlobSpec) for s in specs):
        raise _wrong(layer, "blob_specs", specs, "a list of BlobSpec, empty where there are none")
    if len({spec.attr for spec in specs}) < len(specs):
        raise _wrong(layer, "blob_specs", specs, "blobs with an attr of its own each")
    return specs


def module_of(layer: Layer, bottoms: Sequence[Shape]) -> nn.Module:
    """Return ``layer.module(bottoms)``.

    Raises
    ------
    CaffeError
        Where that is no torch module, or one in whose way a blob's ``attr`` is.
    """
    module = layer.module(bottoms)
    if not isinstance(module, nn.Module):
        raise _wrong(layer, "module", module, "a torch.nn.Module")
    for spec in layer.blob_specs(bottoms):
        if hasattr(module, spec.attr) and spec.attr not in {
            **module._parameters,
            **module._buffers,
        }:
            raise CaffeError(
                f"{layer.spec}: its module has a '{spec.attr}' of its own, which is not the blob: "
                f"take it out, or rename the blob's attr"
            )
    return module


def _wrong(layer: Layer, method: str, found: object, wanted: str) -> CaffeError:
    return CaffeError(
        f"{layer.spec}: {type(layer).__name__}.{method} returns {found!r}: return {wanted}"
    )
