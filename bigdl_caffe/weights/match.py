"""Weights to layers by name, as Caffe's Net::CopyTrainedLayersFrom, with a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bigdl_caffe.format.source import BlobRef, LayerBlobs, WeightSource
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.weights.slots import Slot


@dataclass(frozen=True)
class LoadReport:
    """What became of a weight file's layers and of the net's.

    Attributes
    ----------
    copied : tuple of str
        Layers of the net that took their blobs from the file.
    missing : tuple of str
        Layers of the net that the file has no blobs for; they keep what their
        fillers gave them.
    unused : tuple of str
        Layers of the file with blobs that the net has no layer for, as a training
        net's auxiliary classifiers.
    notes : tuple of str
        What was accepted though Caffe itself would not, one sentence each.
    """

    copied: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{len(self.copied)} layers copied"]
        parts += [
            f"{what}: {', '.join(names)}"
            for what, names in (("missing", self.missing), ("unused", self.unused))
            if names
        ]
        return "; ".join([*parts, *self.notes])


@dataclass(frozen=True)
class Match:
    """Which blob of a file goes to which key of the table.

    Attributes
    ----------
    copies : dict of str to BlobRef
        Table key → the file's blob. Where layers share a blob and the file has two,
        the later one wins, as in Caffe.
    problems : tuple of str
        Shapes and numbers of blobs that do not fit.
    misfits : tuple of str
        The layers that ``problems`` are about.
    report : LoadReport
    """

    copies: dict[str, BlobRef]
    problems: tuple[str, ...]
    misfits: tuple[str, ...]
    report: LoadReport


def match(net: Net, slots: Sequence[Slot], source: WeightSource) -> Match:
    """Match the layers of ``source`` to those of ``net`` by name.

    A layer's type in the file is ignored, as Caffe does. Where a name stands more than
    once, the file's first goes to the net's first and so on, so that what was saved loads
    again (Caffe gives all to the first); what the file has too many goes to the net's last.
    """
    targets = _slots_by_name(net, slots)
    seen: Counter[str] = Counter()
    copies: dict[str, BlobRef] = {}
    problems: list[str] = []
    misfits: dict[str, None] = {}
    notes: list[str] = []
    copied: dict[str, None] = {}
    unused: dict[str, None] = {}
    names = {spec.name for spec in net.layers}
    for layer in source.layers:
        if layer.name not in targets:
            if layer.blobs and layer.name not in names:
                unused[layer.name] = None
            continue
        target = targets[layer.name][: seen[layer.name] + 1][-1]
        seen[layer.name] += bool(layer.blobs)
        pairs = _pairs(target, layer)
        if pairs is None:
            wrong = [_other_count(target, layer, source.file)]
        else:
            wrong = _misfits(layer.name, pairs, source.file)
        problems += wrong
        if wrong or pairs is None:
            misfits[layer.name] = None
            continue
        notes += _leniencies(layer.name, pairs)
        copies.update({slot.key: blob for slot, blob in pairs})
        copied[layer.name] = None
    missing = [
        name
        for name, occurrences in targets.items()
        if any(slot.key not in copies for target in occurrences for slot in target)
    ]
    report = LoadReport(tuple(copied), tuple(missing), tuple(unused), tuple(notes))
    return Match(copies, tuple(problems), tuple(misfits), report)


def _slots_by_name(net: Net, slots: Sequence[Slot]) -> dict[str, list[list[Slot]]]:
    """Return layer name → the slots of each layer of that name."""
    by_layer: dict[int, list[Slot]] = {}
    for slot in slots:
        by_layer.setdefault(slot.layer, []).append(slot)
    out: dict[str, list[list[Slot]]] = {}
    for layer, target in by_layer.items():
        out.setdefault(net.layers[layer].name, []).append(target)
    return out


def _pairs(target: Sequence[Slot], layer: LayerBlobs) -> list[tuple[Slot, BlobRef]] | None:
    """Return each blob of the file with its slot; None when there are others than the net's.

    A blob that another layer owns may be absent: Caffe's HDF5 files hold it there only.
    """
    held = dict(zip(layer.indices, layer.blobs, strict=True))
    wanted = {slot.index for slot in target}
    own = {slot.index for slot in target if not slot.shared}
    if not own <= held.keys() <= wanted:
        return None
    return [(slot, held[slot.index]) for slot in target if slot.index in held]


def _other_count(target: Sequence[Slot], layer: LayerBlobs, file: str) -> str:
    return (
        f"layer '{layer.name}' has {len(target)} blobs in the net and {len(layer.blobs)} in "
        f"{file}: the weights are of another net (or bias_term differs)"
    )


def _misfits(name: str, pairs: Sequence[tuple[Slot, BlobRef]], file: str) -> list[str]:
    return [
        f"layer '{name}', blob {slot.index} ({slot.spec.attr}): the net needs shape "
        f"{slot.spec.shape}, {file} has {blob.shape or f'{blob.count} numbers'}; use the "
        "prototxt these weights were made with, or rename the layer to leave it untrained"
        for slot, blob in pairs
        if not blob.fits(slot.spec.shape)
    ]


def _leniencies(name: str, pairs: Sequence[tuple[Slot, BlobRef]]) -> list[str]:
    return [
        f"layer '{name}', blob {slot.index}: the file gives no shape; its {blob.count} numbers "
        f"are taken as {slot.spec.shape}"
        for slot, blob in pairs
        if blob.shape is None
    ]
