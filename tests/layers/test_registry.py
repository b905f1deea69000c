"""What holds for every registered layer type."""

from __future__ import annotations

import inspect

import pytest

from bigdl_caffe.layers.registry import Layer, Role, registry
from tests.layers.golden import cases

TYPES = dict(sorted(registry().items()))
WITHOUT_CASES = {
    "ConvolutionDepthwise": "no fork's binary was at hand; tested as a grouped Convolution",
    "DepthwiseConvolution": "is Convolution by another name; tested as one",
    "ReLU6": "no fork's binary was at hand; its formula is tested",
    "~alias": "is put in by us where Caffe shares memory; Net cases cover it",
}


def test_every_type_that_computes_has_a_golden_case() -> None:
    covered = {kind for case in cases() for kind in case.meta.get("layer_types", ())}
    computing = {t for t, cls in TYPES.items() if cls.role in (Role.COMPUTE, Role.SINK)}
    assert computing - covered == set(WITHOUT_CASES)


@pytest.mark.parametrize("cls", set(TYPES.values()), ids=lambda cls: cls.type_name)
def test_a_docstring_says_whose_rule_it_is(cls: type[Layer]) -> None:
    doc = inspect.getdoc(cls) or ""
    if cls.type_name not in WITHOUT_CASES:
        assert "_layer.cpp" in doc
    assert len(doc) > 20


@pytest.mark.parametrize("cls", set(TYPES.values()), ids=lambda cls: cls.type_name)
def test_roles_fit_arities(cls: type[Layer]) -> None:
    assert (0 in cls.bottoms) == (cls.role is Role.INPUT)
    assert cls.role is not Role.SINK or cls.tops.most == 0
