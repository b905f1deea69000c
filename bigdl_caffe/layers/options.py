"""Reading of a layer's options, where several layer types share a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from bigdl_caffe.errors import ShapeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import INT_MAX

Fields = Mapping[str, tuple[str, ...]]
"""Message → some of its fields."""


def refuse(param: Message, *names: str) -> None:
    """Raise for options of a fork that change the numbers and that we do not compute.

    Parameters
    ----------
    param : Message
        A layer's own parameter message, such as ``convolution_param``.
    *names : str
        Fields that have to stand at their defaults.

    Raises
    ------
    UnsupportedLayerError
        Where one does not.
    """
    defaults = type(param)()
    for name in names:
        value = getattr(param, name)
        if value != getattr(defaults, name):
            raise UnsupportedLayerError(
                f"{name}: {value} is an option of a fork that is not computed here: remove it, "
                f"or pass a converter for the layer's type"
            )


def one_of(param: Message, legacy: str, name: str) -> int:
    """Return ``legacy`` where it is set, else ``name``; Caffe refuses both at once."""
    if param.HasField(legacy) and param.HasField(name):
        raise ShapeError(f"{name} and {legacy} are both given: keep {name} only")
    value: int = getattr(param, legacy if param.HasField(legacy) else name)
    return value


def per_axis(
    param: Message, name: str, pair: Sequence[str], axes: int, default: int | None = None
) -> tuple[int, ...]:
    """Return one value a spatial axis, by the rules of base_conv_layer.cpp.

    Parameters
    ----------
    param : Message
        A ConvolutionParameter.
    name : str
        A repeated field that holds no value, one for all axes, or one an axis.
    pair : sequence of str
        The two fields that hold height and width instead; for two axes only.
    axes : int
        Number of spatial axes.
    default : int, optional
        Value where nothing is given. Without it, ``name`` has to be.

    Raises
    ------
    ShapeError
        Where both forms are used, neither fits the number of axes, or a value is too large.
    """
    listed = tuple(getattr(param, name))
    if any(param.HasField(field) for field in pair):
        if listed or axes != 2:
            raise ShapeError(
                f"{pair[0]}/{pair[1]} hold for 2 spatial axes and stand in place of {name}; the "
                f"bottom has {axes} and {name} is {list(listed)}: give one of the two forms"
            )
        listed = tuple(getattr(param, field) for field in pair)
    if max(listed, default=0) > INT_MAX:
        raise ShapeError(f"{name} {list(listed)} is beyond {INT_MAX}: give a smaller number")
    if not listed and default is not None:
        return (default,) * axes
    if len(listed) not in (1, axes):
        raise ShapeError(
            f"{name} has {len(listed)} values for {axes} spatial axes: give one, or one an axis"
        )
    return listed * axes if len(listed) == 1 else listed


def same_shapes(bottoms: Sequence[Sequence[int]]) -> None:
    """Raise `ShapeError` unless all bottoms have the first one's shape."""
    for i, shape in enumerate(bottoms):
        if tuple(shape) != tuple(bottoms[0]):
            raise ShapeError(
                f"bottom {i} has shape {tuple(shape)} and bottom 0 {tuple(bottoms[0])}: "
                f"they have to be equal"
            )


def constant(value: float) -> pb.FillerParameter:
    """Return the filler that sets every element to ``value``."""
    return pb.FillerParameter(type="constant", value=value)
