"""The tables of layer types, made from the registry: docs/layers.md.

python -m bigdl_caffe.layers.support tests/golden > docs/layers.md
"""

from __future__ import annotations

import inspect
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.downgrade import TYPES as V1_TYPES
from bigdl_caffe.graph.ir import LayerDef
from bigdl_caffe.layers.recognised import Recognised
from bigdl_caffe.layers.registry import Layer, Role, registry

HEAD = """# Layer types

Made from the registry by `python -m bigdl_caffe.layers.support tests/golden`; a test keeps
it true. Any other type, as those [known and not computed](#known-and-not-computed), is
refused when a net with it is loaded, by name and all at once, unless `outputs=[...]` stops the
net before it or `converters={...}` says how it computes.

- **options**: the messages of the layer whose fields it reads; [Options](#options) lists them.
- **backward**: to which bottoms gradients go. *yes*: to all. *no: 1* and *none*: a gradient that
  would have to go to bottom 1, or to any, is an error, as in Caffe. *silently*: there it ends
  without an error, as in Caffe or in the fork.
- **formats**: V2 is Caffe's `layer { type: "..." }`, which any type can be written in; V1,
  `layers { type: ... }`, has some, and an Input layer as the net's `input`.
- **fork**: where the type comes from.
- **held to**: how many cases, computed by real Caffe, the tests hold it to; or else the note
  that says [what they hold it to](#held-to) and why there are none.
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
COLUMNS = ("type", "what it is", "options", "backward", "formats", "fork", "held to")

REFUSED = """
## Known and not computed

Scoring leaves out the losses, metrics and sinks among them, too.

| type | what it is | why it is not computed, and what to do | fork |
| --- | --- | --- | --- |
"""

MEANINGS = """
## One name, several meanings

Some types are other layers in other forks. What the layer's definition holds decides.

"""

CHOOSE_HOW = {
    "engine",
    "debug_info",
    "force_nd_im2col",
    "conv_algorithm",
    "conv_algos_override",
    "cudnn_convolution_algo_seeker",
}
"""Options that choose how a layer computes, and not what."""

OPTIONS = f"""
## Options

The fields that are read, by message. *Of forks* are fields beyond the schema, with their
defaults: such a message is refused where it holds any other. *Refused* fields have to stand at
their defaults. *Without effect* are fields that set no number of the tops, as what a layer
draws or writes, and those that the forks do not read themselves. Inputs are fed; where
`bigdl_caffe.data` reads their data, it reads or refuses each field. Left out are the fields
that choose how a layer computes, and not what:
{", ".join(f"`{name}`" for name in sorted(CHOOSE_HOW))}.

"""

HELD = """
## Held to

"""

Types = Mapping[str, type[Layer]]


def support_tables(golden: Path) -> str:
    """Return docs/layers.md: a table for each section, a row for each type, and what they name.

    Parameters
    ----------
    golden : Path
        The folder of golden cases, to count them by type.
    """
    every = {name: cls for name, cls in sorted(registry().items()) if not name.startswith("~")}
    types = {name: cls for name, cls in every.items() if not issubclass(cls, Recognised)}
    cases, notes = golden_cases(golden), _notes(types)
    parts = [HEAD]
    for title, roles in SECTIONS.items():
        parts.append(f"\n## {title}\n\n{_line(COLUMNS)}{_line(['---'] * len(COLUMNS))}")
        for name, cls in types.items():
            if cls.role in roles:
                parts.append(_row(name, cls, _held(cases[name], notes, cls)))
    parts += [REFUSED, *(_known(cls) for cls in every.values() if issubclass(cls, Recognised))]
    meanings = {name: cls.meanings for name, cls in types.items()}
    parts += [MEANINGS, *(f"- {names}: {said}\n" for said, names in _by_text(meanings).items())]
    parts += [OPTIONS, *_options(types)]
    parts += [HELD, *(f"{number}. {_sentence(why)}\n" for why, number in notes.items())]
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


def messages(name: str, cls: type[Layer]) -> tuple[str, ...]:
    """Return the messages that hold the type's options, those of forks as well."""
    return tuple(dict.fromkeys((*options(name, cls), *cls.fork_options)))


def _row(name: str, cls: type[Layer], held: str) -> str:
    listed = ", ".join(f"`{message}`" for message in messages(name, cls))
    formats = "V1, V2" if name in V1_TYPES else "V2"
    backward = "" if cls.role in (Role.INPUT, Role.SINK) else _backward(cls)
    return _line((f"`{name}`", _words(cls), listed, backward, formats, cls.fork or "BVLC", held))


def _known(cls: type[Recognised]) -> str:
    known = cls.known
    why = _sentence(f"{known.reason}; {known.remedy}")
    return _line((f"`{known.type}`", _words(cls), why, known.fork or "BVLC"))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _words(cls: type[Layer]) -> str:
    return (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")


def _notes(types: Types) -> dict[str, int]:
    """Return the reasons why types have no golden cases, numbered."""
    reasons = dict.fromkeys(cls.without_golden for cls in types.values() if cls.without_golden)
    return {why: number for number, why in enumerate(reasons, 1)}


def _held(cases: int, notes: Mapping[str, int], cls: type[Layer]) -> str:
    if not cases:
        return f"note {notes[cls.without_golden]}"
    return f"{cases} case{'s' * (cases > 1)}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].removesuffix('.')}."


def _backward(cls: type[Layer]) -> str:
    """Say where gradients go; an object without options will do, as only bottoms count."""
    n = cls.bottoms.least if cls.bottoms.most is None else cls.bottoms.most
    probe = cls.__new__(cls)
    probe.spec = LayerDef("", "", ("",) * n, ("",), pb.LayerParameter())
    ends = {"no": set(probe.no_gradient_to()), "silently no": set(cls.drops_gradient)}
    said = [_ends(how, sorted(where & set(range(n))), n) for how, where in ends.items()]
    return "; ".join(filter(None, said)) or "yes"


def _ends(how: str, bottoms: list[int], n: int) -> str:
    if len(bottoms) == n:
        return f"{how}ne" if n else ""
    return f"{how}: {', '.join(map(str, bottoms))}" if bottoms else ""


def _options(types: Types) -> Iterator[str]:
    """Yield a line for each message, and lines below for what is not simply read."""
    for message in sorted({message for item in types.items() for message in messages(*item)}):
        readers = {
            name: cls
            for name, cls in types.items()
            if message in {*messages(name, cls), *cls.refused}
        }
        yield f"- `{message}`{_read(message, readers)}\n"
        for what, fields in DETAILS.items():
            told = {name: fields(message, cls) for name, cls in readers.items()}
            yield from _grouped(what, told)


def _read(message: str, readers: Types) -> str:
    """Return the schema's fields of ``message`` that some type reads."""
    of_schema = [cls for name, cls in readers.items() if message in options(name, cls)]
    holder = pb.LayerParameter.DESCRIPTOR.fields_by_name.get(message)
    left_out = [
        {*c.refused.get(message, ()), *c.without_effect.get(message, ())} for c in of_schema
    ]
    if not of_schema or holder is None or holder.message_type is None:
        return ""
    never = set.intersection(*left_out) | CHOOSE_HOW
    return f": {_code(f.name for f in holder.message_type.fields if f.name not in never)}"


def _fork_fields(message: str, cls: type[Layer]) -> str:
    fields = cls.fork_options.get(message, {})
    return ", ".join(f"`{name}`{_default(value)}" for name, value in fields.items())


def _default(value: Any) -> str:
    if isinstance(value, Mapping):
        return f" {{ {', '.join(f'`{name}`{_default(x)}' for name, x in value.items())} }}"
    if isinstance(value, bool):
        return f" ({str(value).lower()})"
    return f" ({value})" if isinstance(value, int | float | str) and value != "" else ""


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


DETAILS: Mapping[str, Callable[[str, type[Layer]], str]] = {
    "of forks": _fork_fields,
    "refused": lambda message, cls: _code(cls.refused.get(message, ())),
    "without effect": lambda message, cls: _code(cls.without_effect.get(message, ())),
}


def _grouped(what: str, told: Mapping[str, str]) -> Iterator[str]:
    """Yield what is told of the types, with their names where it differs between them."""
    everyone = _code(told)
    for text, names in _by_text(told).items():
        yield f"  - {what}{'' if names == everyone else f' by {names}'}: {text}\n"


def _by_text(told: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the types of which each text is told."""
    texts = dict.fromkeys(filter(None, told.values()))
    return {text: _code(name for name, said in told.items() if said == text) for text in texts}


if __name__ == "__main__":
    print(support_tables(Path(sys.argv[1])), end="")
