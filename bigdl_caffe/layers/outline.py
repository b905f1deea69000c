"""A net as far as it can be told, whatever is wrong with it: to be looked at, not to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph import names, phase, shapes, slice
from bigdl_caffe.graph.ir import LayerDef, Net, Shape
from bigdl_caffe.layers.assemble import Assembled, Options, assemble
from bigdl_caffe.layers.instantiate import instantiate
from bigdl_caffe.layers.registry import Layer, Registry, Role, type_key


@dataclass(frozen=True)
class Outline:
    """What can be told of a net.

    Attributes
    ----------
    net : Net
        The net that would be run; if it cannot be, all layers of the phase, and the shapes that
        are known in spite of it.
    problems : tuple of str
        Why it cannot be run; empty if it can.
    assembled : Assembled or None
        The net with its layers, if it can be run.
    """

    net: Net
    problems: tuple[str, ...] = ()
    assembled: Assembled | None = None


def outline(definition: pb.NetParameter, options: Options, types: Registry) -> Outline:
    """Return what can be told of a V2 ``definition``.

    Raises
    ------
    NetError
        It has no layers in the phase.
    """
    state = phase.State(options.phase, options.level, options.stages)
    params, left_out = phase.filter_layers(definition.layer, state)
    try:
        assembled = assemble(definition, options, types)
        return Outline(assembled.net, (), assembled)
    except CaffeError as error:
        if not params:
            raise
        problems = error.problems
    specs = names.layer_defs(params)
    named = names.name_values(specs, lambda spec: False, left_out, strict=False)
    known = _shapes(named, options, types)
    inputs = {
        blob: known[value]
        for spec in named
        if not spec.bottoms and types.get(type_key(spec), Layer).role is Role.INPUT
        for blob, value in zip(spec.tops, spec.writes, strict=True)
        if value in known
    }
    ends = slice.dangling(named)
    net = Net(definition.name, named, inputs, ends, options.phase, definition, known)
    return Outline(net, problems)


def _shapes(specs: Sequence[LayerDef], options: Options, types: Registry) -> Mapping[str, Shape]:
    """Return the shapes that are known, of nets with layers that are not, too."""
    known: dict[str, Shape] = {}
    read = {value for spec in specs for value in spec.reads}
    for spec in specs:
        if any(value not in known for value in spec.reads):
            continue
        try:
            (layer,) = instantiate([spec], types, options.phase)
            known |= shapes.inferred(spec, layer, known, options.input_shapes, read)
        except CaffeError:
            continue  # its problem is told, as one of the net's
    return known
