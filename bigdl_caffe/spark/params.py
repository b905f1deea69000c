"""Spark ML Params from a table: one `Option` a line makes the Param, its setters and getters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pyspark.ml.param import Param, Params, TypeConverters

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.image.recipe import Recipe
from bigdl_caffe.model import Model

P = TypeVar("P", bound="OptionParams")


@dataclass(frozen=True)
class Option:
    """One Param of a stage.

    Attributes
    ----------
    name : str
        In Spark's camelCase.
    doc : str
        What it is, as explainParams and help show it.
    convert : callable
        Returns the value as it is kept, or raises TypeError.
    default : object
        None where there is none.
    known : sequence of str
        The values it can have, if they are few.
    least : int, optional
        The smallest value it can have.
    word : str
        What the rest of the package calls it; by default `name` in snake_case. Taken as a
        keyword as both are.
    """

    name: str
    doc: str
    convert: Callable[[Any], Any] = TypeConverters.toString
    default: Any = None
    known: tuple[str, ...] = ()
    least: int | None = None
    word: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "word", self.word or self.snake)

    @property
    def snake(self) -> str:
        """The name in snake_case."""
        return re.sub("([A-Z])", r"_\1", self.name).lower()

    def check(self, value: Any) -> Any:
        """Return ``value`` converted.

        Raises
        ------
        TypeError
            It is of another type; Spark names the Param.
        CaffeError
            It cannot work.
        """
        value = self.convert(value)
        if self.known and value not in self.known:
            raise CaffeError(f"{self.name} is '{value}': give one of {', '.join(self.known)}")
        if self.least is not None and value < self.least:
            raise CaffeError(f"{self.name} is {value}: give at least {self.least}")
        return value


class OptionParams(Params):
    """Params that a subclass lists in ``OPTIONS``.

    Each has ``setName`` and ``getName``, and for those who write Python ``set_name`` and
    ``get_name``; each is a keyword, in both spellings.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = ()
    __signature__: ClassVar[Signature]

    if TYPE_CHECKING:  # the setters and getters are made from the table

        def __getattr__(self, name: str) -> Any: ...

    def __init_subclass__(cls, **how: Any) -> None:
        super().__init_subclass__(**how)
        for option in vars(cls).get("OPTIONS", ()):
            dummy = Params._dummy()  # as Spark's own declare theirs
            param = Param(dummy, option.name, option.doc, typeConverter=option.check)
            setattr(cls, option.name, param)
            for make, prefix in ((_setter, "set"), (_getter, "get")):
                for end in (option.name[0].upper() + option.name[1:], f"_{option.snake}"):
                    setattr(cls, prefix + end, make(option, prefix + end))
        cls.__signature__ = _signature(cls)

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(**{o.name: o.default for o in self.OPTIONS if o.default is not None})

    def setParams(self: P, **params: Any) -> P:  # noqa: N802 (Spark's name)
        """Set Params by keyword, in camelCase or snake_case; None goes back to the default.

        Raises
        ------
        TypeError
            For a name that is no Param, or a value of another type.
        CaffeError
            For a value that cannot work.
        """
        known = {n: o for o in self.OPTIONS for n in (o.name, o.snake, o.word)}
        given: dict[str, str] = {}
        for name, value in params.items():
            if name not in known:
                raise TypeError(_unknown(type(self).__name__, name, known))
            option = known[name]
            if option.name in given:
                raise TypeError(f"{given[option.name]} and {name} are one Param: give it once")
            given[option.name] = name
            _put(self, option, value)
        return self

    set_params = setParams

    def values(self) -> dict[str, Any]:
        """Return the Params that have a value, by the `Option.word` of each."""
        found = ((option.word, _value(self, option)) for option in self.OPTIONS)
        return {word: value for word, value in found if value is not None}


def _put(stage: OptionParams, option: Option, value: Any) -> None:
    if value is None:
        stage.clear(stage.getParam(option.name))
    else:
        stage._set(**{option.name: value})


def _value(stage: OptionParams, option: Option) -> Any:
    return stage.getOrDefault(option.name) if stage.isDefined(option.name) else None


def _setter(option: Option, name: str) -> Callable[..., Any]:
    def set_it(self: P, value: Any) -> P:
        _put(self, option, value)
        return self

    return _named(set_it, name, f"Set {option.name}: {option.doc}. None goes back to the default.")


def _getter(option: Option, name: str) -> Callable[..., Any]:
    return _named(
        lambda self: _value(self, option), name, f"Return {option.name}, None if it is not set."
    )


def _named(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _signature(cls: type[OptionParams]) -> Signature:
    """Return how the class is called, with each Param in the place of ``**params``."""
    own = [p for p in signature(cls.__init__).parameters.values() if p.name != "self"]
    words = [
        Parameter(option.name, Parameter.KEYWORD_ONLY, default=option.default)
        for option in cls.OPTIONS
    ]
    return Signature([p for p in own if p.kind is not Parameter.VAR_KEYWORD] + words)


def _unknown(stage: str, name: str, known: Iterable[str]) -> str:
    alike = {word.lower(): word for word in known}
    near = get_close_matches(name.lower(), alike, n=1)
    hint = f"did you mean '{alike[near[0]]}'?" if near else "explainParams() lists them all"
    return f"{stage} has no Param '{name}': {hint}"


def to_columns(value: Any) -> dict[str, str]:
    """Return a mapping of blob names to column names; raise TypeError for another value."""
    if isinstance(value, Mapping):
        names = [*value.keys(), *value.values()]
        if all(isinstance(name, str) for name in names):
            return dict(value)
    raise TypeError(f"Could not convert {value!r} to a dict of blob names to column names")


def to_recipe(value: Any) -> Recipe:
    """Return a recipe: itself, or of its JSON; raise TypeError for another value."""
    if isinstance(value, Recipe):
        return value
    if isinstance(value, str):
        return Recipe.from_json(value)
    raise TypeError(f"Could not convert {type(value)} to a Recipe: give one, or its JSON")


def to_binary(value: Any) -> str | dict[str, str]:
    """Return what binary columns hold: one word for all, or a mapping of input blobs."""
    return value if isinstance(value, str) else to_columns(value)


def check_model(model: object) -> None:
    """Raise TypeError for what is neither None nor a Model."""
    if model is not None and not isinstance(model, Model):
        raise TypeError(
            f"model is {type(model)}: give a Model, as Model.load_caffe_model returns it"
        )
