"""Blob names to values: who reads what when a blob is written more than once.

Caffe's in-place layers write their bottom again, and Reshape, Flatten and Split hand
their bottom's memory on. So one write can change what several names show. Here each
write makes a new value (see `bigdl_caffe.graph.ir`), and every read says which it means.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from bigdl_caffe.errors import NetError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef

ALIAS = "~alias"
"""Type of the layers put in where an in-place layer changes another name's blob."""

AUTOMATIC = "(automatic)"
"""What Caffe calls the top it gives a loss that names none."""


def layer_defs(layers: Sequence[pb.LayerParameter]) -> tuple[LayerDef, ...]:
    """Return the layers' definitions with values still equal to blob names."""
    return tuple(LayerDef(p.name, p.type, tuple(p.bottom), tuple(p.top), p) for p in layers)


def name_values(
    layers: Sequence[LayerDef],
    shares_data: Callable[[LayerDef], bool],
    left_out: Mapping[str, str] | None = None,
    falls_away: Callable[[LayerDef], bool] = lambda layer: False,
    strict: bool = True,
) -> tuple[LayerDef, ...]:
    """Return ``layers`` with their ``reads`` and ``writes`` filled in.

    Parameters
    ----------
    layers : sequence of LayerDef
        In execution order.
    shares_data : callable
        Whether a layer's tops are its bottom's memory (Reshape, Flatten, Split).
    left_out : mapping of str to str, optional
        Blob → the layer that would make it in another phase, for the error's words.
    falls_away : callable, optional
        Whether the net is run without the layer, so that its bottoms need not be there:
        deploy nets with an Accuracy left in have no label.
    strict : bool
        Whether to raise; else a bottom that nothing makes is read all the same.

    Returns
    -------
    tuple of LayerDef
        The same layers; after an in-place write to shared memory, an alias layer for
        every other name of that memory gives it what Caffe would show there.

    Raises
    ------
    NetError
        For all bottoms that no layer made and all tops made twice.
    """
    blobs = {top for layer in layers for top in layer.tops}
    naming = _Naming(shares_data, left_out or {}, blobs, falls_away)
    for layer in layers:
        naming.add(layer)
    if naming.problems and strict:
        raise NetError(*naming.problems)
    return naming.finish()


class _Naming:
    def __init__(
        self,
        shares_data: Callable[[LayerDef], bool],
        left_out: Mapping[str, str],
        blobs: Collection[str],
        falls_away: Callable[[LayerDef], bool],
    ) -> None:
        self.shares_data, self.left_out, self.blobs = shares_data, left_out, blobs
        self.falls_away = falls_away
        self.out: list[LayerDef] = []
        self.versions: dict[str, int] = {}
        self.makers: dict[str, str] = {}
        self.memory: dict[str, str] = {}  # blob -> the blob whose memory it is
        self.problems: list[str] = []

    def value(self, blob: str) -> str:
        """Return the name of the blob's present value, which no blob has."""
        name = f"{blob}~{self.versions[blob]}"
        while name in self.blobs:
            name += "~"
        return name

    def add(self, layer: LayerDef) -> None:
        reads = tuple(self._read(layer, blob) for blob in layer.bottoms)
        rewritten = [
            blob for i, blob in enumerate(layer.tops) if layer.bottoms[i : i + 1] == (blob,)
        ]
        shared = bool(layer.bottoms) and self.shares_data(layer)
        writes = tuple(self._write(layer, blob, blob in rewritten) for blob in layer.tops)
        self.out.append(replace(layer, reads=reads, writes=writes))
        for blob in layer.tops:
            if blob not in rewritten:
                self.memory[blob] = self.memory.get(layer.bottoms[0], blob) if shared else blob
        for blob in rewritten:
            self._refresh_aliases(blob)

    def _read(self, layer: LayerDef, blob: str) -> str:
        if blob not in self.versions:
            if not self.falls_away(layer):
                self.problems.append(self._unknown(layer, blob))
            return blob
        return self.value(blob)

    def _unknown(self, layer: LayerDef, blob: str) -> str:
        said = f"{layer} reads blob '{blob}', which no layer before it makes; "
        if blob in self.left_out:
            return said + (
                f"layer '{self.left_out[blob]}' would, but its include and exclude rules leave it "
                "out: load the phase, level or stages it is for, or put an Input layer in its place"
            )
        return said + f"the last blobs there are: {', '.join(list(self.versions)[-6:]) or 'none'}"

    def _write(self, layer: LayerDef, blob: str, in_place: bool) -> str:
        if blob in self.versions and not in_place:
            self.problems.append(
                f"{layer} makes blob '{blob}', which {self.makers[blob]} has made already; "
                "rename one (or give the layers include rules if they are for different phases)"
            )
        self.versions[blob] = self.versions.get(blob, -1) + 1
        self.makers[blob] = str(layer)
        return self.value(blob)

    def _refresh_aliases(self, changed: str) -> None:
        """Make every other name of ``changed``'s memory show the new contents."""
        home = self.memory.get(changed)
        for blob in [b for b, m in self.memory.items() if m == home and b != changed]:
            old = self.value(blob)
            self.versions[blob] += 1
            now = self.value(blob)
            self.out.append(
                LayerDef(
                    name=now,
                    type=ALIAS,
                    bottoms=(changed, blob),
                    tops=(blob,),
                    param=pb.LayerParameter(type=ALIAS),
                    reads=(self.value(changed), old),
                    writes=(now,),
                )
            )

    def finish(self) -> tuple[LayerDef, ...]:
        """Return the layers, the last value of each blob called by the blob's plain name."""
        last = {self.value(blob): blob for blob in self.versions}
        return tuple(
            replace(
                layer,
                reads=tuple(last.get(v, v) for v in layer.reads),
                writes=tuple(last.get(v, v) for v in layer.writes),
            )
            for layer in self.out
        )


def unique_names(names: Iterable[str], taken: Collection[str] = ()) -> list[str]:
    """Return ``names``, with "~1", "~2", ... behind those that stand before or are ``taken``."""
    seen = set(taken)
    out = []
    for name in names:
        unique, n = name, 0
        while unique in seen:
            n += 1
            unique = f"{name}~{n}"
        seen.add(unique)
        out.append(unique)
    return out
