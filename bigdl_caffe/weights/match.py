"""Weights to layers by name, as Caffe's Net::CopyTrainedLayersFrom, with a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bigdl_caffe.format.source import BlobRef, LayerBlobs, WeightSource
from bigdl_caffe.layers.registry import count
from bigdl_caffe.weights.slots import Slot


@dataclass(frozen=True)
class LoadReport:
    """What became of a weight file's layers and of the net's.

    Attributes
    ----------
    copied : tuple of str
        Layers that took their blobs from the file.
    missing : tuple of str
        Layers of the net that the file has no blobs for; they keep what their
        fillers gave them.
    unused : tuple of str
        Layers of the file with blobs that the net has no layer for, as a training
        net's auxiliary classifiers.
    notes : tuple of str
        What was accepted though Caffe itself would not, one sentence each.
    kept : tuple of str
        Modules (or tensors) of a predefined model that keep the values they had.
    reshaped : tuple of str
        Layers with a blob of another shape in the file, whose numbers were taken in
        the order they lie in.
    """

    copied: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    reshaped: tuple[str, ...] = ()

    @property
    def remarkable(self) -> bool:
        """Whether there is more to say than that all layers were copied."""
        return any((self.missing, self.unused, self.notes, self.kept, self.reshaped))

    def __str__(self) -> str:
        parts = [f"{len(self.copied)} layers copied"]
        parts += [
            f"{what}: {', '.join(names)}"
            for what in ("missing", "kept", "unused", "reshaped")
            if (names := getattr(self, what))
        ]
        return "; ".join([*parts, *self.notes])


@dataclass(frozen=True)
class Target:
    """What the files' blobs are to go to.

    Attributes
    ----------
    names : sequence of str
        Name of each layer.
    slots : sequence of Slot
        The layers' blobs: slot.layer is a position in ``names``.
    allow_reshape : bool
        Whether a blob of another shape fits if the number of elements is the same.
    remedy : str
        What to do about a blob that does not fit.
    """

    names: Sequence[str]
    slots: Sequence[Slot]
    allow_reshape: bool = False
    remedy: str = (
        "use the prototxt these weights were made with, or rename the layer to leave it untrained"
    )

    def by_name(self) -> dict[str, list[list[Slot]]]:
        """Return layer name → the slots of each layer of that name."""
        by_layer: dict[int, list[Slot]] = {}
        for slot in self.slots:
            by_layer.setdefault(slot.layer, []).append(slot)
        out: dict[str, list[list[Slot]]] = {}
        for layer, target in by_layer.items():
            out.setdefault(self.names[layer], []).append(target)
        return out


@dataclass(frozen=True)
class Match:
    """Which blob of a file goes to which key of the table.

    Attributes
    ----------
    copies : dict of str to BlobRef
        Table key → the file's blob. Where layers share a blob and the files have two,
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


def match(target: Target, sources: Sequence[WeightSource]) -> Match:
    """Match the layers of ``sources`` to those of ``target`` by name.

    A layer's type in the file is ignored, as Caffe does. Where a name stands more than
    once, the file's first goes to the target's first and so on, so that what was saved loads
    again (Caffe gives all to the first); what the file has too many goes to the target's last.
    Several files are matched one after another, as ``caffe train --weights a,b`` loads them:
    a later one's layers replace an earlier one's.
    """
    matching = _Matching(target)
    for source in sources:
        matching.add(source)
    return matching.finish()


class _Matching:
    def __init__(self, target: Target) -> None:
        self.target = target
        self.slots = target.by_name()
        self.copies: dict[str, BlobRef] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        # Layer names in the order they came, each once.
        self.misfits: dict[str, None] = {}
        self.copied: dict[str, None] = {}
        self.unused: dict[str, None] = {}
        self.reshaped: dict[str, None] = {}

    def add(self, source: WeightSource) -> None:
        """Match the layers of one more file."""
        seen: Counter[str] = Counter()
        for layer in source.layers:
            if layer.name in self.slots:
                self._add_layer(layer, self.slots[layer.name][: seen[layer.name] + 1][-1], source)
                seen[layer.name] += bool(layer.blobs)
            elif layer.blobs and layer.name not in self.target.names:
                self.unused[layer.name] = None

    def _add_layer(self, layer: LayerBlobs, slots: Sequence[Slot], source: WeightSource) -> None:
        pairs = _pairs(slots, layer)
        if pairs is None:
            wrong = [_other_count(slots, layer, source.file)]
        else:
            wrong = self._misfits(layer.name, pairs, source.file)
        self.problems += wrong
        if wrong or pairs is None:
            self.misfits[layer.name] = None
            return
        self.notes += _leniencies(layer.name, pairs)
        self.copies.update({slot.key: blob for slot, blob in pairs})
        self.copied[layer.name] = None
        if not all(blob.fits(slot.spec.shape) for slot, blob in pairs):
            self.reshaped[layer.name] = None

    def _misfits(self, name: str, pairs: Sequence[tuple[Slot, BlobRef]], file: str) -> list[str]:
        return [
            f"layer '{name}', blob {slot.index} ({slot.spec.attr}) needs shape "
            f"{slot.spec.shape}, {file} has "
            f"{f'{blob.count} numbers' if blob.shape is None else blob.shape}; {self.target.remedy}"
            for slot, blob in pairs
            if not (blob.fits(slot.spec.shape) or self._fits_reshaped(slot, blob))
        ]

    def _fits_reshaped(self, slot: Slot, blob: BlobRef) -> bool:
        return self.target.allow_reshape and blob.count == count(slot.spec.shape)

    def finish(self) -> Match:
        """Return what was found."""
        missing = [
            name
            for name, occurrences in self.slots.items()
            if any(slot.key not in self.copies for slots in occurrences for slot in slots)
        ]
        report = LoadReport(
            tuple(self.copied),
            tuple(missing),
            tuple(self.unused),
            tuple(self.notes),
            reshaped=tuple(self.reshaped),
        )
        return Match(self.copies, tuple(self.problems), tuple(self.misfits), report)


def _pairs(slots: Sequence[Slot], layer: LayerBlobs) -> list[tuple[Slot, BlobRef]] | None:
    """Return each blob of the file with its slot; None when there are others than the slots'.

    A blob that another layer owns may be absent: Caffe's HDF5 files hold it there only.
    """
    held = dict(zip(layer.indices, layer.blobs, strict=True))
    wanted = {slot.index for slot in slots}
    own = {slot.index for slot in slots if not slot.shared}
    if not own <= held.keys() <= wanted:
        return None
    return [(slot, held[slot.index]) for slot in slots if slot.index in held]


def _other_count(slots: Sequence[Slot], layer: LayerBlobs, file: str) -> str:
    return (
        f"layer '{layer.name}' needs {len(slots)} blobs "
        f"({', '.join(slot.spec.attr for slot in slots)}), {file} has {len(layer.blobs)} for it: "
        f"the weights are of another net, or only one of the two has a bias"
    )


def _leniencies(name: str, pairs: Sequence[tuple[Slot, BlobRef]]) -> list[str]:
    return [
        f"layer '{name}', blob {slot.index}: the file gives no shape; its {blob.count} numbers "
        f"are taken as {slot.spec.shape}"
        for slot, blob in pairs
        if blob.shape is None and slot.spec.shape  # a scalar's has no axes, in Caffe too
    ]
