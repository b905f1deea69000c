"""What each layer of a net holds and does, told before there are any numbers."""

from __future__ import annotations

from collections.abc import Sequence

from bigdl_caffe.graph.summary import Cost
from bigdl_caffe.layers.assemble import Assembled
from bigdl_caffe.layers.registry import count
from bigdl_caffe.weights.slots import Slot


def costs(assembled: Assembled, slots: Sequence[Slot]) -> list[Cost]:
    """Return one for each layer; a blob that layers share is the first one's."""
    owned = set[str]()
    params = [0] * len(assembled.net.layers)
    for slot in slots:
        if slot.key not in owned:
            owned.add(slot.key)
            params[slot.layer] += count(slot.spec.shape)
    return [Cost(n, macs) for n, macs in zip(params, assembled.macs(), strict=True)]
