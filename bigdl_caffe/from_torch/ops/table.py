"""Which function turns which ATen operation into layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Handler = Callable[..., Any]
"""Takes the `Builder` and the operation's arguments, all by position and with their defaults.

An argument that was a tensor is a `Top` or a `Weight`. It returns one of those, or a tuple of
them, and raises `UnsupportedLayerError` with the reason where there are no such layers.
"""

H = TypeVar("H", bound=Handler)

OPS: dict[str, Handler] = {}
"""ATen name with overload, such as "add.Tensor", → handler."""


def op(*names: str) -> Callable[[H], H]:
    """Register the decorated function for ATen's ``names``."""

    def add(handler: H) -> H:
        OPS.update(dict.fromkeys(names, handler))
        return handler

    return add
