"""The loss of YOLO's third version, as MobileNet-YOLO has it (yolov3_layer.cpp)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bigdl_caffe.nn import darknet
from bigdl_caffe.nn.box_overlap import improvement, similarity
from bigdl_caffe.nn.darknet import Truths


@dataclass(frozen=True)
class Yolov3Options:
    """The options of Yolov3Parameter that count.

    Attributes
    ----------
    classes : int
        Number of classes.
    biases : tuple of float
        Widths and heights of all anchors, in pixels.
    mask : tuple of int
        Which of them this map predicts.
    unit : float
        Pixels from place to place.
    threshold : float
        Overlap from which on a prediction that is none of the best is not wrong.
    also : float
        Overlap of an anchor and a true box from which on the anchor predicts it, too; 1 for
        the best anchor only.
    objects, kinds, boxes : float
        What the parts of the loss are multiplied by: object_scale (which counts with
        ``slopes`` only), class_scale and coord_scale.
    smooth : float
        label_smooth_eps: how much of a label is shared out.
    focal : bool
        use_focal_loss.
    slopes : bool
        use_logic_gradient: multiply gradients by the slopes of the sigmoids.
    measure : str
        "MSE", or the likeness that boxes learn: "IOU", "GIOU", "DIOU", "CIOU".
    normalizer, most : float
        What that is multiplied by, and the largest step it makes.
    accumulate : bool
        Whether the steps of several true boxes add up.
    """

    classes: int
    biases: tuple[float, ...]
    mask: tuple[int, ...]
    unit: float
    threshold: float
    also: float
    objects: float
    kinds: float
    boxes: float
    smooth: float
    focal: bool
    slopes: bool
    measure: str
    normalizer: float
    most: float
    accumulate: bool


class _Matches(NamedTuple):
    """Which prediction learns which true box, in the fork's order; a slot may come again."""

    slot: Tensor
    anchor: Tensor
    place: Tensor
    true: Tensor
    label: Tensor


class Yolov3Loss(nn.Module):
    """Sum of the squares of what each number is off by, and of what boxes are unlike.

    What a number is off by is also its gradient, over the number of images; so the gradient is
    not the loss's own. Labels are boxes (n, 1, boxes, 5): class, x, y, width, height. What the
    fork does where rounding takes an overlap beyond 1 is left out.
    """

    def __init__(self, options: Yolov3Options) -> None:
        super().__init__()
        self.options = options

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar loss of a map (n, anchors * (5 + classes), height, width)."""
        rows = darknet.by_anchor(x.detach(), len(self.options.mask))
        delta, value = self._deltas(rows, darknet.listed_truths(labels.detach(), len(x)))
        if self.options.slopes:
            delta = delta * self._slopes(rows)
        return darknet.squared_loss(x, delta, value / len(x))

    @torch.no_grad()
    def _deltas(self, rows: Tensor, truths: Truths) -> tuple[Tensor, Tensor]:
        """Return what each number is off by, and the loss of all images."""
        o, size = self.options, rows.shape[2:4]
        shift, score = rows[..., :2].sigmoid(), rows[..., 4].sigmoid()
        anchors = darknet.sizes(o.biases, (size[1] * o.unit, size[0] * o.unit), rows)
        boxes = darknet.decode(shift, rows[..., 2:4], anchors[list(o.mask)])
        delta = torch.zeros_like(rows, memory_format=torch.contiguous_format)
        delta[..., 4] = score * (darknet.best_overlap(boxes, truths, o.measure) <= o.threshold)
        m = self._matches(truths, anchors, size)
        found, flat = rows.reshape(-1, rows.shape[-1])[m.slot], delta.view(-1, rows.shape[-1])
        flat[m.slot, 4] = (found[:, 4].sigmoid() - 1) * (o.objects if o.slopes else 1)
        self._label(flat, m, found[:, 5:].sigmoid())
        ratio = m.true[:, 2:] / anchors[list(o.mask)][m.anchor]
        if o.measure == "MSE":
            shifts = m.true[:, :2] * m.true.new_tensor([size[1], size[0]]) - m.place
            off = torch.cat((shifts - found[:, :2].sigmoid(), ratio.log() - found[:, 2:4]), 1)
            weight = o.boxes * (2 - m.true[:, 2:].prod(1, keepdim=True))
            last = darknet.lasting(m.slot, len(flat))
            flat[m.slot[last], :4] = -(weight * off)[last]
            return delta, delta.square().sum()
        likeness = self._improve(flat, m, boxes.reshape(-1, 4)[m.slot], found[:, 2:4].exp())
        value = delta[..., 4:].square().sum()
        return delta, value + o.normalizer * (1 - likeness).sum() / max(len(m.slot), 1)

    def _matches(self, truths: Truths, anchors: Tensor, size: torch.Size) -> _Matches:
        """Return who learns what: the anchor most alike each true box, and others enough alike."""
        o = self.options
        image, number = truths.used.nonzero().unbind(1)
        true, label = truths.box[image, number], truths.label[image, number]
        own = torch.cat((torch.zeros_like(anchors), anchors), 1)
        wanted = torch.cat((torch.zeros_like(true[:, :2]), true[:, 2:]), 1)
        alike = similarity(o.measure, own, wanted[:, None])
        place = self._place(len(anchors), alike)
        most, best = alike.max(1)
        first = torch.where(most > 0, place[best], -1)
        # The fork then takes the best anchor's place in the mask for its number, so that the
        # best anchor learns once more where the two differ.
        taken = torch.where(first >= 0, first, torch.where(most > 0, best, -1))
        number = torch.arange(len(anchors), device=alike.device)
        also = (alike > o.also) & (number != taken[:, None]) & (place >= 0) & (o.also < 1)
        match, column = torch.cat(((first >= 0)[:, None], also), 1).nonzero().unbind(1)
        anchor = torch.where(column == 0, first[match], place[(column - 1).clamp(min=0)])
        spot = darknet.places(true, size)[match]
        row = (image[match] * len(o.mask) + anchor) * size[0] + spot[:, 1]
        return _Matches(row * size[1] + spot[:, 0], anchor, spot, true[match], label[match])

    def _place(self, anchors: int, like: Tensor) -> Tensor:
        """Return (anchors): where in the mask each anchor first is, or -1."""
        mask = self.options.mask
        places = [mask.index(n) if n in mask else -1 for n in range(anchors)]
        return torch.tensor(places, device=like.device)

    def _label(self, flat: Tensor, m: _Matches, share: Tensor) -> None:
        """Write what the classes are off by: a slot's first label whole, later ones their own."""
        o = self.options
        hot = torch.arange(o.classes, device=share.device) == m.label[:, None]
        off = share - ((1 - o.smooth) * hot + 0.5 * o.smooth)
        whole = o.kinds * (self._focal(share, hot) if o.focal else off)
        later = _come_before(m.slot, len(flat))
        flat[m.slot[~later], 5:] = whole[~later]
        match, label = (hot & later[:, None]).nonzero().unbind(1)
        flat[m.slot[match], 5 + label] = o.kinds * off[match, label]

    @staticmethod
    def _focal(share: Tensor, hot: Tensor) -> Tensor:
        p = (share * hot).sum(1, keepdim=True) + 1e-15
        return 0.5 * -(1 - p) * (2 * p * p.log() + p - 1) * (share - hot.to(share.dtype))

    def _improve(self, flat: Tensor, m: _Matches, boxes: Tensor, exp: Tensor) -> Tensor:
        """Write the steps of boxes towards their true ones; return how alike they are now."""
        o = self.options
        boxes = torch.cat((boxes[:, :2], torch.where(boxes[:, 2:] == 0, 1, boxes[:, 2:])), 1)
        step = improvement(o.measure, boxes, m.true)
        step = torch.cat((step[:, :2], step[:, 2:] * exp), 1) * o.normalizer
        step = step.nan_to_num(0, 0, 0).clamp(-o.most, o.most)
        if o.accumulate:
            flat[:, :4] = torch.zeros_like(flat[:, :4]).index_add(0, m.slot, -step)
        else:
            last = darknet.lasting(m.slot, len(flat))
            flat[m.slot[last], :4] = -step[last]
        return similarity("DIOU" if o.measure == "IOU" else o.measure, boxes, m.true)

    def _slopes(self, rows: Tensor) -> Tensor:
        """Return the slopes of the sigmoids, 1 where there is none.

        With a likeness, the fork has overwritten the centre's sigmoids by then, and takes the
        slope at their arguments for a sigmoid's.
        """
        slope = rows.sigmoid()
        if self.options.measure != "MSE":
            slope[..., :2] = rows[..., :2]
        slope = slope * (1 - slope)
        slope[..., 2:4] = 1
        return slope


def _come_before(slots: Tensor, total: int) -> Tensor:
    """Return (n) of bool: which of ``slots`` an earlier one is equal to, all below ``total``."""
    return ~darknet.lasting(slots.flip(0), total).flip(0)
