"""Whether the Python of an executor can run what the driver sends, said plainly where not.

A task names classes of this package, which a worker imports when it unpickles the task: if
the package is missing there, or torch is, nothing of ours would run that could say so. A
`Portable` task therefore travels as bytes, beside a function that is pickled by value and
needs nothing but Python itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark import cloudpickle

NEEDED = ("bigdl_caffe", "numpy", "pandas", "pyarrow", "google.protobuf", "torch")
"""Modules that driver and executors must both have; the first in the same version."""


@dataclass(frozen=True)
class Portable:
    """A task for Spark, which becomes ``task`` again on a worker whose Python is fit for it.

    Raises
    ------
    RuntimeError
        On a worker, instead of running: a module is missing there, or this package is of
        another version than the driver's. It says which, and what to do.
    """

    task: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        """Call the task, for those who never send it."""
        return self.task(*arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[bytes, Mapping[str, str]]]:
        # Pickled here and not before: Spark notes the broadcasts that it meets while it pickles.
        pickled = cloudpickle.dumps(self.task)  # type: ignore[no-untyped-call]  # has no types
        return _opener(), (pickled, {name: version(name) for name in NEEDED})


def version(module: str) -> str:
    """Return the version of an importable module."""
    return str(getattr(importlib.import_module(module), "__version__", "of no version"))


def _opener() -> Callable[[bytes, Mapping[str, str]], Any]:
    """Return a function that no module has by name, which cloudpickle sends by value.

    It must use nothing that is outside of it.
    """

    def open_task(pickled: bytes, driver: Mapping[str, str]) -> Any:
        import importlib
        import pickle
        import socket
        import sys

        def found(module: str) -> str:
            try:
                return str(getattr(importlib.import_module(module), "__version__", "of no version"))
            except ImportError as error:
                return f"missing ({error})"

        def mend(module: str) -> str:
            if module == "bigdl_caffe":
                return "send the driver's by --py-files bigdl_caffe.zip, or install it there"
            return "install it there, or send an environment that has it by --archives"

        def refusal(modules: tuple[str, ...], cause: str = "") -> RuntimeError:
            here = {name: found(name) for name in modules}
            wrong = [
                f"{name} is {here[name]}, and {driver[name]} on the driver: {mend(name)}"
                for name in modules
                if here[name] != driver[name]
            ]
            where = f"{sys.executable}, Python {sys.version.split()[0]}, on {socket.gethostname()}"
            return RuntimeError(
                f"bigdl_caffe: an executor's Python ({where}) cannot run the driver's task: "
                f"{'; '.join(wrong) or cause} (PYSPARK_PYTHON says which Python that is)"
            )

        if found("bigdl_caffe") != driver["bigdl_caffe"]:
            raise refusal(("bigdl_caffe",))
        try:
            return pickle.loads(pickled)
        except (ImportError, AttributeError) as error:
            raise refusal(tuple(driver), f"{type(error).__name__}: {error}") from error

    return open_task
