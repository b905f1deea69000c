"""The little YAML in the ``param_str`` of Python layers."""

from __future__ import annotations

import pytest

from bigdl_caffe.layers.param_str import param_str
from tests.layers.build import layer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("{'feat_stride': 16, 'scales': [8, 16]}", {"feat_stride": 16, "scales": [8, 16]}),
        (
            "'feat_stride': 16 \\n'scales': !!python/tuple [4, 8]",
            {"feat_stride": 16, "scales": [4, 8]},
        ),
        ("feat_stride: 16\\n# why\\n\\nname: a word", {"feat_stride": 16, "name": "a word"}),
        ("{'phase': 'TEST', 'p': '0.1'}", {"phase": "TEST", "p": "0.1"}),
        ('{\\"shuffle\\": true, \\"n\\": 2}', {"shuffle": True, "n": 2}),
        ("{phase: TEST, on: False}", {"phase": "TEST", "on": False}),
    ],
)
def test_param_str(text: str, expected: dict[str, object]) -> None:
    spec = layer("Split", f'python_param {{ param_str: "{text}" }}').spec
    assert param_str(spec) == expected
