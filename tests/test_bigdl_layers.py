"""BigDL's case 17, one-layer nets against pycaffe (caffe_layers.py, test_caffe_layers.py).

Each of its nets is held to Caffe's rule, written out in numpy, and so are numbers that
Caffe gave for a net of the same type and options. BigDL's tolerance is 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.layers.golden import cases
from tests.nets import net

Array = np.ndarray[Any, Any]
Rule = Callable[..., Array]
GOLDEN_CASES = {case.name: case for case in cases()}


def convolution(x: Array, w: Array, b: Array, stride: int = 1, pad: int = 0) -> Array:
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    kernel = w.shape[2]
    rows, columns = ((size - kernel) // stride + 1 for size in x.shape[2:])
    top = np.zeros((len(x), len(w), rows, columns))
    for i, j in np.ndindex(kernel, kernel):
        part = x[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]
        top += np.einsum("nchw,oc->nohw", part, w[:, :, i, j])
    return top + b[:, None, None]


def deconvolution(x: Array, w: Array, b: Array) -> Array:
    n, _, rows, columns = x.shape
    tiles = np.einsum("nchw,coij->nohiwj", x, w)
    return tiles.reshape(n, w.shape[1], 2 * rows, 2 * columns) + b[:, None, None]


def batch_norm(x: Array, w: Array, b: Array, mean: Array, var: Array, factor: Array) -> Array:
    y = convolution(x, w, b, stride=2, pad=3)
    mean, var = (blob[:, None, None] / factor for blob in (mean, var))
    return (y - mean) / np.sqrt(var + 1e-5)


def across_channels(x: Array) -> Array:
    squares = np.pad(x**2, ((0, 0), (2, 2), (0, 0), (0, 0)))
    total = sum(squares[:, i : i + x.shape[1]] for i in range(5))
    return x * (1 + 1e-4 / 5 * total) ** -0.75


def within_channel(x: Array) -> Array:
    rows, columns = x.shape[2:]
    squares = np.pad(x**2, ((0, 0), (0, 0), (2, 2), (2, 2)))
    total = sum(squares[:, :, i : i + rows, j : j + columns] for i, j in np.ndindex(5, 5))
    return x * (1 + 1e-4 / 25 * total) ** -0.75


def pooling(reduce: Callable[..., Any]) -> Rule:
    """Pool 3×3 by windows of 2, the last of which Caffe cuts off at the edge."""
    cuts = (slice(0, 2), slice(2, 3))
    return lambda x: np.stack(
        [np.stack([reduce(x[:, :, r, c], (2, 3)) for c in cuts], -1) for r in cuts], -2
    )


def softmax(x: Array) -> Array:
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


LRN = "lrn_param { local_size: 5 alpha: 1.0E-4 beta: 0.75 k: 1.0 %s }"
POOL = "pooling_param { pool: %s kernel_size: 2 stride: 2 }"
CONV = "convolution_param { num_output: 4 kernel_size: 2 %s weight_filler { type: 'xavier' } }"
SQUARE, IMAGE, PIXELS = (2, 2), (1, 3, 5, 5), (1, 3, 224, 224)

LAYERS: dict[str, tuple[str, str, tuple[int, ...], Rule, str]] = {
    "convolution": ("Convolution", CONV % "", IMAGE, convolution, "Convolution/basic"),
    "relu": ("ReLU", "", SQUARE, lambda x: x.clip(0), "ReLU/zeros"),
    "crossMapLrn": ("LRN", LRN % "", PIXELS, across_channels, "LRN/across_default"),
    "withinChannelLRN": (
        *("LRN", LRN % "norm_region: WITHIN_CHANNEL", PIXELS),
        *(within_channel, "LRN/within_default"),
    ),
    "innerProduct": (
        *("InnerProduct", "inner_product_param { num_output: 10 }", (2, 10)),
        *(lambda x, w, b: x @ w.T + b, "InnerProduct/basic"),
    ),
    "maxpooling": ("Pooling", POOL % "MAX", (1, 3, 3, 3), pooling(np.max), "Pooling/max_ceil_edge"),
    "avepooling": (
        *("Pooling", POOL % "AVE", (1, 3, 3, 3)),
        *(pooling(np.mean), "Pooling/ave_ceil_edge"),
    ),
    "softMax": ("Softmax", "", SQUARE, softmax, "Softmax/basic"),
    "tanh": ("TanH", "", SQUARE, np.tanh, "TanH/basic"),
    "sigmoid": ("Sigmoid", "", SQUARE, sigmoid, "Sigmoid/basic"),
    "abs": ("AbsVal", "", SQUARE, np.abs, "AbsVal/basic"),
    "elu": ("ELU", "", SQUARE, lambda x: np.where(x > 0, x, np.expm1(x)), "ELU/basic"),
    "flatten": ("Flatten", "", SQUARE, lambda x: x, "Flatten/basic"),
    "log": ("Log", "", SQUARE, np.log, "Log/basic"),
    "power": ("Power", "", SQUARE, lambda x: x, "Power/identity"),
    "prelu": ("PReLU", "", (2, 5), lambda x, w: np.where(x > 0, x, w * x), "PReLU/two_d"),
    "reshape": (
        *("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 4 } }", (2, 8)),
        *(lambda x: x.reshape(2, 2, 4), "Reshape/full"),
    ),
    "scale": ("Scale", "", SQUARE, lambda x, w: x * w, "Scale/two_d"),
    "scalewithbias": (
        *("Scale", "scale_param { bias_term: true bias_filler { value: 1.0 } }", SQUARE),
        *(lambda x, w, b: x * w + b, "Scale/basic"),
    ),
    "bias": ("Bias", "", SQUARE, lambda x, b: x + b, "Bias/basic"),
    "threshold": (
        *("Threshold", "threshold_param { threshold: 0.5 }", SQUARE),
        *(lambda x: x > 0.5, "Threshold/half"),
    ),
    "exp": ("Exp", "", SQUARE, np.exp, "Exp/basic"),
    "slice": ("Slice", "", SQUARE, lambda x: x, "Slice/single"),
    "tile": (
        *("Tile", "tile_param { axis: 1 tiles: 2 }", SQUARE),
        *(lambda x: np.tile(x, (1, 2)), "Tile/axis1"),
    ),
    "deconvolution": (
        *("Deconvolution", CONV % "pad: 0 stride: 2", IMAGE),
        *(deconvolution, "Deconvolution/basic"),
    ),
}
"""BigDL's nets of one input: type, options, shape, rule, and a golden case of the type."""


def input_of(blob: str, shape: tuple[int, ...]) -> str:
    return f"input: '{blob}' input_shape {{ {' '.join(f'dim: {size}' for size in shape)} }}\n"


def layer(kind: str, name: str, bottoms: str = "data", options: str = "") -> str:
    wired = " ".join(f"bottom: '{blob}'" for blob in bottoms.split())
    return f"layer {{ name: '{name}' type: '{kind}' {wired} top: '{name}' {options} }}\n"


def check(folder: Path, text: str, shapes: Mapping[str, tuple[int, ...]], rule: Rule) -> None:
    """Compare the one output for uniform random inputs and weights."""
    rng = np.random.default_rng(17)
    model = net(folder, text)
    blobs = [rng.uniform(0.1, 1, blob.shape) for blob in model.get_weights()]
    model.set_weights(blobs)
    feed = {blob: rng.uniform(size=shape) for blob, shape in shapes.items()}
    top = model.forward(list(feed.values()) if len(feed) > 1 else feed["data"])
    np.testing.assert_allclose(top, rule(*feed.values(), *blobs), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_one_layer(tmp_path: Path, name: str) -> None:
    kind, options, shape, rule, _ = LAYERS[name]
    text = input_of("data", shape) + layer(kind, name, options=options)
    check(tmp_path, text, {"data": shape}, rule)


def test_a_batch_norm_of_stored_statistics(tmp_path: Path) -> None:
    shape = (1, 3, 224, 224)
    options = "convolution_param { num_output: 64 kernel_size: 7 pad: 3 stride: 2 }"
    text = (
        input_of("data", shape)
        + layer("Convolution", "conv1", options=options)
        + layer("BatchNorm", "bn", "conv1", "batch_norm_param { use_global_stats: true }")
    )
    check(tmp_path, text, {"data": shape}, batch_norm)


TWO: dict[str, tuple[str, str, Rule, str]] = {
    "concat": ("Concat", "", lambda a, s: np.concatenate([a, s], 1), "Concat/two_d"),
    "eltwiseMax": ("Eltwise", "eltwise_param { operation: MAX }", np.maximum, "Eltwise/max"),
    "eltwiseProd": ("Eltwise", "eltwise_param { operation: PROD }", np.multiply, "Eltwise/prod"),
    "eltwiseSUM": (
        *("Eltwise", "eltwise_param { operation: SUM coeff: [0.5 , 1.0] }"),
        *(lambda a, s: 0.5 * a + s, "Eltwise/coeff"),
    ),
}
"""BigDL's nets of two inputs: one through AbsVal, the other through Sigmoid."""


@pytest.mark.parametrize("name", TWO)
def test_two_inputs(tmp_path: Path, name: str) -> None:
    kind, options, rule, _ = TWO[name]
    text = input_of("data1", SQUARE) + input_of("data2", SQUARE)
    text += layer("AbsVal", "abs", "data1") + layer("Sigmoid", "sigmoid", "data2")
    text += layer(kind, name, "abs sigmoid", options)
    shapes = {"data1": SQUARE, "data2": SQUARE}
    check(tmp_path, text, shapes, lambda x, y: rule(np.abs(x), sigmoid(y)))


@pytest.mark.parametrize(
    "name", [*(row[-1] for row in (*LAYERS.values(), *TWO.values())), "BatchNorm/test"]
)
def test_caffes_own_numbers(name: str) -> None:
    case = GOLDEN_CASES[name]
    model, expected = case.load(), case.tops(0)
    feed = {blob: array for blob, array in case.step(0, "in").items() if blob in model.inputs}
    for blob, numbers in model.run(feed).items():
        np.testing.assert_allclose(numbers, expected[blob], rtol=1e-5, atol=1e-4)
