"""What an operation of a traced module takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bigdl_caffe.errors import UnsupportedLayerError
from bigdl_caffe.graph.ir import Shape


@dataclass(frozen=True)
class Top:
    """A blob of the net: it depends on the net's inputs."""

    blob: str
    shape: Shape


@dataclass(frozen=True)
class Weight:
    """Numbers that depend on no input: a parameter, a buffer, or what is computed from them.

    Attributes
    ----------
    tensor : Tensor
        The module's own, or a new one where it was computed.
    source : str
        The parameter's qualified name; "" for what was computed. Blobs of one source and
        shape are shared.
    learned : bool
        Whether training changes them.
    """

    tensor: Tensor
    source: str = ""
    learned: bool = False

    @property
    def shape(self) -> Shape:
        """The tensor's shape."""
        return tuple(self.tensor.shape)

    def of(self, tensor: Tensor) -> Weight:
        """Return ``tensor``, computed from this one."""
        return Weight(tensor, learned=self.learned)

    def reshape(self, *shape: int) -> Weight:
        """Return the same numbers in another shape."""
        return replace(self, tensor=self.tensor.reshape(shape))

    def array(self) -> NDArray[Any]:
        """Return the numbers as float32, without a copy where they are that already."""
        return np.asarray(self.tensor.detach().to("cpu", torch.float32))


def fixed(value: Top | Weight, what: str) -> Weight:
    """Return ``value``, or raise `UnsupportedLayerError` where it depends on an input."""
    if isinstance(value, Weight):
        return value
    raise UnsupportedLayerError(f"its {what} depends on the input; in Caffe it is a learned blob")


def number(value: object) -> float | None:
    """Return the one number that ``value`` is, where training does not change it."""
    if isinstance(value, Weight):
        alone = value.tensor.numel() == 1 and not value.learned
        return float(value.tensor) if alone else None
    return float(value) if isinstance(value, int | float) else None
