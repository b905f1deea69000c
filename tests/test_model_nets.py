"""What `Model` makes of odd nets and odd arguments: the right net, or one clear error."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bigdl_caffe import CaffeError, Model, NetError, ShapeError
from bigdl_caffe import UnsupportedLayerError as Unsupported
from bigdl_caffe.layers.registry import Layer, registry
from tests.nets import DIGITS, TWO_IN, net


def test_wrong_feeds_are_told_in_words(lenet: Model, rows: np.ndarray) -> None:
    (blob,) = lenet.inputs
    for feed, words in (
        ({"nope": rows}, "'nope' is not an input"),
        ({}, f"'{blob}' is not fed"),
        ({blob: rows[0]}, "number of axes|same number"),
        ({blob: rows[:, :, :2, :2]}, "layer '"),
        ({blob: np.concatenate([rows, rows], 3)}, "weights have shapes"),
    ):
        with pytest.raises(CaffeError, match=words):
            lenet.run(feed)
    with pytest.raises(CaffeError, match="no blob 'nope'"):
        lenet.run({blob: rows}, ["nope"])
    with pytest.raises(ShapeError, match="no rows"):
        lenet.predict(rows[:0])
    with pytest.raises(CaffeError, match="batch_size"):
        lenet.predict(rows, batch_size=0)


@pytest.mark.parametrize("feed", [np.ones(3), {"x": "words"}, {"x": [[1, 2], [3]]}, {"x": None}])
def test_feeds_that_are_no_arrays(tmp_path: Path, feed: object) -> None:
    text = """input: "x" input_shape { dim: 1 dim: 2 }
    layer { name: "r" type: "ReLU" bottom: "x" top: "y" }"""
    with pytest.raises(CaffeError, match=r"forward|array of numbers|axes"):
        net(tmp_path, text).run(feed)  # type: ignore[arg-type]  # that is what is tested


def test_lists_and_tensors_are_arrays_too(tmp_path: Path) -> None:
    text = """input: "x" input_shape { dim: 1 dim: 2 }
    layer { name: "r" type: "ReLU" bottom: "x" top: "y" }"""
    model = net(tmp_path, text)
    assert (model.run({"x": [[1, -1]]})["y"] == [[1, 0]]).all()
    assert (model.run({"x": torch.ones(1, 2, requires_grad=True)})["y"] == 1).all()


def test_one_name_is_a_list_of_one(lenet: Model, rows: np.ndarray, tmp_path: Path) -> None:
    (blob,) = lenet.inputs
    assert list(lenet.run({blob: rows}, "conv1")) == ["conv1"]
    assert list(lenet.to_torch()({blob: torch.from_numpy(rows)}, "conv1")) == ["conv1"]
    with pytest.raises(CaffeError, match="no blob 'nope'"):
        lenet.to_torch()({blob: torch.from_numpy(rows)}, ["nope"])
    text = """layer { name: "i" type: "Input" top: "x" input_param { shape { dim: 1 } }
            include { stage: "deploy" } } layer { name: "r" type: "ReLU" bottom: "x" top: "y" }"""
    assert net(tmp_path, text, stages="deploy", outputs="y").outputs == ("y",)


def test_input_shapes_are_whole_numbers(tmp_path: Path) -> None:
    for shape in (4, "1,4", (0, 3), (-1, 3), (1, "x")):
        with pytest.raises(ShapeError, match="whole numbers"):
            net(tmp_path, TWO_IN, input_shapes={"a": shape})


def test_custom_layers_and_their_unknown_fields(tmp_path: Path) -> None:
    class AddK(Layer):
        """Adds what its own field says."""

        def module(self, bottoms: object) -> nn.Module:
            k = self.spec.unknown["add_k_param"]["k"]
            return type("M", (nn.Module,), {"forward": lambda _, x: x + k})()

    text = """input: "x" input_shape { dim: 1 dim: 2 }
    layer { name: "l" type: "AddK" bottom: "x" top: "y" add_k_param { k: 5 } }"""
    model = net(tmp_path, text, converters={"AddK": AddK})
    assert (model.forward(np.zeros((3, 2))) == 5).all()


def test_unknown_fields_are_said_once_with_their_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = """input: "x" input_shape { dim: 1 }
    layer { name: "r" type: "ReLU" bottom: "x" top: "y" magic: 1 }"""
    with caplog.at_level(logging.WARNING, "bigdl_caffe"):
        net(tmp_path, text)
    (record,) = caplog.records
    assert "net.prototxt:2" in record.getMessage()
    assert "magic" in record.getMessage()


def test_every_unsupported_layer_is_named_at_once(tmp_path: Path) -> None:
    text = """input: "x" input_shape { dim: 1 }
    layer { name: "p" type: "Nope" bottom: "x" top: "y" }
    layer { name: "q" type: "relu" bottom: "y" top: "z" }"""
    with pytest.raises(Unsupported) as caught:
        net(tmp_path, text)
    assert len(caught.value.problems) == 2
    assert "did you mean 'ReLU'" in str(caught.value)


def test_a_value_of_a_fork_is_not_computed_as_the_default(tmp_path: Path) -> None:
    text = """layer { name: "d" type: "Data" top: "x"
                     data_param { batch_size: 2 source: "one" source: "two" } }"""
    with pytest.raises(Unsupported, match=r"data_param\.source"):
        net(tmp_path, text)


@pytest.mark.parametrize(
    ("head", "layer", "kind", "words"),
    [
        ("", 'type: "ReLU"', NetError, "reads blob 'x'"),
        ('input: "x"', 'type: "ReLU"', ShapeError, "input_shapes"),
        ('input: "x" input_shape { dim: 1 }', 'type: "Eltwise"', NetError, "at least"),
    ],
)
def test_broken_nets(
    tmp_path: Path, head: str, layer: str, kind: type[CaffeError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        net(tmp_path, f'{head} layer {{ name: "l" {layer} bottom: "x" top: "y" }}')


def test_an_input_that_nothing_reads_is_no_blob(tmp_path: Path) -> None:
    more = 'layer { name: "more" type: "Input" top: "more" input_param { shape { dim: 1 } } }'
    model = net(tmp_path, TWO_IN + more)
    assert "more" not in {*model.inputs, *model.outputs, *model.blob_shapes}
    with pytest.raises(CaffeError, match="no blob 'more'"):
        model.run({}, ["more"])


def test_a_definition_without_layers(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="no layers in phase TEST"):
        net(tmp_path, 'layer { name: "r" type: "ReLU" include { phase: TRAIN } }')


@pytest.mark.parametrize("bottoms", ['bottom: "x" bottom: "ip"', 'bottom: "ip" bottom: "x"'])
def test_an_autoencoder_keeps_its_output_whichever_way_its_loss_reads(
    tmp_path: Path, bottoms: str
) -> None:
    text = f"""input: "x" input_shape {{ dim: 1 dim: 4 }}
    layer {{ name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
             inner_product_param {{ num_output: 4 }} }}
    layer {{ name: "loss" type: "EuclideanLoss" {bottoms} top: "loss" }}"""
    assert net(tmp_path, text).outputs == ("ip",)


TWICE = 'layer { name: "t" type: "Power" bottom: "ip" top: "twice" power_param { scale: 2 } }'


@pytest.mark.parametrize(("more", "output"), [("", "ip"), (TWICE, "twice")])
def test_what_is_silenced_is_an_output_where_nothing_else_is(
    tmp_path: Path, more: str, output: str
) -> None:
    text = """input: "x" input_shape { dim: 1 dim: 4 }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
            inner_product_param { num_output: 4 } }
    layer { name: "silence" type: "Silence" bottom: "ip" }"""
    assert net(tmp_path, text + more).outputs == (output,)


def test_a_training_net_runs_as_far_as_it_is_asked_to(tmp_path: Path) -> None:
    text = """input: "x" input_shape { dim: 1 dim: 4 } input: "y" input_shape { dim: 1 }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
            inner_product_param { num_output: 4 } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" }"""
    model = net(tmp_path, text, phase="TRAIN")
    assert model.run({"x": np.ones((1, 4))}, ["ip"])["ip"].shape == (1, 4)
    loss = model.run({"x": np.ones((1, 4)), "y": [0]})["loss"]
    assert loss == pytest.approx(np.log(4))  # without a filler all four scores are 0


def test_names_that_torch_and_we_use_ourselves(tmp_path: Path) -> None:
    """Layers of one name, of names that our own made-up ones could be, and of torch's."""
    names = ["a", "a", "a~1", "_plan", "train", "b.c", "layer_modules"]
    text = 'input: "x" input_shape { dim: 1 dim: 2 }'
    for i, name in enumerate(names):
        text += f"""\nlayer {{ name: "{name}" type: "InnerProduct" bottom: "x" top: "t{i}"
            inner_product_param {{ num_output: 1 bias_filler {{ value: {i} }} }} }}"""
    tops = net(tmp_path, text).run({"x": np.zeros((1, 2))})
    assert [float(tops[f"t{i}"][0, 0]) for i in range(len(names))] == list(range(len(names)))


def test_a_blob_called_as_our_values_are(tmp_path: Path) -> None:
    text = """input: "x" input_shape { dim: 1 }
    layer { name: "h" type: "Power" bottom: "x" top: "x~0" power_param { shift: 100 } }
    layer { name: "r" type: "Power" bottom: "x" top: "x" power_param { shift: 1 } }"""
    tops = net(tmp_path, text).run({"x": np.zeros(1)}, ["x~0", "x"])
    assert (tops["x~0"][0], tops["x"][0]) == (100, 1)


def test_a_v1_layer_of_a_forks_type_survives_the_bundle(tmp_path: Path) -> None:
    text = """input: "x" input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 2
    layers { name: "t" type: TOPK bottom: "x" top: "y" }"""
    topk = {"TOPK": registry()["ReLU"]}
    model = net(tmp_path, text, converters=topk)
    model.write_bundle(tmp_path / "m.arrow")
    assert Model.open_bundle(tmp_path / "m.arrow", converters=topk).outputs == ("y",)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match=r"nope\.prototxt"):
        Model.load_caffe_model(tmp_path / "nope.prototxt", None)
    with pytest.raises(CaffeError, match=r"nope\.caffemodel"):
        Model.load_caffe_model(DIGITS / "lenet.prototxt", tmp_path / "nope.caffemodel")


def test_in_place_layers_show_through_shared_memory(tmp_path: Path) -> None:
    """Flatten hands its memory on: a ReLU behind it changes what the first name shows."""
    text = """input: "x" input_shape { dim: 1 dim: 2 dim: 2 }
    layer { name: "p" type: "Power" bottom: "x" top: "p" }
    layer { name: "f" type: "Flatten" bottom: "p" top: "f" }
    layer { name: "r" type: "ReLU" bottom: "f" top: "f" }"""
    x = np.array([[[-1.0, 2.0], [3.0, -4.0]]])
    tops = net(tmp_path, text).run({"x": x}, ["p", "f"])
    np.testing.assert_array_equal(tops["p"], np.maximum(x, 0))
    np.testing.assert_array_equal(tops["f"], np.maximum(x, 0).reshape(1, 4))


def test_a_blob_larger_than_caffes_are(tmp_path: Path) -> None:
    text = """input: "x" input_shape { dim: 1 dim: 1 dim: 4 dim: 4 }
    layer { name: "c" type: "Convolution" bottom: "x" top: "y"
            convolution_param { num_output: 1 kernel_size: 3 pad: 200000 } }"""
    with pytest.raises(ShapeError, match="2147483647"):
        net(tmp_path, text)


def test_labels_are_no_inputs_where_outputs_are_chosen(tmp_path: Path) -> None:
    text = """layer { name: "d" type: "Data" top: "data" top: "label" data_param { batch_size: 2 } }
    layer { name: "r" type: "ReLU" bottom: "data" top: "r" }
    layer { name: "l" type: "SoftmaxWithLoss" bottom: "r" bottom: "label" top: "l" }"""
    model = net(tmp_path, text, outputs=["r"], input_shapes={"data": (1, 3)})
    assert dict(model.inputs) == {"data": (1, 3)}
    assert model.predict(np.ones((5, 3))).shape == (5, 3)
