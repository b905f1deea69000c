"""SparseInnerProduct is InnerProduct where it is fed dense."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.layers.build import random
from tests.nets import net


def test_a_sparse_inner_product_is_a_dense_one(tmp_path: Path) -> None:
    text = """
    layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: [2, 5] }} }} }}
    layer {{ name: "ip" type: "{}" bottom: "x" top: "y" inner_product_param {{
             num_output: 3 weight_filler {{ value: 0.5 }} bias_filler {{ value: 1 }} }} }}
    """
    x = random(2, 5).numpy()
    tops = [
        net(tmp_path, text.format(kind)).run({"x": x})["y"]
        for kind in ("InnerProduct", "SparseInnerProduct")
    ]
    np.testing.assert_array_equal(*tops)
