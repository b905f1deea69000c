"""Golden nets by the engines that are fed with ONNX graphs; with ENGINES=all, every one."""

from __future__ import annotations

import os

import pytest

from bigdl_caffe.engine.onnx_graph import with_graph
from bigdl_caffe.engine.opening import ENGINES, Opening
from bigdl_caffe.errors import CaffeError
from tests.engine.compare import assert_close
from tests.engine.foreign import a_folder_for_both
from tests.export.test_onnx_golden import REFUSED as NOT_ONNX
from tests.layers.golden import Case, fed
from tests.layers.test_golden import RUN

__all__ = ["a_folder_for_both"]

FEW = {
    *("Convolution/group2", "Deconvolution/bilinear_odd", "InnerProduct/transpose"),
    *("Net/residual", "Net/inplace_chain", "LSTM/basic"),
}
"""Golden nets of layers that engines read in ways of their own; writing a net's graph is slow."""

RECURRENT = {"LSTM", "RNN"}
REFUSED = {
    case.name for case in RUN if case in NOT_ONNX or RECURRENT & set(case.meta["layer_types"])
}
SCORING = [case for case in RUN if case.meta["phase"] == "TEST"]
CASES = [case for case in SCORING if os.environ.get("ENGINES") == "all" or case.name in FEW]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden_nets(case: Case) -> None:
    model = case.load()
    if case.name in REFUSED:
        with pytest.raises(CaffeError, match="engine='torch'"):
            with_graph(model, model.outputs)
        return
    net, feed = with_graph(model, model.outputs), fed(case, model)
    want = model.run(feed)
    for name in ("onnxruntime", "openvino"):
        open_it = ENGINES[name].open
        assert open_it is not None
        for shared in (False, True):
            compute = open_it(Opening(net, model.outputs, 2, shared))
            got = net.through(compute, feed, model.outputs)
            for blob in model.outputs:
                assert_close(got[blob], want[blob], f"{name} {case.name} {blob}")
