"""The ``param_str`` of Python layers: the little YAML that real nets write, read safely."""

from __future__ import annotations

import ast
from typing import Any

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.graph.ir import LayerDef
from bigdl_caffe.layers.fork_options import known_options

_WORDS = {"true": True, "false": False, "null": None}


def param_str(spec: LayerDef) -> dict[str, Any]:
    """Return what ``python_param.param_str`` says; empty where there is none.

    Two forms are read, and nothing is run: a Python or JSON dict of literals, as
    ``{'feat_stride': 16, 'scales': [8, 16]}``, and lines of ``key: value``, with quotes
    or without, as ``'feat_stride': 16``. YAML's ``!!python/tuple`` may stand before a list.

    Raises
    ------
    ShapeError
        Where it is neither.
    """
    text = spec.param.python_param.param_str.replace("!!python/tuple", "").strip()
    if text.startswith("{"):
        found = _literal(text)
        if isinstance(found, dict):
            return {str(key): value for key, value in found.items()}
        text = "\n".join(text.strip("{}").split(","))
    lines = [line for line in map(str.strip, text.splitlines()) if line and line[0] not in "#-"]
    return dict(_pair(line, text) for line in lines)


def python_options(spec: LayerDef, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the options in `param_str`, as `known_options` does those of a message."""
    return known_options(param_str(spec), "param_str", defaults)


def _pair(line: str, text: str) -> tuple[str, Any]:
    key, colon, value = line.partition(":")
    if not colon:
        raise ShapeError(
            f"param_str {text!r} is no dict and has no lines of 'key: value': write it as "
            f"\"{{'key': value}}\""
        )
    return str(_literal(key.strip())), _literal(value.strip())


def _literal(text: str) -> Any:
    """Return the value that ``text`` spells; the text itself, a bare word of YAML, otherwise."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return list(value) if isinstance(value, tuple) else value
