"""A dense conditional random field as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.options import Fields, same_shapes
from bigdl_caffe.layers.registry import BlobSpec, Layer, count, exactly, register
from bigdl_caffe.nn import meanfield as modules


@register("MultiStageMeanfield")
class MultiStageMeanfield(Layer):
    """Mean-field inference of unary terms, scores and image (multi_stage_meanfield.cpp of CRF-RNN).

    Options: ``multi_stage_meanfield_param``. Blobs, each (1, 1, classes, classes): weights of
    the spatial filter, of the bilateral one, and the compatibility of classes. Without a weight
    file the last is Potts' (-1 on the diagonal), and the diagonal of the others is
    ``spatial_filter_weights_str`` and ``bilateral_filter_weights_str``; or else, where the fork
    reads spatial.par and bilateral.par from the working directory, ``spatial_filter_weight``
    and ``bilateral_filter_weight``.
    """

    without_effect: ClassVar[Fields] = {"multi_stage_meanfield_param": ("threshold", "force_cpu")}
    drops_gradient = (2,)
    fork = "torrvision/caffe (crfrnn)"
    without_golden = (
        "That fork was not run; tests/layers/test_meanfield.py holds the lattice to loops over "
        "its rule and to a dense Gaussian, and the layer to loops over its iterations."
    )
    bottoms = exactly(3)
    in_place = False
    fork_options: ClassVar[Messages] = {
        "multi_stage_meanfield_param": {
            "compatibility_mode": "POTTS",
            "threshold": 0.0,  # the fork does not read it
            "theta_alpha": 0.0,
            "theta_beta": 0.0,
            "theta_gamma": 0.0,
            "num_iterations": 1,
            "spatial_filter_weight": 1.0,
            "bilateral_filter_weight": 1.0,
            "spatial_filter_weights_str": "",
            "bilateral_filter_weights_str": "",
            "force_cpu": False,  # says where it computes, and not what
        }
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.given = self.fork_values["multi_stage_meanfield_param"]
        if self.given["num_iterations"] < 2:
            raise ShapeError(f"num_iterations is {self.given['num_iterations']}: give 2 or more")
        if self.given["compatibility_mode"] != "POTTS":
            raise UnsupportedLayerError(
                f"compatibility_mode is {self.given['compatibility_mode']}: the fork has POTTS"
            )
        for name in ("theta_alpha", "theta_beta", "theta_gamma"):
            if not self.given[name] > 0:
                raise ShapeError(f"{name} is {self.given[name]}: give a positive number")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the unary terms' shape (n, classes, height, width)."""
        unary, scores, image = bottoms
        same_shapes([unary, scores])
        if len(unary) != 4 or not count(unary):
            raise ShapeError(
                f"bottom 0 is {unary}; it takes 4 axes (num, classes, height, width), none empty"
            )
        if len(image) != 4 or image[1] < 3 or (image[0], *image[2:]) != (unary[0], *unary[2:]):
            raise ShapeError(
                f"bottom 2 (the image) is {image}; with bottom 0 {unary} it has to be "
                f"({unary[0]}, 3, {unary[2]}, {unary[3]})"
            )
        for name in ("spatial", "bilateral"):
            self._weights(name, unary[1])
        return [unary]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return the weights of both filters and the compatibility."""
        classes = bottoms[0][1]
        diagonals = {
            "spatial": self._weights("spatial", classes),
            "bilateral": self._weights("bilateral", classes),
            "compatibility": (-1.0,) * classes,
        }
        shape = (1, 1, classes, classes)
        return [BlobSpec(attr, shape, _diagonal(x)) for attr, x in diagonals.items()]

    def _weights(self, name: str, classes: int) -> tuple[float, ...]:
        """Return a filter's weight of each class, where no file has it."""
        listed = self.given[f"{name}_filter_weights_str"].split()
        if not listed:
            return (float(self.given[f"{name}_filter_weight"]),) * classes
        try:
            numbers = tuple(map(float, listed[:classes]))
        except ValueError as error:
            raise ShapeError(f"{name}_filter_weights_str: {error}: give numbers") from None
        if len(numbers) < classes:
            raise ShapeError(
                f"{name}_filter_weights_str has {len(numbers)} numbers for {classes} classes: "
                f"give one a class"
            )
        return numbers

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        alpha, beta, gamma = (self.given[f"theta_{name}"] for name in ("alpha", "beta", "gamma"))
        return modules.MultiStageMeanfield(self.given["num_iterations"], alpha, beta, gamma)

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return the mixing of classes, and the spreading to and gathering from 3 + 6 corners."""
        each = 3 * bottoms[0][1] + 2 * (3 + 6)
        return int(self.given["num_iterations"]) * count(bottoms[0]) * each


def _diagonal(numbers: Sequence[float]) -> tuple[float, ...]:
    """Return a matrix, row by row, with ``numbers`` on its diagonal and 0 elsewhere."""
    places = range(len(numbers))
    return tuple(numbers[i] if i == j else 0.0 for i in places for j in places)
