"""Which prior has to find which object: SSD's ground truth, and its match with predictions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.nn.boxes import NOWHERE, iou
from bigdl_caffe.nn.detections import place_in_group

NOT, OUTSIDE = -1, -2
"""In place of an object's number: a prediction without one, and one that takes no part."""
LEAST_OVERLAP = 1e-6


@dataclass(frozen=True)
class Objects:
    """The objects of each image; rows are filled up with a box that overlaps nothing.

    Attributes
    ----------
    boxes : Tensor
        (n, objects, 4)
    labels : Tensor
        (n, objects) Their classes; -1 for what only fills up.
    """

    boxes: Tensor
    labels: Tensor

    @property
    def there(self) -> Tensor:
        """(n, objects) of bool."""
        return self.labels >= 0


def objects(rows: Tensor, images: int, background: int, classes: int, difficult: bool) -> Objects:
    """Return the ground truth of a batch (GetGroundTruth of bbox_util.cpp).

    Parameters
    ----------
    rows : Tensor
        (1, 1, rows, 8) image, label, instance, xmin, ymin, xmax, ymax, difficult; rows of
        image -1 are skipped.
    images : int
        Size of the batch.
    background, classes : int
        No label may be the former, and all have to be smaller than the latter.
    difficult : bool
        Whether difficult objects count.

    Raises
    ------
    CaffeError
        Where a label is none.
    """
    rows = rows.detach().reshape(-1, 8)
    rows = rows[(rows[:, 0].long() >= 0) & (rows[:, 0].long() < images)]
    labels = rows[:, 1].long()
    wrong = (labels == background) | (labels < 0) | (labels >= classes)
    if wrong.any():
        raise CaffeError(
            f"the ground truth holds label {int(labels[wrong][0])}: labels go from 0 to "
            f"{classes - 1}, and {background} is the background: mend the data or num_classes"
        )
    rows = rows if difficult else rows[rows[:, 7] == 0]
    rows = rows[rows[:, 0].long().argsort(stable=True)]
    image = rows[:, 0].long()
    counts = image.bincount(minlength=images)
    slot = place_in_group(image, counts)
    most = max(1, int(counts.max()))
    boxes = rows.new_tensor(NOWHERE).repeat(images, most, 1)
    filled = labels.new_full((images, most), -1)
    boxes[image, slot], filled[image, slot] = rows[:, 3:7], rows[:, 1].long()
    return Objects(boxes, filled)


@dataclass(frozen=True)
class Match:
    """What each prediction has to find.

    Attributes
    ----------
    place : Tensor
        (n, predictions) Number of the object in its image, `NOT` or `OUTSIDE`.
    overlap : Tensor
        (n, predictions) Overlap with it; with the nearest object where there is none.
    """

    place: Tensor
    overlap: Tensor


def match(boxes: Tensor, truth: Tensor, there: Tensor, least: float | None, inside: bool) -> Match:
    """Return which object each box is for (MatchBBox of bbox_util.cpp).

    Each object takes the free box that overlaps it most, the largest overlap of all first;
    then each box left takes the object that it overlaps most.

    Parameters
    ----------
    boxes : Tensor
        (n, predictions, 4)
    truth, there : Tensor
        (n, objects, 4) The objects' boxes, and (n, objects) of bool: which of them count.
    least : float or None
        Overlap from which on a box left takes an object; None leaves it without.
    inside : bool
        Whether boxes that reach out of the image take no part.
    """
    overlaps = iou(boxes, truth)
    skipped = ((boxes < 0) | (boxes > 1)).any(2) & inside & there.any(1, keepdim=True)
    counts = (overlaps > LEAST_OVERLAP) & there.unsqueeze(1) & ~skipped.unsqueeze(2)
    overlaps = overlaps.where(counts, 0)
    place = torch.where(skipped, OUTSIDE, NOT)
    place, overlap = _one_for_each(overlaps, place)
    if least is not None:
        value, nearest = overlaps.where(overlaps >= least, 0).max(2)
        place = nearest.where((place == NOT) & (value > 0), place)
    return Match(place, overlap)


def _one_for_each(overlaps: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Give each object its box, greedily; return (n, predictions) objects and overlaps."""
    overlap, left, count = overlaps.amax(2), overlaps.clone(), overlaps.shape[2]
    row = torch.arange(len(overlaps), device=overlaps.device)
    for _ in range(count):
        value, best = left.flatten(1).max(1)
        box, found = best.div(count, rounding_mode="floor"), value > 0
        place[row, box] = (best % count).where(found, place[row, box])
        overlap[row, box] = value.where(found, overlap[row, box])
        left[row, box] = 0
        left[row, :, best % count] = 0
    return place, overlap
