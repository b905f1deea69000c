"""The Wasserstein loss, whose metric is in a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from bigdl_caffe.errors import CaffeFormatError, ShapeError
from bigdl_caffe.format import paths
from bigdl_caffe.format.hdf5 import import_h5py
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.losses import NOT_RUN, Loss, legacy, same_rows
from bigdl_caffe.layers.registry import count, register
from bigdl_caffe.nn import wasserstein as modules

DATASET = "data"


@register("WassersteinLoss")
class WassersteinLoss(Loss):
    """Smoothed earth mover's distance of distributions (wasserstein_loss_layer.cpp).

    ``ground_metric`` is an HDF5 file with a dataset "data" (classes, classes), looked for from
    the working directory. loss_weight has no effect on the gradient, as in the fork.
    """

    fork = "BVLC/caffe, pull request 3817"
    fork_options: ClassVar[Messages] = {
        "wasserstein_param": {
            "ground_metric": "",
            "scaling_iter": 50,
            "lambda": 1.0,
            "shift_gradient": True,
        }
    }
    without_golden = NOT_RUN + "tests/layers/test_wasserstein.py"

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        options = self.fork_values["wasserstein_param"]
        self.file, self.rounds, self.smoothness, self.shift = options.values()
        if not self.file:
            raise ShapeError("ground_metric is missing: give an HDF5 file with how far classes lie")
        if not self.smoothness:
            raise ShapeError("lambda is 0, by which the loss is divided: give another number")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return a scalar."""
        same_rows(bottoms)
        _, labels, *more = legacy(bottoms[1])
        classes = count(bottoms[0][1:])
        if more != [1, 1] or labels not in (1, classes):
            raise ShapeError(
                f"the labels are {bottoms[1]} for {classes} classes: give (N, 1) or (N, {classes})"
            )
        return [()]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        classes, metric = count(bottoms[0][1:]), _read(self.file)
        if count(metric.shape) != classes**2 or len(metric) != classes:
            raise ShapeError(
                f"the ground metric in {self.file} is {metric.shape} for {classes} classes: give "
                f"({classes}, {classes})"
            )
        tensor = torch.from_numpy(metric.reshape(classes, classes))
        return modules.WassersteinLoss(tensor, self.rounds, self.smoothness, self.shift)


def _read(file: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    h5py = import_h5py(file)
    with paths.local_copy(file) as local:
        try:
            with h5py.File(local, "r") as opened:
                return np.asarray(opened[DATASET], np.float32)
        except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CaffeFormatError(
                f"this HDF5 file has no readable dataset '{DATASET}': {error}", file
            ) from None
