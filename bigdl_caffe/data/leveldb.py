"""LevelDB databases, read as they lie: no lock is taken and no file is written.

LevelDB itself cannot do that: to open a database is to lock it and to write its manifest
anew. A database is sorted tables (.ldb, formerly .sst) in levels, logs of what was written
last, and a manifest that says which of them count (LevelDB's db/version_edit.cc).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bigdl_caffe.data.leveldb_files import (
    TAG,
    Entry,
    Reader,
    block_size,
    log_records,
    table_entries,
    table_marks,
    within,
)
from bigdl_caffe.errors import CaffeFormatError
from bigdl_caffe.format import paths

_COMPARATOR, _LOG, _NEXT, _SEQUENCE, _POINTER, _DELETED, _NEW, _PREVIOUS = 1, 2, 3, 4, 5, 6, 7, 9
_BYTEWISE = b"leveldb.BytewiseComparator"


def items(
    folder: Path, start: bytes = b"", stop: bytes | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values in the order of keys.

    Parameters
    ----------
    folder : Path
        The database.
    start, stop : bytes, optional
        The keys from ``start`` up to, and without, ``stop``.

    Raises
    ------
    CaffeError
        For files that are missing or, as `CaffeFormatError`, cut short or damaged.
    """
    manifest = _read_manifest(folder)
    sources = [_logged(folder, manifest, start, stop)]
    sources += (_stored(folder, tables, start, stop) for tables in manifest.runs())
    last = None
    for entry in heapq.merge(*sources):
        if stop is not None and entry.key >= stop:
            return
        if entry.key != last and not entry.deletes:
            yield entry.key, entry.value
        last = entry.key


def keys(folder: Path) -> Iterator[bytes]:
    """Yield the keys in order. Raises as `items`."""
    return (key for key, _ in items(folder))


def marks(folder: Path) -> Iterator[bytes]:
    """Yield keys that lie evenly in the database, in order, without reading its tables' values.

    They are the last keys of the tables' blocks, and keys of the logs that are as far from
    one another. Raises as `items`.
    """
    manifest = _read_manifest(folder)
    runs = manifest.runs()
    block = block_size(_file(folder, runs[0][0])) if runs else 0
    stored = (_marks(folder, tables) for tables in runs)
    return heapq.merge(_spaced(_logged(folder, manifest), block), *stored)


@dataclass(frozen=True)
class _Table:
    """A table that counts, with its first and last key."""

    number: int
    smallest: bytes
    largest: bytes


@dataclass
class _Manifest:
    """Which files count, as one edit after another has it."""

    file: Path
    tables: dict[tuple[int, int], _Table] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=lambda: {_LOG: 0, _PREVIOUS: 0})

    def runs(self) -> list[list[_Table]]:
        """Return the tables in lists of such as follow one another.

        Tables of level 0 may overlap; those of another level do not.
        """
        levels: dict[int, list[_Table]] = {}
        for (level, _), table in sorted(self.tables.items(), key=lambda item: item[1].smallest):
            levels.setdefault(level, []).append(table)
        return [[table] for table in levels.pop(0, [])] + list(levels.values())

    def counts(self, log: Path) -> bool:
        """Return whether ``log`` has writes that no table has."""
        number = int(log.stem) if log.stem.isdigit() else -1
        return number >= self.numbers[_LOG] or number == self.numbers[_PREVIOUS] > 0

    def apply(self, edit: Reader) -> None:
        """Carry out one edit (VersionEdit::DecodeFrom)."""
        while edit.left:
            tag = edit.varint()
            if tag == _COMPARATOR:
                if (name := edit.bytes()) != _BYTEWISE:
                    raise CaffeFormatError(f"keys are in the order of {name!r}", str(self.file))
            elif tag in (_LOG, _NEXT, _SEQUENCE, _PREVIOUS):
                self.numbers[tag] = edit.varint()
            elif tag == _POINTER:
                edit.varint(), edit.bytes()
            elif tag == _DELETED:
                self.tables.pop((edit.varint(), edit.varint()), None)
            elif tag == _NEW:
                place = (edit.varint(), edit.varint())
                edit.varint()  # the file's size
                self.tables[place] = _Table(place[1], edit.bytes()[:-TAG], edit.bytes()[:-TAG])
            else:
                raise CaffeFormatError(f"an edit has the unknown tag {tag}", str(self.file))


def _read_manifest(folder: Path) -> _Manifest:
    current = folder / "CURRENT"
    name = paths.read_bytes(current).decode("latin-1").strip()
    if not re.fullmatch(r"MANIFEST-\d+", name):
        raise CaffeFormatError(f"it should name a manifest and says {name!r}", str(current))
    manifest = _Manifest(folder / name)
    for edit in log_records(manifest.file):
        with within(manifest.file):
            manifest.apply(Reader(edit))
    if _NEXT not in manifest.numbers:
        raise CaffeFormatError("the manifest is cut short: it names no files", str(manifest.file))
    return manifest


def _logged(
    folder: Path, manifest: _Manifest, start: bytes = b"", stop: bytes | None = None
) -> Iterator[Entry]:
    """Yield, sorted, what the logs hold and no table does."""
    entries: list[Entry] = []
    for path in filter(manifest.counts, sorted(folder.glob("*.log"))):
        for batch in log_records(path):
            with within(path):
                found = (entry for entry in _writes(Reader(batch)) if entry.key >= start)
                entries += (entry for entry in found if stop is None or entry.key < stop)
    yield from sorted(entries)


def _writes(batch: Reader) -> Iterator[Entry]:
    """Yield the entries of a WriteBatch (write_batch.cc)."""
    sequence = int.from_bytes(batch.take(8), "little")
    batch.take(4)  # their number
    while batch.left:
        kind = batch.take(1)[0]
        yield Entry(batch.bytes(), -(sequence << 8 | kind), batch.bytes() if kind else b"")
        sequence += 1


def _stored(
    folder: Path, tables: list[_Table], start: bytes, stop: bytes | None
) -> Iterator[Entry]:
    """Yield the entries of tables that follow one another, each opened when its turn comes."""
    for table in tables:
        if table.largest >= start and (stop is None or table.smallest < stop):
            yield from table_entries(_file(folder, table), start)


def _marks(folder: Path, tables: list[_Table]) -> Iterator[bytes]:
    for table in tables:
        for mark in table_marks(_file(folder, table)):
            yield min(mark, table.largest)  # the last one of a table may be any key beyond it


def _spaced(entries: Iterator[Entry], step: int) -> Iterator[bytes]:
    """Yield the first key, and one for ``step`` bytes more."""
    size = step
    for entry in entries:
        if size >= step:
            yield entry.key
            size = 0
        size += len(entry.key) + len(entry.value)


def _file(folder: Path, table: _Table) -> Path:
    new, old = (folder / f"{table.number:06d}{end}" for end in (".ldb", ".sst"))
    return old if old.exists() else new
