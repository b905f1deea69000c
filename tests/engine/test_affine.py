"""BatchNorm, Scale and ReLU before a convolution, as DenseNet has them, in one operation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe import Model
from bigdl_caffe.engine.affine import Affine, with_affines
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.program import Program, program
from tests.engine.compare import assert_torch_is_exact
from tests.engine.test_passes import INPUT, act, add, conv
from tests.nets import net

SCALE = 'scale_param { bias_term: true filler { type: "gaussian" std: 1 } }'
PLACES = 'scale_param { axis: 2 num_axes: 1 filler { type: "gaussian" std: 1 } }'
BIAS = 'bias_param { filler { type: "gaussian" std: 1 } }'
BLOCK = [act("BatchNorm", "x", "n"), act("Scale", "n", "", SCALE), act("ReLU", "n")]
OWN = "batch_norm_param { use_global_stats: false }"

NETS = {
    "block": ([*BLOCK, conv("n", "c")], 2),
    "all three": ([*BLOCK[:2], act("Bias", "n", "", BIAS), act("Sigmoid", "n")], 1),
    "no activation": ([*BLOCK[:2], add("n x", "s")], 2),
    "read twice": ([*BLOCK, act("BatchNorm", "n", "m"), conv("n", "c"), conv("m", "d")], 4),
    "not by channel": ([act("Scale", "x", "n", PLACES), act("ReLU", "n")], 2),
    "the batch's own": ([act("BatchNorm", "x", "n", OWN), act("ReLU", "n")], 2),
}
"""A net's layers, and as how many operations they run."""


def joined(model: Model) -> Program:
    return with_affines(optimised(program(model.module, model.outputs)), model.net.shapes)


@pytest.mark.parametrize("name", NETS)
def test_what_is_joined(name: str, tmp_path: Path) -> None:
    layers, operations = NETS[name]
    model = net(tmp_path, "\n".join([INPUT, *layers]))
    assert len(joined(model).ops) == operations
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 5), np.float32)
    for fetch in (model.outputs, tuple(model.net.shapes)):
        assert_torch_is_exact(model, {"x": x}, fetch)


def test_numbers_that_are_not_finite_stay_where_they_are(tmp_path: Path) -> None:
    model = net(tmp_path, "\n".join([INPUT, *BLOCK]))
    model.params["Scale n"][0].data[1] = float("inf")
    assert len(joined(model).ops) == 3


def test_channels_last_stays_so() -> None:
    x = torch.randn(2, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    top = Affine(torch.rand(3).double(), torch.rand(3).double())(x)
    assert top.is_contiguous(memory_format=torch.channels_last)


def test_weights_that_someone_holds_are_not_copied(tmp_path: Path) -> None:
    model = net(tmp_path, "\n".join([INPUT, *BLOCK, conv("n", "c")]))
    x = np.ones((2, 3, 5, 5), np.float32)
    model.predict(x)
    model.params["Scale n"][1].data += 100
    np.testing.assert_allclose(model.predict(x), model.run({"x": x})["c"], rtol=1e-4, atol=1e-4)
