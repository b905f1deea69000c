"""The nets of a solver: the one that learns, and those that test it, which share its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

import torch
from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError, WeightMismatchError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.source import open_weights
from bigdl_caffe.graph.phase import State
from bigdl_caffe.graph.slice import ancestors, downstream
from bigdl_caffe.graph.upgrade import upgrade
from bigdl_caffe.layers.assemble import Options
from bigdl_caffe.layers.registry import BlobSpec, Layer, Role, count, registry, type_key
from bigdl_caffe.load import assemble_with_sources, build_from_files, read_definition
from bigdl_caffe.model import Model
from bigdl_caffe.nn.recurrent import Recurrent
from bigdl_caffe.nn.surrogate import WholeBatch
from bigdl_caffe.train.net_source import NetSource
from bigdl_caffe.train.update import Learned
from bigdl_caffe.weights.fill import run_fillers
from bigdl_caffe.weights.into_modules import copy_into
from bigdl_caffe.weights.match import LoadReport
from bigdl_caffe.weights.slots import Slot, owned_shapes, plan_slots
from bigdl_caffe.weights.table import allocate

Converters = Mapping[str, type[Layer]]


def train_net(
    source: NetSource,
    weights: Sequence[str] = (),
    seed: int | None = None,
    converters: Converters | None = None,
) -> Model:
    """Return the net that learns, in its TRAIN phase (Solver::InitTrainNet).

    Parameters
    ----------
    source : NetSource
    weights : sequence of str
        Weight files to begin with; layers that they lack begin with their fillers.
    seed : int, optional
        Of the fillers' random numbers.
    converters : mapping of str to Layer subclass, optional
        As of `Model.load_caffe_model`.
    """
    types = dict(converters or {})
    definition = read_source(source, types)
    options = _options(source.state(definition))
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        return build_from_files(definition, weights or None, options, types, False, source.path)


def net_to_test(train: Model, definition: pb.NetParameter, state: State) -> Model:
    """Return a net that tests ``train``: with losses and metrics, and the same weights.

    Raises
    ------
    CaffeError
        As `sharing`.
    """
    return sharing(train, definition, _options(state, judges=True))


def sharing(
    train: Model,
    definition: pb.NetParameter,
    options: Options,
    converters: Converters | None = None,
) -> Model:
    """Return a net whose layers have the weights of ``train``, as Net::ShareTrainedLayersWith.

    What changes the one changes the other. Layers that ``train`` lacks have their fillers'.
    Its layer types are those of ``train``, and ``converters``; its device is that of ``train``.

    Raises
    ------
    WeightMismatchError
        With every blob whose shape is not that of its namesake.
    """
    own_types = {**train.converters, **(converters or {})}
    types = registry(own_types)
    options, assembled = assemble_with_sources(definition, options, types)
    slots = plan_slots(assembled.net, assembled.layers)
    names = [layer.name for layer in assembled.net.layers]
    own = {(train.net.layers[s.layer].name, s.index): tensor for s, tensor in train.tensors()}
    known = [slot for slot in slots if (names[slot.layer], slot.index) in own]
    known.sort(key=attrgetter("shared"), reverse=True)  # the owner's goes before all others
    shared = {slot.key: own[names[slot.layer], slot.index] for slot in known}
    _check_shapes(slots, shared)
    table = allocate(owned_shapes(slots))
    run_fillers(assembled.net, slots, table, skip=shared)
    model = Model(assembled, slots, table, options, own_types, LoadReport(), train.source)
    modules = model.to_torch().layer_modules()
    for slot in slots:
        if slot.key in shared:
            _hold(modules[slot.layer], slot.spec, shared[slot.key])
    model.to_torch().to(next(train.to_torch().parameters(), torch.empty(0)).device)
    return model


def _hold(module: nn.Module | None, blob: BlobSpec, tensor: Tensor) -> None:
    """Put ``tensor`` in the place of a blob: of one shared with PERMISSIVE, in its own shape."""
    held = vars(module)
    if tensor.shape == blob.shape:
        held["_parameters" if blob.trainable else "_buffers"][blob.attr] = tensor
    else:
        held[blob.attr] = tensor.view(blob.shape)


def _check_shapes(slots: Sequence[Slot], shared: Mapping[str, Tensor]) -> None:
    wrong = [
        f"blob '{slot.key}' has shape {slot.spec.shape} in this net and "
        f"{tuple(shared[slot.key].shape)} in the one that learns: give the layers other names, or "
        "one shape"
        for slot in slots
        if slot.key in shared
        and not slot.shared
        and tuple(shared[slot.key].shape) != slot.spec.shape
    ]
    if wrong:
        raise WeightMismatchError(*wrong)


def read_source(source: NetSource, converters: Converters | None = None) -> pb.NetParameter:
    """Return the definition that a solver names, in V2 terms."""
    if source.inline is not None:
        return upgrade(source.inline).net
    return read_definition(source.path, registry(converters))


def learned(model: Model) -> tuple[Learned, ...]:
    """Return the blobs of ``model`` once each, in the order of Net::learnable_params."""
    return tuple(
        Learned(slot.key, tensor, slot.lr_mult, slot.decay_mult)
        for slot, tensor in model.tensors()
        if not slot.shared
    )


def metrics(model: Model) -> tuple[str, ...]:
    """Return the outputs that losses and metrics make.

    But for what has as many numbers as there are rows or detections, such as the probabilities
    that SoftmaxWithLoss gives as a second top: there is no mean of passes or ranks of it.
    """
    types = registry(model.converters)
    made = {value: types[type_key(layer)] for layer in model.net.layers for value in layer.writes}

    def has_mean(blob: str) -> bool:
        cls = made.get(blob, Layer)
        scalar = count(model.net.shapes[blob]) == 1
        return (cls.role is Role.LOSS and scalar) or (cls.role is Role.METRIC and not cls.dynamic)

    return tuple(filter(has_mean, model.outputs))


THROUGH = frozenset(
    (
        *("BatchNorm", "Bias", "Concat", "Convolution", "Deconvolution", "Dropout", "ELU"),
        *("Eltwise", "EuclideanLoss", "Flatten", "InnerProduct", "LRN", "PReLU", "Pooling"),
        *("ReLU", "Reshape", "Scale", "Sigmoid", "SigmoidCrossEntropyLoss", "Softmax"),
        *("SoftmaxWithLoss", "Split", "TanH"),
    )
)
"""Types whose gradient surely goes to all their blobs and to all bottoms but labels."""


def reaches_all(model: Model) -> bool:
    """Return whether backward() surely reaches every blob that learns."""
    net = model.net
    learning = {net.layers[s.layer].writes for s, blob in model.tensors() if blob.requires_grad}
    behind = downstream(net.layers, lambda layer: layer.writes in learning)
    way = ancestors(net.layers, net.losses)
    return learning <= {layer.writes for layer in way} and all(
        layer.type in THROUGH and all(layer.param.propagate_down)
        for layer in way
        if behind.intersection(layer.writes)
    )


def check_rows(model: Model) -> None:
    """Raise `CaffeError` for a net whose rows cannot be shared out to ranks."""
    layers = list(zip(model.net.layers, model.to_torch().layer_modules(), strict=True))
    if whole := [str(spec) for spec, module in layers if isinstance(module, WholeBatch)]:
        raise CaffeError(
            f"{', '.join(whole)}: its gradient is, as in its fork, that of the rows at hand, and "
            "not a part of that of a larger batch: train with one worker"
        )
    timed = [str(spec) for spec, module in layers if isinstance(module, Recurrent)]
    if timed:
        raise CaffeError(
            f"{', '.join(timed)}: the first axis is time there, and the state goes from one pass "
            "to the next, so that workers cannot share a pass: train with one"
        )


def _options(state: State, judges: bool = False) -> Options:
    return Options(state.phase, tuple(state.stages), state.level, judges=judges)


def copy_weights(model: Model, path: str) -> None:
    """Copy a weight file into the net, all of it or nothing.

    Raises
    ------
    WeightMismatchError
        With every blob that the file lacks, or has of another shape.
    """
    with open_weights(path) as source:
        copy_into(model.to_torch(), model.net.layers, [source])
