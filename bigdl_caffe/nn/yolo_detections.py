"""Detections in the maps of YOLO's second and third versions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bigdl_caffe.nn import boxes as box
from bigdl_caffe.nn import darknet
from bigdl_caffe.nn.sorting import leading


@dataclass(frozen=True)
class Found:
    """The predictions of one map that are worth to be looked at.

    Attributes
    ----------
    image, label : Tensor
        (found) Integers.
    score : Tensor
        (found)
    box : Tensor
        (found, 4) By centre and size.
    """

    image: Tensor
    label: Tensor
    score: Tensor
    box: Tensor


def best_class(
    x: Tensor, anchors: Tensor, classes: int, score: str = "MULTIPLY"
) -> tuple[Tensor, Tensor, Tensor]:
    """Return score, class and box of each prediction of YOLO's second version.

    Parameters
    ----------
    x : Tensor
        (n, anchors * (5 + classes or more), side, side)
    anchors : Tensor
        (anchors, 2) Width and height, in places.
    classes : int
        Number of classes; further channels are not read.
    score : str
        "OBJ", "PROB" or "MULTIPLY": by which of two numbers to score, or by both.

    Returns
    -------
    tuple of Tensor
        (n, predictions), (n, predictions) and (n, predictions, 4), by row, column and anchor.
    """
    rows = darknet.by_anchor(x, len(anchors))
    box_ = darknet.decode(rows[..., :2].sigmoid(), rows[..., 2:4], anchors / x.shape[-1])
    share, label = rows[..., 5 : 5 + classes].softmax(-1).max(-1)
    there = rows[..., 4].sigmoid()
    value = {"OBJ": there, "PROB": share, "MULTIPLY": there * share}[score]
    by_place = (v.permute(0, 2, 3, 1, *range(4, v.dim())) for v in (value, label, box_))
    scores, labels, found = (v.flatten(1, 3) for v in by_place)
    return scores, labels, found


def survivors(score: Tensor, boxes: Tensor, threshold: float, clip: bool = False) -> Tensor:
    """Return which predictions of one image survive suppression, best first.

    A prediction falls away where it overlaps a better one of any class by ``threshold`` or
    more. Equal scores come as C++'s sort has them.

    Parameters
    ----------
    score, boxes : Tensor
        (found) and (found, 4), by centre and size.
    threshold : float
        Intersection over union.
    clip : bool
        Whether boxes count within the image only.
    """
    order = leading(score, len(score))
    corners = darknet.corners(boxes[order])
    corners = corners.clamp(0, 1) if clip else corners
    below = corners.new_tensor(threshold).nextafter(corners.new_tensor(-torch.inf))
    everything = torch.ones_like(order, dtype=torch.bool)
    return order[box.suppress(corners[None], everything[None], below.item())[0]]


@dataclass(frozen=True)
class Rows:
    """How a detection is written down.

    Attributes
    ----------
    first : int
        Number of the first class.
    corners : bool
        Boxes by their corners, and not by centre and size.
    clip : bool
        Whether boxes overlap within the image only.
    filler : bool
        Without any detection, give a row ``[i, -1, -1, -1, -1, -1, -1]`` an image.
    """

    first: int = 1
    corners: bool = True
    clip: bool = False
    filler: bool = True


class Detections(nn.Module):
    """Rows (1, 1, detections, 7): image, class, score and box, by image and falling score.

    Parameters
    ----------
    threshold : float
        Overlap with a better detection, of whatever class, at which one falls away.
    rows : Rows
        How to write them down.
    """

    def __init__(self, threshold: float, rows: Rows) -> None:
        super().__init__()
        self.threshold, self.rows = threshold, rows

    def find(self, maps: tuple[Tensor, ...]) -> list[Found]:
        """Return the predictions of each map, in the order of the fork's loops."""
        raise NotImplementedError

    @torch.no_grad()
    def forward(self, *maps: Tensor) -> Tensor:
        """Return the detections in maps of (n, channels, height, width)."""
        found = self.find(maps)
        images = len(maps[0])
        parts = [self._image(found, i) for i in range(images)]
        rows = torch.cat(parts)
        if not len(rows) and self.rows.filler:
            rows = rows.new_full((images, 7), -1)
            rows[:, 0] = torch.arange(images)
        return rows[None, None]

    def _image(self, found: list[Found], image: int) -> Tensor:
        """Return the rows (detections, 7) of one image."""
        own = [(f.label[f.image == image], f.score[f.image == image]) for f in found]
        label, score = (torch.cat(parts) for parts in zip(*own, strict=True))
        boxes = torch.cat([f.box[f.image == image] for f in found])
        keep = survivors(score, boxes, self.threshold, self.rows.clip)
        shown = darknet.corners(boxes[keep]) if self.rows.corners else boxes[keep]
        numbers = torch.full_like(keep, image), label[keep] + self.rows.first, score[keep]
        return torch.cat((torch.stack([n.to(score.dtype) for n in numbers], 1), shown), 1)


class YoloDetections(Detections):
    """Detections of YOLO's second version: the best class of each prediction.

    Parameters
    ----------
    classes : int
        Number of classes.
    biases : sequence of float
        Widths and heights of the anchors, in places.
    confidence : float
        The least score.
    threshold, rows
        See `Detections`.
    maps : int
        How many of the bottoms are maps.
    """

    def __init__(
        self,
        classes: int,
        biases: list[float],
        confidence: float,
        threshold: float,
        rows: Rows,
        maps: int,
    ) -> None:
        super().__init__(threshold, rows)
        self.classes, self.biases, self.confidence = classes, biases, confidence
        self.maps = maps

    def find(self, maps: tuple[Tensor, ...]) -> list[Found]:
        """Return the predictions by image, row, column and anchor."""
        found = []
        for x in maps[: self.maps]:
            anchors = darknet.sizes(self.biases, (1, 1), x)
            score, label, boxes = best_class(x, anchors, self.classes)
            image, place = (score >= self.confidence).nonzero().unbind(1)
            at = image, place
            found.append(Found(image, label[at], score[at], boxes[at]))
        return found


class Yolov3Detections(Detections):
    """Detections of YOLO's third version: a prediction counts for each class it is sure of.

    Parameters
    ----------
    classes : int
        Number of classes.
    anchors : list of (list of float)
        For each map widths and heights of its anchors, in places.
    confidence : float
        What a score has to exceed.
    threshold, rows
        See `Detections`.
    """

    def __init__(
        self,
        classes: int,
        anchors: list[list[float]],
        confidence: float,
        threshold: float,
        rows: Rows,
    ) -> None:
        super().__init__(threshold, rows)
        self.classes, self.anchors, self.confidence = classes, anchors, confidence

    def find(self, maps: tuple[Tensor, ...]) -> list[Found]:
        """Return the predictions by image, row, column, anchor and class."""
        found = []
        for x, biases in zip(maps, self.anchors, strict=True):
            rows = darknet.by_anchor(x, len(biases) // 2)
            anchors = darknet.sizes(biases, (x.shape[3], x.shape[2]), x)
            boxes = darknet.decode(rows[..., :2].sigmoid(), rows[..., 2:4], anchors)
            scores = rows[..., 5 : 5 + self.classes].sigmoid() * rows[..., 4:5].sigmoid()
            scores, boxes = (v.permute(0, 2, 3, 1, 4) for v in (scores, boxes))
            at = (scores > self.confidence).nonzero().unbind(1)
            found.append(Found(at[0], at[4], scores[at], boxes[at[:4]]))
        return found
