"""The example is whole, and is as accurate as its README says."""

from __future__ import annotations

import numpy as np
from PIL import Image

from bigdl_caffe import Model
from tests.paths import REPO

DIGITS = REPO / "examples" / "digits"


def labels() -> dict[str, int]:
    lines = (DIGITS / "labels.txt").read_text(encoding="utf-8").splitlines()
    return {name: int(digit) for name, digit in map(str.split, lines)}


def test_every_image_has_its_label() -> None:
    images = {f"images/{path.name}" for path in (DIGITS / "images").iterdir()}
    assert images == set(labels())
    names = (DIGITS / "classes.txt").read_text(encoding="utf-8").split()
    assert set(labels().values()) == set(range(len(names)))


def test_accuracy_is_what_the_readme_says() -> None:
    truth = labels()
    scans = np.stack([np.asarray(Image.open(DIGITS / name)) for name in truth])
    model = Model.load_caffe_model(DIGITS / "lenet.prototxt", DIGITS / "lenet.caffemodel")
    prob = model.run({"data": scans[:, None].astype(np.float32) / 240})["prob"]
    right = int((prob.argmax(1) == list(truth.values())).sum())
    claim = f"right on {right} of the {len(truth)} held out ({right / len(truth):.2%})"
    assert claim in (DIGITS / "README.md").read_text(encoding="utf-8")
