"""Locally connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.registry import BlobSpec, Layer, count, register
from bigdl_caffe.nn import local as modules


@register("Local", "LOCAL")
class Local(Layer):
    """Convolution with a kernel of its own at each place (local_layer.cpp of BVLC/caffe#1271).

    Blobs: weight (num_output, 1, channels * kernel * kernel, places of the top), and bias
    (1, 1, num_output, places): they fit one size of the bottom only.
    """

    in_place = False
    fork = "BVLC/caffe#1271 and happynear/caffe-windows"
    without_golden = (
        "no case can exist where that fork was not run; it is held against loops written after "
        "its source, in tests/layers/test_local.py"
    )
    fork_options: ClassVar[Messages] = {
        "local_param": {
            "num_output": 0,
            "bias_term": True,
            "pad": 0,
            "kernel_size": 0,
            "stride": 1,
            "weight_filler": pb.FillerParameter(),
            "bias_filler": pb.FillerParameter(),
        }
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        p = self.given = self.fork_values["local_param"]
        if min(p["num_output"], p["kernel_size"], p["stride"]) < 1 or p["pad"] < 0:
            raise ShapeError(
                f"num_output {p['num_output']}, kernel_size {p['kernel_size']} and stride "
                f"{p['stride']} have to be 1 or more, and pad {p['pad']} 0 or more"
            )
        self.window = (p["kernel_size"], p["stride"], p["pad"])

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (n, num_output, rows, columns)."""
        kernel, stride, pad = self.window
        shape = bottoms[0]
        if len(shape) != 4 or min(shape[2:]) < kernel:
            raise ShapeError(
                f"the bottom is {shape}: give (num, channels, height, width), not smaller than "
                f"the kernel {kernel}"
            )
        rows, columns = ((n + 2 * pad - kernel) // stride + 1 for n in shape[2:])
        return [(shape[0], self.given["num_output"], rows, columns)]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return weight, and bias where bias_term says so."""
        ((_, outputs, rows, columns),) = self.top_shapes(bottoms)
        places, inner = rows * columns, bottoms[0][1] * self.window[0] ** 2
        weight, bias = self.given["weight_filler"], self.given["bias_filler"]
        specs = [BlobSpec("weight", (outputs, 1, inner, places), weight)]
        return specs + [BlobSpec("bias", (1, 1, outputs, places), bias)] * self.given["bias_term"]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.Local(*self.window)

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return one multiplication an element of a kernel, at each place."""
        return count(tops[0]) * bottoms[0][1] * int(self.window[0]) ** 2
