"""The tables of layer types, made from the registry: docs/layers.md.

python -m bigdl_caffe.layers.support > docs/layers.md
"""

from __future__ import annotations

import inspect

from bigdl_caffe.layers.registry import Layer, Role, registry

HEAD = """# Layer types

Made from the registry by `python -m bigdl_caffe.layers.support`; a test keeps it true.
Any other type is refused when a net with it is loaded, by name and all at once, unless
`outputs=[...]` stops the net before it or `converters={...}` says how it computes.
"""

SECTIONS = {
    "Computed": {Role.COMPUTE},
    "Inputs: what a source of data would make, the caller feeds": {Role.INPUT},
    "Losses, metrics and sinks: known, and left out when scoring": {
        Role.LOSS,
        Role.METRIC,
        Role.SINK,
    },
}


def support_tables() -> str:
    """Return docs/layers.md: a table for each section, a row for each type."""
    types = {name: cls for name, cls in sorted(registry().items()) if not name.startswith("~")}
    parts = [HEAD]
    for title, roles in SECTIONS.items():
        rows = [_row(name, cls) for name, cls in types.items() if cls.role in roles]
        parts.append(f"\n## {title}\n\n| type | what it is |\n|---|---|\n" + "".join(rows))
    return "".join(parts)


def _row(name: str, cls: type[Layer]) -> str:
    words = (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")
    return f"| `{name}` | {words.replace('``', '`').replace('|', chr(92) + '|')} |\n"


if __name__ == "__main__":
    print(support_tables(), end="")
