"""What holds for every registered layer type."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.layers.registry import Role, exactly, registry
from bigdl_caffe.layers.support import golden_cases, options
from tests.layers.golden import Case
from tests.layers.test_golden import RUN
from tests.paths import GOLDEN

TYPES = {name: cls for name, cls in registry().items() if not name.startswith("~")}
CASES = golden_cases(GOLDEN)
DYNAMIC = {name for name, cls in TYPES.items() if cls.dynamic}
SETS_NO_NUMBER = {
    "engine",
    "debug_info",
    "force_nd_im2col",
    "conv_algorithm",
    "conv_algos_override",
    "cudnn_convolution_algo_seeker",
}
"""Options that choose how a layer computes, and not what."""


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


@pytest.mark.parametrize("name", [n for n, cls in TYPES.items() if cls.role is not Role.INPUT])
def test_every_option_is_read_or_refused(name: str) -> None:
    """An option that no code mentions would be ignored in silence.

    Inputs are fed; where their data are read, tests/data/test_sources.py holds them to this.
    """
    cls = TYPES[name]
    code = "".join(inspect.getsource(inspect.getmodule(c)) for c in cls.__mro__[:-1])  # type: ignore[arg-type]  # each has a module
    for field in options(name, cls):
        message = pb.LayerParameter.DESCRIPTOR.fields_by_name[field].message_type
        ignored = [
            option.name
            for option in message.fields
            if option.name not in SETS_NO_NUMBER
            and not re.search(rf"\b{option.name}\b", code)
            and not re.search(rf"\b{option.name.removesuffix('_h').removesuffix('_w')}\b", code)
        ]
        assert ignored == [], field


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in RUN])
def test_shapes_are_inferred_as_they_run(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.folder)  # for the files that a net names
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
