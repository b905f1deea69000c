"""A definition to the net it means: the graph passes, told what each layer type is for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bigdl_caffe.errors import CaffeError, NetError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph import names, phase, shapes, slice
from bigdl_caffe.graph.ir import LayerDef, Net, Shape
from bigdl_caffe.layers.instantiate import instantiate
from bigdl_caffe.layers.registry import Layer, Registry, Role, type_key

DROPPED_FOR_SCORING = {Role.LOSS, Role.METRIC, Role.SINK}


@dataclass(frozen=True)
class Options:
    """Which net a definition means; see `bigdl_caffe.Model.load_caffe_model`.

    Attributes
    ----------
    judges : bool
        Whether losses and metrics stay in the TEST phase too, as in the nets that Caffe's
        solvers test with.
    """

    phase: str = "TEST"
    stages: tuple[str, ...] = ()
    level: int = 0
    outputs: tuple[str, ...] | None = None
    input_shapes: Mapping[str, Shape] = field(default_factory=dict)
    judges: bool = False

    @property
    def whole(self) -> bool:
        """Whether no layer of the phase falls away but for ``outputs``."""
        return self.phase == "TRAIN" or self.judges


@dataclass(frozen=True)
class Assembled:
    """A net and the layer object behind each of its layers."""

    net: Net
    layers: tuple[Layer, ...]

    def macs(self) -> list[int]:
        """Return each layer's multiply-accumulates of a forward pass at the net's shapes."""
        shapes = self.net.shapes
        return [
            layer.macs([shapes[v] for v in spec.reads], [shapes[v] for v in spec.writes])
            if spec.reads
            else 0
            for spec, layer in zip(self.net.layers, self.layers, strict=True)
        ]


def assemble(definition: pb.NetParameter, options: Options, types: Registry) -> Assembled:
    """Return the net that ``options`` choose from a V2 ``definition``, with its shapes.

    Raises
    ------
    CaffeError
        One for each pass, with all problems that pass found.
    """
    state = phase.State(options.phase, options.level, options.stages)
    kinds = _Kinds(types)
    params, left_out = phase.filter_layers(definition.layer, state)
    if not params:
        raise NetError(
            f"the net has no layers in phase {state.phase} (level {state.level}, stages "
            f"{list(state.stages)}); its definition has {len(definition.layer)}: load the phase "
            "or stages they are for"
        )
    complete = _with_loss_tops(_with_input(names.layer_defs(params), kinds), kinds)
    scoring = not options.whole and options.outputs is None
    falls_away = kinds.is_dropped if scoring else (lambda spec: False)
    every = names.name_values(complete, kinds.shares_data, left_out, falls_away)
    _check_given(options.input_shapes, kinds.fed(every))
    specs = _wanted(every, options, kinds)
    layers = instantiate(specs, types, options.phase)
    inputs, outputs = _ends(specs, options, kinds, kinds.swallowed(every))
    sizes = shapes.infer(specs, layers, options.input_shapes)
    for value in set(kinds.fed(specs).values()) - set(inputs.values()):
        sizes.pop(value, None)  # an input that nothing reads is no blob of this net
    feeds = {blob: sizes[value] for blob, value in inputs.items()}
    losses = _losses(layers)
    net = Net(definition.name, specs, feeds, outputs, options.phase, definition, sizes, losses)
    return Assembled(net, layers)


@dataclass(frozen=True)
class _Kinds:
    """What the passes ask of layer types; unknown types are plain layers until built."""

    types: Registry

    def of(self, spec: LayerDef) -> type[Layer]:
        return self.types.get(type_key(spec), Layer)

    def shares_data(self, spec: LayerDef) -> bool:
        return self.of(spec).shares_data(spec)

    def is_input(self, spec: LayerDef) -> bool:
        return self.of(spec).role is Role.INPUT

    def fed(self, specs: Sequence[LayerDef]) -> dict[str, str]:
        """Return the blobs that input layers make, with their values."""
        makers = [spec for spec in specs if self.is_input(spec)]
        return {b: v for spec in makers for b, v in zip(spec.tops, spec.writes, strict=True)}

    def is_dropped(self, spec: LayerDef) -> bool:
        return self.of(spec).role in DROPPED_FOR_SCORING

    def swallowed(self, specs: Sequence[LayerDef]) -> set[str]:
        """Return the blobs that sinks read, and those that only such are made of."""
        found: set[str] = set()
        for spec in reversed(specs):
            if self.of(spec).role is Role.SINK or (spec.tops and found.issuperset(spec.tops)):
                found.update(spec.bottoms)
        return found

    def learns(self, spec: LayerDef) -> bool:
        """Whether the layer may have learnable blobs."""
        return self.of(spec).blob_specs is not Layer.blob_specs

    def labels(self, specs: Sequence[LayerDef], sinks: bool) -> Callable[[LayerDef, int], bool]:
        """Return whether the i-th bottom of a dropped layer is a label, not a prediction.

        Of a loss that reads something learned, whatever is not learned is a label: losses
        such as EuclideanLoss take the two in any order. A sink makes nothing an output, as in
        Caffe; with ``sinks`` it does, as a loss: a net may end in a Silence alone.
        """
        learned = slice.downstream(specs, self.learns)

        def is_label(spec: LayerDef, bottom: int) -> bool:
            if not self.is_dropped(spec):
                return False
            if self.of(spec).role is Role.SINK and not sinks:
                return True
            if learned.isdisjoint(spec.reads):
                return bottom in self.of(spec).label_bottoms
            return spec.reads[bottom] not in learned

        return is_label


def _with_input(specs: Sequence[LayerDef], kinds: _Kinds) -> Sequence[LayerDef]:
    """Return ``specs`` with an input for a first layer that has none, as BigDL's saver writes."""
    if not specs or specs[0].bottoms or any(not spec.bottoms for spec in specs[1:]):
        return specs
    first = specs[0]
    if kinds.is_input(first) or 0 in kinds.of(first).bottoms:
        return specs
    feed = LayerDef("data", "Input", (), ("data",), pb.LayerParameter(name="data", type="Input"))
    fed = LayerDef(first.name, first.type, ("data",), first.tops, first.param)
    return (feed, fed, *specs[1:])


def _with_loss_tops(specs: Sequence[LayerDef], kinds: _Kinds) -> list[LayerDef]:
    """Return ``specs`` with a top for each loss that names none, as AutoTopBlobs asks for."""
    bare = [not s.tops and kinds.of(s).role is Role.LOSS for s in specs]
    fresh = iter(names.unique_names([names.AUTOMATIC] * sum(bare), slice.blob_names(specs)))
    return [
        replace(spec, tops=(next(fresh),)) if is_bare else spec
        for spec, is_bare in zip(specs, bare, strict=True)
    ]


def _losses(layers: Sequence[Layer]) -> dict[str, float]:
    """Return the values that the net's loss is made of, with what each counts for."""
    weighted = (
        (value, weight)
        for layer in layers
        for value, weight in zip(layer.spec.writes, layer.loss_weights(), strict=True)
    )
    return {value: weight for value, weight in weighted if weight}


def _wanted(specs: tuple[LayerDef, ...], options: Options, kinds: _Kinds) -> tuple[LayerDef, ...]:
    if options.outputs is not None:
        slice.check_blobs(options.outputs, slice.blob_names(specs))
        return slice.ancestors(specs, options.outputs)
    if options.whole:
        return specs

    def kept(sinks: bool) -> tuple[LayerDef, ...]:
        is_label = kinds.labels(specs, sinks)
        return slice.without(specs, kinds.is_dropped, is_label, kinds.is_input)

    return kept(sinks=False) or kept(sinks=True)


def _ends(
    specs: Sequence[LayerDef], options: Options, kinds: _Kinds, swallowed: Collection[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the blobs the caller feeds, with their values, and the blobs the net gives back.

    What an input layer makes and nothing reads is neither, unless there is nothing else. Nor
    does the net give back what a sink has ``swallowed``, unless there is nothing else.
    """
    fed = kinds.fed(specs)
    used = slice.values_read(specs, options.outputs or ())
    useful = {blob: value for blob, value in fed.items() if value in used}
    if options.outputs is not None:
        return useful, options.outputs
    outputs = slice.dangling(specs)
    wanted = tuple(blob for blob in outputs if blob in useful or blob not in fed)
    wanted = tuple(blob for blob in wanted if blob not in swallowed) or wanted
    return (useful, wanted) if wanted else (fed, outputs)


def _check_given(given: Mapping[str, Shape], inputs: Collection[str]) -> None:
    """Raise for shapes of blobs that no input layer makes; a label that falls away is fine."""
    wrong = [blob for blob in given if blob not in inputs]
    if wrong:
        raise CaffeError(
            *(
                f"input_shapes names '{blob}', which is not an input of this net; "
                f"its inputs are: {', '.join(inputs)}"
                for blob in wrong
            )
        )
