"""What the whole numbers of an int8 net mean.

A value, as :mod:`bigdl_caffe.graph.ir` calls what a layer makes, is a number of `Steps`; a
weight is a number of its output channel's scale, which lies in the table beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.weights.table import WeightTable

SCALES = ":scales"
"""Behind the name of an int8 column: the column of its scales."""

LEAST, MOST = 0, 255
"""The whole numbers that a value may be: those of uint8, as oneDNN's kernels take them."""


@dataclass(frozen=True)
class Steps:
    """The numbers that a value can hold: ``(n - zero) * scale`` for n of `LEAST` to `MOST`.

    Attributes
    ----------
    scale : float
        A float32, above 0.
    zero : int
        The n that means 0.
    """

    scale: float
    zero: int


@dataclass(frozen=True)
class Scheme:
    """Which values of a net are rounded, and to what.

    Attributes
    ----------
    values : mapping of str to Steps
        Each is rounded as soon as it is made. None of them: the weights alone are int8.
    """

    values: Mapping[str, Steps]

    def to_json(self) -> str:
        """Return it as the Arrow layout has it."""
        return json.dumps({v: [s.scale, s.zero] for v, s in self.values.items()}, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Scheme:
        """Return what `to_json` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            For any other text.
        """
        values = {str(v): Steps(float(s), int(z)) for v, (s, z) in json.loads(text).items()}
        for value, steps in values.items():
            if not (isfinite(steps.scale) and steps.scale > 0 and LEAST <= steps.zero <= MOST):
                raise ValueError(f"'{value}' has the steps {steps}")
        return Scheme(values)


def int8_keys(table: WeightTable) -> tuple[str, ...]:
    """Return the names of the int8 blobs of ``table``."""
    return tuple(key for key, blob in table.blobs.items() if blob.dtype == "int8")


def check_scheme(
    table: WeightTable, scheme: Scheme | None, shapes: Mapping[str, Shape], path: str
) -> None:
    """Raise `CaffeFormatError` unless ``table`` is a whole one of ``scheme``.

    Parameters
    ----------
    scheme : Scheme or None
        None for a float net, all of whose blobs are float32.
    shapes : mapping of str to shape
        Of the net's values.
    """
    blobs, whole = table.blobs, int8_keys(table)
    if scheme is None:
        wrong = [f"the column '{key}' of a float net is int8" for key in whole]
    else:
        wrong = [f"the net has no '{value}' to round" for value in scheme.values.keys() - shapes]
        for key in whole:
            scales = blobs.get(key + SCALES)
            if scales is None or scales.dtype != "float32" or scales.shape != blobs[key].shape[:1]:
                wrong.append(f"the int8 column '{key}' has no '{SCALES}' of its length")
            elif not bool(((scales > 0) & (scales < float("inf"))).all()):
                wrong.append(f"the column '{key}{SCALES}' holds what is no scale")
    if wrong:
        raise CaffeFormatError(
            f"{wrong[0]}: the file is damaged; write it again with Model.write_bundle", path
        )
