"""The tables of layer types, made from the registry: docs/layers.md.

python -m bigdl_caffe.layers.support tests/golden > docs/layers.md
"""

from __future__ import annotations

import inspect
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef
from bigdl_caffe.graph.upgrade import V1_TYPES
from bigdl_caffe.layers.registry import Layer, Role, registry

HEAD = """# Layer types

Made from the registry by `python -m bigdl_caffe.layers.support tests/golden`; a test keeps
it true. Any other type is refused when a net with it is loaded, by name and all at once,
unless `outputs=[...]` stops the net before it or `converters={...}` says how it computes.

- **options**: the messages of the layer whose fields it reads, listed at the end. What a
  field of a fork asks for and is not computed is refused, never ignored.
- **backward**: where gradients go. Where Caffe has no backward pass, a gradient that would
  have to go there is an error, as in Caffe.
- **V1**: whether Caffe's V1 format (`layers { type: ... }`) has the type too. V2 has all.
- **held to**: how many cases, computed by real Caffe, the tests hold the type to; or else
  what they hold it to, and why there are none.
"""

SECTIONS = {
    "Computed": {Role.COMPUTE},
    "Inputs: the caller feeds their tops, or `bigdl_caffe.data` reads them": {Role.INPUT},
    "Losses, metrics and sinks: computed in TRAIN or when asked for, left out when scoring": {
        Role.LOSS,
        Role.METRIC,
        Role.SINK,
    },
}
COLUMNS = ("type", "what it is", "options", "backward", "V1", "fork", "held to")


def support_tables(golden: Path) -> str:
    """Return docs/layers.md: a table for each section, a row for each type.

    Parameters
    ----------
    golden : Path
        The folder of golden cases, to count them by type.
    """
    types = {name: cls for name, cls in sorted(registry().items()) if not name.startswith("~")}
    cases = golden_cases(golden)
    parts = [HEAD]
    for title, roles in SECTIONS.items():
        rows = [_row(name, cls, cases[name]) for name, cls in types.items() if cls.role in roles]
        parts.append(f"\n## {title}\n\n{_line(COLUMNS)}{_line(['---'] * len(COLUMNS))}")
        parts += rows
    parts.append("\n## Options\n\n")
    parts += _options({name for cls in types.items() for name in options(*cls)})
    return "".join(parts)


def golden_cases(golden: Path) -> Counter[str]:
    """Return how many golden cases each layer type has."""
    manifests = (json.loads(path.read_text()) for path in golden.glob("*/manifest.json"))
    return Counter(case["layer"] for cases in manifests for case in cases)


def options(name: str, cls: type[Layer]) -> tuple[str, ...]:
    """Return the fields of LayerParameter that hold the type's options."""
    if cls.options is not None:
        return cls.options
    own = f"{name.replace('_', '')}param".lower()
    fields = pb.LayerParameter.DESCRIPTOR.fields_by_name
    return tuple(field for field in fields if field.replace("_", "") == own)


def _row(name: str, cls: type[Layer], cases: int) -> str:
    held = f"{cases} case{'s' * (cases > 1)}" if cases else cls.without_golden
    listed = ", ".join(f"`{field}`" for field in options(name, cls))
    v1 = "yes" if name in V1_TYPES.values() else ""
    return _line((f"`{name}`", _words(cls), listed, _backward(cls), v1, cls.fork or "BVLC", held))


def _line(cells: Mapping[str, str] | tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _words(cls: type[Layer]) -> str:
    return (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")


def _backward(cls: type[Layer]) -> str:
    """Say where gradients go; an object without options will do, as only bottoms count."""
    if cls.role in (Role.INPUT, Role.SINK):
        return ""
    n = cls.bottoms.least if cls.bottoms.most is None else cls.bottoms.most
    probe = cls.__new__(cls)
    probe.spec = LayerDef("", "", ("",) * n, ("",), pb.LayerParameter())
    blocked = sorted(set(probe.no_gradient_to()).intersection(range(n)))
    if len(blocked) == n:
        return "none" if n else "yes"
    return f"not to bottom {', '.join(map(str, blocked))}" if blocked else "yes"


def _options(names: set[str]) -> Iterator[str]:
    for name in sorted(names):
        message = pb.LayerParameter.DESCRIPTOR.fields_by_name[name].message_type
        fields = ", ".join(f"`{field.name}`" for field in message.fields)
        yield f"- `{name}`: {fields}\n"


if __name__ == "__main__":
    print(support_tables(Path(sys.argv[1])), end="")
