"""What of a module cannot be said in Caffe's layers, and where it stands."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import fx

from bigdl_caffe.errors import CaffeError, UnsupportedLayerError

SHOWN = 3
"""How many places of one problem are told."""

_FRAME = re.compile(r'File "(?P<file>[^"<]+)", line (?P<line>\d+)')
_TORCH, _OURS = str(Path(torch.__file__).parent), str(Path(__file__).parents[1])


class Problems:
    """Every operation that found no layer, each with its reason and places."""

    def __init__(self) -> None:
        self.places: dict[str, list[str]] = {}

    def add(self, node: fx.Node, error: CaffeError) -> None:
        """Note that ``node`` found no layer."""
        for reason in error.problems:
            self.places.setdefault(f"{_operation(node)}: {reason}", []).append(_where(node))

    def check(self) -> None:
        """Raise `UnsupportedLayerError` with all problems, where there are any."""
        if self.places:
            raise UnsupportedLayerError(*(_said(*item) for item in self.places.items()))


def _said(problem: str, places: list[str]) -> str:
    more = len(places) - SHOWN
    return f"{problem} ({', '.join(places[:SHOWN])}{f' and {more} more' if more > 0 else ''})"


def _operation(node: fx.Node) -> str:
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", packet))


def place_of(node: fx.Node) -> str:
    """Return the qualified name of the submodule that ``node`` is called in; "" for the root."""
    stack = node.meta.get("nn_module_stack") or {"": ("", None)}
    path: str = list(stack.values())[-1][0]
    return path.partition("@")[0]


def _where(node: fx.Node) -> str:
    """Return the submodule, and the innermost line of the source that is not torch's."""
    module = f"in '{place_of(node)}'" if place_of(node) else "in the module itself"
    frames = list(_FRAME.finditer(node.meta.get("stack_trace") or ""))
    others = [m for m in frames if not m["file"].startswith(_TORCH)]
    if not others or others[-1]["file"].startswith(_OURS):
        return module  # all of its code is torch's
    return f"{module}, {others[-1]['file']}:{others[-1]['line']}"
