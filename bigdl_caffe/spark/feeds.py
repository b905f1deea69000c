"""Which column of a DataFrame feeds which input blob, and as what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    NumericType,
    StructField,
    StructType,
)

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.spark.columns import Feed

if TYPE_CHECKING:
    from bigdl_caffe.image.recipe import Recipe
    from bigdl_caffe.model import Model

_IMAGE_FIELDS = {"height", "width", "nChannels", "mode", "data"}


def _is_numbers(kind: DataType) -> bool:
    while isinstance(kind, ArrayType):
        kind = kind.elementType
    return isinstance(kind, NumericType)


_KINDS: dict[str, Callable[[DataType], bool]] = {
    "encoded": lambda kind: isinstance(kind, BinaryType),
    "image": lambda kind: (
        isinstance(kind, StructType)
        and set(kind.names) >= _IMAGE_FIELDS
        and isinstance(kind["data"].dataType, BinaryType)
    ),
    "vector": lambda kind: type(kind).__name__ == "VectorUDT",
    "array": _is_numbers,
}
"""Kind of a column, as `bigdl_caffe.spark.columns.READERS` has them → which types are that."""

_WANTED = "encoded images (binary), Spark's image struct, arrays of numbers or ML vectors"


def find_feeds(
    model: Model,
    schema: StructType,
    input_col: str | None,
    feed: Mapping[str, str] | None,
    recipe: Recipe | None,
) -> tuple[Feed, ...]:
    """Return a `Feed` for every blob that is fed.

    Raises
    ------
    CaffeError
        A column is missing, ambiguous or of no use, or a blob has no column.
    """
    named = dict(feed) if feed else _only_input(model, schema, input_col)
    if feed and input_col:
        raise CaffeError("give input_col or feed, not both")
    unknown = [blob for blob in named if blob not in model.inputs]
    if unknown:
        raise CaffeError(
            f"the net has no input '{unknown[0]}': its inputs are {', '.join(model.inputs)}"
        )
    return tuple(_feed(model, schema, blob, column, recipe) for blob, column in named.items())


def _only_input(model: Model, schema: StructType, input_col: str | None) -> dict[str, str]:
    if len(model.inputs) != 1:
        raise CaffeError(
            f"the net has the inputs {', '.join(model.inputs)}: "
            "say which column each gets, by feed={'blob': 'column', ...}"
        )
    (blob,) = model.inputs
    return {blob: input_col or _only_candidate(schema)}


def _only_candidate(schema: StructType) -> str:
    """Return the one column that can be an input; a plain number is more often a label."""
    found = [f.name for f in schema.fields if _kind(f) and not isinstance(f.dataType, NumericType)]
    if len(found) == 1:
        return found[0]
    what = f"{', '.join(found)} could each be" if found else "no column can be"
    raise CaffeError(
        f"{what} the input, which is one of {_WANTED}: name it by input_col. "
        f"The columns are {_described(schema)}"
    )


def _feed(model: Model, schema: StructType, blob: str, column: str, recipe: Recipe | None) -> Feed:
    places = [i for i, name in enumerate(schema.names) if name == column]
    if len(places) != 1:
        raise CaffeError(
            f"there {'are two columns' if places else 'is no column'} '{column}' for the input "
            f"'{blob}': the columns are {_described(schema)}"
        )
    kind = _kind(schema.fields[places[0]])
    if kind is None:
        raise CaffeError(
            f"column '{column}' is {schema[column].dataType.simpleString()}, which the input "
            f"'{blob}' cannot take: it takes {_WANTED}"
        )
    shape = model.inputs[blob][1:]
    if kind not in ("encoded", "image"):
        return Feed(blob, places[0], kind, shape)
    return Feed(blob, places[0], kind, shape, _fitting(recipe or model.recipe(), blob, shape))


def _fitting(recipe: Recipe, blob: str, shape: tuple[int, ...]) -> Recipe:
    if recipe.shape != shape:
        raise CaffeError(
            f"the recipe makes images of {recipe.shape}, and the input '{blob}' takes {shape} "
            "(channels, height, width): change its resize or crop"
        )
    return recipe


def _kind(field: StructField) -> str | None:
    return next((kind for kind, matches in _KINDS.items() if matches(field.dataType)), None)


def _described(schema: StructType) -> str:
    return ", ".join(f"{f.name} ({f.dataType.simpleString()})" for f in schema.fields)
