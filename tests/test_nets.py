"""Whole nets against Caffe: the well-known ones, narrow ones with every blob, and wiring.

Their definitions are third-party, so they are read from ``../shared`` and not copied.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe import Model, ShapeError
from tests.compare import assert_close_to_caffe
from tests.paths import SHARED

NETS = SHARED / "golden" / "nets"
pytestmark = pytest.mark.skipif(
    not NETS.is_dir(), reason="third-party nets are not part of the project: see ../shared/golden"
)
# Inner blobs are stored as mean, deviation, minimum, maximum, norm, and 32 samples.
SAMPLES = slice(5, None)


def _folders(group: str) -> list[Any]:
    return [pytest.param(p, id=p.name) for p in sorted(NETS.glob(f"{group}/*")) if p.is_dir()]


def _meta(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "meta.json").read_text())
    return found


def _seeded_blobs(meta: dict[str, Any]) -> dict[tuple[str, int], np.ndarray[Any, Any]]:
    """Return the weights that the golden run gave the net, from its seed."""
    random = np.random.RandomState(meta["seed"])
    blobs = {}
    for layer, kind, shapes in meta["layers"]:
        for i, shape in enumerate(shapes):
            blobs[layer, i] = _seeded_blob(random, kind, i, shape).astype(np.float32)
    return blobs


def _seeded_blob(
    random: np.random.RandomState, kind: str, index: int, shape: list[int]
) -> np.ndarray[Any, Any]:
    if kind == "BatchNorm":
        low, high = [(-0.1, 0.1), (0.5, 1.5), (1.0, 1.0)][index]
        return random.uniform(low, high, shape) if index < 2 else np.ones(shape)
    if kind == "Scale" and index == 0:
        return random.uniform(0.5, 1.5, shape)
    if len(shape) >= 2:
        return random.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[1:]))
    return random.uniform(-0.1, 0.1, shape)


def _seeded_input(meta: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.RandomState(meta["seed"])
    shapes = meta["inputs"].items()
    return {b: random.standard_normal(tuple(shape)).astype(np.float32) for b, shape in shapes}


def _check(tops: dict[str, np.ndarray[Any, Any]], golden: Any) -> int:
    """Compare every stored blob, whole or by its samples; return how many there were."""
    checked = 0
    for blob, ours in tops.items():
        if f"s0/top/{blob}" in golden:
            assert_close_to_caffe(ours, golden[f"s0/top/{blob}"], what=blob)
        elif f"sum/s0/top/{blob}" in golden:
            stored = golden[f"sum/s0/top/{blob}"]
            flat = ours.astype(np.float64).ravel()
            sampled = flat[np.linspace(0, flat.size - 1, 32).astype(int)]
            ends = [flat.min(), flat.max()]
            assert_close_to_caffe([*ends, *sampled], [*stored[2:4], *stored[SAMPLES]], what=blob)
        else:
            continue
        checked += 1
    return checked


@pytest.mark.slow
@pytest.mark.parametrize("folder", _folders("full"))
def test_well_known_nets(folder: Path) -> None:
    """In float64: Caffe's float32 is then the only rounding, and 1e-5 says "same arithmetic".

    In float32 the order of summation alone moves CaffeNet's softmax by 1.04e-5.
    """
    meta = _meta(folder)
    model = Model.load_caffe_model(folder / "net.prototxt", None)
    with torch.no_grad():
        for (layer, i), blob in _seeded_blobs(meta).items():
            model.params[layer][i].copy_(torch.from_numpy(blob))
    feed = {b: torch.from_numpy(x).double() for b, x in _seeded_input(meta).items()}
    blobs = list(model.blob_shapes)
    with torch.inference_mode():
        tops = model.to_torch().double()(feed, blobs)
    with np.load(folder / "io.npz") as golden:
        assert _check({b: top.numpy() for b, top in tops.items()}, golden) == len(blobs)
    assert model.outputs == tuple(meta["outputs"])


@pytest.mark.parametrize("folder", _folders("small"))
def test_narrow_nets_from_their_files(folder: Path) -> None:
    model = Model.load_caffe_model(folder / "net.prototxt", folder / "weights.caffemodel")
    tops = model.run(_seeded_input(_meta(folder)), list(model.blob_shapes))
    with np.load(folder / "io.npz") as golden:
        assert _check(tops, golden) == len(tops)


def _wirings() -> list[Any]:
    """Return the stored wirings whose prototxt is among the public ones."""
    found = []
    for path in sorted(NETS.glob("shapes/*.TEST.json")):
        golden = json.loads(path.read_text())
        prototxt = SHARED / "prototxts" / "BVLC+caffe" / golden["source"]
        if prototxt.exists():
            found.append(pytest.param(prototxt, golden, id=path.stem))
    return found


@pytest.mark.parametrize(("prototxt", "golden"), _wirings())
def test_shapes_and_wiring(prototxt: Path, golden: dict[str, Any]) -> None:
    """Every blob that scoring keeps has Caffe's shape; parameters too."""
    fed = {b for layer in golden["layers"] if not layer["bottoms"] for b in layer["tops"]}
    model = _load(prototxt, {b: golden["blobs"][b] for b in fed})
    kept = {b: s for b, s in golden["blobs"].items() if b in model.blob_shapes}
    assert {b: tuple(s) for b, s in kept.items()} == dict(model.blob_shapes)
    params = {layer["name"]: layer["params"] for layer in golden["layers"] if layer["params"]}
    ours = {n: [list(b.shape) for b in blobs] for n, blobs in model.params.items()}
    assert ours.items() <= params.items()


def _load(prototxt: Path, fed: dict[str, list[int]]) -> Model:
    """Load with Caffe's own input shapes; label inputs that scoring drops are not given."""
    try:
        inputs = Model.load_caffe_model(prototxt, None).inputs
    except ShapeError:
        first = {b: s for b, s in fed.items() if b == "data" or "data" in b}
        inputs = Model.load_caffe_model(prototxt, None, input_shapes=first).inputs
    shapes = {b: fed[b] for b in inputs}
    return Model.load_caffe_model(prototxt, None, input_shapes=shapes)
