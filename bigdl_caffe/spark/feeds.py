"""Which column of a DataFrame feeds which input blob, and as what: told from a schema alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    DecimalType,
    IntegralType,
    NumericType,
    StructType,
    UserDefinedType,
)

from bigdl_caffe import feeding
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.spark.columns import Feed, depth, kind_of
from bigdl_caffe.spark.numbers import words

if TYPE_CHECKING:
    from bigdl_caffe.image.recipe import Recipe
    from bigdl_caffe.model import Model

NUMBERS = ("float32", "float64", "float16", "uint8", "int8", "uint16", "int16", "int32", "int64")
"""What the numbers of a raw tensor may be."""

BINARY = ("auto", "image", *NUMBERS)
"""What a binary column may be said to hold."""

_WANTED = (
    "encoded images or raw numbers (binary), Spark's image struct, (nested) arrays of numbers, "
    "ML vectors, or structs of shape and data"
)


def find_feeds(
    model: Model,
    schema: StructType,
    input_col: str | None,
    feed: Mapping[str, str] | None,
    recipe: Recipe | None,
    binary: str | Mapping[str, str] = "auto",
) -> tuple[Feed, ...]:
    """Return a `Feed` for every blob that is fed.

    Parameters
    ----------
    input_col, feed
        The column of a net of one input, or input blob → column. A column is meant that has
        the very name, or else the only one that has it in other case.
    recipe : Recipe, optional
        How images become the input; by default `Model.recipe`.
    binary : str or mapping of str to str
        One of `BINARY`, or input blob → one of them: what binary columns hold. "auto" is
        images where a row of the input has the shape (1 or 3, H, W), and float32 elsewhere.

    Raises
    ------
    CaffeError
        Columns are missing, ambiguous or of no use, or a blob has no column: all at once.
    """
    if feed and input_col:
        raise CaffeError("give input_col or feed, not both")
    named = dict(feed) if feed else _only_input(model, schema, input_col)
    if not isinstance(binary, str) and (unfed := [blob for blob in binary if blob not in named]):
        raise CaffeError(
            f"binary says what {', '.join(unfed)} holds, which is not fed: {', '.join(named)} is"
        )
    found: list[Feed] = []
    problems: list[str] = []
    for blob, column in named.items():
        try:
            found.append(_named(model, schema, blob, column, recipe, _of(binary, blob)))
        except CaffeError as error:
            problems += error.problems
    if problems:
        raise CaffeError(*problems)
    return tuple(found)


def make_feed(
    model: Model,
    blob: str,
    column: int,
    kind: pa.DataType,
    recipe: Recipe | None = None,
    binary: str = "auto",
    said: str | None = None,
) -> Feed:
    """Return the `Feed` of input ``blob`` from a column of an Arrow type.

    Parameters
    ----------
    column : int
        Its position.
    recipe, binary
        As `find_feeds` takes them.
    said : str, optional
        The column and its type, as errors name them.

    Raises
    ------
    CaffeError
        The type, or the recipe, is of no use for the input.
    """
    shape = model.inputs[blob][1:]
    if reason := _unfit(kind, shape):
        said = said or f"column {column} is {kind}"
        raise CaffeError(f"{said}, which the input '{blob}' cannot take: {reason}")
    name, dtype = kind_of(kind) or "", "float32"
    if name == "encoded" and binary in NUMBERS:
        name, dtype = "tensor", binary
    elif name == "encoded" and binary == "auto" and not feeding.is_image(shape):
        name = "tensor"
    if name not in ("encoded", "image"):
        return Feed(blob, column, name, shape, dtype=dtype)
    return Feed(blob, column, name, shape, _fitting(recipe or model.recipe(blob), blob, shape))


def arrow_type(kind: DataType) -> pa.DataType:
    """Return the Arrow type that tells what a Spark type can be; null for other types."""
    if isinstance(kind, UserDefinedType):
        return arrow_type(kind.sqlType())
    if isinstance(kind, ArrayType):
        return pa.list_(arrow_type(kind.elementType))
    if isinstance(kind, StructType):
        return pa.struct([pa.field(f.name, arrow_type(f.dataType)) for f in kind.fields])
    return next((arrow for spark, arrow in _PLAIN.items() if isinstance(kind, spark)), pa.null())


_PLAIN = {
    BinaryType: pa.binary(),
    IntegralType: pa.int64(),
    DecimalType: pa.decimal128(38),
    NumericType: pa.float64(),
}


def _only_input(model: Model, schema: StructType, input_col: str | None) -> dict[str, str]:
    if len(model.inputs) != 1:
        raise CaffeError(
            f"the net has the inputs {', '.join(model.inputs)}: "
            "say which column each gets, by feed={'blob': 'column', ...}"
        )
    ((blob, shape),) = model.inputs.items()
    return {blob: input_col or _only_candidate(schema, shape[1:])}


def _only_candidate(schema: StructType, shape: Shape) -> str:
    """Return the one column that can be an input; a plain number is more often a label."""
    kinds = {f.name: arrow_type(f.dataType) for f in schema.fields if not _is_plain(f.dataType)}
    found = [name for name, kind in kinds.items() if not _unfit(kind, shape)]
    if len(found) == 1:
        return found[0]
    what = f"{', '.join(found)} could each be" if found else "no column can be"
    raise CaffeError(
        f"{what} the input, which is one of {_WANTED}: name it by input_col. "
        f"The columns are {_described(schema)}"
    )


def _is_plain(kind: DataType) -> bool:
    return isinstance(kind, NumericType)


def _named(
    model: Model,
    schema: StructType,
    blob: str,
    column: str,
    recipe: Recipe | None,
    binary: str,
) -> Feed:
    if blob not in model.inputs:
        raise CaffeError(f"the net has no input '{blob}': its inputs are {', '.join(model.inputs)}")
    position = _position(schema, column, blob)
    field = schema.fields[position]
    said = f"column '{field.name}' is {field.dataType.simpleString()}"
    return make_feed(model, blob, position, arrow_type(field.dataType), recipe, binary, said)


def _position(schema: StructType, column: str, blob: str) -> int:
    """Return where a column is: of the very name, or else of the name in any case."""
    exact = [i for i, name in enumerate(schema.names) if name == column]
    alike = [i for i, name in enumerate(schema.names) if name.lower() == column.lower()]
    places = exact or alike
    if len(places) != 1:
        found = f"are {len(places)} columns" if places else "is no column"
        raise CaffeError(
            f"there {found} '{column}' for the input '{blob}': the columns are {_described(schema)}"
        )
    return places[0]


def _of(binary: str | Mapping[str, str], blob: str) -> str:
    said = binary if isinstance(binary, str) else binary.get(blob, "auto")
    if said not in BINARY:
        raise CaffeError(f"binary is '{said}' for '{blob}': give one of {', '.join(BINARY)}")
    return said


def _unfit(kind: pa.DataType, shape: Shape) -> str | None:
    """Return why no column of an Arrow type can be an input of ``shape``, or None."""
    name = kind_of(kind)
    if name is None:
        if all(size == 1 for size in shape):
            return "it takes numbers: make such of text by Spark ML's StringIndexer, or cast it"
        return f"it takes {_WANTED}"
    if name == "image" and not feeding.is_image(shape):
        return f"its rows are {words(shape)}, and pictures 1 or 3×height×width"
    axes = sum(size != 1 for size in shape)
    if name == "array" and depth(kind) != 1 and depth(kind) < axes:
        return f"its rows are {words(shape)}; give them flat, or nested {axes} deep"
    return None


def _fitting(recipe: Recipe, blob: str, shape: Shape) -> Recipe:
    if recipe.shape != shape:
        raise CaffeError(
            f"the recipe makes images of {recipe.shape}, and the input '{blob}' takes {shape} "
            "(channels, height, width): change its resize or crop"
        )
    return recipe


def _described(schema: StructType) -> str:
    return ", ".join(f"{f.name} ({f.dataType.simpleString()})" for f in schema.fields)
