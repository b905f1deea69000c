"""What a file is that is not the one asked for, told by its first bytes."""

from __future__ import annotations

import re

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (rb"version https://git-lfs", "a git-lfs pointer, not the file itself: run `git lfs pull`"),
    (rb"PK\x03\x04", "a zip archive (PyTorch saves its models so)"),
    (rb"\x80[\x02-\x05]", "a Python pickle"),
    (rb"\x1f\x8b", "a gzip archive: unpack it"),
    (rb"BZh[1-9]", "a bzip2 archive: unpack it"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (rb"\x93NUMPY", "a numpy file"),
    (rb"\x89PNG\r\n|\xff\xd8\xff|GIF8", "a picture"),
    (rb"%PDF-", "a PDF document"),
    (rb"ARROW1|PAR1", "an Arrow or Parquet file"),
    (rb"(?i)\s*<(?:!doctype|html|\?xml)", "a web page or XML, perhaps of a failed download"),
    (rb"\s*\{\s*(?:[\"}]|\Z)", "JSON"),
    (rb"\xef\xbb\xbf", "text with a byte order mark, which Caffe refuses: save it without one"),
    (rb"\xff\xfe|\xfe\xff", "UTF-16 text: save it as UTF-8"),
    (rb"\x08[\x01-\x0a]\x12.(?:pytorch|onnx|skl2onnx|tf2onnx|keras|CNTK)", "an ONNX model"),
)
_KINDS = tuple((re.compile(magic, re.DOTALL), kind) for magic, kind in _MAGIC)


def foreign_magic(head: bytes) -> str | None:
    """Return what a file that begins with ``head`` is, or None where it may be Caffe's."""
    return next((kind for magic, kind in _KINDS if magic.match(head)), None)


def foreign_kind(raw: bytes) -> str | None:
    """Return what ``raw`` is if it cannot be prototxt, as words that follow "but this is"."""
    return foreign_magic(raw[:256]) or ("a binary file" if b"\0" in raw else None)


def looks_like_text(head: bytes) -> bool:
    """Return whether ``head``, the first bytes of a file, reads as text."""
    return bool(head) and not re.search(rb"[^\t\n\v\f\r -~\x80-\xff]", head)
