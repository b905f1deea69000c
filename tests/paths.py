"""Where test data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
GOLDEN = REPO / "tests" / "golden"
SHARED = Path(os.environ.get("BIGDL_CAFFE_SHARED", REPO.parent / "shared"))

needs_models = pytest.mark.skipif(
    not (SHARED / "models").is_dir(),
    reason="third-party models are not part of the project: put them in ../shared/models",
)
needs_prototxts = pytest.mark.skipif(
    not (SHARED / "prototxts").is_dir(),
    reason="third-party prototxts are not part of the project: put them in ../shared/prototxts",
)
