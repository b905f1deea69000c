"""The permutohedral lattice and CRF-RNN's mean field, held to loops over the fork's rules."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.nn.permutohedral import Lattice
from tests.compare import assert_close_to_caffe
from tests.layers.build import filled, layer, random
from tests.nets import net

Array = np.ndarray
f32 = np.float32


class Loops:
    """modified_permutohedral.cpp for the points (n, d) of one image, a point at a time."""

    def __init__(self, features: Array) -> None:
        self.n, self.d = features.shape
        padding = np.zeros((-self.n % 4, self.d))
        self.table: dict[tuple[int, ...], int] = {}
        self.points = [self._point(x) for x in np.vstack([features, padding]).astype(f32)]

    def _point(self, x: Array) -> list[tuple[int, float]]:
        """Return each corner's number and the point's share in it."""
        d, inverse = self.d, f32(1 / (self.d + 1))
        deviation, total = float(f32(np.sqrt(2 / 3) * (d + 1))), f32(0)
        elevated = np.zeros(d + 1, f32)
        for j in range(d, 0, -1):
            scaled = x[j - 1] * f32(1 / np.sqrt((j + 1) * j) * deviation)
            elevated[j], total = total - f32(j) * scaled, total + scaled
        elevated[0] = total
        nearest = np.rint(inverse * elevated)
        corner, rank = nearest * f32(d + 1), np.full(d + 1, int(nearest.sum()))
        for i, j in product(range(d + 1), repeat=2):
            if i < j:
                rank[i if elevated[i] - corner[i] < elevated[j] - corner[j] else j] += 1
        for i in range(d + 1):
            wrap = (d + 1) * (int(rank[i] < 0) - int(rank[i] > d))
            rank[i], corner[i] = rank[i] + wrap, corner[i] + wrap
        share = np.zeros(d + 2, f32)
        for i in range(d + 1):
            share[d - rank[i]] += (elevated[i] - corner[i]) * inverse
            share[d - rank[i] + 1] -= (elevated[i] - corner[i]) * inverse
        share[0] += 1 + share[d + 1]
        keys = [
            tuple(int(c) + k - (d + 1) * int(r > d - k) for c, r in zip(corner, rank, strict=True))
            for k in range(d + 1)
        ]
        numbers = [self.table.setdefault(key[:d], len(self.table)) for key in keys]
        return list(zip(numbers, share, strict=False))

    def filter(self, x: Array, reverse: bool = False) -> Array:
        """Return x (channels, n) filtered."""
        values = np.zeros((len(self.table), len(x)))
        for i, corners in enumerate(self.points[: self.n]):
            for number, share in corners:
                values[number] += share * x[:, i]
        axes = range(self.d + 1)
        for axis in reversed(axes) if reverse else axes:
            values = self._blurred(values, axis)
        gathered = [sum(w * values[k] for k, w in corners) for corners in self.points[: self.n]]
        return np.stack(gathered, 1) / (1 + 2.0**-self.d)

    def _blurred(self, values: Array, axis: int) -> Array:
        out = values.copy()
        for key, number in self.table.items():
            for sign in (1, -1):
                beside = [c - sign for c in key]
                if axis < self.d:
                    beside[axis] = key[axis] + sign * self.d
                if tuple(beside) in self.table:
                    out[number] += values[self.table[tuple(beside)]] / 2
        return out


@pytest.mark.parametrize(("d", "n"), [(2, 12), (5, 12), (5, 9), (1, 7), (3, 1)])
def test_the_lattice_is_the_forks(d: int, n: int) -> None:
    features, x = 2 * random(2, n, d), random(2, 3, n).double()
    lattice = Lattice.of(features)
    for reverse in (False, True):
        expected = [
            Loops(f).filter(a, reverse) for f, a in zip(features.numpy(), x.numpy(), strict=True)
        ]
        np.testing.assert_allclose(lattice.run(x, reverse), expected, rtol=1e-12)


def test_equal_points_and_points_halfway_between_corners_fall_as_in_the_fork() -> None:
    grid = torch.stack(torch.meshgrid(torch.arange(4.0), torch.arange(3.0), indexing="ij"), -1)
    features = torch.cat([grid.flatten(0, 1), grid.flatten(0, 1)])[None]
    x = random(1, 1, 24).double()
    expected = Loops(features[0].numpy()).filter(x[0].numpy())
    np.testing.assert_allclose(Lattice.of(features).filter(x)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("d", [2, 5])
def test_the_lattice_comes_near_to_a_dense_gaussian(d: int) -> None:
    side = 12
    rows, columns = np.mgrid[:side, :side].reshape(2, -1)
    colours = 40 * np.sin(rows / 3), 60 * np.cos(columns / 4), 2 * rows + columns
    features = [columns / 3, rows / 3] if d == 2 else [columns / 8, rows / 8, *colours / f32(25)]
    f = np.stack(features, 1).astype(f32)
    x = random(1, 4, side * side).numpy()
    lattice = Lattice.of(torch.tensor(f)[None])
    ones = torch.ones(1, 1, side * side)
    ours = (lattice.filter(torch.tensor(x)) / lattice.filter(ones)).numpy()
    kernel = np.exp(-((f[:, None] - f) ** 2).sum(-1) / 2)
    dense = x @ kernel / kernel.sum(0)
    assert np.abs(ours - dense).max() < 0.1 * np.ptp(dense)
    assert np.corrcoef(ours.flatten(), dense.flatten())[0, 1] > 0.99


def test_the_filters_gradient_is_its_transpose() -> None:
    lattice = Lattice.of(random(2, 6, 5))
    x = random(2, 2, 6).double().requires_grad_()
    assert torch.autograd.gradcheck(lattice.filter, x)
    assert torch.autograd.gradgradcheck(lattice.filter, x)


@pytest.mark.parametrize("far", [torch.nan, torch.inf, 1e6, 3e4])
def test_points_too_far_apart_to_number_are_refused(far: float) -> None:
    features = torch.zeros(1, 2, 5)
    features[0, 0] = far * torch.tensor([1, -1, 1, -1, 1])
    with pytest.raises(ShapeError, match="theta_alpha"):
        Lattice.of(features)


THETAS = "theta_alpha: 5 theta_beta: 20.5 theta_gamma: 3"
PARAM = f"multi_stage_meanfield_param {{ num_iterations: 3 {THETAS} }}"
N, CLASSES, HEIGHT, WIDTH = 2, 3, 3, 5
BOTTOMS: list[Shape] = [(N, CLASSES, HEIGHT, WIDTH)] * 2 + [(N, 3, HEIGHT, WIDTH)]


def bottoms() -> tuple[Tensor, Tensor, Tensor]:
    unary, image = random(*BOTTOMS[0]), 50 * random(*BOTTOMS[2])
    return unary, unary.flip(0), image


def module() -> tuple[nn.Module, list[Tensor]]:
    rule = layer("MultiStageMeanfield", PARAM, bottoms=3)
    blobs = [random(1, 1, CLASSES, CLASSES) + i for i in range(3)]
    return filled(rule, BOTTOMS, blobs), blobs


def test_the_layer_is_the_forks() -> None:
    meanfield, blobs = module()
    unary, scores, image = (x.numpy() for x in bottoms())
    spatial, bilateral, compatibility = (b.numpy()[0, 0] for b in blobs)
    places = np.array([(x, y) for y in range(HEIGHT) for x in range(WIDTH)])
    near = Loops(places / 3)
    ones = np.ones((1, HEIGHT * WIDTH))
    for i, top in enumerate(meanfield(*bottoms())):
        colours = image[i].reshape(3, -1).T
        alike = Loops(np.hstack([places / 5, colours / 20.5]))
        current = scores[i].reshape(CLASSES, -1)
        for _ in range(3):
            q = np.exp(current) / np.exp(current).sum(0)
            message = spatial @ (near.filter(q) / near.filter(ones))
            message = message + bilateral @ (alike.filter(q) / alike.filter(ones))
            current = unary[i].reshape(CLASSES, -1) - compatibility @ message
        assert_close_to_caffe(top.detach().flatten(1), current)


def test_gradients_reach_all_but_the_image() -> None:
    meanfield, blobs = module()
    unary, scores, image = (x.double() for x in bottoms())
    names = ("spatial", "bilateral", "compatibility")

    def run(unary: Tensor, scores: Tensor, *blobs: Tensor) -> Tensor:
        named = dict(zip(names, blobs, strict=True))
        return torch.func.functional_call(meanfield, named, (unary, scores, image))

    inputs = [x.double().requires_grad_() for x in (unary, scores, *blobs)]
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)
    image.requires_grad_()
    run(*inputs).sum().backward()
    assert image.grad is None


NET = f"""
input: "unary" input_shape {{ dim: 1 dim: 3 dim: 4 dim: 5 }}
input: "data" input_shape {{ dim: 1 dim: 3 dim: 4 dim: 5 }}
layer {{ name: "split" type: "Split" bottom: "unary" top: "u" top: "q" }}
layer {{ name: "crf" type: "MultiStageMeanfield" bottom: "u" bottom: "q" bottom: "data" top: "pred"
  multi_stage_meanfield_param {{
    num_iterations: 2 compatibility_mode: POTTS threshold: 2 {THETAS} %s }} }}
"""


@pytest.mark.parametrize(
    ("options", "spatial", "bilateral"),
    [
        ("", [1, 1, 1], [1, 1, 1]),
        ("spatial_filter_weight: 3 bilateral_filter_weight: 5", [3, 3, 3], [5, 5, 5]),
        (
            "spatial_filter_weights_str: '1 2 3 4' bilateral_filter_weights_str: '.5 6 7'",
            [1, 2, 3],
            [0.5, 6, 7],
        ),
    ],
)
def test_a_net_begins_with_potts_and_the_given_weights(
    options: str, spatial: list[float], bilateral: list[float], tmp_path: Path
) -> None:
    model = net(tmp_path, NET % options)
    for blob, numbers in zip(model.params["crf"], (spatial, bilateral, [-1] * 3), strict=True):
        np.testing.assert_array_equal(blob.detach()[0, 0], np.diag(numbers).astype(f32))
    feed = {"unary": random(4, 3, 4, 5).numpy(), "data": 50 * random(4, 3, 4, 5).numpy()}
    batch = model.run(feed)["pred"]
    single = [model.run({k: a[i : i + 1] for k, a in feed.items()})["pred"] for i in range(4)]
    assert_close_to_caffe(batch, np.concatenate(single))
    assert model.row_wise()


def test_a_net_says_which_layers_weights_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(CaffeError, match=r"'crf'.* has 2 numbers for 3 classes"):
        net(tmp_path, NET % "spatial_filter_weights_str: '1 2'")


@pytest.mark.parametrize(
    ("options", "shapes", "words"),
    [
        (PARAM.replace("3 theta", "1 theta"), BOTTOMS, "num_iterations is 1"),
        (PARAM.replace("theta_beta: 20.5", ""), BOTTOMS, "theta_beta is 0"),
        (PARAM.replace("}", "compatibility_mode: FULL }"), BOTTOMS, "has POTTS"),
        (PARAM.replace("}", "forced_spatial_filter_weight: 1 }"), BOTTOMS, "forced_spatial"),
        (PARAM.replace("}", "bilateral_filter_weights_str: '1 b' }"), BOTTOMS, "give numbers"),
        (PARAM, [(2, 3, 3, 5), (2, 3, 3, 4), (2, 3, 3, 5)], "have to be equal"),
        (PARAM, [(2, 3, 3), (2, 3, 3), (2, 3, 3)], "4 axes"),
        (PARAM, [(0, 3, 3, 5)] * 3, "none empty"),
        (PARAM, [(2, 3, 3, 5)] * 2 + [(2, 1, 3, 5)], "bottom 2"),
        (PARAM, [(2, 3, 3, 5)] * 2 + [(2, 3, 3, 4)], "bottom 2"),
        (PARAM, [(2, 3, 3, 5)] * 2 + [(1, 3, 3, 5)], "bottom 2"),
    ],
)
def test_what_does_not_fit_is_refused(options: str, shapes: list[Shape], words: str) -> None:
    with pytest.raises(CaffeError, match=words):
        layer("MultiStageMeanfield", options, bottoms=3).top_shapes(shapes)
