"""Which detections are right: SSD's metric, from which mean average precision is made."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.nn.boxes import iou
from bigdl_caffe.nn.sorting import descending


@dataclass(frozen=True)
class Evaluation:
    """Options of `DetectionEvaluate`.

    Attributes
    ----------
    classes, background : int
        Number of classes, the background included, and which of them it is.
    overlap : float
        Overlap with an object from which on a detection has found it.
    difficult : bool
        Whether difficult objects count, and what finds them.
    """

    classes: int
    background: int
    overlap: float
    difficult: bool


class DetectionEvaluate(nn.Module):
    """True and false positives among detections (detection_evaluate_layer.cpp).

    Parameters
    ----------
    options : Evaluation
        See there.
    """

    def __init__(self, options: Evaluation) -> None:
        super().__init__()
        self.options = options

    @torch.no_grad()
    def forward(self, detections: Tensor, truth: Tensor) -> Tensor:
        """Return (1, 1, rows, 5): image, class, score, true and false positive.

        The first rows hold, for each class but the background, ``-1, class, objects, -1, -1``.

        Parameters
        ----------
        detections : Tensor
            (1, 1, detections, 7) as DetectionOutput makes them.
        truth : Tensor
            (1, 1, objects, 8) image, label, instance, xmin, ymin, xmax, ymax, difficult; what
            follows on a row of image -1 is not read.
        """
        found, there = detections.cpu().reshape(-1, 7), truth.cpu().reshape(-1, 8)
        there = there[(there[:, 0].long() == -1).cumsum(0) == 0]
        self._check(found[found[:, 0].long() != -1], there)
        claims = int((found[:, 1] != -1).sum())  # each has a row, if one of zeros
        found = found[(found[:, 0].long() != -1) & (found[:, 1].long() != -1)]
        judged = [
            self._judge(found[_of(found, group)], there[_of(there, group)])
            for group in torch.unique(found[:, :2].long(), dim=0)
        ]
        rows = torch.cat([self._counts(there), *judged])
        missing = claims - len(found)
        return torch.cat([rows, rows.new_zeros(missing, 5)])[None, None].to(detections.device)

    def _check(self, *tables: Tensor) -> None:
        for table in tables:
            if (table[:, 1].long() == self.options.background).any():
                raise CaffeError(
                    f"detections or objects have label {self.options.background}, the background: "
                    f"mend the data, or background_label_id"
                )

    def _counts(self, there: Tensor) -> Tensor:
        """Return the first rows: how many objects each class has."""
        o = self.options
        labels = torch.tensor([c for c in range(o.classes) if c != o.background])
        counted = there if o.difficult else there[there[:, 7] == 0]
        objects = (counted[:, 1].long() == labels.unsqueeze(1)).sum(1)
        rows = there.new_full((len(labels), 5), -1)
        rows[:, 1], rows[:, 2] = labels.to(rows), objects.to(rows)
        return rows

    def _judge(self, found: Tensor, there: Tensor) -> Tensor:
        """Return the rows of an image's detections of one class; ``there`` are its objects."""
        o, rows = self.options, torch.zeros_like(found[:, :5])
        if not len(there):
            rows[:, :3], rows[:, 4] = found[:, :3], 1
            return rows
        found = found[descending(found[:, 2].tolist())]
        overlap, nearest = iou(found[:, 3:], there[:, 3:7]).max(1)
        hit = overlap >= o.overlap
        counts = hit & ((there[nearest, 7] == 0) | o.difficult)
        claimed = nearest.where(counts, -1).unsqueeze(1) == torch.arange(len(there))
        first = (claimed & (claimed.cumsum(0) == 1)).any(1)
        rows[:, :3] = found[:, :3]
        rows[:, 3], rows[:, 4] = first.to(rows), (~hit | (counts & ~first)).to(rows)
        return rows


def _of(table: Tensor, group: Tensor) -> Tensor:
    """Return (rows,) of bool: which rows of ``table`` are of the image and class ``group``."""
    return (table[:, :2].long() == group).all(1)
