"""Which learnable blobs a net has, and which of them are one blob under several layers.

As Caffe's Net::AppendParam: a layer whose ``param { name: "w" }`` was seen before
shares the first one's blob.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bigdl_caffe.errors import NetError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Net, Shape
from bigdl_caffe.graph.names import unique_names
from bigdl_caffe.layers.contract import blobs_of
from bigdl_caffe.layers.registry import BlobSpec, Layer, count


@dataclass(frozen=True)
class Slot:
    """One blob of one layer.

    Attributes
    ----------
    layer : int
        The layer's position in the net.
    index : int
        The blob's index in the layer, as in pycaffe's ``net.params[name][index]``.
    spec : BlobSpec
    key : str
        Where the table has its numbers: "layer/index" of the layer that owns the blob.
    shared : bool
        Whether that is another layer.
    lr_mult, decay_mult : float
        What the solver multiplies its learning rate and weight decay by. A blob whose
        ``lr_mult`` is 0 is frozen: no gradient is computed for it.
    """

    layer: int
    index: int
    spec: BlobSpec
    key: str
    shared: bool = False
    lr_mult: float = 1.0
    decay_mult: float = 1.0


def plan_slots(net: Net, layers: Sequence[Layer]) -> tuple[Slot, ...]:
    """Return the slots of ``net``, layer by layer, each blob in Caffe's order.

    Raises
    ------
    NetError
        For layers that share a blob but disagree on its shape or multipliers.
    """
    plan = _Plan()
    keys = unique_names(spec.name for spec in net.layers)  # Caffe lets two have one name
    for i, (spec, layer, key) in enumerate(zip(net.layers, layers, keys, strict=True)):
        for j, blob in enumerate(blobs_of(layer, [net.shapes[v] for v in spec.reads])):
            plan.add(i, j, spec, blob, f"{key}/{j}")
    if plan.problems:
        raise NetError(*plan.problems)
    return plan.finish()


class _Plan:
    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.problems: list[str] = []
        self.owners: dict[str, tuple[Slot, LayerDef]] = {}
        self.multipliers: dict[tuple[str, str], float] = {}

    def add(self, i: int, j: int, spec: LayerDef, blob: BlobSpec, key: str) -> None:
        param = spec.param.param[j] if j < len(spec.param.param) else pb.ParamSpec()
        owner = self.owners.get(param.name)
        if not param.name or owner is None:
            slot = Slot(i, j, blob, key)
            if param.name:
                self.owners[param.name] = (slot, spec)
        else:
            self._check_shape(param, owner, spec, blob)
            slot = Slot(i, j, blob, owner[0].key, shared=True)
        self._note_multipliers(param, spec, slot.key)
        self.slots.append(slot)

    def _check_shape(
        self, param: pb.ParamSpec, owner: tuple[Slot, LayerDef], spec: LayerDef, blob: BlobSpec
    ) -> None:
        owned = owner[0].spec.shape
        permissive = param.share_mode == pb.ParamSpec.PERMISSIVE
        same: bool = count(owned) == count(blob.shape) if permissive else owned == blob.shape
        if not same:
            self.problems.append(
                f"{spec} shares param '{param.name}' of {owner[1]}, whose shape is {owned}, "
                f"but needs {blob.shape}: give them one shape"
                + ("" if permissive else ", or share_mode: PERMISSIVE for an equal count")
            )

    def _note_multipliers(self, param: pb.ParamSpec, spec: LayerDef, key: str) -> None:
        for what in ("lr_mult", "decay_mult"):
            if not param.HasField(what):
                continue
            value = getattr(param, what)
            first = self.multipliers.setdefault((key, what), value)
            if value != first:
                self.problems.append(
                    f"{spec} gives shared param '{param.name}' {what} {value}, "
                    f"but another layer gave it {first}: use one"
                )

    def finish(self) -> tuple[Slot, ...]:
        """Return the slots with their multipliers: any layer that shares a blob may set them."""
        rates = self.multipliers
        return tuple(
            replace(
                slot,
                lr_mult=rates.get((slot.key, "lr_mult"), 1.0),
                decay_mult=rates.get((slot.key, "decay_mult"), 1.0),
            )
            for slot in self.slots
        )


def owned_shapes(slots: Sequence[Slot]) -> dict[str, Shape]:
    """Return table key → shape, once for each blob that is really there."""
    out: dict[str, Shape] = {}
    for slot in slots:
        out.setdefault(slot.key, slot.spec.shape)
    return out
