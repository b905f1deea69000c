"""What is trained on: BigDL's samples, and arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike

from bigdl_caffe.train.feeds import Array, Pass
from bigdl_caffe.train.order import Order


@dataclass(frozen=True)
class Sample:
    """One row: what goes into the net, and what should come out.

    Attributes
    ----------
    features : tuple of ndarray
        One float32 array for each input of the model.
    label : ndarray
        float32. Classes are counted from 0, where BigDL's are from 1.
    """

    features: tuple[Array, ...]
    label: Array

    @staticmethod
    def from_ndarray(features: ArrayLike | Sequence[ArrayLike], labels: ArrayLike) -> Sample:
        """Return the sample of arrays.

        Parameters
        ----------
        features : ndarray, or list of ndarray
            A list for models with several inputs.
        labels : ndarray or number
        """
        given = features if isinstance(features, (list, tuple)) else [features]
        return Sample(tuple(np.asarray(f, np.float32) for f in given), np.asarray(labels, "f4"))


@dataclass(frozen=True)
class ArrayFeeds:
    """Rows of arrays in memory, as `bigdl_caffe.train.feeds.Feeds`.

    Attributes
    ----------
    arrays : mapping of str to ndarray
        Input blob → float32 (rows, ...).
    order : Order
    """

    arrays: Mapping[str, Array]
    order: Order

    @property
    def per_epoch(self) -> int:
        """Passes through all rows once."""
        return self.order.per_epoch

    def passes(self, start: int = 0) -> Iterator[Pass]:
        """Yield pass number ``start`` and those after it, without end."""
        for _, numbers in self.order.passes(start):
            feed = {blob: array[numbers] for blob, array in self.arrays.items()}
            yield Pass(feed, len(numbers))


@dataclass(frozen=True)
class ArraysOnce:
    """All rows once, as `bigdl_caffe.train.feeds.TestFeeds`."""

    feeds: ArrayFeeds

    def passes(self) -> Iterator[Pass]:
        """Yield the passes of one test."""
        return islice(self.feeds.passes(), self.feeds.per_epoch)
