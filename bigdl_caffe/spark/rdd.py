"""Score RDDs, BigDL's older way."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import numpy.typing as npt
from pyspark import RDD, TaskContext
from pyspark.sql import SparkSession

from bigdl_caffe.ahead import read_ahead
from bigdl_caffe.engine.opening import Opening, Run, find, sent
from bigdl_caffe.errors import CaffeError, ShapeError
from bigdl_caffe.spark.environment import Portable
from bigdl_caffe.spark.ship import ship
from bigdl_caffe.spark.ways import Shipped
from bigdl_caffe.spark.worker import engine, pickle_converters, prepare, sharing, threads

if TYPE_CHECKING:
    from bigdl_caffe.model import Model

Array = npt.NDArray[Any]


def score_rdd(
    model: Model,
    rdd: RDD[Any],
    *,
    batch_size: int = 32,
    fetch: Sequence[str] | None = None,
    engine: str = "torch",
    **others: Any,
) -> RDD[Any]:
    """Return the outputs of an RDD's rows, in the same order and partitions.

    Prefer DataFrames: they are several times faster, and RDDs have Python workers of their
    own, each of which opens the model again. As there, a task of several cores reads ahead on a
    second thread, on which Python functions of the RDD's own then run.

    Parameters
    ----------
    rdd : RDD
        Each element is one row: an array of the input's shape without the batch axis, or for
        a net of several inputs a sequence of them in the order of ``model.inputs``.
    fetch : sequence of str, optional
        Blobs to return; the net's outputs by default.
    engine : str
        One of `bigdl_caffe.engine.opening.ENGINES`.

    Returns
    -------
    RDD
        Of arrays without the batch axis; of lists of arrays for several blobs.

    Raises
    ------
    CaffeError
        At once, for blobs and options that cannot work; ``others`` are for DataFrames only.
        On an action, for a row that cannot be scored, naming it.
    """
    if others:
        raise CaffeError(
            f"an RDD takes batch_size, fetch and engine, not {', '.join(others)}: score a "
            "DataFrame, or leave it out"
        )
    task = rdd_task(model, batch_size, fetch, engine)

    def outputs(partition: Iterable[Any]) -> Iterator[Array | list[Array]]:
        for _, arrays in task(partition):
            yield arrays[0] if len(arrays) == 1 else arrays

    return rdd.mapPartitions(Portable(outputs), preservesPartitioning=True)


def is_rdd(data: Any) -> TypeGuard[RDD[Any]]:
    """Whether ``data`` is an RDD; a DataFrame has an attribute for any name that is a column's."""
    return not hasattr(data, "mapInArrow")


def rdd_task(
    model: Model, batch_size: int, fetch: Sequence[str] | None, engine: str = "torch"
) -> RddTask:
    """Return what scores a partition with ``model``, which is sent to the executors.

    Raises
    ------
    CaffeError
        For blobs that the net does not have, an engine that there is not, and a batch of no rows.
    """
    if batch_size < 1:
        raise CaffeError(f"batch_size is {batch_size}: give at least 1")
    blobs = tuple(model.check_fetch(fetch))
    row_wise = model.row_wise(blobs)
    rows = batch_size if row_wise and not find(engine).alone else 1
    shipped = ship(SparkSession.builder.getOrCreate(), sent(model, engine, blobs))
    return RddTask(shipped, pickle_converters(model), blobs, rows, row_wise, engine)


def _itself(element: Any) -> Any:
    return element


@dataclass(frozen=True)
class RddTask:
    """A model as the tasks of an RDD run it."""

    shipped: Shipped
    converters: bytes
    blobs: tuple[str, ...]
    batch_size: int
    row_wise: bool
    engine: str

    def __call__(
        self, elements: Iterable[Any], row_of: Callable[[Any], Any] = _itself
    ) -> Iterator[tuple[Any, list[Array]]]:
        """Yield each element of a partition with its row of each blob.

        Parameters
        ----------
        row_of : callable
            Gives the input, or inputs, that are in an element.
        """
        context = TaskContext.get()
        model = prepare(context, self.shipped, self.converters)
        how = sharing(self.shipped, self.converters)
        opening = Opening(model, self.blobs, self.batch_size, **how)
        run = engine(model, self.engine, opening)
        number = context.partitionId() if context else 0
        partition = _Partition(self, model, run, row_of, number)
        with read_ahead(partition.batches(elements), threads(context, model)) as ready:
            for batch in ready:
                yield from zip(batch.elements, partition.score(batch), strict=True)


@dataclass(frozen=True)
class _Batch:
    """Elements of a partition from its row ``start`` on, and the inputs that are in them."""

    start: int
    elements: Sequence[Any]
    feed: Mapping[str, Array]


@dataclass(frozen=True)
class _Partition:
    """A partition with what computes it."""

    task: RddTask
    model: Model
    run: Run
    row_of: Callable[[Any], Any]
    number: int

    def batches(self, elements: Iterable[Any]) -> Generator[_Batch, None, None]:
        """Yield the elements in batches, with their inputs."""
        left, start = iter(elements), 0
        while held := list(islice(left, self.task.batch_size)):
            rows = [self._inputs(at, element) for at, element in enumerate(held, start)]
            columns = zip(self.model.inputs, zip(*rows, strict=True), strict=True)
            yield _Batch(start, held, {blob: np.stack(column) for blob, column in columns})
            start += len(held)

    def score(self, batch: _Batch) -> list[list[Array]]:
        """Return for each element its row of each blob."""
        tops = self._run(batch.feed, range(len(batch.elements)), batch.start)
        arrays = [tops[blob] for blob in self.task.blobs]
        return [list(row) for row in zip(*arrays, strict=True)] if self.task.row_wise else [arrays]

    def _inputs(self, at: int, element: Any) -> list[Array]:
        """Return an element's arrays, which have to be of the inputs' shapes."""
        try:
            row = self.row_of(element)
        except CaffeError as error:
            raise type(error)(f"{self._where(at)}: {error}") from error
        inputs = self.model.inputs
        arrays = list(row) if len(inputs) > 1 else [row]
        if len(arrays) != len(inputs):
            raise ShapeError(
                f"{self._where(at)} has {len(arrays)} arrays for the inputs "
                f"{', '.join(inputs)}: give one for each, in this order"
            )
        for (blob, shape), array in zip(inputs.items(), arrays, strict=True):
            if np.shape(array) != shape[1:]:
                raise ShapeError(
                    f"{self._where(at)} has shape {np.shape(array)}, and the input '{blob}' "
                    f"takes {shape[1:]}: an RDD's elements are rows without a batch axis"
                )
        return [np.asarray(array, np.float32) for array in arrays]

    def _run(self, feed: Mapping[str, Array], rows: range, start: int) -> dict[str, Array]:
        """Return the blobs of ``rows``; where they fail, find the first that fails alone."""
        self.model.reset()  # as for the rows of a DataFrame
        try:
            return self.run({blob: a[rows.start : rows.stop] for blob, a in feed.items()})
        except Exception as error:
            if len(rows) == 1:
                place = self._where(start + rows.start)
                raise CaffeError(f"{place} cannot be scored: {error}") from error
            for row in rows:
                self._run(feed, range(row, row + 1), start)
            raise

    def _where(self, at: int) -> str:
        return f"row {at} of partition {self.number}"
