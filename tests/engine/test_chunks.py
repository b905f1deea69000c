"""Batches in chunks: any number of rows, values that are no rows, nets that mix rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdl_caffe import Model
from bigdl_caffe.engine import chunks
from bigdl_caffe.engine.chunks import chunk_rows, split
from bigdl_caffe.engine.passes import optimised
from bigdl_caffe.engine.program import program
from tests.engine.compare import assert_torch_is_exact
from tests.engine.test_passes import INPUT, act, add, conv, ip, layer
from tests.nets import net

PRIORS = "prior_box_param { min_size: 2 variance: 0.1 }"
PERMUTE = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
CHAIN = (conv("x", "c"), act("ReLU", "c"))
HEAD = (ip("c", "i"), act("ReLU", "i"), ip("i", "o"))
NETS = {
    "trunk": [*CHAIN],
    "trunk and head": [*CHAIN, *HEAD],
    "head": [ip("x", "i"), act("ReLU", "i")],
    "past the head": [*CHAIN, ip("c", "i"), act("Sigmoid", "c", "e")],
    "fixed": [*CHAIN, layer("PriorBox", "c x", "p", PRIORS), layer("Permute", "c", "q", PERMUTE)],
    "mixing": [*CHAIN, layer("Reshape", "c", "m", "reshape_param { shape { dim: 2 dim: -1 } }")],
}


@pytest.fixture(autouse=True)
def one_row_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "LARGEST", 2 * 4 * 3 * 5 * 5)  # two, that is


@pytest.mark.parametrize("name", NETS)
def test_all_rows_come_out(name: str, tmp_path: Path) -> None:
    model = net(tmp_path, "\n".join([INPUT, *NETS[name]]))
    fetch = tuple(blob for blob in model.outputs if blob != "p")
    for rows in (2,) if name == "mixing" else (1, 2, 3, 5, 8):
        x = np.random.default_rng(rows).standard_normal((rows, 3, 5, 5), np.float32)
        assert_torch_is_exact(model, {"x": x}, fetch, rows=5)


def test_where_a_program_is_split(tmp_path: Path) -> None:
    def parts(name: str) -> list[int]:
        model = net(tmp_path, "\n".join([INPUT, *NETS[name]]))
        made = split(optimised(program(model.module, model.outputs)))
        return [len(part.ops) for part in made if part]

    assert parts("trunk") == [1]
    assert parts("trunk and head") == [1, 2]
    assert parts("head") == [1]


def test_rows_that_fit(lenet: Model) -> None:
    planned = optimised(program(lenet.module, lenet.outputs))
    assert chunk_rows(planned, lenet.net.shapes) == 1  # one at least
    largest = max(4 * np.prod(lenet.net.shapes[v][1:]) for op in planned.ops for v in op.writes)
    chunks.LARGEST = int(10 * largest)
    assert chunk_rows(planned, lenet.net.shapes) == 10


def test_data_that_the_net_makes_are_not_cut(tmp_path: Path) -> None:
    dummy = 'layer { name: "d" type: "DummyData" top: "d" dummy_data_param {'
    dummy += " shape { dim: 6 dim: 3 dim: 5 dim: 5 } } }"
    text = "\n".join([INPUT.replace("dim: 2", "dim: 6"), dummy, *CHAIN, add("c d", "s")])
    x = np.ones((6, 3, 5, 5), np.float32)
    assert_torch_is_exact(net(tmp_path, text), {"x": x}, ("s",), rows=6)
    assert_torch_is_exact(net(tmp_path, text), {"x": x[:3], "d": x[:3]}, ("s",), rows=6)
