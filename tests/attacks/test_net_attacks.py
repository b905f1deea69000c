"""Damaged definitions, read to the end of the pipeline: a model or one clear error."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from math import prod
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import CaffeError, Model
from tests.paths import REPO

DIGITS = REPO / "examples" / "digits"
NUMBERS = ["0", "-1", "1", "2", "7", "4294967295", "2147483647", "1e30", "nan", "0.5"]
WORDS = ["conv1", "nope", "data", "prob", "", "~", "conv1~0", "a/b.c"]

NET = """
name: "n"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 4 dim: 9 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { name: "w" lr_mult: 1 }
  convolution_param { num_output: 4 kernel_size: 3 stride: 1 pad: 1 group: 2 dilation: 1 axis: 1 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param { eps: 1e-3 } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv"
  scale_param { axis: 1 num_axes: 1 bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" relu_param { negative_slope: 0.1 } }
layer { name: "norm" type: "LRN" bottom: "conv" top: "norm" lrn_param { local_size: 3 alpha: 0.1 } }
layer { name: "pool" type: "Pooling" bottom: "norm" top: "pool"
  pooling_param { kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "cut" type: "Slice" bottom: "pool" top: "s1" top: "s2"
  slice_param { axis: 1 slice_point: 1 } }
layer { name: "deconv" type: "Deconvolution" bottom: "s2" top: "up"
  convolution_param { num_output: 3 kernel_size: 2 stride: 2 } }
layer { name: "r" type: "Reshape" bottom: "s1" top: "r" reshape_param { shape { dim: 0 dim: -1 } } }
layer { name: "f" type: "Flatten" bottom: "up" top: "f" flatten_param { axis: 1 end_axis: -1 } }
layer { name: "cat" type: "Concat" bottom: "r" bottom: "f" top: "cat" concat_param { axis: 1 } }
layer { name: "ip" type: "InnerProduct" bottom: "cat" top: "ip"
  inner_product_param { num_output: 4 axis: 1 transpose: false } }
layer { name: "prelu" type: "PReLU" bottom: "ip" top: "ip" prelu_param { channel_shared: false } }
layer { name: "pow" type: "Power" bottom: "ip" top: "pow" power_param { power: 2 shift: 1 } }
layer { name: "sum" type: "Eltwise" bottom: "ip" bottom: "pow" top: "sum"
  eltwise_param { operation: SUM coeff: 1 coeff: -1 } }
layer { name: "perm" type: "Permute" bottom: "pool" top: "perm"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "prob" type: "Softmax" bottom: "sum" top: "prob" softmax_param { axis: 1 } }
"""


def _damage(text: str, chance: random.Random) -> str:
    """Return ``text`` with one to three numbers, names or whole lines changed."""
    for _ in range(chance.randint(1, 3)):
        places = list(re.finditer(r'(?<=: )-?[\d.e+-]+|"[^"]*"|(?<=type: )"\w+"', text))
        place = chance.choice(places)
        new = f'"{chance.choice(WORDS)}"' if place[0].startswith('"') else chance.choice(NUMBERS)
        text = text[: place.start()] + new + text[place.end() :]
        if chance.random() < 0.3:
            layers = text.split("\nlayer ")
            at = chance.randrange(1, len(layers))
            layers[at:at] = chance.choice([[], [layers[at]]])
            del layers[chance.randrange(1, len(layers))]
            text = "\nlayer ".join(layers)
    return text


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_definition_builds_or_is_refused(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    for i in range(15):
        path = tmp_path / f"{i}.prototxt"
        path.write_text(_damage(NET, chance))
        with suppress(CaffeError):  # any other error fails the test
            model = Model.load_caffe_model(path, None)
            assert model.summary()
            if all(prod(shape) < 10**6 for shape in model.blob_shapes.values()):
                model.row_wise()
                model.run({b: np.zeros(s, np.float32) for b, s in model.inputs.items()})


@pytest.mark.parametrize("seed", range(10))
def test_a_definition_that_does_not_match_its_weights(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    text = (DIGITS / "lenet.prototxt").read_text()
    for i in range(10):
        path = tmp_path / f"{i}.prototxt"
        path.write_text(_damage(text, chance))
        with suppress(CaffeError):
            assert Model.load_caffe_model(path, DIGITS / "lenet.caffemodel").outputs
