"""The table filled from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import Model, WeightMismatchError
from bigdl_caffe.format.caffemodel_writer import write_caffemodel
from bigdl_caffe.format.prototxt import read_net

NET = """
input: 'x' input_shape { dim: 1 dim: 4 }
layer { name: "it's fc" type: 'InnerProduct' bottom: 'x' top: 'y'
  inner_product_param { num_output: 2 bias_term: false } }
"""


def test_a_layer_that_does_not_fit_is_reported_once_whatever_its_name(tmp_path: Path) -> None:
    net, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    net.write_text(NET)
    write_caffemodel(weights, read_net(net), [[np.zeros((3, 4), np.float32)]])
    with pytest.raises(WeightMismatchError, match="it's fc") as caught:
        Model.load_caffe_model(net, weights)
    assert len(caught.value.problems) == 1
