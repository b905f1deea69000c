"""Changes to a definition: what does not learn."""

from __future__ import annotations

from pathlib import Path

import pytest

from bigdl_caffe import CaffeError, Model
from bigdl_caffe.train.editing import frozen
from bigdl_caffe.train.nets import sharing

NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 dim: 3 dim: 3 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "c"
  convolution_param { num_output: 2 kernel_size: 3 } }
layer { name: "norm" type: "BatchNorm" bottom: "c" top: "n" }
layer { name: "out" type: "InnerProduct" bottom: "n" top: "out"
  inner_product_param { num_output: 3 } }
"""


@pytest.fixture
def model(tmp_path: Path) -> Model:
    (tmp_path / "net.prototxt").write_text(NET)
    return Model.load_caffe_model(tmp_path / "net.prototxt", None, phase="TRAIN")


def learning(model: Model) -> set[str]:
    return {slot.key for slot, blob in model.tensors() if blob.requires_grad}


def test_layers_are_frozen_by_pattern(model: Model) -> None:
    definition = frozen(model.net.definition, model, ["c*"])
    assert [spec.lr_mult for spec in definition.layer[1].param] == [0, 0]
    with pytest.raises(CaffeError, match="freeze has c, which no layer with weights is called"):
        frozen(model.net.definition, model, ["c"])


def test_what_the_model_holds_back_stays_so_in_a_net_that_is_built_anew(
    model: Model, tmp_path: Path
) -> None:
    assert frozen(model.net.definition, model) == model.net.definition
    model.freeze("conv").params["out"][1].requires_grad_(False)
    learner = sharing(model, frozen(model.net.definition, model), model.options)
    learner.write_bundle(tmp_path / "net.arrow")
    assert learning(Model.open_bundle(tmp_path / "net.arrow")) == {"out/0"}
