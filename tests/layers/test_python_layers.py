"""Python layers run by the converters that are given for them, and nothing is imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from bigdl_caffe import Model, UnsupportedLayerError
from tests.layers.golden import Case, cases

PYTHON = [pytest.param(c, id=c.name) for c in cases() if c.meta["layer"] == "Python"]


@pytest.mark.parametrize("case", PYTHON)
def test_without_a_converter_nothing_is_imported(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(case.folder))  # where an import would find pylayers.py
    with pytest.raises(UnsupportedLayerError, match=r"converters=\{'pylayers"):
        Model.load_caffe_model(case.folder / "net.prototxt", None)


def test_a_python_layer_without_options_is_named_by_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(
        "input: 'x' input_shape { dim: 1 } layer { name: 'p' type: 'Python' bottom: 'x' top: 'y' }"
    )
    with pytest.raises(UnsupportedLayerError, match=r"layer 'p' \(Python\)"):
        Model.load_caffe_model(path, None)
