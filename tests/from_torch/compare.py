"""The one way in which a traced net is held against its module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bigdl_caffe import Model
from tests.compare import assert_close_to_caffe


def shaken(module: nn.Module) -> nn.Module:
    """Return ``module`` with statistics and affine weights that training might have left."""
    torch.manual_seed(7)
    for child in module.modules():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(child.running_mean, std=0.3)
            nn.init.uniform_(child.running_var, 0.5, 2)
            if child.affine:
                nn.init.uniform_(child.weight, 0.5, 1.5)
                nn.init.normal_(child.bias, std=0.2)
    return module


def traced(module: nn.Module, *inputs: Any, tol: float = 1e-5) -> Model:
    """Return the net of ``module``, whose outputs are the module's on other numbers too."""
    model = Model.from_torch(module, inputs)
    hold(model, module, inputs, tol)
    hold(model, module, [other(x) for x in inputs], tol)
    return model


def other(x: Tensor) -> Tensor:
    """Return other numbers of the same shape and kind."""
    return torch.randn_like(x) if x.is_floating_point() else x.flip(0)


def hold(model: Model, module: nn.Module, inputs: Sequence[Tensor], tol: float = 1e-5) -> None:
    """Fail unless ``model`` gives what ``module`` gives in evaluation mode."""
    with torch.no_grad():
        wanted = module.eval()(*inputs)
    feed = {blob: x.numpy() for blob, x in zip(model.inputs, inputs, strict=True)}
    model.reset()
    tops = model.run(feed)
    named = wanted if isinstance(wanted, Mapping) else dict(zip(tops, [wanted], strict=True))
    assert tops.keys() == named.keys()
    for name, value in named.items():
        assert_close_to_caffe(tops[name], value.numpy(), tol, what=name)


def reloaded(model: Model, folder: Path) -> Model:
    """Return ``model`` saved as text and weights, and loaded from them."""
    text, weights = folder / "net.prototxt", folder / "net.caffemodel"
    model.save_caffe(text, weights, overwrite=True)
    return Model.load_caffe_model(text, weights)


def same_numbers(a: Model, b: Model) -> None:
    """Fail unless both give the same bits."""
    rng = np.random.default_rng(3)
    feed = {blob: rng.integers(0, 4, shape) for blob, shape in a.inputs.items()}
    ours, theirs = a.run(feed), b.run(feed)
    assert ours.keys() == theirs.keys()
    for name, top in ours.items():
        np.testing.assert_array_equal(top, theirs[name])
