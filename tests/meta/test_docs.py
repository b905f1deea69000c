"""Pages that are made from the code are what the code makes."""

from __future__ import annotations

from bigdl_caffe.layers.support import support_tables
from tests.paths import GOLDEN, REPO


def test_the_layer_tables_are_the_registrys() -> None:
    stale = "make it again: python -m bigdl_caffe.layers.support tests/golden > docs/layers.md"
    page = (REPO / "docs" / "layers.md").read_text(encoding="utf-8")
    assert page == support_tables(GOLDEN), stale
