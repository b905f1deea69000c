"""Metrics: counted along, and never minimised."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.losses import Metric, ignored_label, one_label_each
from bigdl_caffe.layers.registry import between, register
from bigdl_caffe.nn import metrics as modules


@register("Accuracy")
class Accuracy(Metric):
    """Share of labels among the top k; a second top holds each class's own (accuracy_layer.cpp)."""

    tops = between(1, 2)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar, and (classes) for the second top."""
        axis = self._axis(bottoms)
        classes, top_k = bottoms[0][axis], self.spec.param.accuracy_param.top_k
        one_label_each(bottoms[0], bottoms[1], axis)
        if top_k > classes:
            raise ShapeError(f"top_k {top_k} is more than the {classes} classes: reduce it")
        return [(), (classes,)][: len(self.spec.tops)]

    def _axis(self, bottoms: Sequence[Shape]) -> int:
        return self.axis(self.spec.param.accuracy_param.axis, len(bottoms[0]))

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        param = self.spec.param.accuracy_param
        ignore, per_class = ignored_label(param), len(self.spec.tops) > 1
        return modules.Accuracy(self._axis(bottoms), param.top_k, ignore, per_class)
