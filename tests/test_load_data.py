"""Nets whose data layers' sources are there: shapes at load time, and the data as feeds."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import CaffeError, Model, ShapeError
from tests.nets import net
from tests.paths import GOLDEN

LMDB = GOLDEN / "layers" / "Data" / "lmdb_no_label"
NET = """
layer {{ name: "d" type: "Data" top: "data" data_param {{ source: "{source}" batch_size: 2
        backend: LMDB }} }}
layer {{ name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param {{
        global_pooling: true pool: AVE }} }}
"""


def test_the_first_record_tells_an_open_shape(tmp_path: Path) -> None:
    model = net(tmp_path, NET.format(source=LMDB / "db"))
    first = next(model.data())["data"]
    assert model.inputs == {"data": first.shape}
    np.testing.assert_allclose(model.run({"data": first})["pool"].squeeze(), first.mean((2, 3)))


def test_given_shapes_go_first(tmp_path: Path) -> None:
    model = net(tmp_path, NET.format(source=LMDB / "db"), input_shapes={"data": (1, 3, 4, 4)})
    assert model.inputs == {"data": (1, 3, 4, 4)}


def test_a_source_that_is_not_there_leaves_the_shape_open(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="input_shapes"):
        net(tmp_path, NET.format(source=tmp_path / "none"))


def test_labels_that_scoring_drops_are_not_fed(tmp_path: Path) -> None:
    text = (
        'layer { name: "d" type: "DummyData" top: "x" top: "label" dummy_data_param { '
        "shape { dim: 2 dim: 3 } shape { dim: 2 } } }"
        'layer { name: "a" type: "AbsVal" bottom: "x" top: "y" }'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "loss" }'
    )
    assert list(next(net(tmp_path, text).data())) == ["x"]
    assert list(next(net(tmp_path, text, phase="TRAIN").data())) == ["x", "label"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list")
    text = f"""layer {{ name: "d" type: "HDF5Data" top: "data" hdf5_data_param {{
        source: "{tmp_path / "list"}" batch_size: 2 }} }}"""
    with pytest.raises(ShapeError, match="input_shapes"):
        net(tmp_path, text)
    model = net(tmp_path, text, input_shapes={"data": (2, 3)})
    with pytest.raises(CaffeError, match="pipe"):
        next(model.data())


def test_a_net_without_data_layers_has_none(tmp_path: Path) -> None:
    model: Model = net(
        tmp_path,
        "input: 'x' input_shape { dim: 1 } layer { name: 'a' type: 'AbsVal' bottom: 'x' top: 'y' }",
    )
    with pytest.raises(CaffeError, match="no data layers"):
        model.data()
