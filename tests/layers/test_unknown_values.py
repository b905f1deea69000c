"""Values that the schema lacks, of fields it has: never computed as the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from bigdl_caffe import UnsupportedLayerError
from tests.nets import net

CONVOLUTION = """
input: "x" input_shape {{ dim: 1 dim: 3 dim: 4 dim: 4 }}
layer {{ name: "c" type: "Convolution" bottom: "x" top: "y" convolution_param {{
  num_output: 2 kernel_size: 1 {option} }} }}
"""


def test_a_second_value_of_a_filler_is_refused_however_deep(tmp_path: Path) -> None:
    twice = 'weight_filler { type: "constant" value: 1 value: 2 }'
    with pytest.raises(UnsupportedLayerError, match=r"weight_filler\.value: 2"):
        net(tmp_path, CONVOLUTION.format(option=twice))


def test_an_engine_of_a_fork_sets_no_number(tmp_path: Path) -> None:
    assert net(tmp_path, CONVOLUTION.format(option="engine: LIBDNN")).outputs == ("y",)
