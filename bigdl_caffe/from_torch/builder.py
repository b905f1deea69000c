"""A net under construction: layers with their blobs, one after another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.arrays import ArrayWeights
from bigdl_caffe.from_torch.names import Names
from bigdl_caffe.from_torch.values import Top, Weight
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.registry import find, registry


class Builder:
    """Layers in the order they run.

    A layer is called after the submodule that it comes from, by its qualified name, as
    ``layer1.0.conv1``. What a submodule with children computes itself is called after it and
    the operation: ``layer1.0.add``.

    Parameters
    ----------
    modules : collection of str
        Qualified names of the traced module's submodules: no other layer is called so.
    outputs : collection of str
        What the net's outputs will be called: no other blob is.

    Attributes
    ----------
    place : str
        What the layers of the operation at hand are called; "" stands for the root module.
    of_module : bool
        Whether ``place`` is a submodule's own name.
    result : Shape
        The shape that torch gives the operation's (first) result.
    used : frozenset of int
        Which results of an operation with several are used.
    """

    def __init__(self, modules: Collection[str], outputs: Collection[str] = ()) -> None:
        self.names, self.blobs = Names(modules), Names(outputs)
        self.types = registry()
        self.layers: list[pb.LayerParameter] = []
        self.weights: dict[str, tuple[Weight, ...]] = {}
        self.place, self.of_module = "", False
        self.result: Shape = ()
        self.used: frozenset[int] = frozenset()

    def layer(
        self,
        kind: str,
        bottoms: Sequence[Top],
        weights: Sequence[Weight] = (),
        part: str = "",
        **options: Any,
    ) -> Top:
        """Add a layer and return its top; see `tops`."""
        return self.tops(kind, bottoms, 1, weights, part, **options)[0]

    def tops(
        self,
        kind: str,
        bottoms: Sequence[Top],
        count: int,
        weights: Sequence[Weight] = (),
        part: str = "",
        **options: Any,
    ) -> list[Top]:
        """Add a layer and return its tops, called after it.

        Parameters
        ----------
        kind : str
            Caffe's type.
        bottoms : sequence of Top
        count : int
            Number of tops.
        weights : sequence of Weight
            Its learnable blobs, in Caffe's order and shapes.
        part : str
            What the layer is called behind the place's name and a dot, where the operation
            takes several layers.
        **options
            Fields of LayerParameter, such as ``relu_param={"negative_slope": 0.1}``.

        Raises
        ------
        CaffeError
            Where the layer type does not take the options or the bottoms' shapes.
        """
        wanted = f"{self.place}.{part}" if part else self.place
        given = {field: value for field, value in options.items() if value}
        param = pb.LayerParameter(type=kind, bottom=[b.blob for b in bottoms], **given)
        spec = LayerDef("", kind, tuple(param.bottom), ("",) * count, param)
        shapes = find(self.types, spec)(spec).top_shapes([b.shape for b in bottoms])
        name = self.names.take(wanted, self.of_module and not part)
        param.name = name
        blobs = [name] if count == 1 else [f"{name}.{i}" for i in range(count)]
        param.top[:] = map(self.blobs.take, blobs)
        self.layers.append(param)
        if weights:
            self.weights[name] = tuple(weights)
        return [Top(blob, shape) for blob, shape in zip(param.top, shapes, strict=True)]

    def top(self, value: Top | Weight, part: str = "constant") -> Top:
        """Return ``value`` as a blob: a Weight by a Parameter layer."""
        if isinstance(value, Top):
            return value
        shape = {"shape": {"dim": value.shape}}
        return self.layer("Parameter", [], [value], part, parameter_param=shape)

    def input(self, name: str, shape: Shape) -> Top:
        """Add an Input layer and return its top."""
        blob = self.blobs.take(name, own=True)
        shapes = {"shape": [{"dim": shape}]}
        self.layers.append(
            pb.LayerParameter(
                name=self.names.take(name), type="Input", top=[blob], input_param=shapes
            )
        )
        return Top(blob, shape)

    def source(self, name: str) -> ArrayWeights:
        """Return the numbers of all layers, called ``name`` in errors."""
        return ArrayWeights({k: [w.array() for w in ws] for k, ws in self.weights.items()}, name)
