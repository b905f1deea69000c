"""Testing a net over its data, as Solver::Test does."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.model import Model
from bigdl_caffe.train.events import Tested
from bigdl_caffe.train.feeds import Pass, TestFeeds
from bigdl_caffe.train.nets import metrics
from bigdl_caffe.train.objective import Judged, Scores, over_all_ranks, shown
from bigdl_caffe.train.ranks import Ranks


@dataclass(frozen=True)
class Test:
    """A net to test with, and its data.

    Attributes
    ----------
    model : Model
        In the TEST phase with its losses and metrics, sharing the weights of the net that
        learns: as `bigdl_caffe.train.nets.net_to_test` returns it.
    feeds : TestFeeds

    Raises
    ------
    CaffeError
        The net has neither losses nor metrics.
    """

    model: Model
    feeds: TestFeeds
    _judged: Judged = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        judged = Judged(self.model.to_torch(), metrics(self.model))
        object.__setattr__(self, "_judged", judged)

    def run(self, iteration: int, number: int, ranks: Ranks) -> Tested:
        """Return the means of its outputs over all rows of all ranks.

        A pass counts by its rows; in Caffe all passes have as many.
        """
        judged = self._judged
        sums: list[Tensor] = [torch.zeros(()) for _ in judged.values]
        rows = 0
        for each in self.feeds.passes():
            scores = score(judged, each, ranks)
            sums = [s + top * scores.rows for s, top in zip(sums, scores.tops, strict=True)]
            rows += scores.rows
        if not rows:
            raise CaffeError(f"test net #{number} has no data: give it at least one row")
        means = [total / rows for total in sums]
        loss = judged.loss(means) if self.model.net.losses else None
        return Tested(iteration, number, shown(judged, means, self.model.outputs), loss, rows)


@torch.inference_mode()
def score(judged: Judged, each: Pass, ranks: Ranks) -> Scores:
    """Return what the net makes of a pass."""
    like = next(judged.parameters(), torch.empty(0))
    tops, terms = judged(tensors(each, like), each.rows)
    return over_all_ranks(tops, terms, each.rows, ranks)


def tensors(each: Pass, like: Tensor) -> dict[str, Tensor]:
    """Return the feed of a pass on the device of ``like``, and of its type."""
    # Columns of Spark's may be read in place, and torch warns of what it may not write to.
    arrays = {blob: np.require(array, requirements="W") for blob, array in each.feed.items()}
    return {blob: torch.from_numpy(array).to(like) for blob, array in arrays.items()}
