"""Proposals: the boxes that a region proposal network holds to be objects."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bigdl_caffe.nn import boxes as box
from bigdl_caffe.nn.anchors import per_anchor, shifted_anchors


@dataclass(frozen=True)
class Selection:
    """Which of an image's boxes become proposals.

    Attributes
    ----------
    before, after : int
        The most boxes that go into suppression, and that come out of it.
    threshold : float
        Largest overlap (intersection over union) that two proposals may have.
    min_size : float
        Least width and height in pixels of the image before it was scaled.
    drop_small : bool
        Leave smaller boxes out, as proposal_layer.py does; otherwise their score counts as
        0, and they come last, as in proposal_layer.cpp.
    """

    before: int
    after: int
    threshold: float
    min_size: float
    drop_small: bool = True


class Proposals(nn.Module):
    """Move anchors, clip them, and keep the best that do not overlap (proposal_layer.py).

    Each image is clipped by its own row of the third bottom: height, width, and by how much
    it was scaled (in both directions, or in height and width). Boxes of one score stay in
    the order of their anchors. Nothing has a gradient.

    Parameters
    ----------
    anchors : Tensor
        (anchors, 4) around the first place.
    stride : int
        Pixels from place to place.
    select : Selection
        Which boxes to keep.
    column : bool
        Whether the scores are (proposals, 1), and not (proposals).
    scored : bool
        Whether the scores are a second top.
    """

    def __init__(
        self, anchors: Tensor, stride: int, select: Selection, column: bool, scored: bool
    ) -> None:
        super().__init__()
        self.anchors, self.stride, self.select = anchors, stride, select
        self.column, self.scored = column, scored

    @torch.no_grad()
    def forward(
        self, scores: Tensor, offsets: Tensor, info: Tensor
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return rois (proposals, 5), each (image, x1, y1, x2, y2), and their scores.

        Parameters
        ----------
        scores : Tensor
            (n, 2 * anchors, height, width): background first, then objects.
        offsets : Tensor
            (n, 4 * anchors, height, width)
        info : Tensor
            (n, 3 or more), or (1, ...) for all images alike.
        """
        info = info.flatten(1).expand(len(scores), -1)
        score = per_anchor(scores[:, len(self.anchors) :], 1)[..., 0]
        found = self._moved(offsets, info)
        fits = self._fits(found, info)
        score = torch.where(fits, score, -torch.inf if self.select.drop_small else 0)
        score, order = score.sort(dim=1, descending=True, stable=True)
        score, order = score[:, : self.select.before], order[:, : self.select.before]
        found = found.gather(1, order[..., None].expand(-1, -1, 4))
        keep = self._kept(found, fits.gather(1, order))
        image = keep.nonzero()[:, :1].to(found.dtype)
        rois, kept = torch.cat((image, found[keep]), 1), score[keep]
        return (rois, kept[:, None] if self.column else kept) if self.scored else rois

    def _moved(self, offsets: Tensor, info: Tensor) -> Tensor:
        """Return (n, boxes, 4): anchors moved by ``offsets`` and clipped to their images."""
        anchors = shifted_anchors(self.anchors, offsets.shape[2:], self.stride).to(offsets)
        found = box.move_center(anchors, per_anchor(offsets, 4), pixel=1)
        last = info[:, None, [1, 0, 1, 0]] - 1
        return torch.minimum(found, last).clamp(min=0)

    def _fits(self, found: Tensor, info: Tensor) -> Tensor:
        """Return (n, boxes): whether a box is large enough."""
        two = not self.select.drop_small and info.shape[1] > 3
        least = info[:, None, [3, 2] if two else [2, 2]] * self.select.min_size
        return (box.sizes(found, pixel=1) >= least).all(-1)

    def _kept(self, found: Tensor, fits: Tensor) -> Tensor:
        valid = fits if self.select.drop_small else torch.ones_like(fits)
        after = self.select.after
        keep = box.suppress(found, valid, self.select.threshold, pixel=1, most=after)
        return keep & (keep.cumsum(1) <= after)
