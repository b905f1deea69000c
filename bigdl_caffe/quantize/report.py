"""What rounding to int8 costs: layer by layer, and in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log10


@dataclass(frozen=True)
class LayerError:
    """How far a layer of the int8 net is from the float net's.

    Attributes
    ----------
    name : str
        The layer.
    value : str
        What it makes, the activation behind it included.
    int8 : bool
        Whether its weights are whole numbers.
    signal, noise : float
        Mean squares of the float net's numbers, and of the difference.
    """

    name: str
    value: str
    int8: bool
    signal: float
    noise: float

    @property
    def decibels(self) -> float:
        """Signal to noise, in dB: 20 more are a tenth of the error."""
        if not self.noise:
            return inf
        return 10 * log10(self.signal / self.noise) if self.signal else -inf


@dataclass(frozen=True)
class OutputError:
    """How far an output is from the float net's, over all rows looked at.

    Attributes
    ----------
    largest, mean : float
        Of the absolute differences.
    size : float
        Largest absolute number of the float net.
    agreement : float or None
        The share of rows whose class is the same; None for a blob that is no list of scores.
    float_accuracy, int8_accuracy : float or None
        The share of rows whose class is their label, where labels were given.
    """

    largest: float
    mean: float
    size: float
    agreement: float | None = None
    float_accuracy: float | None = None
    int8_accuracy: float | None = None


@dataclass(frozen=True)
class Report:
    """What `Model.quantize` found; ``str()`` is a table.

    Attributes
    ----------
    rows : int
        Rows that outputs were compared on; layers are compared on the first few.
    layers : tuple of LayerError
        In the net's order. None where only weights are int8.
    outputs : mapping of str to OutputError
        None without calibration data.
    float_bytes, int8_bytes : int
        The weights before, as they are sent, and now.
    """

    rows: int
    layers: tuple[LayerError, ...]
    outputs: Mapping[str, OutputError]
    float_bytes: int
    int8_bytes: int

    def __str__(self) -> str:
        """Return a table of the layers, and a line for each output."""
        width = max([len(layer.name) for layer in self.layers] + [len("layer")])
        table = [f"{'layer':<{width}}  int8   signal/noise"] if self.layers else []
        for layer in self.layers:
            kind = "yes" if layer.int8 else "no"
            table.append(f"{layer.name:<{width}}  {kind:<5}  {layer.decibels:8.1f} dB")
        size = f"{self.float_bytes / 1e6:.2f} MB -> {self.int8_bytes / 1e6:.2f} MB"
        share = self.int8_bytes / max(self.float_bytes, 1)
        lines = [f"weights: {size} ({share:.1%})"]
        lines += [_line(name, each, self.rows) for name, each in self.outputs.items()]
        return "\n".join([*table, *lines])


def _line(name: str, each: OutputError, rows: int) -> str:
    words: Sequence[str | None] = (
        f"largest difference {each.largest:.3g}, mean {each.mean:.2g}, of at most {each.size:.3g}",
        None if each.agreement is None else f"same class in {each.agreement:.2%}",
        None
        if each.float_accuracy is None or each.int8_accuracy is None
        else f"accuracy {each.float_accuracy:.2%} -> {each.int8_accuracy:.2%}",
    )
    return f"'{name}' on {rows} rows: " + "; ".join(word for word in words if word)
