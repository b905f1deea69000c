"""Recurrent layers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from torch import nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import LayerDef, Shape
from bigdl_caffe.layers.fork_options import Messages
from bigdl_caffe.layers.registry import BlobSpec, Layer, between, count, exactly, register
from bigdl_caffe.nn import recurrent as modules


class Recurrent(Layer):
    """What RNN and LSTM share: bottoms x (T, N, ...), cont (T, N), then the optional ones."""

    bottoms = between(2, 5)
    tops = between(1, 3)
    in_place = False
    options = ("recurrent_param",)
    parts: ClassVar[int]
    """Of how many blobs the state is made."""
    gates: ClassVar[int]
    """How many numbers a step computes for each output."""
    kind: ClassVar[type[modules.Recurrent]]

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.param = spec.param.recurrent_param
        self.size = int(self.param.num_output)
        if not self.size:
            raise ShapeError("recurrent_param's num_output is 0: give the size of the output")
        exposed = self.parts * self.param.expose_hidden
        if len(spec.bottoms) - exposed not in (2, 3) or len(spec.tops) != 1 + exposed:
            raise ShapeError(
                f"it has {len(spec.bottoms)} bottoms and {len(spec.tops)} tops; with "
                f"expose_hidden: {str(self.param.expose_hidden).lower()} it takes x, cont, an "
                f"optional static input and {exposed} blobs of the state, and makes the output "
                f"and {exposed} blobs of the state"
            )
        self.static = len(spec.bottoms) - exposed == 3

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (T, N, num_output), and (1, N, num_output) for each blob of the state."""
        x, cont, *rest = (tuple(shape) for shape in bottoms)
        if len(x) < 3 or not x[0]:
            raise ShapeError(
                f"bottom 0 is {x}; it takes 3 axes or more (steps, streams, inputs), with at "
                f"least one step: reshape it"
            )
        if cont != x[:2]:
            raise ShapeError(f"bottom 1 (cont) is {cont} and bottom 0 {x}: cont has to be {x[:2]}")
        if self.static and (len(rest[0]) < 2 or rest.pop(0)[0] != x[1]):
            raise ShapeError(
                f"bottom 2 (static) is {tuple(bottoms[2])}; it takes 2 axes or more, the first of "
                f"{x[1]} streams: reshape it"
            )
        state = (1, x[1], self.size)
        for shape in rest:
            if shape != state:
                raise ShapeError(f"a bottom of the state is {shape} and has to be {state}")
        return [(*x[:2], self.size)] + [state] * (len(self.spec.tops) - 1)

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return the weights and biases in Caffe's order: W_x, b, W_x_static, W_h."""
        out, filler = self.gates * self.size, self.param.weight_filler
        specs = [
            BlobSpec("weight", (out, count(bottoms[0][2:])), filler),
            BlobSpec("bias", (out,), self.param.bias_filler),
        ]
        if self.static:
            specs.append(BlobSpec("static_weight", (out, count(bottoms[2][1:])), filler))
        return [*specs, BlobSpec("hidden_weight", (out, self.size), filler)]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return self.kind(self.size, self.static, self.param.expose_hidden)

    def no_gradient_to(self) -> Collection[int]:
        """Return cont."""
        return {1}

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return True: the first axis is time, and a pass begins where the last one ended."""
        return True

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return the multiplications by each weight, once a step and stream."""
        steps, streams = bottoms[0][:2]
        weights = {b.attr: count(b.shape) for b in self.blob_specs(bottoms) if len(b.shape) > 1}
        once = weights.pop("static_weight", 0)
        return streams * (once + steps * sum(weights.values()))


@register("LSTM")
class LSTM(Recurrent):
    """Long short-term memory over bottoms x (T, N, ...) and cont (T, N) (lstm_layer.cpp).

    ``cont`` is 0 where a sequence begins; elsewhere the state goes on, from one forward pass to
    the next too. An optional static input (N, ...) adds to every step. With ``expose_hidden``
    the state (h, c) is the last two bottoms and tops instead, and no gradient goes through it.
    Blobs: W_xc, b_c, W_xc_static with a static input, W_hc.
    """

    parts = 2
    gates = 4
    kind = modules.LSTM


@register("RNN")
class RNN(Recurrent):
    """Recurrent network of tanh units over bottoms x (T, N, ...) and cont (T, N) (rnn_layer.cpp).

    Bottoms and tops are those of LSTM, with a state of one blob (h).
    Blobs: W_xh, b_h, W_xh_static with a static input, W_hh, W_ho, b_o.
    """

    parts = 1
    gates = 1
    kind = modules.RNN

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return the blobs that all have, then the output's weights and biases."""
        out = BlobSpec("out_weight", (self.size, self.size), self.param.weight_filler)
        bias = BlobSpec("out_bias", (self.size,), self.param.bias_filler)
        return [*super().blob_specs(bottoms), out, bias]


@register("LSTMUnit")
class LSTMUnit(Layer):
    """One step of an LSTM: cell, gates and cont to the next cell and output (lstm_unit_layer.cpp).

    Bottoms (1, N, n), (1, N, 4n) and (1, N); tops (1, N, n).
    """

    bottoms = exactly(3)
    tops = exactly(2)
    in_place = False
    options = ()

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return the cell's shape twice."""
        c, gates, cont = (tuple(shape) for shape in bottoms)
        fits = len(c) == 3 and c[0] == 1
        if not fits or gates != (1, c[1], 4 * c[2]) or cont != (1, c[1]):
            raise ShapeError(
                f"the bottoms are {c}, {gates} and {cont}; it takes (1, N, n), (1, N, 4n) and "
                f"(1, N): reshape them"
            )
        return [c, c]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        return modules.LSTMUnit()

    def no_gradient_to(self) -> Collection[int]:
        """Return cont."""
        return {2}

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return three multiplications an element."""
        return 3 * count(bottoms[0])


@register("Lstm")
class Lstm(Layer):
    """Long short-term memory of ``lstm_param`` (lstm_layer.cu of caffe-lstm and CTPN).

    A bottom of two axes, or any with ``batch_size``, has steps and streams in its first axis
    (caffe-lstm); any other is (T, N, ...) (CTPN). An optional second bottom, clip, is 0 where a
    sequence begins; without it each forward pass begins from zeros. Blobs: W_i, W_h, bias.
    ``clipping_threshold`` bounds the gradient of the gates. On a CPU the forks add what the first
    stream remembers to the gates of every stream; here each has its own, as on a GPU. They take
    a gradient to W_h also over steps that clip cuts, and only the first stream's over the state
    that a pass begins with; here it is the true one.
    """

    meanings = (
        "With `batch_size`, or a bottom of two axes: caffe-lstm's, steps and streams in the first "
        "axis. Otherwise CTPN's, (T, N, ...). `LSTM` is BVLC's own."
    )
    fork = "junhyukoh/caffe-lstm, tianzhi0549/CTPN"
    without_golden = (
        "Those forks were not run; it is held against loops over their rule in "
        "tests/layers/test_recurrent.py."
    )
    bottoms = between(1, 2)
    in_place = False
    fork_options: ClassVar[Messages] = {
        "lstm_param": {
            "num_output": 0,
            "clipping_threshold": 0.0,
            "weight_filler": pb.FillerParameter(),
            "bias_filler": pb.FillerParameter(),
            "batch_size": 0,
        }
    }

    def __init__(self, spec: LayerDef, phase: str = "TEST") -> None:
        super().__init__(spec, phase)
        self.given = self.fork_values["lstm_param"]
        self.size = self.given["num_output"]
        if self.size < 1 or self.given["batch_size"] < 0:
            raise ShapeError(
                f"lstm_param's num_output is {self.size} and batch_size "
                f"{self.given['batch_size']}: give both as 1 or more, or leave batch_size out"
            )

    def streams(self, bottoms: Sequence[Shape]) -> int | None:
        """Return how many streams share the first axis with the steps, None if they do not."""
        together = self.given["batch_size"] or len(bottoms[0]) < 3
        return (self.given["batch_size"] or 1) if together else None

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """Return (T * batch_size, num_output), or (T, N, num_output)."""
        x, *clip = (tuple(shape) for shape in bottoms)
        streams = self.streams(bottoms)
        if not x or not x[0] or x[0] % (streams or 1):
            raise ShapeError(
                f"bottom 0 is {x}; its first axis has to be a multiple of batch_size {streams}, "
                f"with at least one step"
            )
        lead = x[:1] if streams else x[:2]
        if clip and (clip[0][:1] not in (x[:1], (count(lead),)) or count(clip[0]) != count(lead)):
            raise ShapeError(
                f"bottom 1 (clip) is {clip[0]}; it takes one number for each of {lead}"
            )
        return [(*lead, self.size)]

    def blob_specs(self, bottoms: Sequence[Shape]) -> list[BlobSpec]:
        """Return the weights of inputs and outputs, then the biases."""
        gates, filler = 4 * self.size, self.given["weight_filler"]
        inputs = count(bottoms[0][1 if self.streams(bottoms) else 2 :])
        return [
            BlobSpec("weight", (gates, inputs), filler),
            BlobSpec("hidden_weight", (gates, self.size), filler),
            BlobSpec("bias", (gates,), self.given["bias_filler"]),
        ]

    def module(self, bottoms: Sequence[Shape]) -> nn.Module:
        """Return the torch module."""
        bound = self.given["clipping_threshold"]
        return modules.ClippedLSTM(self.size, self.streams(bottoms), bound)

    def no_gradient_to(self) -> Collection[int]:
        """Return clip."""
        return {1}

    def mixes_rows(self, bottoms: Sequence[Shape]) -> bool:
        """Return True: the first axis is time."""
        return True

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        """Return the multiplications by both weights, once a row."""
        weights, hidden, _ = (count(blob.shape) for blob in self.blob_specs(bottoms))
        return count(tops[0][:-1]) * (weights + hidden)
