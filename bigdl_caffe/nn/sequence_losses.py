"""Connectionist temporal classification, and the share of sequences that are read right."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.nn.labels import class_labels
from bigdl_caffe.nn.surrogate import WholeBatch, surrogate

NEVER = -1e30
"""Logarithm of a probability of 0; finite, so that sums and slopes of it are numbers."""


class CtcLoss(WholeBatch, nn.Module):
    """The mean of warp-ctc's costs, with the gradient of their sum (ctc_loss_layer.cpp).

    A sequence with less time than its labels take costs nothing.

    Parameters
    ----------
    steps : int
        How many of the time steps count.
    blank : int
        The label that stands for none.
    """

    def __init__(self, steps: int, blank: int) -> None:
        super().__init__()
        self.steps, self.blank = steps, blank

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return the scalar loss of scores (T, N, classes) and labels (N, length)."""
        logs = x[: self.steps].flatten(2).log_softmax(2)
        labels = class_labels(label, logs.shape[2]).flatten(1)
        real = labels != self.blank
        if not torch.compiler.is_compiling() and not bool(real.any()):
            raise CaffeError(f"all labels are blank ({self.blank}): feed one at least")
        times = torch.full((len(labels),), self.steps)
        costs = F.ctc_loss(
            logs, labels[real], times, real.sum(1), self.blank, "none", zero_infinity=True
        )
        return surrogate(costs.mean(), costs.sum())


class CTCLoss(WholeBatch, nn.Module):
    """The mean of the sequences' log losses, with the gradient of their sum.

    The gradient from above is not read, nor is loss_weight (ctc_loss_layer.cpp of a pull
    request). A sequence without any path through it costs infinity, and its scores get the
    softmax as gradient; one without labels, which may have one step only, costs nothing.

    Parameters
    ----------
    blank : int
        The label that stands for none; negative for the last class.
    delay : int
        How many time steps to leave out at the beginning.
    collapse : bool
        Whether repeated labels of the target stand for one.
    merge : bool
        Whether repeated classes of a path stand for one.
    """

    def __init__(self, blank: int, delay: int, collapse: bool, merge: bool) -> None:
        super().__init__()
        self.blank, self.delay, self.collapse, self.merge = blank, delay, collapse, merge

    def forward(self, x: Tensor, indicator: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss of scores (T, N, classes).

        ``indicator`` (T, N) is 0 where the next sequence would begin, ``target`` (T, N)
        negative behind its last label.
        """
        scores = x.flatten(2).double()
        times = _first(_rounded(indicator)[1:] == 0) + 1
        lengths = _first(target.detach().flatten(1) < 0)
        path, ends = self._path(target.detach().flatten(1).T, lengths, times, scores.shape[2])
        log = self._log_probability(scores.log_softmax(2), path, ends, times)
        steps = torch.arange(len(x), device=x.device)[:, None]
        counted = (steps >= self.delay) & (steps < times)
        pathless = log < NEVER / 2
        cost = torch.where(pathless, torch.inf, -log)
        slope = torch.where(pathless, (scores.logsumexp(2) * counted).sum(0), -log)
        cost, slope = (torch.where(lengths > 0, total, 0) for total in (cost, slope))
        return surrogate(cost.mean().to(x), slope.sum().to(x), weighted=False)

    def _path(
        self, target: Tensor, lengths: Tensor, times: Tensor, classes: int
    ) -> tuple[Tensor, Tensor]:
        """Return labels between blanks (N, states), and the last state (N,) of each row.

        The blank, and numbers that no class has, stand for no label.
        """
        blank = self.blank if self.blank >= 0 else classes - 1
        given = torch.arange(target.shape[1], device=target.device) < lengths[:, None]
        labels = _rounded(target.clamp(max=classes))
        first = given & ~F.pad(target[:, 1:] == target[:, :-1], (1, 0)) if self.collapse else given
        nulls = first & ((labels >= classes) | (labels == blank))
        kept = first & ~nulls
        wrong = kept & ((nulls.cumsum(1) > 0) | (labels < 0))  # NaN is below 0 by now
        _check_targets(lengths, times, self.delay, wrong)
        number = kept.sum(1)
        packed = pack(labels, kept, 0)[:, : max(1, int(number.max()))]
        path = torch.stack((torch.full_like(packed, blank), packed), 2).flatten(1)
        return F.pad(path, (0, 1), value=blank), 2 * number

    def _log_probability(self, logs: Tensor, path: Tensor, ends: Tensor, times: Tensor) -> Tensor:
        """Return (N,) by the forward algorithm, Graves' equations 7.5 to 7.9."""
        blanks = path == path[:, :1]
        again = F.pad(path[:, 2:] == path[:, :-2], (2, 0))
        stay = torch.where(blanks | self.merge, 0.0, NEVER)
        skip = torch.where(blanks | (again & self.merge), NEVER, 0.0)
        seen = logs.gather(2, path.expand(len(logs), -1, -1))
        begin = torch.arange(path.shape[1], device=path.device) < 2
        alpha = torch.where(begin, seen[self.delay], NEVER)
        for t in range(self.delay + 1, len(logs)):
            back = F.pad(alpha, (2, 0), value=NEVER)
            ways = torch.stack((alpha + stay, back[:, 1:-1], back[:, :-2] + skip))
            alpha = torch.where((t < times)[:, None], ways.logsumexp(0) + seen[t], alpha)
        last = torch.stack((ends, (ends - 1).clamp(min=0)), 1)
        final = alpha.gather(1, last)
        return torch.where(ends > 0, final.logsumexp(1), final[:, 0])


def _rounded(numbers: Tensor) -> Tensor:
    return (numbers.detach().flatten(1) + 0.5).long()


def _first(found: Tensor) -> Tensor:
    """Return (N,): the first step of (T, N) that is true, T where none is."""
    return found.logical_not().cumprod(0).sum(0)


def _check_targets(lengths: Tensor, times: Tensor, delay: int, wrong: Tensor) -> None:
    if torch.compiler.is_compiling():
        return
    room = times - delay
    if bool(torch.where(lengths > 0, lengths > room, times > 1).any()):
        raise CaffeError(
            f"the targets have {lengths.tolist()} labels for {room.tolist()} time steps: feed each "
            f"sequence of more than one step a label at least, and no more than it has steps"
        )
    if bool(wrong.any()):
        raise CaffeError(
            "a label is no number, or follows the blank, which ends a sequence: remove it"
        )


class LabelsequenceAccuracy(nn.Module):
    """Share of sequences whose best path is the label (labelsequence_accuracy_layer.cpp).

    Parameters
    ----------
    blank : int
        The label that stands for none.
    """

    def __init__(self, blank: int) -> None:
        super().__init__()
        self.blank = blank

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Return the scalar share for scores (N, T, classes) and labels (N, length)."""
        best = x.detach().argmax(2)
        before = F.pad(best[:, :-1], (1, 0), value=self.blank)
        said = pack(best, (best != before) & (best != self.blank), NOTHING)
        labels = label.detach().flatten(1)
        meant = pack(labels.long(), labels != self.blank, NOTHING)
        width = max(said.shape[1], meant.shape[1])
        said, meant = (F.pad(s, (0, width - s.shape[1]), value=NOTHING) for s in (said, meant))
        return (said == meant).all(1).to(x).mean()


NOTHING = torch.iinfo(torch.long).min
"""A number that no label is."""


def pack(values: Tensor, kept: Tensor, fill: int) -> Tensor:
    """Return each row's ``kept`` values moved to its beginning, with ``fill`` behind them."""
    order = kept.logical_not().byte().argsort(dim=1, stable=True)
    return values.masked_fill(~kept, fill).gather(1, order)
