"""A net as it is written down: layers, and how their blobs are filled.

Every blob is drawn from a normal distribution whose scale is worked out here, so that values
keep their size from layer to layer as they do in a trained net: nothing overflows, nothing dies
away, and the scores at the end are not all of one class. `Top.power` is the mean square that a
blob of random rows has, roughly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil, prod, sqrt

RECTIFIED = 2.0
"""Variance before a ReLU whose results have a mean square of 1."""

POOLED = {2: 1.5, 3: 2.0}
"""Side of a window → how much larger the mean square of its largest values is."""


@dataclass(frozen=True)
class Fill:
    """A blob: its shape, and the normal distribution that it is drawn from.

    ``lift`` is added to the first of each ``every`` numbers.
    """

    shape: tuple[int, ...]
    std: float
    mean: float = 0.0
    lift: float = 0.0
    every: int = 1

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)


@dataclass(frozen=True)
class Layer:
    """A layer: its prototxt text, and its blobs."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    top: str
    options: str = ""
    blobs: tuple[Fill, ...] = ()

    def text(self) -> str:
        """Return it as a prototxt has it."""
        links = "".join(f' bottom: "{blob}"' for blob in self.bottoms)
        head = f'name: "{self.name}" type: "{self.type}"{links} top: "{self.top}"'
        return f"layer {{ {head} {self.options}}}\n"


@dataclass(frozen=True)
class Top:
    """A blob of feature maps, or of numbers where its side is 1."""

    name: str
    channels: int
    side: int
    power: float = 1.0


@dataclass
class Draft:
    """A net while it is written; each method appends layers and returns their top."""

    name: str
    layers: list[Layer] = field(default_factory=list)

    def add(
        self,
        name: str,
        type: str,
        bottoms: Sequence[str],
        options: str = "",
        blobs: Sequence[Fill] = (),
        top: str = "",
    ) -> str:
        """Append a layer and return its top's name: the layer's, unless another is given."""
        self.layers.append(Layer(name, type, tuple(bottoms), top or name, options, tuple(blobs)))
        return top or name

    def data(self, side: int, channels: int = 3) -> Top:
        """Begin with an input of one row."""
        shape = f"shape {{ dim: 1 dim: {channels} dim: {side} dim: {side} }}"
        self.add("data", "Input", (), f"input_param {{ {shape} }} ")
        return Top("data", channels, side)

    def conv(
        self,
        name: str,
        bottom: Top,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        pad: int = 0,
        group: int = 1,
        bias: bool = True,
        variance: float = RECTIFIED,
    ) -> Top:
        """Append a convolution whose results have ``variance``."""
        weight = (channels, bottom.channels // group, kernel, kernel)
        std = sqrt(variance / (prod(weight[1:]) * bottom.power))
        blobs = [Fill(weight, std)] + [Fill((channels,), 0.01)] * bias
        words = {"num_output": channels, "kernel_size": kernel, "stride": stride, "pad": pad}
        plain = {"stride": 1, "pad": 0, "group": 1}
        given = {k: v for k, v in {**words, "group": group}.items() if plain.get(k) != v}
        options = " ".join(f"{word}: {value}" for word, value in given.items())
        options += "" if bias else " bias_term: false"
        self.add(name, "Convolution", [bottom.name], f"convolution_param {{ {options} }} ", blobs)
        side = (bottom.side + 2 * pad - kernel) // stride + 1
        return Top(name, channels, side, variance)

    def relu(self, bottom: Top, name: str = "") -> Top:
        """Append a ReLU in place."""
        self.add(name or f"{bottom.name}/relu", "ReLU", [bottom.name], top=bottom.name)
        return replace(bottom, power=bottom.power / 2)

    def norm(self, bottom: Top, gain: float = 1.0) -> Top:
        """Append BatchNorm and Scale in place, with the statistics that the bottom has."""
        shape, variance = (bottom.channels,), bottom.power
        known = [Fill(shape, 0.05 * sqrt(variance)), Fill(shape, 0.05 * variance, variance)]
        affine = [Fill(shape, 0.1 * gain, sqrt(RECTIFIED) * gain), Fill(shape, 0.1 * gain)]
        name, blob = bottom.name, [bottom.name]
        self.add(f"{name}/bn", "BatchNorm", blob, "", [*known, Fill((1,), 0.0, 1.0)], name)
        self.add(f"{name}/scale", "Scale", blob, "scale_param { bias_term: true } ", affine, name)
        return replace(bottom, power=RECTIFIED * gain**2)

    def max_pool(self, name: str, bottom: Top, kernel: int, stride: int, pad: int = 0) -> Top:
        """Append a pooling, which rounds its size up as Caffe does."""
        options = f"pool: MAX kernel_size: {kernel} stride: {stride}" + f" pad: {pad}" * bool(pad)
        self.add(name, "Pooling", [bottom.name], f"pooling_param {{ {options} }} ")
        side = ceil((bottom.side + 2 * pad - kernel) / stride) + 1
        return Top(name, bottom.channels, side, bottom.power * POOLED[kernel])

    def global_pool(self, name: str, bottom: Top) -> Top:
        """Append the mean over all places."""
        self.add(
            name, "Pooling", [bottom.name], "pooling_param { pool: AVE global_pooling: true } "
        )
        return Top(name, bottom.channels, 1, bottom.power / 2)

    def dense(self, name: str, bottom: Top, outputs: int, variance: float = RECTIFIED) -> Top:
        """Append an InnerProduct."""
        inputs = bottom.channels * bottom.side**2
        blobs = [Fill((outputs, inputs), sqrt(variance / (inputs * bottom.power)))]
        options = f"inner_product_param {{ num_output: {outputs} }} "
        self.add(name, "InnerProduct", [bottom.name], options, [*blobs, Fill((outputs,), 0.01)])
        return Top(name, outputs, 1, variance)

    def lrn(self, name: str, bottom: Top) -> Top:
        """Append the response normalisation of AlexNet and GoogLeNet: over five channels."""
        options = "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } "
        return replace(bottom, name=self.add(name, "LRN", [bottom.name], options))

    def dropout(self, bottom: Top, ratio: float = 0.5) -> Top:
        """Append a Dropout in place."""
        options = f"dropout_param {{ dropout_ratio: {ratio} }} "
        self.add(f"{bottom.name}/drop", "Dropout", [bottom.name], options, top=bottom.name)
        return bottom

    def concat(self, name: str, bottoms: Sequence[Top]) -> Top:
        """Append a Concat of channels."""
        channels = sum(bottom.channels for bottom in bottoms)
        power = sum(bottom.channels * bottom.power for bottom in bottoms) / channels
        self.add(name, "Concat", [bottom.name for bottom in bottoms])
        return Top(name, channels, bottoms[0].side, power)

    def sum(self, name: str, one: Top, other: Top) -> Top:
        """Append the sum of two."""
        self.add(name, "Eltwise", [one.name, other.name])
        return replace(one, name=name, power=one.power + other.power)

    def softmax(self, bottom: Top) -> Top:
        """Append the last layer."""
        return replace(bottom, name=self.add("prob", "Softmax", [bottom.name]))

    def prototxt(self) -> str:
        """Return the whole definition."""
        return f'name: "{self.name}"\n' + "".join(layer.text() for layer in self.layers)
