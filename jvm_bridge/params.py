"""Write the Params of the JVM's stages from the tables of Python's.

``python jvm_bridge/params.py`` does so. The Java files are committed, and a test says whether
they are in step.
"""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from bigdl_caffe.spark import CaffeEstimator, CaffeModel
from bigdl_caffe.spark.params import Option, OptionParams

FOLDER = Path(__file__).parent / "src" / "bigdl_caffe" / "spark"
_WIDTH = 100
_DEEP, _DEEPER = " " * 16, " " * 24


@dataclass(frozen=True)
class Kind:
    """How Java has the Params of one kind.

    Attributes
    ----------
    param : str
        Class of the Param.
    value : str
        What its getter returns.
    setters : sequence of (str, str)
        What each setter takes, and the value that it makes of that.
    """

    param: str
    value: str
    setters: tuple[tuple[str, str], ...]


def _kind(param: str, value: str, *takes: str) -> Kind:
    return Kind(param, value, tuple((each, "value") for each in takes or (value,)))


_TEXT = _kind("Param<String>", "String")
_TEXTS = _kind("StringArrayParam", "String[]", "String...")
_NUMBER = _kind("DoubleParam", "double")
_COLUMNS = "Map<String, String>"
KINDS = {
    "toString": _TEXT,
    "to_recipe": _TEXT,
    "toInt": _kind("IntParam", "int"),
    "toFloat": _NUMBER,
    "_to_fraction": _NUMBER,
    "toBoolean": _kind("BooleanParam", "boolean"),
    "toListString": _TEXTS,
    "_to_texts": _TEXTS,
    "toListInt": _kind("IntArrayParam", "int[]", "int..."),
    "to_columns": Kind(
        f"JsonParam<{_COLUMNS}>",
        _COLUMNS,
        ((_COLUMNS, "value"), ("String...", "JsonParam.pairs(value)")),
    ),
    "to_binary": _kind("JsonParam<Object>", "Object", "String", _COLUMNS),
    "_to_solver": _kind("JsonParam<Object>", "Object", "String"),
}
"""What `Option.convert` is called → how Java has it."""

_CLASS = Template("""\
// Written by jvm_bridge/params.py from the tables in bigdl_caffe/spark: change those.
package bigdl_caffe.spark;

import java.util.Map;
import org.apache.spark.ml.${base};
import org.apache.spark.ml.param.*;

/** The Params of {@link ${stage}}; {@code explainParams()} prints them. */
public abstract class ${stage}Params extends ${base}<CaffeModel> {
    private static final long serialVersionUID = 1L;

    private final String uid;
${fields}

    ${stage}Params(String uid) {
        this.uid = uid;
${made}
    }

    @Override
    public String uid() {
        return uid;
    }

    private <T> ${stage} put(Param<T> param, T value) {
        set(param, value);
        return (${stage}) this;
    }
${methods}
}
""")

_METHODS = Template("""
    /**
${doc}
     */
    public ${param} ${name}() {
        return ${name};
    }

    /** Returns {@link #${name}()}. */
    public ${value} get${title}() {
        return ${cast}getOrDefault(${name});
    }
""")

_SETTER = Template("""
    /** Sets {@link #${name}()}. */
    public ${stage} set${title}(${takes} value) {
        return put(${name}, ${made});
    }
""")


def sources() -> dict[Path, str]:
    """Return the Java files and what is in them."""
    bases = {CaffeModel: "Model", CaffeEstimator: "Estimator"}
    return {
        FOLDER / f"{stage.__name__}Params.java": _source(stage, base)
        for stage, base in bases.items()
    }


def _source(stage: type[OptionParams], base: str) -> str:
    kinds = [(option, KINDS[option.convert.__name__]) for option in stage.OPTIONS]
    return _CLASS.substitute(
        stage=stage.__name__,
        base=base,
        fields="\n".join(f"    private final {k.param} {o.name};" for o, k in kinds),
        made="\n".join(line for o, k in kinds for line in _made(o, k)),
        methods="".join(_methods(stage.__name__, o, k) for o, k in kinds).rstrip("\n"),
    )


def _made(option: Option, kind: Kind) -> Iterator[str]:
    """Yield the statements that make a Param and set its default."""
    made = kind.param.split("<")[0] + ("<>" if "<" in kind.param else "")
    lines = _wrapped(option.doc, _WIDTH - 30)
    quoted = [json.dumps(f"{line} ") for line in lines[:-1]] + [json.dumps(lines[-1])]
    arguments = [f'this, "{option.name}"', f"\n{_DEEPER}+ ".join(quoted), *_check(option)]
    yield f"        {option.name} = new {made}("
    yield ",\n".join(f"{_DEEP}{argument}" for argument in arguments) + ");"
    if option.default is not None:
        yield f"        setDefault({option.name}, {_literal(option.default)});"


def _check(option: Option) -> Iterator[str]:
    if option.known:
        known = _wrapped(", ".join(map(json.dumps, option.known)), _WIDTH - 30)
        between = f"\n{_DEEPER}"
        yield f'Checks.known("{option.name}",{between}{between.join(known)})'
    if option.least is not None:
        yield f'Checks.least("{option.name}", {option.least})'


def _wrapped(text: str, width: int, margin: str = "") -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False
    )


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"new String[] {{{', '.join(map(json.dumps, value))}}}"
    return json.dumps(value)


def _methods(stage: str, option: Option, kind: Kind) -> str:
    name, title = option.name, option.name[0].upper() + option.name[1:]
    doc = _wrapped(f"The Param {name}: {html.escape(option.doc, quote=False)}.", _WIDTH, "     * ")
    cast = f"({kind.value}) " if kind.value in ("int", "double", "boolean") else ""
    text = _METHODS.substitute(
        name=name,
        title=title,
        param=kind.param,
        value=kind.value,
        cast=cast,
        doc="\n".join(doc),
    )
    for takes, made in kind.setters:
        text += _SETTER.substitute(stage=stage, name=name, title=title, takes=takes, made=made)
    return text


if __name__ == "__main__":
    for path, text in sources().items():
        path.write_text(text, encoding="utf-8")
