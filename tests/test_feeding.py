"""What goes into a net and comes out, without a net."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import Model, feeding
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.graph.ir import Shape

CLASSES: list[tuple[Shape, int | None]] = [
    ((8, 10), 10),
    ((1, 1000, 1, 1), 1000),
    ((8, 1, 10), 10),
    ((8, 4, 6, 6), None),
    ((8, 1), None),
    ((8,), None),
    ((), None),
]


@pytest.mark.parametrize(("shape", "classes"), CLASSES)
def test_classes_are_the_one_axis_beside_the_batch(shape: Shape, classes: int | None) -> None:
    assert feeding.classes(shape) == classes


@pytest.mark.parametrize("blob", ["conv", "one"])
def test_no_class_is_made_up_for_a_blob_without(tmp_path: Path, blob: str) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(
        """input: "x" input_shape { dim: 1 dim: 1 dim: 8 dim: 8 }
        layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
                convolution_param { num_output: 4 kernel_size: 3 } }
        layer { name: "one" type: "InnerProduct" bottom: "conv" top: "one"
                inner_product_param { num_output: 1 } }"""
    )
    model = Model.load_caffe_model(path, None)
    with pytest.raises(CaffeError, match=f"'{blob}' has the shape .* not one list of scores"):
        model.predict_class(np.zeros((2, 1, 8, 8)), fetch=blob)
