"""Whole nets against Caffe: the well-known ones, narrow ones with every blob, and wiring.

Their definitions are third-party, so they are read from ``../shared`` and not copied.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bigdl_caffe import CaffeError, Model, ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.layers.assemble import Assembled, Options, assemble
from bigdl_caffe.layers.registry import Registry, Role, registry
from bigdl_caffe.load import read_definition
from bigdl_caffe.weights.slots import plan_slots
from tests.compare import assert_close_to_caffe
from tests.paths import SHARED

NETS = SHARED / "golden" / "nets"
pytestmark = pytest.mark.skipif(
    not NETS.is_dir(), reason="third-party nets are not part of the project: see ../shared/golden"
)
# Inner blobs are stored as mean, deviation, minimum, maximum, norm, and 32 samples.
SAMPLES = slice(5, None)
GUESS = (2, 3, 256, 256)


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


NET_FILES = sorted(p for p in (SHARED / "prototxts").rglob("*.prototxt") if "solver" not in p.name)
NOT_NETS = {
    "fcn.berkeleyvision.org/nyud-fcn32s-color-d/test": "makes blob 'data' twice",
    "bigdl/resources/models/caffe/test_persist": "has no input",
    "LightenedCNN_B_deploy": "reads a label that nothing makes",
    "SqueezeNet/refs_pull_21_head/SqueezeNet_v1.1/deploy": "reads conv10, which nothing makes",
}
"""Files that Caffe refuses as well."""

GUESSES = {
    "examples/xor_hello_world/xor_net.prototxt": (2, 2),
    "proto/test_baseline_alexnet": (2, 4, 256, 256),
}
"""What an input of open shape is given, where that is not three channels of 256 x 256."""


@pytest.mark.slow
@pytest.mark.skipif(not NET_FILES, reason="third-party prototxts are not part of the project")
def test_public_nets_build() -> None:
    """In the phase they are for, torch modules too: all but those that Caffe refuses."""
    types = registry()
    built, refused = 0, []
    for path in NET_FILES:
        try:
            definition = read_definition(str(path))
        except CaffeError:
            continue  # tests/format holds every file's reading against what it should be
        guess = next((g for part, g in GUESSES.items() if part in str(path)), GUESS)
        error = _first_error(definition, types, guess)
        built += error is None
        if error and not any(part in str(path) for part in NOT_NETS):
            refused.append((str(path.relative_to(SHARED / "prototxts")), error))
    assert refused == []
    assert built / (built + len(NOT_NETS)) >= 0.99


def _first_error(
    definition: pb.NetParameter, types: Registry, guess: tuple[int, ...]
) -> str | None:
    errors = []
    for phase, stages in (("TEST", ()), ("TRAIN", ()), ("TEST", ("deploy",))):
        given: dict[str, tuple[int, ...]] = {}
        for _ in range(4):
            try:
                _build(assemble(definition, Options(phase, stages, input_shapes=given), types))
            except CaffeError as error:
                errors.append(str(error))
                given |= dict.fromkeys(re.findall(r"input_shapes=\{'([^']+)'", errors[-1]), guess)
            else:
                return None
    return errors[0]


def _build(net: Assembled) -> None:
    """Plan the weights and make the modules; their memory, gigabytes in all, is not needed."""
    plan_slots(net.net, net.layers)
    for layer in net.layers:
        if layer.role is not Role.INPUT:
            layer.module([net.net.shapes[value] for value in layer.spec.reads])
