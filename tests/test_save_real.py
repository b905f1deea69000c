"""Real models and public nets are the same after they were saved."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from bigdl_caffe import CaffeError, Model, UnsupportedLayerError
from bigdl_caffe.layers.assemble import Options, assemble
from bigdl_caffe.layers.registry import count, registry
from bigdl_caffe.load import read_definition
from bigdl_caffe.weights.slots import owned_shapes, plan_slots
from tests.compare import assert_close_to_caffe
from tests.paths import SHARED, needs_models, needs_prototxts
from tests.public_nets import files, load, name_of, states
from tests.saving import (
    assert_same_blobs,
    assert_same_but_for_inputs,
    assert_same_net,
    assert_same_text,
    holds_in_v1,
    saved_again,
)
from tests.test_real_models import NAMES, TRAINING, Same

pytestmark = pytest.mark.slow
MODELS = SHARED / "models"
MOST = 2_000_000
"""The most weights of a public net that is filled and saved; of others, the text is held."""


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "bigdl_caffe")


HOW: dict[str, dict[str, Any]] = {
    "arm_cifar10_m4": {"input_shapes": {"data": TRAINING["arm_cifar10_m4"]}},
    "bigdl_test": {"converters": {"Dummy": Same}},
    "bigdl_test_persist": {"input_shapes": {"data": (1, 3, 5, 5)}},
    "hyperlpr_finemapping_v2": {},
    "lenet_compress": {"input_shapes": {"data": TRAINING["lenet_compress"]}},
    "waifu2x_upresnet10_scale2x": {},
    **{name: {} for name in NAMES},
}


def real(name: str) -> Model:
    folder = MODELS / name
    return Model.load_caffe_model(
        folder / "deploy.prototxt", folder / "weights.caffemodel", **HOW[name]
    )


@needs_models
@pytest.mark.parametrize("name", HOW)
def test_real_models_are_the_same_through_hdf5(name: str, tmp_path: Path) -> None:
    model = real(name)
    if any(layer.startswith("/") for layer in model.params):
        with pytest.raises(CaffeError, match=r"HDF5 cannot hold layer '/conv_pre'"):
            saved_again(model, tmp_path, ".caffemodel.h5")
        return
    assert_same_blobs(model, saved_again(model, tmp_path, ".caffemodel.h5"))


@needs_models
@pytest.mark.parametrize("name", HOW)
def test_real_models_are_the_same_again(name: str, tmp_path: Path) -> None:
    model = real(name)
    again = saved_again(model, tmp_path)
    assert_same_net(model.net, again.net)
    assert_same_blobs(model, again)
    assert_same_text(model.net.definition)


@needs_models
@pytest.mark.parametrize("name", HOW)
def test_real_models_are_the_same_through_v1(name: str, tmp_path: Path) -> None:
    model = real(name)
    if not holds_in_v1(model.net.definition):
        with pytest.raises(UnsupportedLayerError, match="use_v2=True"):
            saved_again(model, tmp_path, use_v2=False)
        return
    again = saved_again(model, tmp_path, use_v2=False)
    assert_same_but_for_inputs(model.net, again.net)
    assert_same_blobs(model, again)


@needs_models
@pytest.mark.parametrize("name", ["mobilenet_yolov3_lite_tusimple", "open_nsfw_resnet50_1by2"])
def test_real_models_give_the_same_numbers_folded(name: str, tmp_path: Path) -> None:
    """In float64, where only the rounding of the folded weights is left."""
    model = real(name)
    again = saved_again(model, tmp_path, fold=True)
    assert not {"BatchNorm", "Scale"} & {layer.type for layer in again.net.layers}
    random = torch.Generator().manual_seed(0)
    feed = {
        blob: torch.rand(shape, generator=random).double() for blob, shape in model.inputs.items()
    }
    with torch.inference_mode():
        ours, theirs = (m.to_torch().double()(feed, m.outputs) for m in (again, model))
    for blob in model.outputs:
        assert_close_to_caffe(ours[blob], theirs[blob], what=blob)


def first_state(path: Path) -> dict[str, Any]:
    """Return with what options a file's net builds; nothing where it does not."""
    definition = read_definition(str(path))
    for phase in ("TEST", "TRAIN"):
        for state in states(name_of(path), definition, phase):
            try:
                net = load(name_of(path), definition, state, registry()).net
            except CaffeError:
                continue
            return {"phase": phase, "stages": state.stages, "input_shapes": dict(net.inputs)}
    return {}


def weights(path: Path, how: dict[str, Any]) -> int:
    """Return how many weights a net has."""
    options = Options(how["phase"], how["stages"], input_shapes=how["input_shapes"])
    assembled = assemble(read_definition(str(path)), options, registry())
    shapes = owned_shapes(plan_slots(assembled.net, assembled.layers))
    return sum(map(count, shapes.values()))


@needs_prototxts
@pytest.mark.parametrize("path", [pytest.param(path, id=name_of(path)) for path in files()])
def test_public_nets_are_the_same_again(path: Path, tmp_path: Path) -> None:
    """The text of all that can be read; the small ones that build, with their fillers' weights."""
    try:
        definition = read_definition(str(path))
    except CaffeError:
        return
    assert_same_text(definition)
    how = first_state(path)
    try:
        if not how or weights(path, how) > MOST:
            return
        model = Model.load_caffe_model(path, None, **how)
    except CaffeError:  # a filler that cannot fill
        return
    again = saved_again(model, tmp_path)
    assert_same_net(model.net, again.net)
    assert_same_blobs(model, again)
    if holds_in_v1(model.net.definition):
        old = saved_again(model, tmp_path, use_v2=False, overwrite=True)
        assert_same_but_for_inputs(model.net, old.net)
        assert_same_blobs(model, old)
