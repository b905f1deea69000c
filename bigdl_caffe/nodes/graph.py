"""Nodes: layers applied to other layers' tops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from bigdl_caffe.errors import CaffeError, UnsupportedLayerError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.layers.registry import Layer, at_least, registry
from bigdl_caffe.nodes.message import layer_message


class Node:
    """One top of a layer that was applied; what other layers are applied to.

    Attributes
    ----------
    call : Call
        The layer, and what it was applied to.
    index : int
        Which of the layer's tops it is.
    """

    def __init__(self, call: Call, index: int = 0) -> None:
        self.call, self.index = call, index

    def __repr__(self) -> str:
        return f"Node({self.call}, top {self.index})"


class Input(Node):
    """A blob that the caller feeds.

    Parameters
    ----------
    name : str
        The blob's name, and its layer's; "" takes the first free one of Input1, Input2, ...
    shape : sequence of int
        With the batch first, (N, C, H, W) say. Another N may be fed later.
    """

    def __init__(self, name: str = "", *, shape: Sequence[int]) -> None:
        shapes = [{"dim": list(shape)}]
        super().__init__(layer_type("Input")(name=name, shape=shapes).applied_to([]))


@dataclass(frozen=True, eq=False)
class NodeLayer:
    """A layer with its options. Called with a node or a list of nodes, it gives its tops.

    Attributes
    ----------
    param : LayerParameter
        Its type, options, and name, which may be "".
    cls : type
        The class that computes it.
    tops : int
        How many blobs it makes.
    weights : tuple of ndarray or None
        Its blobs in Caffe's order and shapes; None leaves them to the fillers.
    """

    param: pb.LayerParameter
    cls: type[Layer]
    tops: int
    weights: tuple[NDArray[np.float32], ...] | None

    def __call__(self, bottoms: Node | Sequence[Node] = ()) -> Any:
        """Return the node of the layer's top, or a tuple of nodes where it has several.

        Parameters
        ----------
        bottoms : Node or sequence of Node
            What the layer reads, in Caffe's order; nothing for a layer without bottoms.
        """
        call = self.applied_to(bottoms if isinstance(bottoms, (list, tuple)) else [bottoms])
        nodes = tuple(Node(call, i) for i in range(self.tops))
        return nodes[0] if len(nodes) == 1 else nodes

    def applied_to(self, bottoms: Sequence[Any]) -> Call:
        """Return the layer with what it reads."""
        for bottom in bottoms:
            if not isinstance(bottom, Node):
                raise CaffeError(
                    f"{self} is applied to {bottom!r}: apply it to a node or a list of nodes, of "
                    f"which the first are Input(name, shape=...)"
                )
        return Call(self, tuple(bottoms))

    def __str__(self) -> str:
        name, kind = self.param.name, self.param.type
        return f"layer '{name}' ({kind})" if name else f"a layer ({kind})"


@dataclass(frozen=True, eq=False)
class Call:
    """A layer, applied to some nodes."""

    layer: NodeLayer
    bottoms: tuple[Node, ...]

    def __str__(self) -> str:
        return str(self.layer)


@dataclass(frozen=True)
class LayerType:
    """A constructor of layers of one Caffe type; see `layer_type`."""

    kind: str
    cls: type[Layer]

    def __call__(
        self,
        *,
        name: str = "",
        tops: int | None = None,
        weights: Sequence[ArrayLike] | None = None,
        **options: Any,
    ) -> NodeLayer:
        """Return a layer, to be called with the nodes it reads.

        Parameters
        ----------
        name : str
            Caffe's name of the layer, and of its blob; where it makes several, of the blobs
            ``name_0``, ``name_1``, ... "" takes the type and a number, as Convolution1.
        tops : int, optional
            How many blobs it makes, where the type leaves that open: Slice, Split.
        weights : sequence of array, optional
            Its blobs in Caffe's order and shapes, [weight, bias] say.
        **options
            Caffe's names of its options: ``num_output=96, weight_filler={"type": "xavier"}``.

        Raises
        ------
        CaffeError
            For options that the type lacks, and values that they cannot have.
        """
        param = layer_message(self.kind, self.cls, name, options)
        count = self.cls.tops.least if tops is None else tops
        layer = NodeLayer(param, self.cls, count, None if weights is None else _arrays(weights))
        if count < 1:
            raise CaffeError(f"{layer} makes no blob, so no output can need it: leave it out")
        if count not in self.cls.tops:
            raise CaffeError(f"{layer} cannot make {count} blobs: its type has {self.cls.tops}")
        return layer


def _arrays(weights: Sequence[ArrayLike]) -> tuple[NDArray[np.float32], ...]:
    return tuple(torch.as_tensor(blob).detach().cpu().float().numpy() for blob in weights)


class _Python(Layer):
    """Any Python layer: which one, only its options say."""

    tops = at_least(1)


def layer_type(kind: str | type[Layer]) -> LayerType:
    """Return the constructor of layers of a type.

    ``from bigdl_caffe.nodes import Convolution`` is ``layer_type("Convolution")``.

    Parameters
    ----------
    kind : str or Layer subclass
        A Caffe type that is built in or registered, or a class of your own: its type is then
        the name it is registered under, else the class's name.

    Raises
    ------
    UnsupportedLayerError
        For a type that nobody registered.
    """
    if not isinstance(kind, str):
        own = vars(kind).get("type_name") or kind.__name__
        return LayerType(own, registry({own: kind})[own])
    types = {**registry(), "Python": _Python}
    if kind not in types:
        near = " or ".join(f"'{name}'" for name in get_close_matches(kind, types))
        raise UnsupportedLayerError(
            f"no layer type '{kind}' is registered; "
            + (f"did you mean {near}?" if near else "register it, or give its class")
        )
    return LayerType(kind, types[kind])
