"""BigDL's own Caffe tests, told again with Caffe's meaning of things.

The numbers are those of BigDL 0.13's and 2.4's tests, in this order: CaffeLoaderSpec (1 to 5),
CaffePersisterSpec (6 to 10), HdfsSpec and S3Spec (11, 12), the accuracy test (13),
test_load_caffe.py (14 to 16), test_caffe_layers.py (17), and what 2.4 has besides (18 to 20).
Those that load into a model that someone wrote (1, 2, 3, 14, 15) are in
tests/weights/test_bigdl_cases.py, 17 in tests/test_bigdl_layers.py.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from bigdl_caffe import Layer, Model, NetError, ShapeError, UnsupportedLayerError
from bigdl_caffe.nodes import Convolution, InnerProduct, Input, from_nodes
from tests.nets import DIGITS, digits, net
from tests.paths import SHARED, needs_models

MODELS = SHARED / "models"
IMAGE = np.random.default_rng(0).uniform(size=(1, 3, 5, 5)).astype(np.float32)


class Dummy(Layer):
    """What BigDL's test calls a customised layer: nothing."""

    def module(self, bottoms: object) -> nn.Module:
        return nn.Identity()


def bigdl_test(**how: Any) -> Model:
    """Return BigDL's test.caffemodel."""
    folder = MODELS / "bigdl_test"
    own = {"Dummy": Dummy}
    files = folder / "deploy.prototxt", folder / "weights.caffemodel"
    return Model.load_caffe_model(*files, converters=own, **how)


def bigdl_test_persist() -> Model:
    """Return BigDL's test_persist.caffemodel, which BigDL wrote: no input, blobs without shapes."""
    folder = MODELS / "bigdl_test_persist"
    files = folder / "deploy.prototxt", folder / "weights.caffemodel"
    return Model.load_caffe_model(*files, input_shapes={"data": (1, 3, 5, 5)})


def graph() -> Model:
    """Return conv1 -> conv2 -> ip of BigDL's tests, as nodes."""
    gaussian = {"type": "gaussian", "std": 0.5}
    x = Input("data", shape=(1, 3, 5, 5))
    conv1 = Convolution(name="conv1", num_output=4, kernel_size=2, weight_filler=gaussian)(x)
    conv2 = Convolution(name="conv2", num_output=3, kernel_size=2, weight_filler=gaussian)(conv1)
    ip = InnerProduct(name="ip", num_output=2, bias_term=False, weight_filler=gaussian)(conv2)
    return from_nodes([x], [ip], name="convolution")


def linear(size: int = 10) -> Model:
    """Return BigDL's single Linear: weights 0.5, bias 0.1."""
    x = Input("data", shape=(1, size))
    weights = [np.full((size, size), 0.5), np.full(size, 0.1)]
    top = InnerProduct(name="simple linear", num_output=size, weights=weights)(x)
    return from_nodes([x], [top])


def test_04_the_loss_that_comes_with_the_net(tmp_path: Path) -> None:
    """BigDL gave it as a criterion of logarithms that nobody took; Caffe's includes the softmax."""
    text = """input: "x" input_shape { dim: 3 dim: 4 }  input: "label" input_shape { dim: 3 }
    layer { name: "customized" type: "Dummy" bottom: "x" top: "dummy" }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "dummy" bottom: "label" top: "loss" }"""
    x = np.random.default_rng(4).standard_normal((3, 4)).astype(np.float32)
    labels = np.array([3, 0, 1])
    model = net(tmp_path, text, phase="TRAIN", converters={"Dummy": Dummy})
    loss = model.to_torch().loss({"x": torch.tensor(x), "label": torch.tensor(labels)})
    logarithms = x - np.log(np.exp(x).sum(1, keepdims=True))
    assert loss.item() == pytest.approx(-logarithms[range(3), labels].mean(), rel=1e-5)


@needs_models
def test_04_the_loss_of_bigdls_net_has_no_labels_which_caffe_refuses() -> None:
    with pytest.raises(NetError, match=r"layer 'loss' \(SoftmaxWithLoss\): it takes .* has 1"):
        bigdl_test(phase="TRAIN")


def test_05_a_converter_may_stand_for_a_built_in(tmp_path: Path) -> None:
    """BigDL refuses one for INNERPRODUCT; here whoever gives one gets it."""
    text = """input: "x" input_shape { dim: 1 dim: 4 }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
            inner_product_param { num_output: 2 } }"""
    model = net(tmp_path, text, converters={"InnerProduct": Dummy})
    np.testing.assert_array_equal(model.forward(np.ones((1, 4))), np.ones((1, 4)))


@pytest.mark.parametrize("use_v2", [False, True])
def test_06_a_graph_saves_over_files_that_are_there(tmp_path: Path, use_v2: bool) -> None:
    paths = tmp_path / "test_persist.prototxt", tmp_path / "test_persist.caffemodel"
    for path in paths:
        path.write_text("old")
    model = graph()
    with pytest.raises(FileExistsError):
        model.save_caffe(*paths, use_v2=use_v2)
    assert [path.read_text() for path in paths] == ["old", "old"]
    model.save_caffe(*paths, use_v2=use_v2, overwrite=True)
    again = Model.load_caffe_model(*paths)
    np.testing.assert_array_equal(again.forward(IMAGE), model.forward(IMAGE))


@pytest.mark.parametrize("use_v2", [False, True], ids=["07_v1", "08_v2"])
def test_a_single_layer_saves(tmp_path: Path, use_v2: bool) -> None:
    """BigDL's own came back without its input, and without the layer."""
    paths = tmp_path / "linear.prototxt", tmp_path / "linear.caffemodel"
    linear().save_caffe(*paths, use_v2=use_v2)
    again = Model.load_caffe_model(*paths)
    assert (list(again.inputs), again.net.layers[-1].name) == (["data"], "simple linear")
    rows = np.random.default_rng(7).uniform(size=(3, 10))
    np.testing.assert_allclose(again.forward(rows), linear().forward(rows))
    for blob, same in zip(again.get_weights(), linear().get_weights(), strict=True):
        np.testing.assert_array_equal(blob, same)


@needs_models
def test_09_what_bigdl_saved_is_what_it_saved() -> None:
    expected = bigdl_test().run({"data": IMAGE})["prob"]
    (written,) = bigdl_test_persist().run({"data": IMAGE}).values()
    np.testing.assert_allclose(written, expected, atol=1e-6)


def test_10_a_sequential_is_traced_and_saved(tmp_path: Path) -> None:
    """BigDL saves graphs only; what no Caffe layer computes is what cannot be saved."""
    layers = OrderedDict(ip=nn.Linear(10, 4), prob=nn.Softmax(1))
    module, rows = nn.Sequential(layers), torch.randn(2, 10)
    paths = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    Model.from_torch(module, rows).save_caffe(*paths)
    with torch.no_grad():
        expected = module(rows)
    np.testing.assert_allclose(Model.load_caffe_model(*paths).forward(rows), expected, atol=1e-6)
    with pytest.raises(UnsupportedLayerError, match="erfinv"):
        Model.from_torch(ErfInv(), rows)


class ErfInv(nn.Module):
    """What Caffe has no layer for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.erfinv(x)


@pytest.fixture(params=["file", "memory"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where files lie, as hdfs:// and s3a:// would be given."""
    if request.param == "file":
        return tmp_path.as_uri()
    pytest.importorskip("fsspec", reason="memory:// is fsspec's")
    return f"memory:/{tmp_path}"


def test_11_weights_from_a_uri_are_the_local_ones(remote: str, tmp_path: Path) -> None:
    local = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    model = digits()
    model.save_caffe(*local)
    model.save_caffe(f"{remote}/there.prototxt", f"{remote}/there.caffemodel")
    there = Model.load_caffe_model(f"{remote}/there.prototxt", f"{remote}/there.caffemodel")
    here = Model.load_caffe_model(*local)
    for ours, same in zip(there.get_weights(), here.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, same)


def test_12_a_single_layer_goes_to_a_uri_and_comes_back(remote: str) -> None:
    paths = f"{remote}/linear.prototxt", f"{remote}/linear.caffemodel"
    linear().save_caffe(*paths)
    again = Model.load_caffe_model(*paths, outputs=["simple linear"])
    np.testing.assert_allclose(again.forward(np.ones((1, 10))), np.full((1, 10), 5.1))


def test_13_top_1_and_top_5_over_a_test_set() -> None:
    """ImageNet is not at hand: the example's digits, in batches as large as BigDL's."""
    lines = (DIGITS / "labels.txt").read_text().splitlines()
    names, truth = zip(*(line.split() for line in lines), strict=True)
    scans = np.stack([np.asarray(Image.open(DIGITS / name)) for name in names])
    data = scans[:, None].astype(np.float32) / 240
    model, labels = digits(), np.array(truth, int)
    right = model.predict_class(data, batch_size=420) == labels
    best = np.argsort(-model.predict(data, batch_size=420), 1)[:, :5]
    assert right.mean() > 0.97
    assert (best == labels[:, None]).any(1).mean() > right.mean()


@needs_models
def test_16_a_loaded_net_has_bigdls_literals() -> None:
    """In Caffe's shapes; BigDL's convolutions had an axis of groups more."""
    params = bigdl_test().params
    shapes = {name: [tuple(b.shape) for b in blobs] for name, blobs in params.items()}
    assert shapes == {
        "conv": [(4, 3, 2, 2), (4,)],
        "conv2": [(3, 4, 2, 2), (3,)],
        "ip": [(2, 27)],
    }
    for name, index, first, last in LITERALS:
        numbers = params[name][index].detach().ravel().numpy()
        np.testing.assert_allclose(numbers[: len(first)], first, atol=1e-6, rtol=0)
        np.testing.assert_allclose(numbers[-len(last) :], last, atol=1e-6, rtol=0)


LITERALS: list[tuple[str, int, list[float], list[float]]] = [
    ("conv", 0, [0.4156779647, 0.3547672033, 0.1817495823], [-0.4690187573, -0.4590228796]),
    ("conv", 1, [0.0458712392, -0.0029324144], [-0.0251041390, 0.0052924110]),
    ("conv2", 0, [0.0154178329, 0.0157190431, 0.0033829932], [0.0070853345, -0.0074293613]),
    ("conv2", 1, [0.0], [0.0, 0.0]),
    ("ip", 0, [0.0189033747, 0.0401176214, 0.0525088012], [0.0032395422, 0.2072965205]),
]
"""The ends of what test_load_caffe.py holds each blob to."""


@needs_models
def test_18_a_loaded_net_is_cut_frozen_and_thawed() -> None:
    model = bigdl_test_persist()
    part = model.new_graph(["ip"])
    assert part.forward(IMAGE).shape == (1, 2)
    np.testing.assert_array_equal(part.forward(IMAGE), model.run({"data": IMAGE}, ["ip0"])["ip0"])

    def learning() -> dict[str, bool]:
        return {name: blobs[0].requires_grad for name, blobs in part.params.items()}

    part.freeze_up_to(["conv2"])
    assert learning() == {"conv": False, "conv2": False, "ip": True}
    part.unfreeze()
    assert learning() == {"conv": True, "conv2": True, "ip": True}


def test_19_many_threads_score_with_one_model() -> None:
    model = graph()
    rows = np.random.default_rng(19).uniform(size=(10, 4, 3, 5, 5)).astype(np.float32)
    expected = [model.predict(batch) for batch in rows]
    with ThreadPoolExecutor(10) as pool:
        for ours, same in zip(pool.map(model.predict, rows), expected, strict=True):
            np.testing.assert_array_equal(ours, same)


def test_19_images_of_a_size_that_the_weights_are_not_for() -> None:
    """BigDL made 16 rows of 4 images of 8×8."""
    with pytest.raises(ShapeError, match=r"layer 'ip' .* feed the size the weights were trained"):
        graph().predict(np.zeros((4, 3, 8, 8)))


def test_20_shapes_of_predictions() -> None:
    model = graph()
    assert model.predict(np.zeros((4, 3, 5, 5))).shape == (4, 2)
    assert model.predict_class(np.zeros((4, 3, 5, 5))).shape == (4,)
