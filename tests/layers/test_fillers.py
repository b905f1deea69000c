"""Fillers: Caffe's distributions, and what they refuse."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe import CaffeError, Model, NetError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.layers.fillers import FILLERS, fill
from tests.layers.golden import Array, Case, cases

RANDOM = [
    pytest.param(c, id=c.name)
    for c in cases()
    if c.meta["layer"] == "DummyData" and c.meta.get("random")
]


def _filled(text: str, *shape: int) -> torch.Tensor:
    blob = torch.full(shape, torch.nan)
    fill(blob, parse(text, pb.FillerParameter), torch.Generator().manual_seed(5))
    return blob


@pytest.mark.parametrize(
    ("text", "low", "high", "mean", "std"),
    [
        ("type: 'constant' value: 3", 3, 3, 3, 0),
        ("type: 'uniform' min: -1 max: 2", -1, 2, 0.5, 3 / sqrt(12)),
        ("type: 'uniform' min: 2 max: 2", 2, 2, 2, 0),
        ("type: 'gaussian' mean: 1 std: 2", -20, 20, 1, 2),
        ("type: 'xavier'", -sqrt(3 / 50), sqrt(3 / 50), 0, sqrt(1 / 50)),
        ("type: 'xavier' variance_norm: FAN_OUT", -sqrt(3 / 100), sqrt(3 / 100), 0, 0.1),
        ("type: 'xavier' variance_norm: AVERAGE", -0.2, 0.2, 0, sqrt(1 / 75)),
        ("type: 'msra'", -2, 2, 0, sqrt(2 / 50)),
        ("type: 'msra' variance_norm: FAN_OUT", -2, 2, 0, sqrt(2 / 100)),
        ("type: 'msra' variance_norm: AVERAGE", -2, 2, 0, sqrt(2 / 75)),
        ("type: 'positive_unitball'", 0, 1, 1 / 50, sqrt(1 / 12) / 25),
    ],
)
def test_distributions_are_caffes(
    text: str, low: float, high: float, mean: float, std: float
) -> None:
    blob = _filled(text, 100, 50)
    assert low <= blob.min() <= blob.max() <= high
    assert blob.mean() == pytest.approx(mean, abs=0.05 * (high - low))
    assert blob.std() == pytest.approx(std, rel=0.05)


@pytest.mark.parametrize("kind", sorted(FILLERS.keys() - {"bilinear"}))
def test_a_blob_without_axes_counts_as_one_of_size_one(kind: str) -> None:
    assert _filled(f"type: '{kind}' value: 1").isfinite()


@pytest.mark.parametrize("case", RANDOM)
def test_dummy_data_is_distributed_as_caffes(case: Case) -> None:
    torch.manual_seed(3)
    model = case.load()
    ours = [model.run({})["y"] for _ in range(case.meta["steps"])]
    caffes = [case.tops(k)["y"] for k in range(case.meta["steps"])]
    assert np.abs(ours[0] - ours[1]).max() > 0, "filled anew on every forward pass"
    assert farthest_apart(np.stack(ours), np.stack(caffes)) < 0.05
    if "unitball" in case.name:
        np.testing.assert_allclose(ours[0].reshape(16, -1).sum(1), 1, rtol=1e-5)


def farthest_apart(a: Array, b: Array) -> float:
    """Return the largest distance of the two distribution functions (Kolmogorov, Smirnov)."""
    places = np.concatenate([a.ravel(), b.ravel()])
    shares = [np.searchsorted(np.sort(x.ravel()), places, "right") / x.size for x in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())


def test_sparse_keeps_so_many_inputs_an_output_on_average() -> None:
    blob = _filled("type: 'gaussian' mean: 5 std: 0.1 sparse: 20", 80, 100)
    kept = blob[blob != 0]
    assert kept.numel() / blob.numel() == pytest.approx(20 / 80, abs=0.02)
    assert kept.mean() == pytest.approx(5, abs=0.01)
    assert _filled("type: 'gaussian' sparse: 0", 80, 100).count_nonzero() == 0


def test_bilinear_upsamples() -> None:
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    assert torch.equal(_filled("type: 'bilinear'", 2, 1, 4, 4)[1, 0], line[:, None] * line)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("type: 'nope'", "no filler type 'nope'"),
        ("type: 'uniform' min: 1 max: -1", "min up to max"),
        ("type: 'uniform' min: nan", "finite"),
        ("type: 'uniform' min: -3e38 max: 3e38", "finite"),
        ("type: 'gaussian' std: -1", "std -1"),
        ("type: 'gaussian' std: nan", "std nan"),
        ("type: 'bilinear'", "4-D"),
        ("type: 'xavier' sparse: 3", "only gaussian"),
        ("type: 'gaussian' sparse: -2", "0 or more"),
        ("type: 'xavier' scale: 2", "scale: 2"),
        ("type: 'constant' diag_val: 1", "diag_val"),
    ],
)
def test_what_makes_no_distribution_is_refused(text: str, words: str) -> None:
    with pytest.raises(CaffeError, match=words):
        _filled(text, 3, 2)


def test_every_layer_with_a_wrong_filler_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(
        """
        input: 'x' input_shape { dim: 1 dim: 4 }
        layer { name: "it's fc" type: 'InnerProduct' bottom: 'x' top: 'y'
          inner_product_param { num_output: 2 weight_filler { type: 'nope' }
                                bias_filler { type: 'gaussian' std: -1 } } }
        layer { name: 'p' type: 'PReLU' bottom: 'y' top: 'z'
          prelu_param { filler { type: 'uniform' min: 1 max: 0 } } }
        """
    )
    with pytest.raises(NetError) as caught:
        Model.load_caffe_model(path, None)
    begins = [
        "layer 'it's fc' (InnerProduct), blob 0 (weight): ",
        "layer 'it's fc' (InnerProduct), blob 1 (bias): ",
        "layer 'p' (PReLU), blob 0 (weight): ",
    ]
    assert len(caught.value.problems) == 3
    assert all(p.startswith(b) for p, b in zip(caught.value.problems, begins, strict=True))
