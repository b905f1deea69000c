"""The options of scoring by themselves, before any model or schema: their types and values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

from bigdl_caffe.engine.opening import ENGINES
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.spark.device import DTYPES

if TYPE_CHECKING:
    from bigdl_caffe.spark.plan import Scoring

ON_ERROR = ("column", "drop", "fail")
OUTPUT_TYPES = ("array", "vector", "binary", "struct")
PREDICTIONS = {"double": "prediction", "int": "class"}
"""`Scoring.prediction_type` → kind of an `Output`."""

_CHOICES: Mapping[str, Sequence[str]] = {
    "on_error": ON_ERROR,
    "output_type": OUTPUT_TYPES,
    "prediction_type": tuple(PREDICTIONS),
    "engine": tuple(ENGINES),
    "dtype": tuple(DTYPES),
}
_LEAST = {"batch_size": 1, "top_k": 0}


def check_options(scoring: Scoring) -> None:
    """Raise `CaffeError` with all that is wrong, whatever the model and the schema."""
    problems = [*_wrong_types(scoring), *_wrong_values(scoring)]
    if scoring.labels and not scoring.top_k:
        problems.append("labels are the names of the best classes: give top_k too")
    if scoring.classes_of and not (scoring.top_k or scoring.prediction_col):
        problems.append("classes_of names a blob to judge: give prediction_col or top_k too")
    if problems:
        raise CaffeError(*problems)


def _wrong_types(scoring: Scoring) -> Iterator[str]:
    for names, (fits, what) in _TYPES.items():
        for name in names:
            value = getattr(scoring, name)
            if not fits(value):
                yield f"{name} is {value!r}: give {what}"


def _wrong_values(scoring: Scoring) -> Iterator[str]:
    for name, known in _CHOICES.items():
        if getattr(scoring, name) not in known:
            yield f"{name} is '{getattr(scoring, name)}': give one of {', '.join(known)}"
    for name, least in _LEAST.items():
        value = getattr(scoring, name)
        if not isinstance(value, Integral) or value < least:
            yield f"{name} is {value!r}: give a whole number of at least {least}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    """Whether a value is a sequence of texts, which one text is not: it would be its letters."""
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return listed and all(map(_is_text, value))


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_text, (*value, *value.values())))


def _is_none(value: Any) -> bool:
    return value is None


def _any_of(*tests: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: any(fits(value) for fits in tests)


_TYPES: Mapping[tuple[str, ...], tuple[Callable[[Any], bool], str]] = {
    ("input_col", "prediction_col"): (_any_of(_is_none, _is_text), "the name of a column"),
    ("top_col", "error_col"): (_is_text, "the name of a column"),
    ("classes_of",): (_any_of(_is_none, _is_text), "the name of a blob"),
    ("feed",): (_any_of(_is_none, _is_mapping), "a dict of input blob to column, both by name"),
    ("fetch",): (
        _any_of(_is_none, _is_text, _are_texts, _is_mapping),
        "a list of blobs, or a dict of blob to column, all by name",
    ),
    ("labels",): (_are_texts, "a list of texts, one for each class"),
    ("binary",): (_any_of(_is_text, _is_mapping), "a text, or a dict of input blob to text"),
    ("recipe",): (
        _any_of(_is_none, lambda value: isinstance(value, Recipe)),
        "what model.recipe(...) returns",
    ),
}
"""Options → whether a value is of their type, and what to give where it is not."""
