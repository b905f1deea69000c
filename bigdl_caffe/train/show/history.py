"""The numbers of a training, kept as columns."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping

from bigdl_caffe.train.events import Event, Iterated, Output, Tested

_FIELDS = ("iteration", "loss", "smoothed", "rate", "rows", "epoch", "seconds")
TOTAL = "total loss"


class Table:
    """Columns of equal length; a number that a row lacks is NaN."""

    def __init__(self) -> None:
        self._columns: dict[str, array[float]] = {}
        self._rows = 0

    def add(self, row: Mapping[str, float]) -> None:
        """Put a row at the end."""
        for name in row:
            if name not in self._columns:
                self._columns[name] = array("d", [float("nan")] * self._rows)
        for name, column in self._columns.items():
            column.append(row.get(name, float("nan")))
        self._rows += 1

    def columns(self) -> dict[str, list[float]]:
        """Return column name → its numbers, as ``pandas.DataFrame`` takes them."""
        return {name: list(column) for name, column in self._columns.items()}

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"Table({self._rows} rows: {', '.join(self._columns)})"


class History:
    """Observer that keeps what the events say.

    Attributes
    ----------
    train : Table
        A row for each iteration: ``iteration``, ``loss``, ``smoothed``, ``rate``, ``rows``,
        ``epoch``, ``seconds``.
    tests : dict of int to Table
        Number of a test net → a row for each test: ``iteration``, and what `scalars_of`
        gives: each output by its blob's name, and ``total loss``.
    losses : set of str
        Those columns of the tests that are losses.
    """

    def __init__(self) -> None:
        self.train = Table()
        self.tests: dict[int, Table] = {}
        self.losses = {TOTAL}

    def __call__(self, event: Event) -> None:
        """Keep the numbers of ``event``."""
        if isinstance(event, Iterated):
            self.train.add({name: getattr(event, name) for name in _FIELDS})
        elif isinstance(event, Tested):
            table = self.tests.setdefault(event.net, Table())
            table.add({"iteration": event.iteration, **scalars_of(event)})
            self.losses.update(named(output for output in event.outputs if output.weight))

    def columns(self) -> dict[str, dict[str, list[float]]]:
        """Return "train", "test" and, of further test nets, "test 1", ... → their columns."""
        tests = {
            "test" if net == 0 else f"test {net}": table.columns()
            for net, table in self.tests.items()
        }
        return {"train": self.train.columns(), **tests}

    def __repr__(self) -> str:
        losses = self.train.columns().get("loss", [])
        said = [f"loss {losses[0]:.4g} to {losses[-1]:.4g}"] if losses else []
        return f"History({', '.join([f'{len(losses)} iterations', *said, *self._tested()])})"

    def _tested(self) -> Iterator[str]:
        for net, table in sorted(self.tests.items()):
            last = {name: values[-1] for name, values in table.columns().items()}
            numbers = (f"{n} {v:.4g}" for n, v in last.items() if n != "iteration")
            yield f"test net #{net}: {', '.join(numbers)}"

    def _repr_svg_(self) -> str:
        """Return the learning curve: what a notebook shows of a history."""
        from bigdl_caffe.train.show.curve import learning_curve  # which draws histories

        return learning_curve(self)


def scalars_of(event: Tested) -> dict[str, float]:
    """Return the numbers of a test by name: its outputs, and the loss if it is none of them."""
    scalars = named(event.outputs)
    weights = [output.weight for output in event.outputs if output.weight]
    if event.loss is None or weights == [1.0]:
        return scalars
    return {**scalars, TOTAL: event.loss}


def named(outputs: Iterable[Output]) -> dict[str, float]:
    """Return each number of ``outputs`` under its blob's name, ``blob[i]`` if it has more."""
    return {
        output.blob if len(output.values) == 1 else f"{output.blob}[{i}]": value
        for output in outputs
        for i, value in enumerate(output.values)
    }
