"""Layers that choose elements: sizes they refuse, numbers they find only when they run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe.errors import CaffeError
from tests.layers.build import filled, layer, random
from tests.nets import net

INPUTS = """
input: 'x' input_shape { dim: 3 dim: 2 }
input: 'pick' input_shape { dim: 3 }
"""


@pytest.mark.parametrize(
    ("options", "bottoms", "words"),
    [
        ("", [(1, 2, 5, 5), (1, 2, 6, 4)], "do not fit axis 2"),
        ("offset: 2", [(1, 2, 5, 5), (1, 2, 3, 4)], "4 elements from 2 on do not fit axis 3"),
        ("offset: [1, 1, 1]", [(1, 2, 5, 5), (1, 2, 3, 4)], "3 offset for the 2 axes"),
        ("offset: 4294967295", [(1, 2, 5, 5), (1, 2, 3, 4)], "do not fit"),
        ("", [(1, 2, 5, 5), (1, 2, 5)], "fewer axes"),
        ("axis: 4", [(1, 2, 5, 5), (1, 2, 5, 5)], "out of range"),
    ],
)
def test_crops_that_do_not_fit(options: str, bottoms: list[tuple[int, ...]], words: str) -> None:
    with pytest.raises(CaffeError, match=words):
        layer("Crop", f"crop_param {{ {options} }}", bottoms=2).top_shapes(bottoms)


def test_a_crop_reads_only_the_sizes_it_cuts() -> None:
    crop = layer("Crop", "crop_param { axis: 2 offset: [0, 3] }", bottoms=2)
    x, like = random(2, 3, 4, 6), random(9, 8, 4, 2)
    (shape,) = crop.top_shapes([x.shape, like.shape])
    top = crop.module([x.shape, like.shape])(x, like)
    assert tuple(top.shape) == shape == (2, 3, 4, 2)
    assert torch.equal(top, x[..., 3:5])


@pytest.mark.parametrize(
    ("kind", "bottoms", "words"),
    [
        ("Filter", [(3, 2), (4,)], "same number of rows"),
        ("Filter", [(3, 2), (3, 2)], "one number a row"),
        ("BatchReindex", [(3, 2), (3, 1)], "1-D list"),
    ],
)
def test_selectors_that_do_not_fit(kind: str, bottoms: list[tuple[int, ...]], words: str) -> None:
    with pytest.raises(CaffeError, match=words):
        layer(kind, bottoms=2).top_shapes(bottoms)


def test_a_filter_has_a_top_for_each_bottom_but_the_selector() -> None:
    with pytest.raises(CaffeError, match="3 bottoms and 1 tops"):
        layer("Filter", bottoms=3)


def test_filter_sends_gradients_to_the_rows_it_chose() -> None:
    x, y = random(4, 2).requires_grad_(), random(4, 3).requires_grad_()
    module = layer("Filter", bottoms=3, tops=2).module([(4, 2), (4, 3), (4, 1)])
    tops = module(x, y, torch.tensor([[0.0], [-1], [0], [2]]))
    assert torch.equal(tops[0], x[[1, 3]])
    (tops[0].sum() + 2 * tops[1].sum()).backward()
    assert x.grad.tolist() == [[0, 0], [1, 1], [0, 0], [1, 1]]
    assert y.grad[:, 0].tolist() == [0, 2, 0, 2]


@pytest.mark.parametrize(("chosen", "rows"), [([1, 0, 1], 2), ([0, 0, 0], 0)])
def test_what_follows_a_filter_takes_the_rows_there_are(
    chosen: list[int], rows: int, tmp_path: Path
) -> None:
    model = net(
        tmp_path,
        INPUTS
        + """
        layer { name: 'f' type: 'Filter' bottom: 'x' bottom: 'pick' top: 'y' }
        layer { name: 'fc' type: 'InnerProduct' bottom: 'y' top: 'z'
          inner_product_param { num_output: 5 } }
        """,
    )
    feed = {"x": np.ones((3, 2)), "pick": np.array(chosen)}
    assert model.run(feed, ["y", "z"])["z"].shape == (rows, 5)
    assert model.blob_shapes["z"] == (3, 5)


def test_reindexed_rows_add_their_gradients() -> None:
    x = random(3, 2).requires_grad_()
    module = layer("BatchReindex", bottoms=2).module([(3, 2), (4,)])
    top = module(x, torch.tensor([2.0, 0, 2, 2]))
    assert torch.equal(top, x[[2, 0, 2, 2]])
    top.sum().backward()
    assert x.grad[:, 0].tolist() == [1, 0, 3]


@pytest.mark.parametrize("index", [3.0, -1.0, -0.5, float("nan"), float("inf")])
def test_what_is_no_row_is_refused_when_the_net_runs(index: float, tmp_path: Path) -> None:
    text = """
        layer { name: 'r' type: 'BatchReindex' bottom: 'x' bottom: 'pick' top: 'y' }
        layer { name: 'e' type: 'Embed' bottom: 'pick' top: 'z'
          embed_param { num_output: 5 input_dim: 3 } }
        """
    model = net(tmp_path, INPUTS + text)
    feed = {"x": np.ones((3, 2)), "pick": np.array([0, 1, index])}
    for blob in ("y", "z"):
        with pytest.raises(CaffeError, match=f"no row of .* {index:g}: .* 0 to 2"):
            model.run(feed, [blob])


def test_embed_without_a_bias_adds_up_gradients_of_repeated_numbers() -> None:
    embed = layer("Embed", "embed_param { num_output: 2 input_dim: 3 bias_term: false }")
    module = filled(embed, [(2, 2)], [random(3, 2)])
    module(torch.tensor([[0.0, 2], [2, 2]])).sum().backward()
    assert module.weight.grad[:, 0].tolist() == [1, 0, 3]


def test_layers_that_look_across_rows_say_so() -> None:
    reindexed, summed = layer("BatchReindex", bottoms=2), layer("Reduction")
    assert reindexed.mixes_rows([(3, 2), (3,)])
    assert summed.mixes_rows([(3, 2)])
    assert not layer("Reduction", "reduction_param { axis: 1 }").mixes_rows([(3, 2)])
    assert layer("ArgMax", "argmax_param { axis: 0 }").mixes_rows([(3, 2)])
    assert not layer("ArgMax").mixes_rows([(3, 2)])
    assert layer("Filter", bottoms=2).mixes_rows([(3, 2), (3,)])
