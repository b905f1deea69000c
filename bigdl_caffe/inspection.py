"""What is in a net's files, for someone who has just been given them."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from bigdl_caffe import feeding
from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.prototxt import read_net
from bigdl_caffe.format.source import WeightSource, open_weights
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.graph.names import ALIAS
from bigdl_caffe.graph.phase import State, filter_layers
from bigdl_caffe.graph.summary import format_shape
from bigdl_caffe.layers.assemble import Assembled, Options
from bigdl_caffe.layers.outline import Outline, outline
from bigdl_caffe.layers.registry import registry
from bigdl_caffe.load import read_noted
from bigdl_caffe.weights.costs import costs
from bigdl_caffe.weights.match import Target, match
from bigdl_caffe.weights.slots import Slot, plan_slots


@dataclass(frozen=True)
class Weights:
    """What is in a weight file.

    Attributes
    ----------
    file, form : str
        Its path, and "binary" or "HDF5".
    layers, blobs, numbers : int
        Layers that have blobs, all blobs, and the numbers in them.
    size : int
        Bytes, if the file is on this machine, else 0.
    missing, unused, problems : sequence of str
        Layers of the net that have none, layers that the net does not have, and blobs that do
        not fit. Empty for a net that cannot be run.
    """

    file: str
    form: str
    layers: int
    blobs: int
    numbers: int
    size: int
    missing: Sequence[str] = ()
    unused: Sequence[str] = ()
    problems: Sequence[str] = ()


@dataclass(frozen=True)
class Inspection:
    """What is in a net's files.

    Attributes
    ----------
    file, form, name : str
        Path of the definition, its format ("V0", "V1" or "V2"), and the net's name.
    phases : dict of str to int
        How many layers each phase has.
    phase : str
        The one that the rest is about.
    inputs, outputs : dict of str to sequence of int or None
        Blobs with their shapes; None where these are open.
    types : dict of str to int
        How many layers of each type there are, most first.
    parameters, macs : int or None
        Numbers to learn, and multiply-accumulates of a forward pass; None if it cannot be run.
    preprocessing : str
        How a picture becomes the input; "" where the net takes none or none is told.
    notes : sequence of str
        What is in the definition and nothing reads, as unknown fields.
    problems : sequence of str
        Why the net cannot be run.
    weights : Weights or None
    """

    file: str
    form: str
    name: str
    phases: dict[str, int]
    phase: str
    inputs: dict[str, Sequence[int] | None]
    outputs: dict[str, Sequence[int] | None]
    types: dict[str, int]
    parameters: int | None
    macs: int | None
    preprocessing: str
    notes: Sequence[str]
    problems: Sequence[str]
    weights: Weights | None = None

    @property
    def runs(self) -> bool:
        """Whether the net can be run, with the weights if they were given."""
        wrong = self.weights and (self.weights.missing or self.weights.problems)
        return not (self.problems or wrong)

    def to_json(self) -> str:
        """Return all of it as JSON."""
        return json.dumps({"runs": self.runs, **asdict(self)}, indent=1)

    def __str__(self) -> str:
        return "\n".join(_told(self))


def inspect(
    prototxt: str, caffemodel: str | None = None, options: Options | None = None
) -> Inspection:
    """Return what is in a net's files; nothing is computed, and no number read.

    Parameters
    ----------
    prototxt : str
        Path or URI of the definition.
    caffemodel : str, optional
        Path or URI of the weights.
    options : Options, optional
        Which net the definition means; by default that of the TEST phase.

    Raises
    ------
    ParseError, CaffeFormatError, NetError
        For files that are no definition, or no weights, or damaged; for a phase without layers.
    """
    wanted = options or Options()
    definition, notes = read_noted(prototxt)
    phases = {
        phase: len(filter_layers(definition.layer, State(phase, wanted.level, wanted.stages))[0])
        for phase in ("TRAIN", "TEST")
    }
    told = outline(definition, wanted, registry())
    net, whole = told.net, told.assembled
    slots = plan_slots(net, whole.layers) if whole else ()
    held = costs(whole, slots) if whole else None
    return Inspection(
        file=prototxt,
        form=_form(prototxt),
        name=definition.name,
        phases=phases,
        phase=wanted.phase,
        inputs={blob: net.inputs.get(blob) for blob in _inputs(told)},
        outputs={blob: net.shapes.get(blob) for blob in net.outputs},
        types=dict(Counter(s.type for s in net.layers if s.type != ALIAS).most_common()),
        parameters=sum(cost.params for cost in held) if held else None,
        macs=sum(cost.macs for cost in held) if held else None,
        preprocessing=_preprocessing(net, prototxt) if whole else "",
        notes=notes,
        problems=told.problems,
        weights=_weights(caffemodel, whole, slots) if caffemodel else None,
    )


def _form(prototxt: str) -> str:
    net = read_net(prototxt)
    if not net.layers:
        return "V2"
    return "V0" if any(layer.HasField("layer") for layer in net.layers) else "V1"


def _inputs(told: Outline) -> Sequence[str]:
    if told.assembled:
        return tuple(told.net.inputs)
    return tuple(blob for spec in told.net.layers if not spec.bottoms for blob in spec.tops)


def _preprocessing(net: Net, prototxt: str) -> str:
    from bigdl_caffe.image import recipe_for  # Pillow only when it is used

    try:
        blob, shape = feeding.image_input(net)
    except CaffeError:
        return ""
    transform = feeding.transform_param(net, blob)
    if transform is None:
        return ""
    try:
        return recipe_for(transform, shape, os.path.dirname(prototxt) or ".").describe()
    except CaffeError as error:
        return str(error)


def _weights(file: str, whole: Assembled | None, slots: Sequence[Slot]) -> Weights:
    with open_weights(file) as source:
        blobs = [blob for layer in source.layers for blob in layer.blobs]
        return Weights(
            file=file,
            form="HDF5" if "hdf5" in type(source).__module__ else "binary",
            layers=sum(bool(layer.blobs) for layer in source.layers),
            blobs=len(blobs),
            numbers=sum(blob.count for blob in blobs),
            size=os.path.getsize(file) if os.path.exists(file) else 0,
            **_fit(source, whole, slots),
        )


def _fit(
    source: WeightSource, whole: Assembled | None, slots: Sequence[Slot]
) -> dict[str, Sequence[str]]:
    if whole is None:
        return {}
    found = match(Target([spec.name for spec in whole.net.layers], slots), [source])
    report = found.report
    return {"missing": report.missing, "unused": report.unused, "problems": found.problems}


def _told(found: Inspection) -> Iterator[str]:
    yield f"{found.file}: {found.name or '(no name)'}, {found.form}"
    layers = ", ".join(f"{count} in {phase}" for phase, count in found.phases.items())
    yield f"  layers         {layers}; told here is {found.phase}"
    yield f"  types          {', '.join(f'{n} {name}' for name, n in found.types.items())}"
    for what, blobs in (("inputs", found.inputs), ("outputs", found.outputs)):
        yield f"  {what:<14} {', '.join(_blob(*each) for each in blobs.items()) or 'none'}"
    if found.parameters is not None:
        yield f"  parameters     {found.parameters:,}, {found.parameters * 4 / 2**20:,.1f} MiB"
        yield f"  MACs           {found.macs:,}"
    yield from _block("preprocessing", found.preprocessing.splitlines() or ["none is told"])
    yield from _block("nothing reads", found.notes)
    yield from _block("does not run", found.problems)
    if found.weights:
        yield from _told_weights(found.weights)
    yield "It can be run." if found.runs else "It cannot be run as it is."


def _told_weights(found: Weights) -> Iterator[str]:
    size = f", {found.size:,} bytes" if found.size else ""
    yield f"{found.file}: {found.form}{size}"
    yield f"  layers         {found.layers} with {found.blobs} blobs of {found.numbers:,} numbers"
    yield from _block("missing", found.missing)
    yield from _block("not needed", found.unused)
    yield from _block("does not fit", found.problems)


def _block(title: str, lines: Sequence[str]) -> Iterator[str]:
    for i, line in enumerate(lines):
        yield f"  {'' if i else title:<14} {line}"


def _blob(name: str, shape: Sequence[int] | None) -> str:
    return f"{name} {'of open shape' if shape is None else format_shape(shape)}"
