"""The data of a net's own layers as passes: from any on, in shares, on and on in tests."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import Model
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.train.own_data import OwnData, OwnTestData
from tests.data.databases import picture, write_pictures

NET = """
layer { name: "d" type: "Data" top: "data" top: "label" transform_param { crop_size: 4 }
        data_param { source: "%s" backend: LMDB batch_size: 3 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A train net over five pictures, labelled 0 to 4, of which a pass has three."""
    source = write_pictures(tmp_path / "db", "LMDB", [picture(i, 1, 5, 6) for i in range(5)])
    (tmp_path / "net.prototxt").write_text(NET % source)
    return Model.load_caffe_model(tmp_path / "net.prototxt", None, phase="TRAIN")


def test_a_pass_is_the_same_wherever_one_begins(model: Model) -> None:
    data = OwnData(model, seed=1)
    assert data.per_epoch is None
    whole = list(islice(data.passes(), 7))
    assert [one.feed["label"].tolist() for one in whole[:3]] == [[0, 1, 2], [3, 4, 0], [1, 2, 3]]
    assert [one.rows for one in whole] == 7 * [3]
    for one, expected in zip(data.passes(4), whole[4:], strict=False):
        assert one.feed.keys() == expected.feed.keys() == {"data", "label"}
        np.testing.assert_array_equal(one.feed["data"], expected.feed["data"])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_ranks_share_a_batch(model: Model, size: int) -> None:
    alone = next(OwnData(model, seed=1).passes(2))
    for rank in range(size):
        one = next(OwnData(model, seed=1, rank=rank, size=size).passes(2))
        rows = alone.feed["data"][rank::size]
        assert one.rows == len(rows)
        np.testing.assert_array_equal(one.feed["data"][: one.rows], rows)
        assert len(one.feed["data"]) == len(one.feed["label"]) == max(one.rows, 1)


def test_a_test_goes_on_where_the_last_one_stopped(model: Model) -> None:
    test = OwnTestData(OwnData(model, seed=1), 2)
    found = [[one.feed["label"].tolist() for one in test.passes()] for _ in range(2)]
    assert found == [[[0, 1, 2], [3, 4, 0]], [[1, 2, 3], [4, 0, 1]]]


def test_a_net_without_data_layers_is_refused_at_once(tmp_path: Path) -> None:
    text = "layer { name: 'in' type: 'Input' top: 'x' input_param { shape { dim: 1 } } }"
    (tmp_path / "net.prototxt").write_text(text)
    model = Model.load_caffe_model(tmp_path / "net.prototxt", None)
    with pytest.raises(CaffeError, match="no data layers"):
        OwnData(model).passes()
