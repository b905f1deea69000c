"""Arrays as a weight source: what they hold goes into the net that names them."""

from __future__ import annotations

import numpy as np
import pytest

from bigdl_caffe import WeightMismatchError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.arrays import ArrayWeights
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.graph.upgrade import upgrade
from bigdl_caffe.layers.assemble import Options
from bigdl_caffe.load import build

NET = """input: "x" input_shape { dim: 1 dim: 3 }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 } }
"""


def test_a_net_takes_arrays_by_layer() -> None:
    definition = upgrade(parse(NET, pb.NetParameter)).net
    weight, bias = np.arange(6.0).reshape(2, 3), np.array([10.0, 20.0])
    model = build(definition, ArrayWeights({"ip": [weight, bias]}), Options(), {})
    np.testing.assert_array_equal(model.run({"x": np.ones((1, 3))})["y"], [[13, 32]])


def test_arrays_of_another_shape_are_refused() -> None:
    definition = upgrade(parse(NET, pb.NetParameter)).net
    with pytest.raises(WeightMismatchError, match=r"needs shape \(2, 3\), arrays has \(3, 2\)"):
        build(definition, ArrayWeights({"ip": [np.ones((3, 2)), np.ones(2)]}), Options(), {})
