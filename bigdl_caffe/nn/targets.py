"""What the two stages of Faster R-CNN learn from: labels and offsets for a sample of boxes.

Samples are drawn by torch's generator of random numbers. Nothing has a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bigdl_caffe.errors import ShapeError
from bigdl_caffe.nn import boxes as box
from bigdl_caffe.nn.anchors import shifted_anchors


@dataclass(frozen=True)
class Sampling:
    """How many boxes of an image count, and as what. The defaults are the second stage's.

    Attributes
    ----------
    batch : int or None
        The most boxes; None for all, as hard example mining takes them.
    foreground : float
        The largest share of them that may be objects.
    positive : float
        Overlap with a true box from which on a box is an object.
    negative : pair of float
        Overlap from which on, and up to which, it is background.
    stds : tuple of float
        What the four offsets are divided by.
    """

    batch: int | None = 128
    foreground: float = 0.25
    positive: float = 0.5
    negative: tuple[float, float] = (0.0, 0.5)
    stds: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)

    @property
    def objects(self) -> int | None:
        """The most boxes that may be objects."""
        return None if self.batch is None else round(self.foreground * self.batch)


def _sample(chosen: Tensor, most: int | None) -> Tensor:
    """Return ``most`` of the places where ``chosen`` holds, drawn at random, in random order."""
    places = chosen.nonzero()[:, 0]
    order = torch.randperm(len(places)).to(places.device)
    return places[order[:most]]


def _true_boxes(boxes: Tensor) -> Tensor:
    """Return ``boxes`` (n, 5) as they are, or raise where there is none."""
    if not len(boxes):
        raise ShapeError("there is no true box: feed images with at least one")
    return boxes.flatten(1)


class AnchorTargets(nn.Module):
    """Label anchors, and say how each would have to move (rpn/anchor_target_layer.py).

    An anchor is an object (1) where it overlaps a true box enough, or as much as any other
    anchor does; background (0) where it overlaps none; else, or beyond the sample, it does
    not count (-1). Anchors that stick out of the image do not count.

    Parameters
    ----------
    anchors : Tensor
        (anchors, 4) around the first place.
    stride : int
        Pixels from place to place.
    border : float
        By how many pixels an anchor may stick out.
    sampling : Sampling
        Which anchors count.
    """

    def __init__(self, anchors: Tensor, stride: int, border: float, sampling: Sampling) -> None:
        super().__init__()
        self.anchors, self.stride, self.border, self.sampling = anchors, stride, border, sampling

    @torch.no_grad()
    def forward(
        self, scores: Tensor, boxes: Tensor, info: Tensor, data: Tensor
    ) -> tuple[Tensor, ...]:
        """Return labels, offsets, and the weights of these inside and outside of the loss.

        Parameters
        ----------
        scores : Tensor
            (1, channels, height, width), of which only the shape is read.
        boxes : Tensor
            (true boxes, 5): x1, y1, x2, y2, class.
        info : Tensor
            (1, 3): height, width and scale of the image.
        data : Tensor
            The image, which is not read.

        Returns
        -------
        tuple of Tensor
            (1, 1, anchors * height, width), and three of (1, 4 * anchors, height, width).
        """
        places = scores.shape[2:]
        anchors = shifted_anchors(self.anchors.to(scores.device), places, self.stride)
        true = _true_boxes(boxes).to(anchors)
        overlap = box.iou(anchors, true[:, :4], pixel=1)
        inside = self._inside(anchors, info.flatten())
        labels = self._labels(torch.where(inside[:, None], overlap, -1), inside)
        offsets = box.center_offsets(anchors, true[overlap.argmax(1), :4], pixel=1)
        offsets = torch.where(inside[:, None], offsets, 0)
        count = (labels >= 0).sum().clamp(min=1)  # 0 where no anchor fits the image
        weights = ((labels == 1) * 1.0, (labels >= 0) / count)
        rows = (labels[:, None], offsets, *(w[:, None].expand(-1, 4) for w in weights))
        blobs = [r.reshape(1, *places, -1).permute(0, 3, 1, 2).to(scores.dtype) for r in rows]
        return blobs[0].reshape(1, 1, -1, places[1]), *(b.contiguous() for b in blobs[1:])

    def _inside(self, anchors: Tensor, info: Tensor) -> Tensor:
        end = info[[1, 0]].to(anchors) + self.border
        return (anchors[:, :2] >= -self.border).all(1) & (anchors[:, 2:] < end).all(1)

    def _labels(self, overlap: Tensor, inside: Tensor) -> Tensor:
        """Return (anchors): 1, 0 or -1, after sampling."""
        s, best = self.sampling, overlap.amax(1)
        objects = inside & ((overlap == overlap.amax(0)).any(1) | (best >= s.positive))
        rest = inside & (best < s.negative[1]) & ~objects
        labels = torch.full_like(best, -1)
        chosen = _sample(objects, s.objects)
        labels[chosen] = 1
        labels[_sample(rest, None if s.batch is None else s.batch - len(chosen))] = 0
        return labels


class ProposalTargets(nn.Module):
    """Draw rois, label them, and say how each would have to move (rpn/proposal_target_layer.py).

    The true boxes are candidates, too. With two classes all objects are of class 1, as
    py-R-FCN's training without classes has it.

    Parameters
    ----------
    classes : int
        Background included.
    sampling : Sampling
        Which rois to draw.
    """

    def __init__(self, classes: int, sampling: Sampling) -> None:
        super().__init__()
        self.classes, self.sampling = classes, sampling

    @torch.no_grad()
    def forward(self, rois: Tensor, boxes: Tensor) -> tuple[Tensor, ...]:
        """Return rois, labels, offsets, and their weights inside and outside of the loss.

        Parameters
        ----------
        rois : Tensor
            (rois, 5): image, x1, y1, x2, y2; all of image 0.
        boxes : Tensor
            (true boxes, 5): x1, y1, x2, y2, class.

        Returns
        -------
        tuple of Tensor
            (drawn, 5, 1, 1), (drawn, 1, 1, 1), and three of (drawn, 4 * classes, 1, 1).
        """
        true, rois = _true_boxes(boxes), rois.flatten(1)
        if bool((rois[:, 0] != 0).any()):
            raise ShapeError("rois are of several images, and true boxes do not say whose they are")
        rois = torch.cat((rois, torch.cat((true.new_zeros(len(true), 1), true[:, :4]), 1)))
        best, match = box.iou(rois[:, 1:].double(), true[:, :4].double(), pixel=1).max(1)
        chosen, objects = self._draw(best)
        rois, true = rois[chosen], true[match[chosen]]
        labels = true[:, 4].clone()
        labels[objects:] = 0
        offsets = box.center_offsets(rois[:, 1:], true[:, :4], pixel=1)
        offsets = offsets / offsets.new_tensor(self.sampling.stds)
        rows = rois, labels[:, None], *self._by_class(labels, offsets)
        return tuple(r[..., None, None] for r in rows)

    def _draw(self, best: Tensor) -> tuple[Tensor, int]:
        """Return the places of rois, objects first, and how many are objects."""
        s, (least, most) = self.sampling, self.sampling.negative
        objects = _sample(best >= s.positive, s.objects)
        rest = None if s.batch is None else s.batch - len(objects)
        return torch.cat((objects, _sample((best < most) & (best >= least), rest))), len(objects)

    def _by_class(self, labels: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return offsets at the place of each roi's class, and the weights, which are 1 there."""
        place = labels.long().clamp(max=1) if self.classes == 2 else labels.long()
        if bool((place >= self.classes).any()):
            raise ShapeError(
                f"a true box is of class {int(labels.max())}, and num_classes is {self.classes}: "
                f"classes run from 1 to {self.classes - 1}"
            )
        hot = (torch.arange(self.classes, device=place.device) == place[:, None]) & (
            labels[:, None] > 0
        )
        weights = hot.to(offsets.dtype)[..., None].expand(-1, -1, 4).flatten(1)
        spread = torch.where(hot[..., None], offsets[:, None], 0).flatten(1)
        return spread, weights, weights.clone()
