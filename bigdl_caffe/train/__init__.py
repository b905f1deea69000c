"""Training as Caffe's solvers do it, on one process or on many that stay in step.

Names are imported when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigdl_caffe.train.definition import SolverDef, read_solver, solver_def
    from bigdl_caffe.train.opening import load_solver
    from bigdl_caffe.train.solver import Solver

_HOMES = {
    "Solver": "solver",
    "SolverDef": "definition",
    "load_solver": "opening",
    "read_solver": "definition",
    "solver_def": "definition",
}

__all__ = ["Solver", "SolverDef", "load_solver", "read_solver", "solver_def"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bigdl_caffe.train' has no attribute '{name}'")
    return getattr(importlib.import_module(f"bigdl_caffe.train.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
