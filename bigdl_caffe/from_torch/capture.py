"""A torch module as a graph of ATen operations, without anything done in place."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.from_torch.values import Weight

Inputs = Tensor | Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True)
class Captured:
    """What a module computes.

    Attributes
    ----------
    graph : fx.Graph
        Its operations. The inputs are placeholders called like ``forward``'s parameters; each
        node's ``meta`` has the shape ("val"), the submodules it is called from and the place in
        the source.
    weights : dict of str to Weight
        Placeholder's name → parameter, buffer or constant.
    outputs : tuple of str
        What each value that the graph returns is called; "" where that is left open.
    leaves, modules : frozenset of str
        Qualified names of the submodules without children, and of all.
    """

    graph: fx.Graph
    weights: Mapping[str, Weight]
    outputs: tuple[str, ...]
    leaves: frozenset[str]
    modules: frozenset[str]

    @property
    def output(self) -> fx.Node:
        """The graph's last node, whose arguments it returns."""
        last: fx.Node = next(iter(reversed(self.graph.nodes)))
        return last


def capture(module: nn.Module, example_inputs: Inputs) -> Captured:
    """Return the graph of ``module`` in evaluation mode.

    Raises
    ------
    CaffeError
        Where torch.export cannot follow the module, with its reason.
    """
    args, kwargs = _arguments(example_inputs)
    with _evaluating(module), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself, as of an LSTM's flat weights
        try:
            program = _export(module, args, kwargs)
        except Exception as error:  # whatever the module's own code raises comes through here
            raise CaffeError(
                f"torch.export cannot trace {type(module).__name__} with these example inputs: "
                f"{type(error).__name__}: {error}"
            ) from error
    named = dict(module.named_modules(remove_duplicate=False))
    return Captured(
        program.graph,
        _weights(program),
        _output_names(program),
        frozenset(name for name, child in named.items() if name and not any(child.children())),
        frozenset(name for name in named if name),
    )


def _arguments(example: Inputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return ``example`` by position and by name.

    Each tensor is a copy: torch.export takes one that is given twice for a single input.
    """
    own = pytree.tree_map_only(Tensor, torch.clone, example)
    if isinstance(own, Tensor):
        return (own,), {}
    return ((), dict(own)) if isinstance(own, Mapping) else (tuple(own), {})


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Put ``module`` into evaluation mode, and each of its submodules back into its own."""
    training = [child for child in module.modules() if child.training]
    module.eval()
    try:
        yield
    finally:
        for child in training:
            child.training = True


def _export(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ExportedProgram:
    """Return the program in ATen operations as torch calls them: conv2d, linear, lstm.

    An empty table of decompositions takes away only what works in place. Before torch 2.6
    that was an argument of the function behind torch.export.
    """
    if hasattr(torch.export, "default_decompositions"):
        program = torch.export.export(module, args, kwargs, strict=False)
        functional: ExportedProgram = program.run_decompositions({})
    else:
        from torch.export._trace import _export as trace

        functional = trace(module, args, kwargs, strict=False, pre_dispatch=True)
    return functional


def _weights(program: ExportedProgram) -> dict[str, Weight]:
    """Return the placeholders that are no inputs; tied parameters have the first one's name."""
    tensors = {**program.constants, **program.state_dict}
    sources: dict[int, str] = {}
    for name, tensor in program.state_dict.items():
        sources.setdefault(id(tensor), name)
    out = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind is InputKind.USER_INPUT or spec.target is None:
            continue
        tensor = tensors[spec.target]
        learned = spec.kind is InputKind.PARAMETER and tensor.requires_grad
        out[spec.arg.name] = Weight(tensor, sources.get(id(tensor), spec.target), learned)
    return out


def _output_names(program: ExportedProgram) -> tuple[str, ...]:
    """Return the keys of the dict that ``forward`` returns; "" for each output otherwise."""
    spec = program.call_spec.out_spec
    assert spec is not None  # None only for programs that torch makes itself
    count: int = spec.num_leaves
    structure = pytree.tree_unflatten(range(count), spec)
    if not isinstance(structure, Mapping):
        return ("",) * count
    names = []
    for key, value in structure.items():
        leaves = pytree.tree_leaves(value)
        alone = leaves == [value]
        names += [str(key)] if alone else [f"{key}_{i}" for i in range(len(leaves))]
    return tuple(names)
