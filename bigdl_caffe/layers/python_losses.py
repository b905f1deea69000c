"""Losses that well-known nets bring along as Python layers, by module and class.

Their gradients do not depend on loss_weight, as those layers do not read it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.losses import NOT_RUN, Loss
from bigdl_caffe.layers.options import same_shapes
from bigdl_caffe.layers.registry import register
from bigdl_caffe.nn import python_losses as modules

EYES = {10: (0, 2), 136: (72, 90)}
"""Columns of the eyes' x, by the number of columns: of 5 and of 68 landmarks."""


class PythonLoss(Loss):
    """What these share: a top (1,), no gradient refused, and no loss_weight of their own."""

    weighs = False
    options = ()
    without_golden = NOT_RUN + "tests/layers/test_python_losses.py"

    def no_gradient_to(self) -> Collection[int]:
        """Return nothing: no bottom is refused."""
        return ()

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (1,), once both bottoms have one shape."""
        same_shapes(bottoms)
        return [(1,)]


@register("pyloss.EuclideanLossLayer")
class PythonEuclideanLoss(PythonLoss):
    """Half the squared distance a row (examples/pycaffe/layers/pyloss.py)."""

    fork = "BVLC/caffe's examples"

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.EuclideanLoss()


@register("python.NormlizedMSE.NormlizedMSE")
class NormalisedEuclideanLoss(PythonLoss):
    """Squared distance of landmarks over the distance between the eyes (NormlizedMSE.py).

    10 columns are the 5 landmarks of ishay2b/VanillaCNN, 136 the 68 of
    lsy17096535/face-landmark: which two are the eyes is all that differs.
    """

    meanings = "10 columns: VanillaCNN's landmarks. 136: those of face-landmark."
    fork = "ishay2b/VanillaCNN, lsy17096535/face-landmark"

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (1,)."""
        if len(bottoms[0]) != 2 or bottoms[0][1] not in EYES:
            raise ShapeError(f"bottom 0 is {bottoms[0]}: give landmarks (N, 10) or (N, 136)")
        return super().top_shapes(bottoms)

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.NormalisedEuclideanLoss(*EYES[bottoms[0][1]])


@register("pyLayer.DiceLoss")
class DiceLoss(PythonLoss):
    """Sum of the rows' Dice coefficients, with the gradient of their negative (pyLayer.py)."""

    drops_gradient = (1,)
    fork = "faustomilletari/VNet"

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (1,)."""
        x, label = bottoms
        if len(x) != 3 or label != (x[0], 1, x[2]) or x[1] != 2:
            raise ShapeError(
                f"bottoms are {x} and {label}: give probabilities (N, 2, voxels) and labels "
                f"(N, 1, voxels)"
            )
        return [(1,)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.DiceLoss()
