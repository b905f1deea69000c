"""The passes that a net's own data layers give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from bigdl_caffe.data import batches
from bigdl_caffe.format.paths import PathLike
from bigdl_caffe.runner import Runner
from bigdl_caffe.train.feeds import Array, Pass


@dataclass(frozen=True)
class OwnData:
    """Data of a train net, as its layers name them: LMDB, HDF5, ImageData and so on.

    Attributes
    ----------
    model : Model
    seed : int, optional
        Of all that is random. Without one, ranks and resumed runs have other data each.
    root : path or URI, optional
        Folder that the net's files are relative to; the working directory by default.
    arrays : mapping of str to ndarray
        Top of a MemoryData layer → all its rows.
    rank, size : int
        Rows rank, rank + size, ... of each batch are this rank's.
    """

    model: Runner
    seed: int | None = None
    root: PathLike | None = None
    arrays: Mapping[str, Array] = field(default_factory=dict)
    rank: int = 0
    size: int = 1

    @property
    def per_epoch(self) -> None:
        """None: Caffe's layers begin again unseen, often in the middle of a batch."""

    def passes(self, start: int = 0) -> Iterator[Pass]:
        """Yield pass number ``start`` and those after it, without end.

        Raises
        ------
        CaffeError
            As `bigdl_caffe.data.batches`: for nets without data layers, and data that are
            missing or damaged.
        """
        feeds = batches(
            self.model.net,
            seed=self.seed,
            root=self.root,
            arrays=self.arrays,
            start=start,
            share=(self.rank, self.size),
        )
        return map(self._pass, feeds)

    def _pass(self, feed: Mapping[str, Array]) -> Pass:
        inputs = self.model.inputs
        blobs = {blob: feed[blob] for blob in inputs if blob in feed}
        first = next(blob for blob in blobs if inputs[blob])
        return Pass(blobs, len(blobs[first]) if self.rank < inputs[first][0] else 0)


class OwnTestData:
    """Data of a test net, which each test goes on with where the last one stopped (solver.cpp).

    Parameters
    ----------
    data : OwnData
        Of the test net.
    passes : int
        The solver's test_iter.
    """

    def __init__(self, data: OwnData, passes: int) -> None:
        self._data = data
        self._count = passes
        self._stream: Iterator[Pass] | None = None

    def passes(self) -> Iterator[Pass]:
        """Yield the passes of one test. Raises as `OwnData.passes`."""
        if self._stream is None:
            self._stream = self._data.passes()
        return islice(self._stream, self._count)
