"""Fixtures of the tests of files for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from torch.onnx._internal.exporter._registration import ONNXRegistry


@pytest.fixture(autouse=True, scope="package")
def one_registry() -> Iterator[None]:
    """Let the exporter gather its operators once, which takes longer than a small net."""
    kept = cache(ONNXRegistry.from_torchlib.__func__)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", classmethod(kept))
        yield
