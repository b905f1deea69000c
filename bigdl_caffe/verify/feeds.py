"""What two models are compared on: random numbers, a picture, or arrays of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bigdl_caffe import feeding
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import PathLike, read_bytes
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.instantiate import instantiate
from bigdl_caffe.layers.registry import Layer, Role, registry
from bigdl_caffe.model import Model
from bigdl_caffe.verify.records import read_arrays, recorded_feed

Array = np.ndarray[Any, Any]


def make_feed(model: Model, seed: int = 0) -> dict[str, Array]:
    """Return random inputs of ``model`` in their declared shapes.

    Standard normal numbers; but row numbers for Embed, marks of one sequence for LSTM and
    RNN, and 0 wherever else a layer reads labels or indices.

    Parameters
    ----------
    model : Model
    seed : int
        The same seed gives the same numbers.

    Returns
    -------
    dict of str to ndarray
        Input blob → float32. What the net makes up itself (DummyData) is left to it.
    """
    random = np.random.default_rng(seed)
    layers = instantiate(model.net.layers, registry(model.converters), model.net.phase)
    makers = [layer for layer in layers if not layer.spec.bottoms]
    made_up = {b for m in makers if type(m).module is not Layer.module for b in m.spec.tops}
    return {
        blob: _draw(layers, model.net.fed[blob])(random, shape).astype(np.float32)
        for blob, shape in model.inputs.items()
        if blob not in made_up
    }


def read_feed(model: Model, path: PathLike, seed: int = 0) -> dict[str, Array]:
    """Return the inputs of ``model`` from a file.

    Parameters
    ----------
    model : Model
    path : path or URI
        An ``.npz`` with an array for each input, called ``in/data`` or plain ``data``; or
        a picture, which `Model.recipe` prepares. Beside a picture, other inputs are random.
    seed : int
        As for `make_feed`.

    Raises
    ------
    CaffeError
        For a file that is missing, is neither of the two, or has none of the inputs.
    """
    raw = read_bytes(path)
    if not raw.startswith(b"PK"):
        return {**make_feed(model, seed), **_picture(model, raw, path)}
    feed = recorded_feed(read_arrays(path), model.net)
    if not feed:
        raise CaffeError(
            f"{path} has none of the net's inputs ({', '.join(model.inputs)}): call each array "
            "by its input's name, or in/ and that name"
        )
    return feed


def feed_for(model: Model, feed: Mapping[str, Array], first: Model) -> dict[str, Array]:
    """Return what of ``feed`` the inputs of ``model`` take.

    Inputs of one name are the same; where ``feed`` has others, too, for as many inputs of
    ``first`` as ``model`` has left, they are taken in order.

    Raises
    ------
    CaffeError
        When ``model`` has inputs that nothing of ``feed`` can be for.
    """
    own = {blob: array for blob, array in feed.items() if blob in model.inputs}
    spare = [blob for blob in feed if blob in first.inputs and blob not in model.inputs]
    rest = [blob for blob in make_feed(model) if blob not in feed]
    if not rest:
        return own
    if [len(model.inputs[b]) for b in rest] != [len(first.inputs[b]) for b in spare]:
        raise CaffeError(
            f"one net has inputs {_say(first)}, the other {_say(model)}: they cannot be run on "
            "the same input; give feed=... with an array for each input of both"
        )
    return own | {blob: feed[other] for blob, other in zip(rest, spare, strict=True)}


def _say(model: Model) -> str:
    return ", ".join(f"'{blob}' {shape}" for blob, shape in model.inputs.items()) or "(none)"


def _picture(model: Model, raw: bytes, path: PathLike) -> dict[str, Array]:
    from bigdl_caffe.image import batch  # Pillow only when it is used

    blob, _ = feeding.image_input(model.net)
    made = batch(model.recipe(), [raw])
    if made.errors[0]:
        raise CaffeError(f"{path}: {made.errors[0]}")
    return {blob: made.array}


# --- numbers that layers can read ---------------------------------------------------------

Draw = Callable[[np.random.Generator, Shape], Array]


def _draw(layers: Sequence[Layer], value: str) -> Draw:
    """Return how to draw numbers for ``value``, by what reads it."""
    for layer in layers:
        for bottom, read in enumerate(layer.spec.reads):
            labels = layer.label_bottoms if layer.role in (Role.LOSS, Role.METRIC) else ()
            if read == value and bottom in {*layer.no_gradient_to(), *labels}:
                return _SPECIAL.get(layer.spec.type, _zeros)(layer)
    return lambda random, shape: random.standard_normal(shape)


def _zeros(layer: Layer) -> Draw:
    """Draw the first class, the first row."""
    return lambda random, shape: np.zeros(shape)


def _rows(layer: Layer) -> Draw:
    """Draw numbers of Embed's rows."""
    rows = layer.spec.param.embed_param.input_dim
    return lambda random, shape: random.integers(0, rows, shape)


def _marks(layer: Layer) -> Draw:
    """Draw the marks of one sequence (T, N): 0 at its first step, then 1."""
    return lambda random, shape: np.minimum(np.arange(shape[0]), 1).reshape(-1, 1) * np.ones(shape)


_SPECIAL: Mapping[str, Callable[[Layer], Draw]] = {"Embed": _rows, "LSTM": _marks, "RNN": _marks}
