"""What holds for every registered layer type."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import pytest

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.layers.pooling import Pooling
from bigdl_caffe.layers.recognised import Recognised
from bigdl_caffe.layers.registry import Layer, Role, exactly, registry
from bigdl_caffe.layers.support import CHOOSE_HOW, golden_cases, messages, options
from tests.layers.golden import Case
from tests.layers.test_golden import RUN
from tests.paths import GOLDEN

TYPES = {name: cls for name, cls in registry().items() if not name.startswith("~")}
CASES = golden_cases(GOLDEN)
COMPUTED = [
    name
    for name, cls in TYPES.items()
    if cls.role is not Role.INPUT and not issubclass(cls, Recognised)
]
LENT = {"Unpooling": (Pooling,)}
"""Types → others that read options for them."""
DECLARATIONS = {"fork_options", "refused", "without_effect"}
DYNAMIC = {name for name, cls in TYPES.items() if cls.dynamic}


@pytest.mark.parametrize("name", TYPES)
def test_has_golden_cases_or_says_what_else_holds_it(name: str) -> None:
    assert (CASES[name] > 0) != bool(TYPES[name].without_golden)


@pytest.mark.parametrize("name", TYPES)
def test_names_the_fork_it_comes_from(name: str) -> None:
    bvlc = name in BVLC
    assert bvlc != bool(TYPES[name].fork), "fork is for types that BVLC Caffe lacks, and for all"


@pytest.mark.parametrize("name", TYPES)
def test_says_what_it_computes(name: str) -> None:
    first, *_ = (TYPES[name].__doc__ or "").split("\n\n")
    assert 20 < len(first) < 300


@pytest.mark.parametrize("name", TYPES)
def test_names_the_source_of_its_rule(name: str) -> None:
    assert re.search(r"\w\.(cpp|hpp|cu|py)\b|pull request", inspect.getdoc(TYPES[name]) or "")


@pytest.mark.parametrize("name", TYPES)
def test_role_fits_arity(name: str) -> None:
    cls = TYPES[name]
    assert cls.role is not Role.INPUT or cls.bottoms == exactly(0)
    assert cls.role is not Role.SINK or cls.tops.most == 0


@pytest.mark.parametrize("name", COMPUTED)
def test_every_option_is_read_or_refused(name: str) -> None:
    """An option that is neither, nor said to have no effect, would be ignored in silence.

    Inputs are fed; where their data are read, tests/data/test_sources.py holds them to this.
    """
    cls, words = TYPES[name], code_words(TYPES[name])
    for message in options(name, cls):
        ignored = fields(message) - CHOOSE_HOW - declared(message, cls) - words
        assert {f for f in ignored if f.removesuffix("_h").removesuffix("_w") not in words} == set()


@pytest.mark.parametrize("name", COMPUTED)
def test_declares_fields_that_there_are(name: str) -> None:
    cls, schema = TYPES[name], pb.LayerParameter.DESCRIPTOR.fields_by_name
    for message in {*cls.refused, *cls.without_effect}:
        known = fields(message) if message in schema else set()
        assert declared(message, cls) <= known | set(cls.fork_options.get(message, ()))
    for message, of_fork in cls.fork_options.items():
        beyond = {field for field, default in of_fork.items() if not isinstance(default, Mapping)}
        assert message not in schema or not beyond & fields(message)


@pytest.mark.parametrize("name", COMPUTED)
def test_says_which_messages_it_reads(name: str) -> None:
    read = {word for word in code_words(TYPES[name], own=True) if word.endswith("_param")}
    assert read & set(pb.LayerParameter.DESCRIPTOR.fields_by_name) <= {
        *messages(name, TYPES[name]),
        *TYPES[name].refused,
        *(inner for message in options(name, TYPES[name]) for inner in fields(message)),
    }


def fields(message: str) -> set[str]:
    """Return the names of the schema's fields of a LayerParameter's ``message``."""
    holder = pb.LayerParameter.DESCRIPTOR.fields_by_name[message].message_type
    assert holder is not None
    return {field.name for field in holder.fields}


def declared(message: str, cls: type[Layer]) -> set[str]:
    """Return the fields that ``cls`` refuses, or says to have no effect."""
    return {*cls.refused.get(message, ()), *cls.without_effect.get(message, ())}


def code_words(cls: type[Layer], own: bool = False) -> set[str]:
    """Return attributes and strings of the code of ``cls``: of the class, or of all its modules.

    Docstrings do not count, and neither do the declarations.
    """
    classes = {*cls.__mro__, *LENT.get(cls.type_name, ())} - {Layer, object}
    parts = {c if own else inspect.getmodule(c) for c in classes}
    return set().union(*(words_of(inspect.getsource(part)) for part in parts if part))


@cache
def words_of(code: str) -> set[str]:
    return set(_words(ast.parse(code)))


def _words(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") in DECLARATIONS:
        return
    if isinstance(node, ast.Attribute):
        yield node.attr
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from _words(child)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in RUN])
def test_shapes_are_inferred_as_they_run(case: Case) -> None:
    model = case.load()
    feed = {b: a for b, a in case.step(0, "in").items() if b in model.inputs}
    got = model.run(feed, list(model.blob_shapes))
    dynamic = {b for spec in model.net.layers for b in spec.tops if spec.type in DYNAMIC}
    for blob, shape in model.blob_shapes.items():
        assert blob in dynamic or np.shape(got[blob]) == shape, blob


BVLC = {
    "AbsVal", "Accuracy", "ArgMax", "BatchNorm", "BatchReindex", "Bias", "BNLL", "Clip", "Concat",
    "ContrastiveLoss", "Convolution", "Crop", "Data", "Deconvolution", "Dropout", "DummyData",
    "Eltwise", "ELU", "Embed", "EuclideanLoss", "Exp", "Filter", "Flatten", "HDF5Data",
    "HDF5Output", "HingeLoss", "Im2col", "ImageData", "InfogainLoss", "InnerProduct", "Input",
    "Log", "LRN", "LSTM", "LSTMUnit", "MemoryData", "MultinomialLogisticLoss", "MVN", "Parameter",
    "Pooling", "Power", "PReLU", "Recurrent", "Reduction", "ReLU", "Reshape", "RNN", "Scale",
    "Sigmoid", "SigmoidCrossEntropyLoss", "Silence", "Slice", "Softmax", "SoftmaxWithLoss", "Split",
    "SPP", "Swish", "TanH", "Threshold", "Tile", "WindowData",
}  # fmt: skip
"""The types of BVLC Caffe; Python stands for any class, so it is no type of its own."""


def test_every_type_of_bvlc_caffe_is_there() -> None:
    assert set(TYPES) >= BVLC
