"""Local against loops written after local_layer.cpp of BVLC/caffe#1271."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import CaffeError, ShapeError
from tests.compare import assert_close_to_caffe
from tests.layers.build import filled, layer, random
from tests.nets import net

Array = np.ndarray[Any, Any]


def local_by_loops(
    x: Array, weight: Array, bias: Array | None, kernel: int, stride: int, pad: int
) -> Array:
    """Return the sum, an element of a kernel at a time, in the order of im2col."""
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows = (x.shape[2] + 2 * pad - kernel) // stride + 1
    columns = (x.shape[3] + 2 * pad - kernel) // stride + 1
    top = np.zeros((x.shape[0], weight.shape[0], rows, columns))
    for n, m, i, j in np.ndindex(top.shape):
        place = i * columns + j
        for k, (c, h, w) in enumerate(np.ndindex(x.shape[1], kernel, kernel)):
            value = padded[n, c, i * stride + h, j * stride + w]
            top[n, m, i, j] += weight[m, 0, k, place] * value
        if bias is not None:
            top[n, m, i, j] += bias[0, 0, m, place]
    return top


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 1, 0), (2, 2, 1), (1, 1, 0)])
@pytest.mark.parametrize("kind", ["Local", "LOCAL"])
def test_each_place_has_a_kernel_of_its_own(
    kind: str, kernel: int, stride: int, pad: int, bias: bool
) -> None:
    shape = (2, 3, 5, 4)
    options = f"""local_param {{ num_output: 2 kernel_size: {kernel} stride: {stride} pad: {pad}
                  bias_term: {str(bias).lower()} weight_filler {{ type: "xavier" }} }}"""
    local = layer(kind, options)
    blobs = [random(*spec.shape).double() for spec in local.blob_specs([shape])]
    assert len(blobs) == 1 + bias
    module = filled(local, [shape], blobs)
    x = random(*shape).double().requires_grad_()
    top = module(x)
    numbers = [blob.numpy() for blob in blobs] + [None] * (not bias)
    assert_close_to_caffe(
        top.detach(), local_by_loops(x.detach().numpy(), *numbers, kernel, stride, pad)
    )
    assert [tuple(top.shape)] == local.top_shapes([shape])
    assert torch.autograd.gradcheck(lambda x, *_: module(x), (x, *module.parameters()))


def test_runs_in_a_net(tmp_path: Path) -> None:
    text = """
    layer { name: "in" type: "Input" top: "x" input_param { shape { dim: [2, 3, 5, 6] } } }
    layer { name: "local" type: "Local" bottom: "x" top: "y" local_param {
            num_output: 4 kernel_size: 3 weight_filler { type: "constant" value: 0.5 }
            bias_filler { value: 2 } } }
    """
    model = net(tmp_path, text)
    assert [tuple(blob.shape) for blob in model.params["local"]] == [(4, 1, 27, 12), (1, 1, 4, 12)]
    x = random(2, 3, 5, 6).numpy()
    top = model.run({"x": x})["y"]
    assert top.shape == model.blob_shapes["y"] == (2, 4, 3, 4)
    np.testing.assert_allclose(top[1, 2, 1, 1], x[1, :, 1:4, 1:4].sum() / 2 + 2, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        "",
        "kernel_size: 3",
        "num_output: 3",
        "num_output: 3 kernel_size: 3 stride: 0",
        "num_output: 3 kernel_size: 3 pad: -1",
        "num_output: 3 kernel_size: 3 group: 2",
        'num_output: 3 kernel_size: 3 weight_filler { type: "xavier" sparsity: 2 }',
    ],
)
def test_wrong_options_are_refused(options: str) -> None:
    with pytest.raises(CaffeError):
        layer("Local", f"local_param {{ {options} }}")


def test_a_bottom_smaller_than_the_kernel_is_refused() -> None:
    local = layer("Local", "local_param { num_output: 1 kernel_size: 5 pad: 2 }")
    for shape in ((1, 1, 4, 9), (1, 9)):
        with pytest.raises(ShapeError):
            local.top_shapes([shape])
