"""From files to a net with weights: read, upgrade, filter, name, infer, build, fill."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from bigdl_caffe.data import SOURCES, shapes
from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import read_net, unknown_report
from bigdl_caffe.format.source import WeightSource, open_weights
from bigdl_caffe.format.unknown import Place
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.graph.names import layer_defs
from bigdl_caffe.graph.phase import State, filter_layers
from bigdl_caffe.graph.upgrade import upgrade
from bigdl_caffe.layers.assemble import Assembled, Options, assemble
from bigdl_caffe.layers.registry import Layer, Registry, find, registry, type_key
from bigdl_caffe.model import Model
from bigdl_caffe.weights.fill import fill_table
from bigdl_caffe.weights.into_modules import copy_into
from bigdl_caffe.weights.match import LoadReport
from bigdl_caffe.weights.slots import plan_slots

log = logging.getLogger("bigdl_caffe")

T = TypeVar("T")

Files = str | Path | Sequence[str | Path]
"""One weight file, or several that are loaded one after another."""


def load(
    prototxt: str,
    caffemodel: Files | None,
    options: Options,
    converters: Mapping[str, type[Layer]],
    strict: bool,
) -> Model:
    """Return the model of ``prototxt`` with the numbers of ``caffemodel``."""
    definition = read_definition(prototxt, registry(converters))
    return build_from_files(definition, caffemodel, options, converters, strict, prototxt)


def build_from_files(
    definition: pb.NetParameter,
    caffemodel: Files | None,
    options: Options,
    converters: Mapping[str, type[Layer]],
    strict: bool,
    origin: str,
) -> Model:
    """Return `build`'s model with the numbers of the weight files; None is of its fillers."""
    with nullcontext(()) if caffemodel is None else _opened(caffemodel) as sources:
        return build(definition, sources, options, converters, strict, origin)


def load_into(
    model: T,
    prototxt: str,
    caffemodel: Files,
    options: Options,
    match_all: bool = True,
    allow_reshape: bool = False,
) -> T:
    """Return ``model`` with the numbers of ``caffemodel``; see `Model.load_caffe`."""
    state = State(options.phase, options.level, options.stages)
    params, _ = filter_layers(read_definition(prototxt).layer, state)
    target = model.to_torch() if isinstance(model, Model) else model
    with _opened(caffemodel) as sources:
        report = copy_into(target, layer_defs(params), sources, match_all, allow_reshape)
        _log(report, sources)
    if not isinstance(model, Mapping):
        model.load_report = report  # type: ignore[attr-defined]  # torch's modules take any
    return model


@contextmanager
def _opened(caffemodel: Files) -> Iterator[Sequence[WeightSource]]:
    files = [caffemodel] if isinstance(caffemodel, (str, Path)) else caffemodel
    if not files:
        raise CaffeError("no weight file is given: give one path, or several in a sequence")
    with ExitStack() as stack:
        yield [stack.enter_context(open_weights(str(file))) for file in files]


def build(
    definition: pb.NetParameter,
    source: WeightSource | Sequence[WeightSource] | None,
    options: Options,
    converters: Mapping[str, type[Layer]],
    strict: bool = True,
    origin: str = "",
) -> Model:
    """Return the model of a V2 ``definition`` with the numbers of ``source``, or its fillers'.

    Parameters
    ----------
    definition : NetParameter
    source : WeightSource, a sequence of them, or None
        Of several, a later one's layers replace an earlier one's.
    options, converters, strict
        As of `bigdl_caffe.Model.load_caffe_model`.
    origin : str
        Path of the prototxt, if it came from one.
    """
    options, assembled = assemble_with_sources(definition, options, registry(converters))
    slots = plan_slots(assembled.net, assembled.layers)
    sources = source if isinstance(source, Sequence) else [source] if source else []
    table, report = fill_table(assembled.net, slots, sources, strict)
    _log(report, sources)
    return Model(assembled, slots, table, options, converters, report, origin)


def _log(report: LoadReport, sources: Sequence[WeightSource]) -> None:
    if not sources:
        return
    level = logging.WARNING if report.remarkable else logging.INFO
    log.log(level, "%s: %s", ", ".join(source.file for source in sources), report)


def read_definition(prototxt: str, types: Registry | None = None) -> pb.NetParameter:
    """Read a prototxt and return it in V2 terms; log what neither the schema nor a layer reads.

    Parameters
    ----------
    prototxt : str
        Path or URI.
    types : Registry, optional
        Layer types that may read fields beyond the schema; by default the built-in ones.
    """
    definition, notes = read_noted(prototxt, types)
    for note in notes:
        log.warning("%s", note)
    return definition


def read_noted(
    prototxt: str, types: Registry | None = None
) -> tuple[pb.NetParameter, Sequence[str]]:
    """Return what `read_definition` does, and what it logs, one sentence each."""
    definition = read_net(prototxt)
    upgraded = upgrade(definition)
    kinds = types if types is not None else registry()
    specs = [(spec, kinds.get(type_key(spec), Layer)) for spec in layer_defs(upgraded.net.layer)]
    unread = unknown_report(definition, prototxt, _read_beyond_the_schema(specs))
    return upgraded.net, (*unread, *upgraded.notes, *_quantised(prototxt, specs))


Specs = Sequence[tuple[LayerDef, type[Layer]]]


def _read_beyond_the_schema(specs: Specs) -> set[Place]:
    """Return where the fields stand that the schema does not know and the layers' types read."""
    return {
        (item.line, item.column)
        for spec, cls in specs
        for item in spec.param.unknown_field
        if cls.reads_unknown(item.path)
    }


def _quantised(prototxt: str, specs: Specs) -> list[str]:
    """Return a note on the layers that Intel's fork computes in 8 bits."""
    names = [
        spec.name
        for spec, cls in specs
        if spec.param.HasField("quantization_param")
        and "quantization_param" not in cls.fork_options
    ]
    if not names:
        return []
    return [
        f"{prototxt}: quantization_param of layer '{names[0]}'"
        f"{f' and {len(names) - 1} more' if names[1:] else ''} is not read: what Intel's fork "
        f"computes in 8 bits is computed in float"
    ]


def assemble_with_sources(
    definition: pb.NetParameter, options: Options, types: Registry
) -> tuple[Options, Assembled]:
    """Return the net, and ``options`` with the shapes that only a data layer's source tells.

    Caffe reads the first record too. A source that cannot be read leaves the shape open, which
    is an error that says so, and which shape to give.
    """
    kept, _ = filter_layers(definition.layer, State(options.phase, options.level, options.stages))
    found: dict[str, Shape] = {}
    unread: list[str] = []
    for spec in layer_defs(kept):
        if spec.type in SOURCES and _is_open(spec, options, types):
            try:
                found |= shapes(spec, options.phase)
            except CaffeError as error:
                unread += error.problems
    options = replace(options, input_shapes={**found, **options.input_shapes})
    try:
        return options, assemble(definition, options, types)
    except ShapeError as error:
        if not unread:
            raise
        raise ShapeError(*unread, *error.problems) from None


def _is_open(spec: LayerDef, options: Options, types: Registry) -> bool:
    try:
        find(types, spec)(spec, options.phase).fed_shapes(options.input_shapes)
    except CaffeError:
        return True
    return False
