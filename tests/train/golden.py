"""The cases of tests/golden/solvers: short trainings, as real Caffe ran them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tests.paths import GOLDEN

SOLVERS = GOLDEN / "solvers"
COMMON = SOLVERS / "_common"
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """One training; paths in its solver are relative to its folder.

    Attributes
    ----------
    name : str
    """

    name: str

    @property
    def folder(self) -> Path:
        return SOLVERS / self.name

    @property
    def solver(self) -> Path:
        return self.folder / "solver.prototxt"

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Return what the case is: ``net``, ``iters``, and what Caffe logged."""
        found: dict[str, Any] = json.loads((self.folder / "meta.json").read_text())
        return found

    @property
    def initial(self) -> Path:
        """Return the weights that the training begins with."""
        return COMMON / f"init_{self.meta['net']}.caffemodel"

    @cached_property
    def trace(self) -> dict[str, Array]:
        """Return "loss" of each pass, "lr" of each iteration, and blobs under "w5/ip1/0"."""
        with np.load(self.folder / "trace.npz") as npz:
            return dict(npz)

    def blobs(self, kind: str) -> dict[str, Array]:
        """Return "layer/index" → array of ``{kind}/...``: "w5", "grad0", "final"."""
        start = f"{kind}/"
        return {key[len(start) :]: a for key, a in self.trace.items() if key.startswith(start)}


def cases() -> list[Case]:
    """Return every case, by name."""
    return [Case(path.name) for path in sorted(SOLVERS.iterdir()) if path != COMMON]
