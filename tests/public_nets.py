"""The public nets in ``../shared/prototxts``, and what each is loaded with.

They are third-party, so they are read from there and not copied. What a definition leaves
open, its solver (stages) or its data (shapes) would tell: the tables here stand for those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from bigdl_caffe import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.graph.phase import State, filter_layers
from bigdl_caffe.layers.assemble import Assembled, Options, assemble
from bigdl_caffe.layers.registry import Registry
from tests.paths import SHARED

ROOT = SHARED / "prototxts"

STAGES = {"lrcn": ("factored", "2-layer")}
"""Part of a path -> stages that its solvers set in both phases, beside one of the others."""

PICTURE = (2, 3, 256, 256)
"""The shape of an input that is open, and of which nothing else is known."""

_SENTENCES = ("cont_sentence", "input_sentence", "target_sentence")
_PIXELS = (1, 1, 500, 500)

SHAPES: dict[str, dict[str, Shape]] = {
    "happynear+FaceVerification": dict.fromkeys(("pair_data1", "pair_data2"), (50, 3, 100, 100)),
    "mnist": {"data": (100, 1, 28, 28), "pair_data": (64, 2, 28, 28)},
    "xor_net": {"data": (4, 2)},
    "coco_caption": {"data": (100, 3, 227, 227), **dict.fromkeys(_SENTENCES, (20, 100))},
    "lrcn_cos": {"data": (1, 3, 227, 227), **dict.fromkeys(_SENTENCES, (21, 1)), "label": (1,)},
    "cpm_architecture": {"data": (8, 4, 368, 368), "label": (8, 36, 46, 46)},
    "LSP_patch": {"label": (128, 2)},
    "sparse_classification": {"data": (64, 20), "label": (64,)},
    "examples/pascal/net": {"label": (128, 21)},
    "IQA_CNN": {"data": (64, 1, 32, 32)},
    "test_baseline_alexnet": {"data": (128, 4, 256, 256)},
    "templates/caffe/crnn": {"data": (32, 3, 32, 128), "label": (32, 4)},
    "warpctc_captcha/crnn": {"data": (64, 3, 32, 128), "label": (64, 4)},
    "warpctc_captcha/warpctc_lstm": {"data": (512, 3, 32, 128), "label": (512, 4)},
    "crfasrnn": {"data": (1, 3, 500, 500), "label": _PIXELS},
    "fcn.berkeleyvision": {
        **dict.fromkeys(("data", "color", "hha"), (1, 3, 500, 500)),
        **dict.fromkeys(("depth", "label", "sem", "geo"), _PIXELS),
    },
    "SegNet-Tutorial/Models": {"data": (1, 3, 360, 480)},
    "train_segnet_sun": {"data": (1, 3, 360, 480)},
    "cityscapes": {"seg_label": (4, 19, 76, 76)},
    "pspnet_101": {"data": (5, 3, 473, 473)},
    "vdcnn": {"data": (32, 1, 1014, 1)},
    "upconv_7": {"target": (1, 3, 284, 284)},
    "anime_style_art_rgb/srcnn": {"target": (1, 3, 128, 128)},
    "waifu2x-caffe-gui": {"target": (1, 1, 128, 128)},
    "face-landmark": {"landmarks": (30, 136)},
    "example_train_384": {"data": (1, 3, 640, 1056)},
}
"""Part of a path -> shapes of blobs that only the data tell; the first that fits counts."""


def files() -> list[Path]:
    """Return every file that should hold a net."""
    return sorted(path for path in ROOT.rglob("*.prototxt*") if "solver" not in path.name)


def name_of(path: Path) -> str:
    """Return the path of a file as the tables know it."""
    return path.relative_to(ROOT).as_posix()


def states(name: str, definition: pb.NetParameter, phase: str) -> Iterator[State]:
    """Yield what a solver may ask for: no stage, or one of those that the rules know."""
    rules = [rule for layer in definition.layer for rule in (*layer.include, *layer.exclude)]
    known = sorted({stage for rule in rules for stage in (*rule.stage, *rule.not_stage)})
    always = next((stages for part, stages in STAGES.items() if part in name), ())
    for stage in ((), *((stage,) for stage in known)):
        yield State(phase, 0, (*always, *stage))


def load(name: str, definition: pb.NetParameter, state: State, types: Registry) -> Assembled:
    """Return the net in ``state``, with the shapes that its data would have."""
    layers, _ = filter_layers(definition.layer, state)
    fed = {top for layer in layers if not layer.bottom for top in layer.top}
    shapes = next((shapes for part, shapes in SHAPES.items() if part in name), {})
    given = {blob: shape for blob, shape in shapes.items() if blob in fed}
    while True:
        try:
            options = Options(state.phase, state.stages, input_shapes=given)
            return assemble(definition, options, types)
        except CaffeError as error:
            wanted = asked_for(str(error))
            if wanted.keys() <= given.keys():
                raise
            given = {**wanted, **given}


def asked_for(error: str) -> dict[str, Shape]:
    """Return shapes for the inputs of which ``error`` says that they have to be passed."""
    _, _, passed = error.partition("input_shapes={")
    asked = dict(re.findall(r"'([^']+)': \(([\w., ]+)\)", passed.partition("}")[0]))
    return {blob: _shape(axes.split(", ")) for blob, axes in asked.items()}


def _shape(axes: list[str]) -> Shape:
    """Return a shape for such as ("8", "C", "H", "W"); all axes are open in ("...",)."""
    if len(axes) != len(PICTURE):
        return PICTURE
    return tuple(int(x) if x.isdigit() else n for x, n in zip(axes, PICTURE, strict=True))


BOXES: dict[tuple[str, int], tuple[float, ...]] = {
    ("gt_boxes", 5): (10, 10, 150, 150, 1),
    ("rois", 5): (0, 10, 10, 150, 150),
    ("label", 5): (1, 0.5, 0.5, 0.2, 0.2),
    ("label", 8): (0, 1, 0, 0.1, 0.1, 0.5, 0.5, 0),
}
"""Blob and number of columns -> a row of it: of Faster R-CNN's two inputs, YOLO's and SSD's."""


def feed(inputs: Mapping[str, Shape]) -> dict[str, Tensor]:
    """Return an array for each input: boxes, sizes, classes or words of 0 and 1, or pictures."""
    random = torch.Generator().manual_seed(0)
    return {blob: _array(blob, inputs, random) for blob in inputs}


def _array(blob: str, inputs: Mapping[str, Shape], random: torch.Generator) -> Tensor:
    shape = inputs[blob]
    row = BOXES.get((blob, shape[-1])) if len(shape) > 1 else None
    if blob == "im_info":
        row = (*inputs["data"][2:], 1)[: shape[-1]]
    if row:
        return torch.tensor(row, dtype=torch.float32).expand(shape)
    if len(shape) < 3 or shape[1] == 1:
        return torch.randint(2, shape, generator=random).float()
    return torch.randn(shape, generator=random)


def fewer(inputs: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return ``inputs`` with two images for what is likely the batch."""
    batch = max(shape[0] for shape in inputs.values())
    return {b: (min(batch, 2), *s[1:]) if s[0] == batch else s for b, s in inputs.items()}
