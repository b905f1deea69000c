"""The nets of a solver: which weights they share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.graph.phase import State
from bigdl_caffe.nn.fork_normalization import BatchBN
from bigdl_caffe.train.batch_norm import synchronise
from bigdl_caffe.train.nets import net_to_test
from bigdl_caffe.train.ranks import Ranks

PERMISSIVE = """
layer { name: "x" type: "Input" top: "x" top: "goal"
  input_param { shape { dim: 4 dim: 6 } shape { dim: 4 dim: 3 } } }
layer { name: "first" type: "InnerProduct" bottom: "x" top: "first" param { name: "w" }
  inner_product_param { num_output: 4 bias_term: false weight_filler { type: "xavier" } } }
layer { name: "again" type: "InnerProduct" bottom: "x" top: "again"
  inner_product_param { num_output: 8 bias_term: false weight_filler { type: "xavier" } } }
layer { name: "second" type: "InnerProduct" bottom: "again" top: "second"
  param { name: "w" share_mode: PERMISSIVE }
  inner_product_param { num_output: 3 bias_term: false } }
layer { name: "near" type: "EuclideanLoss" bottom: "second" bottom: "goal" top: "near" }
layer { name: "small" type: "Reduction" bottom: "first" top: "small" loss_weight: 0.1
  reduction_param { operation: SUMSQ } }
"""


@pytest.mark.parametrize("frozen", [False, True])
def test_a_blob_that_two_layers_have_in_two_shapes_is_one_in_a_test_net(
    frozen: bool, tmp_path: Path
) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(
        PERMISSIVE.replace('name: "w"', 'name: "w" lr_mult: 0') if frozen else PERMISSIVE
    )
    train = Model.load_caffe_model(path, None, phase="TRAIN", strict=False)
    test = net_to_test(train, train.net.definition, State("TEST"))
    owner = train.params["first"][0]
    owner.detach().copy_(owner.detach() * 2)
    for model in (train, test):
        (blob,) = model.params["second"]
        assert blob.shape == (3, 8)
        np.testing.assert_array_equal(blob.detach().flatten(), owner.detach().flatten())
    feed = {"x": np.ones((4, 6), np.float32), "goal": np.zeros((4, 3), np.float32)}
    np.testing.assert_array_equal(train.run(feed)["near"], test.run(feed)["near"])
    assert owner.requires_grad != frozen


def test_batch_normalisation_that_cannot_be_synchronised_says_so() -> None:
    with pytest.raises(CaffeError, match="BN layers of forks are not synchronised"):
        synchronise(BatchBN(1e-5, None, 1), Ranks())
