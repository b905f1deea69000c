"""Weights to layers by name, as Caffe's Net::CopyTrainedLayersFrom, with a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bigdl_caffe.format.source import BlobRef, WeightSource
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
        wrong = _misfits(layer.name, target, layer.blobs, source.file)
        problems += wrong
        if wrong:
            misfits[layer.name] = None
        else:
            notes += _leniencies(layer.name, target, layer.blobs)
            copies.update({s.key: b for s, b in zip(target, layer.blobs, strict=True)})
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


def _misfits(name: str, target: Sequence[Slot], blobs: Sequence[BlobRef], file: str) -> list[str]:
    if len(blobs) != len(target):
        return [
            f"layer '{name}' has {len(target)} blobs in the net and {len(blobs)} in {file}: "
            "the weights are of another net (or bias_term differs)"
        ]
    return [
        f"layer '{name}', blob {slot.index} ({slot.spec.attr}): the net needs shape "
        f"{slot.spec.shape}, {file} has {blob.shape or f'{blob.count} numbers'}; use the "
        "prototxt these weights were made with, or rename the layer to leave it untrained"
        for slot, blob in zip(target, blobs, strict=True)
        if not blob.fits(slot.spec.shape)
    ]


def _leniencies(name: str, target: Sequence[Slot], blobs: Sequence[BlobRef]) -> list[str]:
    return [
        f"layer '{name}', blob {slot.index}: the file gives no shape; its {blob.count} numbers "
        f"are taken as {slot.spec.shape}"
        for slot, blob in zip(target, blobs, strict=True)
        if blob.shape is None
    ]
