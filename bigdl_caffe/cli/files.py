"""Which files on a command line are one model: a prototxt and weights, or one file."""

from __future__ import annotations

from collections.abc import Sequence

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import exists

BUNDLE, RECORD = ".arrow", ".npz"
Files = tuple[str, ...]


def in_pairs(files: Sequence[str]) -> list[Files]:
    """Return ``files`` by what they make up: (prototxt, weights), (bundle,) or (record,).

    Raises
    ------
    CaffeError
        For a prototxt without weights behind it.
    """
    found: list[Files] = []
    rest = list(files)
    while rest:
        size = 1 if is_one(rest[0]) else 2
        model = tuple(rest[:size])
        if len(model) < size or is_one(model[-1]) != (size == 1):
            raise CaffeError(
                f"{model[0]} has no weights behind it: a model is two files, P W (a prototxt and "
                f"its weights), or one bundle ({BUNDLE})"
            )
        found.append(model)
        rest = rest[size:]
    return found


def is_one(file: str) -> bool:
    """Return whether ``file`` stands alone: a bundle or a record."""
    return file.lower().endswith((BUNDLE, RECORD))


def is_bundle(files: Files) -> bool:
    """Return whether a model's ``files`` are one bundle."""
    return files[0].lower().endswith(BUNDLE)


def is_record(files: Files) -> bool:
    """Return whether they are one record."""
    return files[0].lower().endswith(RECORD)


def check_free(files: Files, overwrite: bool) -> None:
    """Raise `CaffeError` for files that are there already, unless they may be replaced."""
    taken = [file for file in files if not overwrite and exists(file)]
    if taken:
        raise CaffeError(
            f"{' and '.join(taken)} {'is' if len(taken) == 1 else 'are'} there already: name "
            "another place, or give --overwrite"
        )
