"""What several of these tests load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.weights.chain import CHAIN
from tests.weights.files import Files, write_files


@pytest.fixture
def chain(tmp_path: Path) -> Files:
    """Return the files of `chain.CHAIN`."""
    return write_files(tmp_path, CHAIN)
