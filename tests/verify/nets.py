"""Nets that are compared."""

from __future__ import annotations

from collections.abc import Mapping

from bigdl_caffe import Model


def conv(tops: str = "conv", name: str = "conv") -> str:
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "data" top: "{tops}" '
        "convolution_param { num_output: 4 kernel_size: 3 "
        'weight_filler { type: "gaussian" std: 0.1 } } }'
    )


def layer(name: str, kind: str, bottom: str, top: str, more: str = "") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {more} }}'


DATA = 'input: "data" input_shape { dim: 2 dim: 3 dim: 6 dim: 6 }'


def weights_of(model: Model, other: Model, names: Mapping[str, str]) -> None:
    """Give layers of ``model`` the weights of other's layers."""
    for name, theirs in names.items():
        for own, blob in zip(model.params[name], other.params[theirs], strict=True):
            own.data.copy_(blob)
