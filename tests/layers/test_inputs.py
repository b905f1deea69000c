"""Shapes of the blobs that a caller feeds, as far as a definition tells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.layers.fork_inputs import TYPES
from tests.layers.build import layer
from tests.nets import net

KNOWN = [
    ("Input", "input_param { shape { dim: 2 dim: 3 } }", [(2, 3)]),
    ("Input", "input_param { shape { dim: 2 } }", [(2,), (2,)]),
    ("DummyData", "dummy_data_param { shape { dim: 4 } shape { dim: 5 } }", [(4,), (5,)]),
    (
        "DummyData",
        "dummy_data_param { num: 2 num: 4 channels: 3 height: 5 width: 6 }",
        [(2, 3, 5, 6), (4, 3, 5, 6)],
    ),
    (
        "Data",
        "data_param { batch_size: 8 } transform_param { crop_size: 227 }",
        [(8, 3, 227, 227), (8,)],
    ),
    (
        "Data",
        "data_param { batch_size: 8 } transform_param { crop_size: 9 force_gray: true }",
        [(8, 1, 9, 9), (8,)],
    ),
    (
        "Data",
        "data_param { batch_size: 8 } transform_param { crop_size: 9 mean_value: 128 }",
        [(8, 3, 9, 9), (8,)],
    ),
    (
        "ImageData",
        "image_data_param { batch_size: 2 new_height: 5 new_width: 6 is_color: false }",
        [(2, 1, 5, 6), (2,)],
    ),
    (
        "ImageData",
        "image_data_param { batch_size: 2 new_height: 9 new_width: 9 } "
        "transform_param { crop_size: 7 }",
        [(2, 3, 7, 7), (2,)],
    ),
    (
        "MemoryData",
        "memory_data_param { batch_size: 2 channels: 1 height: 4 width: 5 }",
        [(2, 1, 4, 5), (2, 1, 1, 1)],
    ),
    (
        "MemoryData",
        "memory_data_param { batch_size: 2 channels: 1 height: 4 width: 5 } "
        "transform_param { crop_size: 3 }",
        [(2, 1, 4, 5), (2, 1, 1, 1)],
    ),
    (
        "Data",
        "data_param { batch_size: 2 } transform_param { crop_h: 4 crop_w: 6 }",
        [(2, 3, 4, 6), (2,)],
    ),
    (
        "WindowData",
        "window_data_param { batch_size: 2 crop_size: 4 }",
        [(2, 3, 4, 4), (2,)],
    ),
    (
        "AnnotatedData",
        "data_param { batch_size: 2 } transform_param { resize_param { height: 300 width: 200 } }",
        [(2, 3, 300, 200), (1, 1, 1, 8)],
    ),
    (
        "DenseImageData",
        "dense_image_data_param { batch_size: 2 new_height: 4 new_width: 5 }",
        [(2, 3, 4, 5), (2, 1, 4, 5)],
    ),
    (
        "DenseImageData",
        "dense_image_data_param { batch_size: 2 new_height: 4 new_width: 5 is_color: False }",
        [(2, 1, 4, 5), (2, 1, 4, 5)],
    ),
    (
        "DenseImageData",
        "dense_image_data_param { new_height: 16 new_width: 25 label_divide_factor: 8 }",
        [(1, 3, 16, 25), (1, 1, 2, 3)],
    ),
    (
        "ImageSegData",
        "image_data_param { batch_size: 2 new_height: 4 new_width: 5 }",
        [(2, 3, 4, 5), (2, 1, 4, 5)],
    ),
]


@pytest.mark.parametrize(("kind", "options", "shapes"), KNOWN)
def test_what_the_definition_tells(kind: str, options: str, shapes: list[tuple[int, ...]]) -> None:
    assert layer(kind, options, bottoms=0, tops=len(shapes)).top_shapes([]) == shapes


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("Data", "data_param { batch_size: 8 }", r"input_shapes=\{'t0': \(8, C, H, W\)\}"),
        ("HDF5Data", "hdf5_data_param { batch_size: 8 }", "input_shapes"),
        ("ImageData", "", "input_shapes"),
        ("DenseImageData", "", "input_shapes"),
        ("Input", "", "0 shapes for 1 tops"),
        ("DummyData", "dummy_data_param { num: 2 }", "0 shapes for 1 tops"),
    ],
)
def test_what_it_leaves_open_has_to_be_passed(kind: str, options: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        layer(kind, options, bottoms=0).top_shapes([])


@pytest.mark.parametrize("factor", ["0", "0.5", "-8", "'8'"])
def test_labels_are_no_larger_than_the_data(factor: str) -> None:
    options = f"new_height: 8 new_width: 8 label_divide_factor: {factor}"
    text = f"dense_image_data_param {{ {options} }}"
    with pytest.raises(ShapeError, match="label_divide_factor"):
        layer("DenseImageData", text, bottoms=0, tops=2).top_shapes([])


def test_labels_follow_the_shape_given_for_the_data(tmp_path: Path) -> None:
    model = net(
        tmp_path,
        """layer { name: "d" type: "Data" top: "data" top: "label" data_param { batch_size: 64 } }
        layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
                inner_product_param { num_output: 3 } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }""",
        phase="TRAIN",
        input_shapes={"data": (2, 3, 4, 4)},
    )
    assert model.inputs == {"data": (2, 3, 4, 4), "label": (2,)}


def test_dummy_data_has_its_shape_in_one_form() -> None:
    options = "dummy_data_param { shape { dim: 2 } num: 2 channels: 1 height: 1 width: 1 }"
    with pytest.raises(ShapeError, match="keep shape"):
        layer("DummyData", options, bottoms=0).top_shapes([])


@pytest.mark.parametrize("kind", [kind for types in TYPES for kind in types])
def test_what_only_a_forks_data_tell_has_to_be_passed(kind: str) -> None:
    fed = layer(kind, bottoms=0, tops=2)
    with pytest.raises(ShapeError, match=r"input_shapes=\{'t1': \(\.\.\.\)\}"):
        fed.fed_shapes({"t0": (1, 3)})
    assert fed.fed_shapes({"t0": (1, 3), "t1": (2,)}) == [(1, 3), (2,)]


def test_a_net_on_a_forks_python_data_layer_loads(tmp_path: Path) -> None:
    text = """
    layer { name: "data" type: "Python" top: "data" top: "label"
            python_param { module: "voc_layers" layer: "VOCSegDataLayer" } }
    layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }
    """
    model = net(tmp_path, text, input_shapes={"data": (1, 3, 4, 5)})
    assert model.blob_shapes["relu"] == (1, 3, 4, 5)


def test_an_input_that_nothing_reads_needs_no_shape(tmp_path: Path) -> None:
    model = net(
        tmp_path,
        """layer { name: "d" type: "Data" top: "unread" data_param { batch_size: 2 } }
        layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
        layer { name: "a" type: "AbsVal" bottom: "x" top: "y" }""",
        phase="TRAIN",
    )
    assert model.inputs == {"x": (1, 2)}
