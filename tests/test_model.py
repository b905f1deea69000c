"""`Model` as people use it: names, shapes, batches, errors."""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe import CaffeError, CaffeFormatError, Model
from tests.nets import DIGITS, TWO_IN, digits, net

MIXES_ROWS = """
input: "x" input_shape { dim: 1 dim: 6 }
layer { name: "r" type: "Reshape" bottom: "x" top: "r"
        reshape_param { shape { dim: 1 dim: -1 dim: 3 } } }
"""


def test_run_gives_named_blobs(lenet: Model, rows: np.ndarray) -> None:
    (blob,) = lenet.inputs
    tops = lenet.run({blob: rows}, ["prob", blob])
    assert tops["prob"].shape == (7, 10)
    assert tops["prob"].dtype == np.float32
    np.testing.assert_allclose(tops["prob"].sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(tops[blob], rows)


def test_an_inner_blob_runs_only_what_it_needs(tmp_path: Path) -> None:
    model = net(tmp_path, TWO_IN)
    ran = []
    for name, module in model.to_torch().named_children():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    ones = np.ones((2, 3))
    model.run({"a": ones, "b": ones}, ["sum"])
    assert ran == ["sum"]


def test_forward_answers_in_kind(tmp_path: Path, lenet: Model, rows: np.ndarray) -> None:
    assert lenet.forward(rows).shape == (7, 10)
    two = net(tmp_path, TWO_IN)
    neg, twice = two([np.ones((4, 3)), np.full((4, 3), 2.0)])
    assert (neg == -3).all()
    assert (twice == 6).all()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_predict_scores_every_row(lenet: Model, rows: np.ndarray, batch_size: int) -> None:
    whole = lenet.forward(rows)
    np.testing.assert_allclose(lenet.predict(rows, batch_size), whole, atol=1e-6)
    np.testing.assert_array_equal(lenet.predict_class(rows, batch_size), whole.argmax(1))


def test_predict_several_blobs_and_inputs(tmp_path: Path) -> None:
    data = {"a": np.ones((5, 3)), "b": np.zeros((5, 3))}
    tops = net(tmp_path, TWO_IN).predict(data, batch_size=2)
    assert {blob: top.shape for blob, top in tops.items()} == {"neg": (5, 3), "twice": (5, 3)}
    with pytest.raises(CaffeError, match="fetch"):
        net(tmp_path, TWO_IN).predict_class(data)


def test_a_net_that_mixes_rows_is_run_row_by_row(tmp_path: Path) -> None:
    model = net(tmp_path, MIXES_ROWS)
    assert not model.row_wise()
    rows = np.arange(18, dtype=np.float32).reshape(3, 6)
    np.testing.assert_array_equal(model.predict(rows), rows.reshape(3, 2, 3))


@pytest.mark.parametrize(
    "layer",
    [
        'type: "Softmax" softmax_param { axis: 0 }',
        'type: "BatchNorm" batch_norm_param { use_global_stats: false }',
    ],
)
def test_layers_that_mix_rows_of_one_length_are_known(tmp_path: Path, layer: str) -> None:
    head = 'input: "x" input_shape { dim: 4 dim: 3 dim: 2 dim: 2 }'
    text = f'{head} layer {{ name: "m" {layer} bottom: "x" top: "y" }}'
    assert not net(tmp_path, text).row_wise()


def test_the_same_call_takes_other_batch_and_image_sizes(tmp_path: Path) -> None:
    text = """input: "x" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
    layer { name: "c" type: "Convolution" bottom: "x" top: "c"
            convolution_param { num_output: 2 kernel_size: 3 } }"""
    model = net(tmp_path, text)
    assert model.forward(np.zeros((5, 3, 20, 9))).shape == (5, 2, 18, 7)


def test_features_of_a_larger_image_need_no_dense_layers(lenet: Model, rows: np.ndarray) -> None:
    (blob,) = lenet.inputs
    wide = np.concatenate([rows, rows], 3)
    assert lenet.run({blob: wide}, ["conv1"])["conv1"].shape[3] == 2 * rows.shape[3]


def test_inputs_that_the_fetched_blobs_do_not_need_may_be_left_out(tmp_path: Path) -> None:
    text = TWO_IN + 'layer { name: "a5" type: "Power" bottom: "a" top: "a5" }'
    model = net(tmp_path, text)
    assert model.run({"a": np.ones((9, 3))}, ["a5"])["a5"].shape == (9, 3)


def test_what_is_given_back_is_not_the_callers_memory(tmp_path: Path) -> None:
    text = """input: "x" input_shape { dim: 1 dim: 2 }
    layer { name: "d" type: "Dropout" bottom: "x" top: "y" }"""
    x = np.ones((1, 2), np.float32)
    for top in net(tmp_path, text).run({"x": x}, ["x", "y"]).values():
        top[:] = 5
    assert (x == 1).all()


def test_params_are_the_models_own(lenet: Model, rows: np.ndarray) -> None:
    model = digits()
    before = model.forward(rows)
    with torch.no_grad():
        next(iter(model.params.values()))[0].zero_()
    assert np.abs(model.forward(rows) - before).max() > 0
    assert (lenet.forward(rows) == before).all(), "another model of the same files is another"


def test_the_summary_counts(lenet: Model) -> None:
    text = lenet.summary()
    total = sum(blob.numel() for blobs in lenet.params.values() for blob in blobs)
    assert f"{total:,}" in text
    for layer in lenet.net.layers:
        assert layer.name in text


def test_a_bundle_is_the_same_model(tmp_path: Path, lenet: Model, rows: np.ndarray) -> None:
    digest = lenet.write_bundle(tmp_path / "m.arrow")
    again = Model.open_bundle(tmp_path / "m.arrow")
    assert (again.forward(rows) == lenet.forward(rows)).all()
    assert again.content_hash == digest
    sink = io.BytesIO()
    again.write_bundle(sink)
    assert sink.getvalue() == (tmp_path / "m.arrow").read_bytes()


def test_a_bundle_holds_the_weights_as_they_are_now(tmp_path: Path, rows: np.ndarray) -> None:
    model = digits()
    before = model.content_hash
    assert model.content_hash == before
    model.params["ip2"][1].detach().numpy()[0] += 1  # no counter of torch's sees this
    assert model.content_hash != before
    model.to_torch().double()  # and now they are not even where they were
    with torch.no_grad():
        model.params["ip2"][1][1] += 2
    model.write_bundle(tmp_path / "m.arrow")
    again = Model.open_bundle(tmp_path / "m.arrow")
    np.testing.assert_allclose(again.forward(rows), model.forward(rows), atol=1e-6)


def test_a_bundle_of_another_version_is_refused(tmp_path: Path, lenet: Model) -> None:
    path = tmp_path / "m.arrow"
    lenet.write_bundle(path)
    path.write_bytes(path.read_bytes().replace(b"bigdl_caffe.version", b"bigdl_caffe.verzion"))
    with pytest.raises(CaffeFormatError, match="version"):
        Model.open_bundle(path)


def test_the_torch_module_is_an_ordinary_one(lenet: Model, rows: np.ndarray) -> None:
    module = copy.deepcopy(lenet.to_torch())
    (blob,) = lenet.inputs
    feed = {blob: torch.from_numpy(rows)}
    module(feed)["prob"].sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    again = pickle.loads(pickle.dumps(module))
    with torch.no_grad():
        np.testing.assert_array_equal(again(feed)["prob"].numpy(), lenet.forward(rows))
    exported = torch.export.export(lenet.to_torch(), (feed,))
    got = exported.module()(feed)["prob"].detach().numpy()
    np.testing.assert_allclose(got, lenet.forward(rows), atol=1e-6)


def test_outputs_cut_the_net(lenet: Model) -> None:
    inner = lenet.net.layers[1].tops[0]
    cut = Model.load_caffe_model(
        DIGITS / "lenet.prototxt", DIGITS / "lenet.caffemodel", outputs=[inner]
    )
    assert cut.outputs == (inner,)
    assert len(cut.net.layers) < len(lenet.net.layers)
    assert cut.load_report.unused


def test_the_mean_file_of_a_net_at_a_uri_is_beside_it(tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", np.full((3, 8, 8), 7, np.float32))
    (tmp_path / "net.prototxt").write_text(
        """layer { name: "d" type: "Input" top: "x"
             input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }
             transform_param { mean_file: "mean.npy" } }
           layer { name: "r" type: "ReLU" bottom: "x" top: "y" }"""
    )
    recipe = Model.load_caffe_model((tmp_path / "net.prototxt").as_uri(), None).recipe()
    assert recipe.mean is not None
    assert np.asarray(recipe.mean).mean() == 7
