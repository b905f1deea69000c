"""The list of windows that WindowData samples from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format.paths import open_input

Windows = NDArray[np.int64]
"""(n, 6): image, label, x1, y1, x2, y2; x2 and y2 are inside the window."""


class WindowFile(NamedTuple):
    """Pictures, and windows in them of something (foreground) and of nothing (background)."""

    images: list[str]
    channels: int
    foreground: Windows
    background: Windows


def read_window_file(source: str, above: float, below: float) -> WindowFile:
    """Return the windows of ``source``, sorted by their overlap (window_data_layer.cpp).

    For each picture the file has ``# index path channels height width n``, then n times
    ``label overlap x1 y1 x2 y2``, apart by any white space.

    Parameters
    ----------
    source : path or URI
    above, below : float
        fg_threshold, at which a window is foreground, and bg_threshold, under which it is
        background with label 0. Windows between the two are left out.

    Raises
    ------
    CaffeError
        For a file that is missing, breaks off, has no windows of one kind, or a foreground
        window without a label.
    """
    images, kept, channels = [], [np.empty((0, 7))], 0
    for index, path, depth, found in _pictures(source):
        images.append(path)
        channels = depth  # as Caffe, the last one's
        overlap = found[:, 1].astype(np.float32)
        is_object, is_nothing = overlap >= np.float32(above), overlap < np.float32(below)
        if (found[is_object, 0] < 1).any():
            raise CaffeError(f"{source}, image {index}: a foreground window needs a label above 0")
        found[~is_object, 0] = 0
        rows = np.c_[np.full(len(found), index), is_object, found[:, :1], found[:, 2:]]
        kept.append(rows[is_object | is_nothing])
    windows = np.concatenate(kept).astype(np.int64)
    kinds = (windows[:, 1] == kind for kind in (0, 1))
    background, foreground = (np.delete(windows[kind], 1, axis=1) for kind in kinds)
    if not (len(foreground) and len(background)):
        raise CaffeError(
            f"{source}: there are {len(foreground)} foreground and {len(background)} background "
            "windows: both are needed; check fg_threshold and bg_threshold"
        )
    if windows[:, 0].min() < 0 or windows[:, 0].max() >= len(images):
        raise CaffeError(f"{source}: images have to be numbered from 0 without gaps")
    return WindowFile(images, channels, foreground, background)


def _pictures(source: str) -> Iterator[tuple[int, str, int, NDArray[np.float64]]]:
    """Yield each picture's index, path, channels and windows (n, 6)."""
    with open_input(source) as file:
        words = (word for line in file for word in line.split())
        for number, mark in enumerate(words):
            try:
                if mark != b"#":
                    raise ValueError(f"{mark!r} stands where # should")
                index, path, channels, _, _, n = islice(words, 6)
                found = np.array(list(islice(words, 6 * int(n))), np.float64).reshape(int(n), 6)
                yield int(index), path.decode("utf-8", "surrogateescape"), int(channels), found
            except ValueError as error:
                raise CaffeError(
                    f"{source}: entry {number} is no picture with its windows, or is cut short: "
                    f"{error}"
                ) from None
