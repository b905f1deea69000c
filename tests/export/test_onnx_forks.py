"""Layer types of forks as ONNX files: ONNX Runtime gives our numbers, or the type is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bigdl_caffe import Model
from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.export.onnx_layers import REASONS
from tests.compare import assert_close_to_caffe
from tests.export.forks import EXPORTED, REFUSED, Given
from tests.export.onnx import run
from tests.layers.golden import Array
from tests.nets import net
from tests.paths import REPO

pytestmark = pytest.mark.slow


def model(folder: Path, kind: str, given: Given) -> tuple[Model, dict[str, Array]]:
    """Return a net of one layer with random weights, and what to feed it."""
    options, bottoms, tops = given
    random = np.random.default_rng(0)
    feed = {
        f"b{i}": random.standard_normal(b).astype(np.float32) if isinstance(b, tuple) else b
        for i, b in enumerate(bottoms)
    }
    outputs = [f"t{i}" for i in range(tops)]
    lines = [
        f'input: "{b}" input_shape {{ {" ".join(f"dim: {d}" for d in a.shape)} }}'
        for b, a in feed.items()
    ]
    ends = [f'bottom: "{b}"' for b in feed] + [f'top: "{t}"' for t in outputs]
    lines.append(f'layer {{ name: "l" type: "{kind}" {" ".join(ends)} {options} }}')
    made = net(folder, "\n".join(lines), outputs=outputs)
    with torch.no_grad():
        for blob in (blob for blobs in made.params.values() for blob in blobs):
            blob.copy_(torch.tensor(random.random(blob.shape)))
    return made, feed


@pytest.mark.parametrize("kind", EXPORTED)
def test_onnx_runtime_gives_our_numbers(kind: str, tmp_path: Path) -> None:
    made, feed = model(tmp_path, kind, EXPORTED[kind])
    made.to_onnx(tmp_path / "net.onnx")
    ours, theirs = made.run(feed), run(tmp_path / "net.onnx", feed)
    for blob, numbers in ours.items():
        assert_close_to_caffe(theirs[blob], numbers, tol=1e-4, what=blob)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_onnx_cannot_express_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    made, _ = model(tmp_path, kind, REFUSED[kind])
    with pytest.raises(UnsupportedLayerError) as caught:
        made.to_onnx(tmp_path / "net.onnx")
    assert str(caught.value) == f"ONNX cannot express layer 'l' ({kind}): {REASONS[kind]}"


def test_the_page_lists_what_is_refused() -> None:
    page = (REPO / "docs" / "ways-out.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{kind}` | {why} |" for kind, why in REASONS.items()]
