"""All that can be shown of a training, by what is asked for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bigdl_caffe.format.paths import PathLike, atomic_write, explained
from bigdl_caffe.train.events import Observer
from bigdl_caffe.train.show.bar import Bar
from bigdl_caffe.train.show.curve import learning_curve
from bigdl_caffe.train.show.history import History
from bigdl_caffe.train.show.log import log_by, log_to


@contextmanager
def watching(
    title: str,
    *,
    bar: bool = True,
    log: str | Path | None = None,
    append: bool = False,
    tensorboard: str | Path | None = None,
    curve: PathLike | None = None,
) -> Iterator[list[Observer]]:
    """Give the observers of a training, which the logger "bigdl_caffe.train" hears of anyway.

    Parameters
    ----------
    title : str
        What stands above the curve.
    bar : bool
        Whether to show the progress on stderr.
    log : path, optional
        File for Caffe's log lines; "-" is stderr.
    append : bool
        Whether the log goes on at the file's end.
    tensorboard : path, optional
        Folder for scalars.
    curve : path or URI, optional
        SVG file for the learning curve, which is drawn when the context ends, in whatever way.

    Raises
    ------
    CaffeError
        For files that cannot be written, and without TensorBoard where it is asked for.
    """
    observers = [log_by(logging.getLogger("bigdl_caffe.train"))]
    with ExitStack() as files:
        if log == "-":
            observers.append(log_to(sys.stderr))
        elif log:
            with explained(log):
                out = files.enter_context(open(log, "a" if append else "w", encoding="utf-8"))
            observers.append(log_to(out))
        if bar:
            observers.append(files.enter_context(Bar()))
        if tensorboard:
            from bigdl_caffe.train.show.tensorboard import summaries  # slow to import

            observers.extend(summaries(tensorboard))
        if curve is not None:
            observers.append(files.enter_context(_drawn(curve, title)))
        yield observers


@contextmanager
def _drawn(path: PathLike, title: str) -> Iterator[History]:
    """Give a history, and draw it when the context ends."""
    history = History()
    _draw(history, path, title)  # now, to know of a place that cannot be written
    try:
        yield history
    finally:
        _draw(history, path, title)


def _draw(history: History, path: PathLike, title: str) -> None:
    with atomic_write(path) as file:
        file.write(learning_curve(history, title).encode())
