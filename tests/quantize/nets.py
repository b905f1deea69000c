"""Small nets of the shapes that int8 passes look for, and rows for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import Model
from bigdl_caffe.weights.scheme import Scheme
from tests.nets import DIGITS, net

RESIDUAL = """
name: "residual"
input: "x" input_shape { dim: 1 dim: 3 dim: 12 dim: 12 }
layer { name: "a" type: "Convolution" bottom: "x" top: "a" convolution_param {
  num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "ar" type: "ReLU" bottom: "a" top: "a" }
layer { name: "pool" type: "Pooling" bottom: "a" top: "pool"
  pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "b" type: "Convolution" bottom: "pool" top: "b" convolution_param {
  num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "way" type: "Convolution" bottom: "pool" top: "way" convolution_param {
  num_output: 8 kernel_size: 1 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "sum" type: "Eltwise" bottom: "way" bottom: "b" top: "sum" }
layer { name: "sumr" type: "ReLU" bottom: "sum" top: "sum" }
layer { name: "deep" type: "Convolution" bottom: "sum" top: "deep" convolution_param {
  num_output: 8 group: 8 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "sum2" type: "Eltwise" bottom: "sum" bottom: "deep" top: "sum2" }
layer { name: "tanh" type: "Convolution" bottom: "sum2" top: "tanh" convolution_param {
  num_output: 4 kernel_size: 1 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "tanha" type: "TanH" bottom: "tanh" top: "tanh" }
layer { name: "side" type: "Convolution" bottom: "sum2" top: "side" convolution_param {
  num_output: 4 kernel_size: 1 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "cat" type: "Concat" bottom: "tanh" bottom: "side" top: "cat" }
layer { name: "norm" type: "LRN" bottom: "cat" top: "norm" }
layer { name: "last" type: "Convolution" bottom: "cat" top: "last" convolution_param {
  num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "normed" type: "Convolution" bottom: "norm" top: "normed" convolution_param {
  num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "add" type: "Eltwise" bottom: "last" bottom: "normed" top: "add" }
layer { name: "drop" type: "Dropout" bottom: "add" top: "add" }
layer { name: "fc" type: "InnerProduct" bottom: "add" top: "fc" inner_product_param {
  num_output: 5 weight_filler { type: "gaussian" std: 0.2 } } }
"""
"""Sums, pooling, concatenation, groups, activations that no kernel has, values read twice."""

TWO_NAMES = """
input: "x" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "a" type: "Convolution" bottom: "x" top: "a" convolution_param {
  num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "one" type: "Concat" bottom: "a" top: "one" }
layer { name: "b" type: "Convolution" bottom: "x" top: "b" convolution_param {
  num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "sum" type: "Eltwise" bottom: "b" bottom: "one" top: "sum" }
layer { name: "c" type: "Convolution" bottom: "sum" top: "c" convolution_param {
  num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "sum2" type: "Eltwise" bottom: "c" bottom: "a" top: "sum2" }
layer { name: "last" type: "Convolution" bottom: "sum2" top: "last" convolution_param {
  num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" std: 0.3 } } }
"""
"""A sum that a kernel writes over one of its terms, which another layer reads by another name."""

CHOICES = (
    RESIDUAL
    + """
layer { name: "which" type: "ArgMax" bottom: "fc" top: "which" }
layer { name: "max" type: "Pooling" bottom: "pool" top: "max" top: "where"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "above" type: "Threshold" bottom: "max" top: "above" }
"""
)
"""Layers that a bit more or less makes give something else."""


def residual(folder: Path) -> Model:
    return net(folder, RESIDUAL)


def noise(rows: int, shape: tuple[int, ...] = (3, 12, 12), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, *shape)).astype(np.float32)


def assert_alike(one: Scheme, other: Scheme) -> None:
    """Check that steps differ by no more than rounding can make them."""
    assert one.values.keys() == other.values.keys()
    for value, steps in one.values.items():
        assert steps.scale == pytest.approx(other.values[value].scale, rel=0.03)
        assert abs(steps.zero - other.values[value].zero) <= 4


def scans() -> tuple[np.ndarray, np.ndarray]:
    """Return the example's 300 digits as its net takes them, and what they are."""
    from PIL import Image

    lines = (DIGITS / "labels.txt").read_text(encoding="utf-8").splitlines()
    names, digits = zip(*map(str.split, lines), strict=True)
    pixels = np.stack([np.asarray(Image.open(DIGITS / name)) for name in names])
    return pixels[:, None].astype(np.float32) / 240, np.array(list(map(int, digits)))
