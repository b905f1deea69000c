"""Sources without files: MemoryData, whose arrays the caller gives, and DummyData's fillers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from itertools import count
from typing import ClassVar

import numpy as np
import torch

from bigdl_caffe.data.part import Part
from bigdl_caffe.data.source import Array, Floats, Place, Source, positive
from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers import inputs
from bigdl_caffe.layers.fillers import fill
from bigdl_caffe.layers.registry import at_least

log = logging.getLogger("bigdl_caffe")


class MemoryData(Source):
    """Arrays, shown batch by batch and from the first again (memory_data_layer.cpp, Reset).

    As in Caffe they are shown as they are: transform_param is without effect.
    """

    options: ClassVar[Mapping[str, str]] = {"memory_data_param": "batch_size channels height width"}

    def __init__(self, layer: LayerDef, phase: str, place: Place) -> None:
        super().__init__(layer, phase, place)
        param = layer.param.memory_data_param
        self.batch_size = positive(param.batch_size, "batch_size")
        self.row = (param.channels, param.height, param.width)
        if min(self.row) < 1:
            raise CaffeError("memory_data_param needs channels, height and width of at least 1")
        if layer.param.HasField("transform_param"):
            log.warning("%s: transform_param is without effect on arrays, as in Caffe", layer)

    def shapes(self) -> list[Shape]:
        """Return (n, channels, height, width) and (n, 1, 1, 1)."""
        return [(self.batch_size, *self.row), (self.batch_size, 1, 1, 1)]

    def batches(self, part: Part) -> Iterator[list[Floats]]:
        """Yield the arrays' batches."""
        data, labels = (self._array(top) for top in self.layer.tops)
        if data.shape[1:] != self.row:
            raise ShapeError(
                f"the array for '{self.layer.tops[0]}' is {data.shape}: it has to be "
                f"(n, {', '.join(map(str, self.row))})"
            )
        if labels.shape not in ((len(data),), (len(data), 1, 1, 1)):
            raise ShapeError(
                f"the array for '{self.layer.tops[1]}' is {labels.shape}: give one label for each "
                f"of the {len(data)} rows of '{self.layer.tops[0]}'"
            )
        if not len(data) or len(data) % self.batch_size:
            raise ShapeError(
                f"the arrays have {len(data)} rows: give a multiple of batch_size, which is "
                f"{self.batch_size}"
            )
        labels = labels.reshape(-1, 1, 1, 1)
        wanted = np.array(part.rows(self.batch_size))
        for number in count(part.start):
            rows = number * self.batch_size % len(data) + wanted
            yield [a[rows] for a in (data, labels)]

    def _array(self, top: str) -> Floats:
        if top not in self.place.arrays:
            names = ", ".join(f"'{blob}': ..." for blob in self.layer.tops)
            raise CaffeError(f"there is no array for '{top}': give arrays={{{names}}}")
        array: Array = np.asarray(self.place.arrays[top])
        return np.ascontiguousarray(array, np.float32)


class DummyData(Source):
    """What fillers make; those that are not constant fill anew each time (dummy_data_layer.cpp)."""

    tops = at_least(1)
    options: ClassVar[Mapping[str, str]] = {
        "dummy_data_param": "data_filler shape num channels height width"
    }

    def __init__(self, layer: LayerDef, phase: str, place: Place) -> None:
        super().__init__(layer, phase, place)
        self.rule = inputs.DummyData(layer, phase)
        self.rule.top_shapes([])

    def shapes(self) -> list[Shape]:
        """Return dummy_data_param's shapes."""
        return self.rule.top_shapes([])

    def batches(self, part: Part) -> Iterator[list[Floats]]:
        """Yield what the fillers make."""
        for number in count(part.start):
            generator = torch.Generator().manual_seed(int(part.rng(number).integers(1 << 62)))
            tops = [torch.empty(shape) for shape in self.shapes()]
            for top, filler in zip(tops, self.rule.fillers(), strict=True):
                fill(top, filler, generator)
            # A shape may have no axes, and so no rows.
            yield [t.numpy()[part.rows(len(t))] if t.ndim else t.numpy() for t in tops]
