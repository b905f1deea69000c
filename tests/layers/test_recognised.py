"""Types that are known by name and not computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.layers.recognised import TYPES, Known
from bigdl_caffe.layers.registry import registry
from tests.layers.build import layer
from tests.nets import net

ELM = """
input: "x" input_shape { dim: 4 dim: 3 }
input: "y" input_shape { dim: 4 dim: 2 }
layer { name: "s" type: "Sigmoid" bottom: "x" top: "s" }
layer { name: "ls" type: "LS" bottom: "s" bottom: "y" }
"""


@pytest.mark.parametrize("known", TYPES, ids=[known.type for known in TYPES])
def test_each_is_registered_and_says_why_and_what_to_do(known: Known) -> None:
    cls = registry()[known.type]
    assert (cls.role, cls.fork, cls.__doc__) == (known.role, known.fork, known.what)
    assert known.reason in known.why
    assert known.why.endswith(known.remedy)


def test_what_no_net_can_name_is_refused_when_loaded(tmp_path: Path) -> None:
    text = """
    input: "x" input_shape { dim: 2 dim: 1 dim: 3 }
    layer { name: "r" type: "Recurrent" bottom: "x" top: "r" }
    layer { name: "q" type: "Quantum" bottom: "r" top: "q" }
    """
    with pytest.raises(UnsupportedLayerError, match="what RNN and LSTM share") as caught:
        net(tmp_path, text)
    assert len(caught.value.problems) == 2
    assert "layer 'r' (Recurrent)" in caught.value.problems[0]


def test_falls_away_for_scoring(tmp_path: Path) -> None:
    model = net(tmp_path, ELM)
    assert (model.outputs, list(model.inputs)) == (("s",), ["x"])


def test_who_needs_what_it_does_meets_the_reason(tmp_path: Path) -> None:
    words = "it learns in the forward pass"
    with pytest.raises(UnsupportedLayerError, match=words):
        net(tmp_path, ELM, phase="TRAIN")
    with pytest.raises(UnsupportedLayerError, match=words):
        layer("LS", bottoms=2, tops=0).module([(4, 3), (4, 2)])


DETECTNET = """
input: "coverage" input_shape { dim: 2 dim: 1 dim: 4 dim: 4 }
input: "corners" input_shape { dim: 2 dim: 4 dim: 4 dim: 4 }
layer { name: "s" type: "Sigmoid" bottom: "coverage" top: "s" }
layer { name: "c" type: "Python" bottom: "s" bottom: "corners" top: "boxes"
  python_param { module: "caffe.layers.detectnet.clustering" layer: "ClusterDetections" } }
layer { name: "m" type: "Python" bottom: "boxes" top: "mAP" top: "precision" top: "recall"
  python_param { module: "caffe.layers.detectnet.mean_ap" layer: "mAP" } }
"""


def test_detectnet_loads_up_to_its_maps(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedLayerError, match="groupRectangles") as caught:
        net(tmp_path, DETECTNET)
    assert len(caught.value.problems) == 1  # mAP falls away
    assert net(tmp_path, DETECTNET, outputs=["s", "corners"]).outputs == ("s", "corners")
