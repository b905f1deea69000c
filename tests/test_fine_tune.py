"""The example that fine-tunes a real net: what it writes is what it learned, in OpenCV too."""

from __future__ import annotations

import importlib.util
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import SparkSession

from bigdl_caffe import Model
from bigdl_caffe.image import batch
from tests.paths import REPO, SHARED, needs_models

cv2 = pytest.importorskip("cv2")

NET = SHARED / "models" / "squeezenet_v1.0_dc"
COLOURS = {"green": (40, 180, 40), "red": (180, 40, 40)}


@pytest.fixture(scope="module")
def example() -> ModuleType:
    path = REPO / "examples" / "fine-tune" / "fine_tune.py"
    spec = importlib.util.spec_from_file_location("fine_tune", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw(folder: Path) -> None:
    """Write seven pictures of each class, in its folder."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for i in range(7):
            pixels = np.clip(rng.normal(colour, 50, (48, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


@needs_models
@pytest.mark.slow
@pytest.mark.spark
def test_a_real_net_learns_other_classes(
    example: ModuleType,
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(example, "command_session", lambda *_: nullcontext(spark))
    draw(tmp_path / "pictures")
    out = tmp_path / "out"
    original = NET / "deploy.prototxt", NET / "weights.caffemodel"
    given = {"prototxt": original[0], "weights": original[1]}
    given |= {"images": tmp_path / "pictures", "output": out}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    words += ["--freeze", "conv1", "fire*", "--workers", "2", "--batch-size", "6", "--epochs", "2"]
    example.main([*words, "--held-out", "0.3"])
    assert "on the pictures held out; wrote" in capsys.readouterr().out
    assert (out / "classes.txt").read_text().split() == sorted(COLOURS)
    assert "<svg" in (out / "curve.svg").read_text()

    files = out / "deploy.prototxt", out / "net.caffemodel"
    tuned, before = Model.load_caffe_model(*files), Model.load_caffe_model(*original)
    for name, blobs in before.params.items():
        for old, new in zip(blobs, tuned.params.get(name, []), strict=False):
            np.testing.assert_array_equal(new.detach(), old.detach())
    assert before.params.keys() - tuned.params.keys() == {"conv_final"}

    pictures = [path.read_bytes() for path in sorted((tmp_path / "pictures").rglob("*.png"))]
    inputs = batch(tuned.recipe(), pictures).array
    scores = tuned.run({"data": inputs})["pool_final"].reshape(len(pictures), -1)
    net = cv2.dnn.readNetFromCaffe(*map(str, files))
    net.setInput(inputs)
    theirs = net.forward().reshape(scores.shape)
    np.testing.assert_allclose(theirs, scores, atol=1e-4)
    np.testing.assert_array_equal(theirs.argmax(1), scores.argmax(1))
