"""The one registry of layer types, and the class they all derive from.

A layer type is one class: its parameters, arity, shape rule, learnable blobs,
torch module and cost are all there. Built-in and custom layers register alike::

    @register("ReLU")
    class ReLU(Layer): ...
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import prod
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import CaffeError, NetError, ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.unknown import is_known
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.arity import Arity, at_least, between, exactly
from bigdl_caffe.layers.fork_options import Messages, fork_options
from bigdl_caffe.layers.options import Fields, refuse

__all__ = [
    "Arity",
    "BlobSpec",
    "Layer",
    "Registry",
    "Role",
    "at_least",
    "between",
    "count",
    "exactly",
    "find",
    "register",
    "registry",
    "type_key",
]


class Role(Enum):
    """What a layer is for, which decides whether scoring keeps it."""

    COMPUTE = "compute"
    INPUT = "input"
    """Has no bottoms; its tops are fed by the caller when scoring."""
    LOSS = "loss"
    """Falls away for scoring unless one of its tops is asked for."""
    METRIC = "metric"
    """Accuracy and the like; falls away as losses do."""
    SINK = "sink"
    """Consumes blobs and makes none: Silence, HDF5Output."""


@dataclass(frozen=True)
class BlobSpec:
    """One learnable blob of a layer, as Caffe's ``layer.blobs()[i]``.

    Attributes
    ----------
    attr : str
        Name under which the torch module holds it ("weight", "bias", ...).
    shape : Shape
        Caffe's shape, which is also the module's.
    filler : FillerParameter, tuple of float or None
        How Caffe initialises it: a filler, or the numbers themselves; None fills with zeros.
    trainable : bool
        False for state that no gradient reaches (BatchNorm's sums).
    """

    attr: str
    shape: Shape
    filler: pb.FillerParameter | tuple[float, ...] | None = None
    trainable: bool = True


class Layer:
    """Base of every layer type.

    Subclass, set the class attributes, override what differs, and register.
    Option errors belong into ``__init__``; shape errors into ``top_shapes``. Both
    raise `ShapeError` or `UnsupportedLayerError` with a sentence that need not name
    the layer: the net's checks add "layer 'conv1' (Convolution): ..." and go on to
    the next layer, so that every problem is reported at once.

    Parameters
    ----------
    spec : LayerDef
        The layer's definition: ``spec.param`` is the LayerParameter message,
        ``spec.unknown`` the fields beyond the schema.
    phase : str
        "TRAIN" or "TEST".
    """

    type_name: ClassVar[str] = ""
    role: ClassVar[Role] = Role.COMPUTE
    bottoms: ClassVar[Arity] = exactly(1)
    tops: ClassVar[Arity] = exactly(1)
    takes_unknown_values: ClassVar[bool] = False
    """Whether it reads ``spec.unknown`` for values that the schema lacks of fields it has,
    as a fork's ``pool: MIN``. Otherwise such a layer is refused, not computed as another."""
    label_bottoms: ClassVar[frozenset[int]] = frozenset({1})
    """For losses and metrics: the bottoms that are labels, of no use to scoring."""
    in_place: ClassVar[bool] = True
    """Whether Caffe lets this type write its top over its bottom."""
    dynamic: ClassVar[bool] = False
    """Whether only the data tell how many rows the tops have, as with Filter and
    DetectionOutput. ``top_shapes`` then gives what Caffe shows before the first forward pass."""
    fork: ClassVar[str] = ""
    """The Caffe fork that this type comes from, as "weiliu89/caffe (ssd)"; "" is BVLC Caffe."""
    options: ClassVar[tuple[str, ...] | None] = None
    """The fields of LayerParameter that it reads; None for the one called after the type."""
    fork_options: ClassVar[Messages] = {}
    """Options of forks beyond the schema: message → field → default. ``__init__`` reads them
    into ``fork_values``; any other unknown field of such a message is refused."""
    refused: ClassVar[Fields] = {}
    """Options of forks that the schema has and that are not computed: message → fields that
    have to stand at their defaults."""
    without_effect: ClassVar[Fields] = {}
    """Options that set no number of the tops, and are left out: what a layer draws or writes,
    and what the forks themselves do not read. Message → fields."""
    drops_gradient: ClassVar[Collection[int]] = ()
    """Bottoms at which a gradient ends without an error, as in Caffe or in the fork: sizes,
    masks, and where the fork's backward pass does nothing."""
    meanings: ClassVar[str] = ""
    """Where forks mean different layers by this type's name: which, and what tells them apart."""
    without_golden: ClassVar[str] = ""
    """Why tests/golden has no case of this type, and what it is held against instead."""

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        self.spec = spec
        self.phase = phase
        both = set(spec.bottoms) & set(spec.tops)
        if both and not self.in_place:
            raise NetError(
                f"'{both.pop()}' is both bottom and top, and {self.spec.type} cannot work in "
                f"place: give the top a name of its own"
            )
        _check_one_each(spec, "propagate_down", len(spec.bottoms), "bottom")
        _check_one_each(spec, "loss_weight", len(spec.tops), "top")
        for message, names in self.refused.items():
            refuse(getattr(spec.param, message), *names)
        self.fork_values = fork_options(spec, self.fork_options)

    @classmethod
    def reads_unknown(cls, path: str) -> bool:
        """Return whether it reads ``path``, as "bn_param.decay", which the schema does not know."""
        message, _, field = path.partition(".")
        fields = cls.fork_options.get(message)
        if fields is None:
            return cls.takes_unknown_values and is_known(path, pb.LayerParameter.DESCRIPTOR)
        return not field or field.partition(".")[0] in fields

    @classmethod
    def shares_data(cls, spec: LayerDef) -> bool:
        """Return whether each top of ``spec`` is its bottom's own memory, as Reshape's is."""
        return False

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the tops' shapes. Default: each top has the first bottom's shape."""
        return [bottoms[0]] * len(self.spec.tops)

    def fed_shapes(self, given: Mapping[str, Shape]) -> list[Shape]:
        """Return the tops' shapes of a layer without bottoms, some ``given`` by the caller."""
        return [given.get(b, s) for b, s in zip(self.spec.tops, self.top_shapes([]), strict=True)]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return the learnable blobs, in Caffe's order. Default: none."""
        return []

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module.

        It takes one tensor a bottom, positionally, and returns one tensor, or a
        tuple of them where the layer has several tops. The blobs of ``blob_specs``
        are set on it afterwards under their ``attr``; create them on the "meta"
        device or not at all, so that nothing is initialised twice.
        """
        raise NotImplementedError(f"{type(self).__name__}.module")

    def loss_weights(self) -> Sequence[float]:
        """Return what each top counts for in the net's loss. Losses: 1 for the first top."""
        given: Sequence[float] = self.spec.param.loss_weight
        if given:
            return given
        first = 1.0 if self.role is Role.LOSS else 0.0
        return [first, *[0.0] * (len(self.spec.tops) - 1)][: len(self.spec.tops)]

    def no_gradient_to(self) -> Collection[int]:
        """Return the bottoms that Caffe's backward pass refuses to reach. Default: none.

        As labels, indices, or all bottoms of ArgMax. A gradient that would have to go there
        is an error, as it is in Caffe, and not a zero.
        """
        return ()

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return whether a row of a top depends on other rows of the bottoms. Default: no.

        Only layers whose tops have the bottoms' own shapes need to say so; where the number
        of rows changes, the shapes tell. A `dynamic` layer always does.
        """
        return self.dynamic

    def chooses(self) -> bool:
        """Return whether the smallest change can make a top another, as where it sorts."""
        return self.dynamic or self.role is Role.METRIC

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return multiply-accumulates of a forward pass. Default: 0."""
        return 0

    def axis(self, index: int, rank: int, what: str = "axis") -> int:
        """Return ``index`` as a non-negative axis of a ``rank``-D blob, as CanonicalAxisIndex."""
        if not -rank <= index < rank:
            raise ShapeError(
                f"{what} {index} is out of range for a {rank}-D bottom: use {-rank} to {rank - 1}"
            )
        return index % rank if rank else 0


def _check_one_each(spec: LayerDef, field: str, blobs: int, what: str) -> None:
    given = len(getattr(spec.param, field))
    if given not in (0, blobs):
        raise NetError(f"it has {given} {field} for {blobs} {what} blobs: give none, or one each")


Registry = Mapping[str, type[Layer]]


def type_key(spec: LayerDef) -> str:
    """Return the name under which the registry has ``spec``'s type.

    That is Caffe's type; for a Python layer the "module.Class" it names, which is only
    looked up and never imported.
    """
    if spec.type != "Python":
        return spec.type
    return f"{spec.param.python_param.module}.{spec.param.python_param.layer}"


_LAYERS: dict[str, type[Layer]] = {}


def register(*types: str) -> Callable[[type[Layer]], type[Layer]]:
    """Register the decorated `Layer` class for Caffe's ``types``; a later one overrides."""
    if not types or not all(isinstance(name, str) for name in types):
        raise CaffeError('say for which type of Caffe the class is: @register("Type")')

    def add(cls: type[Layer]) -> type[Layer]:
        _check_class(types[0], cls)
        cls.type_name = types[0]
        _LAYERS.update(dict.fromkeys(types, cls))
        return cls

    return add


def registry(converters: Mapping[str, type[Layer]] | None = None) -> Registry:
    """Return Caffe type → class: the built-ins, overridden by ``converters``."""
    from bigdl_caffe import layers  # noqa: F401  (importing the package registers the built-ins)

    for name, cls in (converters or {}).items():
        _check_class(name, cls)
    return {**_LAYERS, **(converters or {})}


def _check_class(name: str, cls: type[Layer]) -> None:
    said = f"the converter for '{name}' is {cls!r}"
    if not (isinstance(cls, type) and issubclass(cls, Layer)):
        raise CaffeError(f"{said}: give a subclass of bigdl_caffe.Layer")
    if cls.module is Layer.module and cls.role is not Role.INPUT:
        raise CaffeError(f"{said}, which has no method module(): write it to say what is computed")
    if not (isinstance(cls.bottoms, Arity) and isinstance(cls.tops, Arity)):
        raise CaffeError(f"{said}, whose bottoms or tops are no arity: write exactly(2), say")


def find(types: Registry, spec: LayerDef) -> type[Layer]:
    """Return the class for ``spec``, or raise `UnsupportedLayerError` with near names."""
    key = type_key(spec)
    if key in types:
        return types[key]
    alike = [t for t in types if t.lower() == key.lower()]
    hint = (
        f"did you mean '{alike[0]}'?"
        if alike
        else f"pass converters={{'{key}': YourLayer}} to say how it computes"
    )
    raise UnsupportedLayerError(f"{spec}: no layer type '{key}' is registered; {hint}")


def count(shape: Sequence[int]) -> int:
    """Return the number of elements of ``shape``."""
    return prod(shape)
