"""Which tensors of a predefined model a Caffe net's layers have in their blobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import ParametrizationList

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.graph.ir import LayerDef
from bigdl_caffe.nn.net import CaffeNet
from bigdl_caffe.weights.structure import Structure, dotted
from bigdl_caffe.weights.torch_layouts import KNOWN_TYPES, Layout, Part, parts

RNN_OUTPUT = "_out"
"""What stands behind an RNN's name in that of the Linear that makes Caffe's output of it."""

RNN_OUTPUT_BLOB = 3
"""The first of the two blobs that an RNN has for it."""


NO_BLOBS = (
    "no Caffe layer has its parameters; give it an attribute caffe_blobs, the names of its "
    "tensors in the order of the layer's blobs"
)


@dataclass(frozen=True)
class Binding:
    """Some tensors of one module, and the layer in whose blobs they are.

    Attributes
    ----------
    module : str
        What the model calls the module.
    layer : str
        What the files call the layer.
    tensors : dict of str to Tensor
        The module's own, by their names in it.
    layout : Layout
    first : int
        Index of the first of the blobs in the layer.
    blobs : tuple of Tensor
        The blobs that a file would have of the tensors as they are: their shapes count.
    """

    module: str
    layer: str
    tensors: Mapping[str, Tensor]
    layout: Layout
    first: int
    blobs: tuple[Tensor, ...]

    def names(self) -> list[str]:
        """Return what to call each blob: the tensor it is, where it is one."""
        names = list(self.tensors) if len(self.tensors) == len(self.blobs) else []
        return [f"{self.module}.{name}" for name in names] or [self.module] * len(self.blobs)

    @torch.no_grad()
    def put(self, blobs: Sequence[Tensor]) -> None:
        """Copy a file's ``blobs`` to the tensors, whatever their device and type."""
        values = self.layout.to_torch(*blobs)
        for tensor, value in zip(self.tensors.values(), values, strict=True):
            tensor.copy_(value.reshape(tensor.shape))


@dataclass(frozen=True)
class Named:
    """A module and what its model calls it."""

    name: str
    module: nn.Module

    def __str__(self) -> str:
        return f"module '{self.name}' ({type(self.module).__name__})"


def named_modules(model: object) -> Iterator[Named]:
    """Yield the modules of ``model`` with the names that layers may have.

    Parameters
    ----------
    model : nn.Module or mapping of str to nn.Module
        Of a net from `Model.to_torch`, the names are the layers'; of any other module,
        the paths of its submodules; of a mapping, its keys, and behind them the paths.

    Raises
    ------
    CaffeError
        For anything else.
    """
    if isinstance(model, CaffeNet):
        pairs = zip(model.net.layers, model.layer_modules(), strict=True)
        yield from (Named(layer.name, module) for layer, module in pairs if module is not None)
        return
    roots: Mapping[Any, Any] = model if isinstance(model, Mapping) else {"": model}
    for root, module in roots.items():
        if not (isinstance(root, str) and isinstance(module, nn.Module)):
            raise CaffeError(
                f"{root!r}: {type(module).__name__} cannot take weights: give a Model, a "
                f"torch.nn.Module, or a dict of layer name to torch.nn.Module"
            )
        for path, inner in module.named_modules(prefix=root, remove_duplicate=False):
            if not isinstance(inner, ParametrizationList):  # the module around it is asked
                yield Named(path, inner)


class Binder:
    """Binds modules one after another, and notes which ones cannot be, and why.

    Parameters
    ----------
    structure : Structure
    taken : iterable of str
        Names of all modules: a Scale layer that has a module of its own does not fold.
    match_all : bool
        Whether a module without a layer is a problem.

    Attributes
    ----------
    bindings : list of Binding
    kept : list of str
        Modules and tensors without a layer.
    problems : list of str
    """

    def __init__(self, structure: Structure, taken: Iterable[str], match_all: bool) -> None:
        self.structure, self.match_all = structure, match_all
        self.taken = {dotted(name) for name in taken}
        self.bindings: list[Binding] = []
        self.kept: list[str] = []
        self.problems: list[str] = []

    def add(self, its: Named) -> None:
        """Bind a module; nothing happens where it learns nothing."""
        own = {k for k, v in its.module._parameters.items() if v is not None}
        held = [(part, _tensors(its.module, part)) for part in parts(its.module)]
        if not own and not any(tensors for _, tensors in held):
            return
        layer, first = self._find(its)
        if layer is None and not self.match_all:
            self.kept.append(its.name)
        elif layer is None or not held:
            self.problems.append(f"{its}: {self._no_layer(its) if held else NO_BLOBS}")
        elif wrong := _unfit(own, held) + _other_type(layer, held[0][0]):
            self.problems += [f"{its}: {problem}" for problem in wrong]
        else:
            for part, tensors in held:
                self._bind(its, part, tensors, layer, first)

    def _find(self, its: Named) -> tuple[LayerDef | None, int]:
        """Return the layer of a module, and from which of its blobs on it is the module's."""
        layer = self.structure.find(its.name)
        if layer is None and isinstance(its.module, nn.Linear) and its.name.endswith(RNN_OUTPUT):
            rnn = self.structure.find(its.name.removesuffix(RNN_OUTPUT))
            if rnn is not None and rnn.type == "RNN":
                return rnn, RNN_OUTPUT_BLOB
        return layer, 0

    def _no_layer(self, its: Named) -> str:
        near = get_close_matches(its.name, self.structure.names, 3)
        hint = f" (near: {', '.join(near)})" if near else ""
        return (
            f"the net has no layer of this name{hint}; rename the module, pass a dict of layer "
            f"name to module, or pass match_all=False to keep its values"
        )

    def _bind(
        self, its: Named, part: Part, tensors: dict[str, Tensor], layer: LayerDef, first: int
    ) -> None:
        if part.scale and tensors:
            scale = self.structure.scale_behind(layer)
            if scale is None or dotted(scale.name) in self.taken:
                self._without_scale(its, tensors, layer)
                return
            layer = scale
        if tensors:
            layout = part.layout(layer.param)
            blobs = tuple(layout.to_caffe(*(tensor.detach() for tensor in tensors.values())))
            self.bindings.append(Binding(its.name, layer.name, tensors, layout, first, blobs))

    def _without_scale(self, its: Named, tensors: Iterable[str], layer: LayerDef) -> None:
        if self.match_all:
            self.problems.append(
                f"{its} is affine, and there is no Scale layer for it alone that reads the top "
                f"of {layer}: build the module with affine=False"
            )
        else:
            self.kept += [f"{its.name}.{tensor}" for tensor in tensors]


def _tensors(module: nn.Module, part: Part) -> dict[str, Tensor]:
    """Return the tensors of ``part`` that the module has, by name.

    Of torch's own modules only those that it keeps: one computed from others, as with
    weight_norm, would not hold what is copied to it.
    """
    kept = {**module._parameters, **module._buffers}
    found = {k: kept.get(k) if part.types else getattr(module, k, None) for k in part.tensors}
    return {k: v for k, v in found.items() if isinstance(v, Tensor)}


def _unfit(own: set[str], held: Sequence[tuple[Part, Mapping[str, Tensor]]]) -> list[str]:
    """Return why a module with parameters ``own`` cannot take a layer's blobs."""
    problems = []
    named = {name for part, _ in held for name in part.tensors}
    if beyond := sorted(own - named):
        problems.append(f"one Caffe layer has no blobs for its {', '.join(beyond)}")
    for part, tensors in held:
        lacking = [name for name in part.tensors if name not in tensors and name != "bias"]
        if lacking and not (part.scale and not tensors):
            problems.append(f"it keeps no {', '.join(lacking)}, which the layer's blobs are for")
        problems += [f"its {name} {why}" for name, t in tensors.items() if (why := _no_room(t))]
    return problems


def _no_room(tensor: Tensor) -> str:
    """Return why nothing can be copied to ``tensor``; "" where it can."""
    if is_lazy(tensor):
        return "has no shape yet: run the model once"
    if tensor.is_meta:
        return "has no memory: move the model off the meta device with to_empty(device=...)"
    if not tensor.is_floating_point():
        return f"is of {tensor.dtype}: load before quantising"
    return ""


def _other_type(layer: LayerDef, part: Part) -> list[str]:
    if not part.types or layer.type in part.types or layer.type not in KNOWN_TYPES:
        return []
    return [f"{layer} is of another type than {' or '.join(sorted(part.types))}: rename one"]
