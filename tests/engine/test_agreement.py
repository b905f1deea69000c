"""engine="torch" gives what the exact path gives: on golden, random and real nets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigdl_caffe import Model
from bigdl_caffe.verify.feeds import make_feed
from tests.engine.compare import assert_torch_is_exact
from tests.layers.golden import GROUPS, fed
from tests.layers.test_golden import RUN
from tests.paths import SHARED, needs_models
from tests.properties.nets import nets
from tests.properties.test_saving import trained

REAL = (
    "mobilenet_yolov3_lite_tusimple",
    "mtcnn_det3",
    "squeezenet_v1.0_dc",
    "ultraface_slim320",
)


@pytest.mark.parametrize("group", GROUPS)
def test_golden_nets(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever layer type there is: the net's outputs, and all inner blobs."""
    scoring = [case for case in RUN if case.group == group and case.meta["phase"] == "TEST"]
    assert len(scoring) > 20
    for case in scoring:
        monkeypatch.chdir(case.folder)
        model = case.load()
        inner = tuple(blob for blob in case.tops(0) if blob in model.blob_shapes)
        for fetch in {model.outputs, inner}:
            assert_torch_is_exact(model, fed(case, model), fetch, what=case.name)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each net replaces the last
)
@given(text=nets(), rows=st.integers(1, 5), draw=st.data())
def test_random_nets(tmp_path: Path, text: str, rows: int, draw: st.DataObject) -> None:
    trained(tmp_path, text).write_bundle(tmp_path / "net.arrow")
    model = Model.open_bundle(tmp_path / "net.arrow")  # whose weights nobody holds
    (shape,) = model.inputs.values()
    x = np.random.default_rng(rows).standard_normal((rows, *shape[1:]), np.float32)
    inner = draw.draw(st.sampled_from(sorted(model.blob_shapes)), "fetched")
    for fetch in (model.outputs, (*model.outputs, inner), (inner,)):
        assert_torch_is_exact(model, {"x": x}, dict.fromkeys(fetch))


@needs_models
@pytest.mark.parametrize("name", REAL)
def test_real_nets(name: str) -> None:
    folder = SHARED / "models" / name
    model = Model.load_caffe_model(folder / "deploy.prototxt", folder / "weights.caffemodel")
    feed = {blob: array[:1] for blob, array in make_feed(model).items()}
    assert_torch_is_exact(model, feed, model.outputs)
    if model.row_wise():
        three = {blob: np.concatenate([array, 2 * array, -array]) for blob, array in feed.items()}
        assert_torch_is_exact(model, three, model.outputs, rows=2)
