"""Options of forks that a layer type declares: read, refused, and not warned of when read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.layers.registry import Layer
from tests.layers.build import layer
from tests.nets import net

IMAGE = 'input: "x" input_shape { dim: 1 dim: 2 dim: 8 dim: 8 }'
Notes = Callable[..., list[str]]


@pytest.fixture
def notes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Notes:
    """Return a function that loads a net of one image and returns what is logged of it."""

    def load(text: str, **how: Any) -> list[str]:
        with caplog.at_level(logging.WARNING, "bigdl_caffe"):
            net(tmp_path, f"{IMAGE}\n{text}", **how)
        return [record.getMessage() for record in caplog.records]

    return load


def blobs(kind: str) -> str:
    return f'name: "l" type: {kind} bottom: "x" top: "y"'


@pytest.mark.parametrize(
    "text",
    [
        f"layer {{ {blobs(kind)} {options} }}"
        for kind, options in (
            ('"BN"', "bn_param { decay: 0.9 }"),  # a field beyond the schema of a message within
            ('"Insanity"', "insanity_param { lb: 4 ub: 8 }"),  # a message beyond the schema
            ('"Pooling"', "pooling_param { pool: MIN kernel_size: 2 }"),  # a value beyond it
        )
    ]
    + [f"layers {{ {blobs('LOCAL')} local_param {{ num_output: 2 kernel_size: 3 }} }}"],
    ids=["field", "message", "value", "V1"],
)
def test_what_a_layer_reads_is_not_warned_of(notes: Notes, text: str) -> None:
    assert notes(text) == []


def test_what_no_layer_reads_is_warned_of(notes: Notes) -> None:
    head = 'layer { name: "p" type: "Pooling" bottom: "x" top: "p" pooling_param'
    (note,) = notes(f"{head} {{ pool: MIN kernel_size: 2 norm_region: 3 }} }}")
    assert "unknown field pooling_param.norm_region" in note


def test_a_custom_layer_declares_what_it_reads(notes: Notes) -> None:
    class Mine(Layer):
        """A custom layer."""

        fork_options: ClassVar = {"my_param": {"k": 1}}

        def module(self, bottoms: object) -> nn.Module:
            return nn.Identity()

    text = f"layer {{ {blobs(chr(34) + 'Mine' + chr(34))} my_param {{ k: 2 }} other: 1 }}"
    (note,) = notes(text, converters={"Mine": Mine})
    assert "unknown field other" in note


def test_layers_of_8_bits_are_noted_once(notes: Notes) -> None:
    relu = (
        'layer { name: "%s" type: "ReLU" bottom: "x" top: "x" quantization_param { bw_params: 8 } }'
    )
    (note,) = notes(relu % "a" + relu % "b")
    assert "layer 'a' and 1 more" in note
    assert "computed in float" in note


def test_the_loss_that_reads_quantization_param_is_not_noted(notes: Notes) -> None:
    text = """layer { name: "q" type: "QuantizationLoss" bottom: "x" top: "q"
                      quantization_param { threshold: 2 } }"""
    assert notes(text, phase="TRAIN") == []


def test_defaults_are_no_shared_state() -> None:
    first, second = (layer("Lstm", "lstm_param { num_output: 2 }") for _ in range(2))
    first.fork_values["lstm_param"]["weight_filler"].type = "xavier"
    assert second.fork_values["lstm_param"]["weight_filler"].type == "constant"
    assert layer("Lstm", "lstm_param { num_output: 2 }").fork_values == second.fork_values


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("nms_param { soft_nms: 3 }", r"detection_output_param\.nms_param\.soft_nms is 3"),
        ("nms_param { hard_nms: true }", r"nms_param has \['hard_nms'\]"),
        ("objectness: 1", r"detection_output_param has \['objectness'\]"),
    ],
)
def test_messages_within_messages(options: str, words: str) -> None:
    with pytest.raises((ShapeError, UnsupportedLayerError), match=words):
        layer("DetectionOutput", f"detection_output_param {{ num_classes: 2 {options} }}", 3)
