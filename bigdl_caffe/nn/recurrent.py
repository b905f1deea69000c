"""Recurrent layers as Caffe unrolls them: sequences side by side, cut where ``cont`` is 0."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.nn.gradient import apply


def lstm_unit(c: Tensor, gates: Tensor, cont: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cell and the output of one LSTM step (lstm_unit_layer.cpp).

    Parameters
    ----------
    c : Tensor
        (..., n) The cell of the step before.
    gates : Tensor
        (..., 4n) Input, forget and output gate and new content, before their sigmoids and tanh.
    cont : Tensor
        (..., 1) What the forget gate is multiplied by: 0 where a sequence begins.
    """
    if torch.is_grad_enabled():
        both: tuple[Tensor, Tensor] = apply(_Unit, c, gates, cont)
        return both
    cell, output, *_ = _step(c, gates, cont)
    return cell, output


def _step(c: Tensor, gates: Tensor, cont: Tensor) -> tuple[Tensor, ...]:
    """Return cell and output, and what the gradient needs."""
    n = c.shape[-1]
    i, f, o = gates[..., : 3 * n].sigmoid().chunk(3, -1)
    g, f = gates[..., 3 * n :].tanh(), f * cont
    cell = torch.addcmul(f * c, i, g)
    squashed = cell.tanh()
    return cell, o * squashed, i, f, o, g, squashed


class _Unit(torch.autograd.Function):
    """A step whose forget gate has the gradient f * (1 - f) with ``cont`` inside of f.

    That is Caffe's, and another than the true one where ``cont`` is neither 0 nor 1.
    """

    @staticmethod
    def forward(ctx: Any, c: Tensor, gates: Tensor, cont: Tensor) -> tuple[Tensor, Tensor]:
        cell, output, *parts = _step(c, gates, cont)
        ctx.save_for_backward(c, *parts)
        return cell, output

    @staticmethod
    def backward(ctx: Any, d_cell: Tensor, d_output: Tensor) -> tuple[Tensor, Tensor, None]:
        c, i, f, o, g, squashed = ctx.saved_tensors
        d_cell = d_cell + d_output * o * (1 - squashed.square())
        d_gates = (
            d_cell * g * i * (1 - i),
            d_cell * c * f * (1 - f),
            d_output * squashed * o * (1 - o),
            d_cell * i * (1 - g.square()),
        )
        return d_cell * f, torch.cat(d_gates, -1), None


class LSTMUnit(nn.Module):
    """One LSTM step of given gates (lstm_unit_layer.cpp)."""

    def forward(self, c: Tensor, gates: Tensor, cont: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cell and the output (1, streams, n)."""
        return lstm_unit(c, gates, cont[..., None])


class Recurrent(nn.Module):
    """A state that goes from step to step, and on to the next forward pass (recurrent_layer.cpp).

    The state a pass ends with is what the next one begins with, step by step cut off where
    ``cont`` is 0; no gradient goes back to the pass before. Another number of streams begins
    from zeros, as `reset` does. The state is not part of the ``state_dict``.

    Parameters
    ----------
    size : int
        Numbers in each part of the state.
    static : bool
        Whether a third bottom adds to every step.
    exposed : bool
        Whether the state is the last bottoms and tops instead of being kept here.

    Attributes
    ----------
    weight, bias : Tensor
        (gates, inputs) and (gates): what a step's inputs add.
    static_weight : Tensor or None
        (gates, static inputs).
    hidden_weight : Tensor
        (gates, size): what the output of the step before adds.
    """

    parts: tuple[str, ...] = ("hidden",)
    blobs: tuple[str, ...] = ("weight", "bias", "static_weight", "hidden_weight")
    weight: Tensor
    bias: Tensor
    static_weight: Tensor
    hidden_weight: Tensor

    def __init__(self, size: int, static: bool = False, exposed: bool = False) -> None:
        super().__init__()
        self.size, self.static, self.exposed = size, static, exposed
        for name in self.blobs:
            self.register_parameter(name, None)
        for name in self.parts:
            self.register_buffer(name, None, persistent=False)

    def reset(self) -> None:
        """Forget the state: the next forward pass begins from zeros, whatever ``cont`` says."""
        for name in self.parts:
            setattr(self, name, None)

    def forward(self, x: Tensor, cont: Tensor, *more: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run (steps, streams, ...) through, cut where ``cont`` (steps, streams) is 0.

        ``more`` is the static input (streams, ...) and each part of the state
        (1, streams, size), where the layer takes them.
        """
        gates = F.linear(x.flatten(2), self.weight, self.bias)
        if self.static:
            gates = gates + F.linear(more[0].flatten(1), self.static_weight)
        given = more[len(more) - len(self.parts) :] if self.exposed else None
        top, state = self.steps(gates, cont[..., None], self._begin(gates, given))
        if self.exposed:
            return top, *(part.detach()[None] for part in state)
        self._keep(state)
        return top

    def steps(
        self, gates: Tensor, cont: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the top and the last state. Subclasses say how a step computes."""
        raise NotImplementedError(f"{type(self).__name__}.steps")

    def _begin(self, gates: Tensor, given: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
        if given is not None:
            return tuple(part[0].detach() for part in given)
        zeros = gates.new_zeros(gates.shape[1], self.size)
        kept = [getattr(self, name) for name in self.parts]
        return tuple(
            zeros if part is None or part.shape != zeros.shape else part.to(zeros) for part in kept
        )

    def _keep(self, state: tuple[Tensor, ...]) -> None:
        # Outside of inference mode, so that a training pass may begin from what scoring left.
        with torch.inference_mode(False), torch.no_grad():
            for name, part in zip(self.parts, state, strict=True):
                setattr(self, name, part.clone())


class RNN(Recurrent):
    """A tanh network, each output a tanh of its hidden state (rnn_layer.cpp).

    Attributes
    ----------
    out_weight, out_bias : Tensor
        (size, size) and (size): the output from the hidden state.
    """

    blobs = (*Recurrent.blobs, "out_weight", "out_bias")
    out_weight: Tensor
    out_bias: Tensor

    def steps(
        self, gates: Tensor, cont: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the outputs (steps, streams, size) and the last hidden state."""
        (hidden,) = state
        every = []
        for gate, keep in zip(gates.unbind(), cont.unbind(), strict=True):
            hidden = torch.addmm(gate, hidden * keep, self.hidden_weight.t()).tanh()
            every.append(hidden)
        return F.linear(torch.stack(every), self.out_weight, self.out_bias).tanh(), (hidden,)


class LSTM(Recurrent):
    """A long short-term memory without peepholes (lstm_layer.cpp).

    Parameters
    ----------
    clip : float
        Bound on the gradient of each gate before its sigmoid or tanh; 0 is none.
    """

    parts = ("hidden", "cell")

    def __init__(
        self, size: int, static: bool = False, exposed: bool = False, clip: float = 0.0
    ) -> None:
        super().__init__(size, static, exposed)
        self.clip = clip

    def steps(
        self, gates: Tensor, cont: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the outputs (steps, streams, size) and the last output and cell."""
        hidden, cell = state
        every = []
        weight = self.hidden_weight.t()
        for outer, keep in zip(gates.unbind(), cont.unbind(), strict=True):
            gate = torch.addmm(outer, hidden * keep, weight)
            cell, hidden = lstm_unit(cell, self._bound(gate), keep)
            every.append(hidden)
        return torch.stack(every), (hidden, cell)

    def _bound(self, gate: Tensor) -> Tensor:
        """Return ``gate``, its gradient to be clipped."""
        if self.clip and gate.requires_grad:
            gate.register_hook(lambda gradient: gradient.clamp(-self.clip, self.clip))  # type: ignore[no-untyped-call]  # torch's
        return gate


class ClippedLSTM(LSTM):
    """The `LSTM` of caffe-lstm and CTPN, which takes clip for cont (their lstm_layer.cu).

    Without a second bottom each forward pass begins from zeros. The forks' lstm_layer.cpp
    instead adds what the first stream remembers to the gates of every stream.

    Parameters
    ----------
    size : int
        Numbers in the output and in the cell.
    streams : int or None
        Sequences side by side where steps and streams share the first axis: step t of stream n
        is row ``t * streams + n``. None where streams have the second axis for themselves.
    clip : float
        As `LSTM`'s.
    """

    def __init__(self, size: int, streams: int | None, clip: float) -> None:
        super().__init__(size, clip=clip)
        self.streams = streams

    def forward(self, x: Tensor, *more: Tensor) -> Tensor:
        """Run through; a sequence begins where the second bottom is 0.

        (steps * streams, ...) gives (steps * streams, size), and (steps, streams, ...) gives
        (steps, streams, size).
        """
        if self.streams is not None:
            x = x.reshape(-1, self.streams, x[0].numel())
        if not more:
            self.reset()
        top = super().forward(x, self._cont(x, *more).to(x.dtype))
        assert isinstance(top, Tensor)  # its state is not exposed
        return top if self.streams is None else top.flatten(0, 1)

    @staticmethod
    def _cont(x: Tensor, clip: Tensor | None = None) -> Tensor:
        """Return (steps, streams): whether the state goes on."""
        step = torch.arange(len(x), device=x.device)[:, None]
        if clip is None:
            return (step > 0).expand(x.shape[:2])
        # A clip of one number a row is read from row t on for step t, not from t * streams on.
        stream = torch.arange(x.shape[1], device=x.device)
        return clip.flatten()[step * clip[0].numel() + stream] != 0
