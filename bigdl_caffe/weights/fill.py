"""The table of a net, filled from a weight file, from fillers, or both."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from bigdl_caffe.errors import CaffeError, NetError, WeightMismatchError
from bigdl_caffe.format.source import BlobRef, WeightSource
from bigdl_caffe.graph.ir import Net
from bigdl_caffe.layers.fillers import fill
from bigdl_caffe.weights.match import LoadReport, Match, Target, match
from bigdl_caffe.weights.slots import Slot, owned_shapes
from bigdl_caffe.weights.table import WeightTable, allocate


def fill_table(
    net: Net, slots: Sequence[Slot], sources: Sequence[WeightSource], strict: bool = True
) -> tuple[WeightTable, LoadReport]:
    """Return the weights of ``net``.

    Parameters
    ----------
    net : Net
    slots : sequence of Slot
    sources : sequence of WeightSource
        The weight files, a later one's layers in place of an earlier one's; none leaves
        everything to the layers' fillers.
    strict : bool
        Whether a layer that all files lack is an error; otherwise its filler fills it.

    Raises
    ------
    WeightMismatchError
        With every blob that is missing or does not fit.
    NetError
        With every filler that cannot fill its blob.
    """
    if not sources:
        table = allocate(owned_shapes(slots))
        run_fillers(net, slots, table, skip={})
        return table, LoadReport()
    found = match(Target([spec.name for spec in net.layers], slots), sources)
    problems = list(found.problems)
    if strict:
        problems += lacking(found, sources, "strict=False to start it from its fillers")
    if problems:
        raise WeightMismatchError(*problems)
    table = allocate(owned_shapes(slots))
    run_fillers(net, slots, table, skip=found.copies)
    copy_blobs(found.copies, table)
    return table, found.report


def lacking(found: Match, sources: Sequence[WeightSource], instead: str) -> list[str]:
    """Return a problem for each layer that no file has: pass ``instead`` to go without."""
    files = ", ".join(source.file for source in sources)
    return [
        f"layer '{name}' has no weights in {files}; pass {instead}"
        for name in found.report.missing
        if name not in found.misfits
    ]


def run_fillers(
    net: Net, slots: Sequence[Slot], table: WeightTable, skip: Mapping[str, object]
) -> None:
    """Fill every blob of ``table`` but those of ``skip`` by its layer's filler.

    Raises
    ------
    NetError
        With every filler that cannot fill its blob.
    """
    generator = torch.Generator().manual_seed(torch.initial_seed())
    done = set(skip)
    problems: list[str] = []
    for slot in slots:
        if slot.key in done:
            continue
        done.add(slot.key)
        try:
            fill(torch.from_numpy(table.blobs[slot.key]), slot.spec.filler, generator)
        except CaffeError as error:
            place = f"{net.layers[slot.layer]}, blob {slot.index} ({slot.spec.attr})"
            problems += [f"{place}: {problem}" for problem in error.problems]
    if problems:
        raise NetError(*problems)


def copy_blobs(copies: Mapping[str, BlobRef], table: WeightTable) -> None:
    """Copy each blob once, from the file into the table, on as many threads as help."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        work = [
            pool.submit(piece)
            for key, ref in copies.items()
            for piece in ref.pieces(table.blobs[key].reshape(-1))
        ]
        for done in work:
            done.result()
