"""Boxes: their codes, their overlap, suppression, and the order of equal scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bigdl_caffe.nn.boxes import CODES, iou, suppress
from bigdl_caffe.nn.sorting import descending, leading
from tests.layers import ssd_loops
from tests.layers.build import layer
from tests.layers.ssd_blobs import boxes


@pytest.mark.parametrize("code", CODES)
def test_every_code_comes_back(code: str) -> None:
    rng = np.random.default_rng(0)
    one, two = (torch.tensor(boxes(rng, 50)) for _ in range(2))
    back = CODES[code].decode(one, CODES[code].encode(one, two))
    torch.testing.assert_close(back, two)


def test_overlap_counts_pixels_where_asked() -> None:
    one, two = torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([[5.0, 0, 14, 9], [10, 0, 12, 9]])
    torch.testing.assert_close(iou(one, two, pixel=1), torch.tensor([[50 / 150, 0]]))
    torch.testing.assert_close(iou(one, two), torch.tensor([[36 / 126, 0]]))
    point = torch.zeros(1, 4)
    assert iou(point, point) == 0


@pytest.mark.parametrize("eta", [1.0, 0.8])
@pytest.mark.parametrize("count", [1, 31, 150])
def test_suppression_of_many_problems_is_that_of_each(count: int, eta: float) -> None:
    rng = np.random.default_rng(count)
    made = torch.tensor(boxes(rng, 40, count))
    valid = torch.tensor(rng.random((40, count)) < 0.8)
    keep = suppress(made, valid, 0.6, eta=eta)
    option = layer(
        "DetectionOutput",
        f"""detection_output_param {{ num_classes: 2
        nms_param {{ nms_threshold: 0.6 eta: {eta} }} confidence_threshold: -1 }}""",
        3,
    )
    scores = np.linspace(1, 0, count)
    for i in range(0, 40, 13):
        some = valid[i].nonzero()[:, 0]
        expected = ssd_loops.nms_fast(made[i, some].numpy(), scores[: len(some)], option.param)  # type: ignore[attr-defined]  # DetectionOutput's own
        assert some[expected].tolist() == keep[i].nonzero()[:, 0].tolist()


def test_suppression_can_stop_early() -> None:
    apart = torch.arange(200.0).view(1, -1, 1) + torch.tensor([0.0, 0, 0.5, 1])
    keep = suppress(apart, torch.ones(1, 200, dtype=torch.bool), 0.5, most=40)
    assert keep[0, :40].all()
    assert 40 <= keep.sum() < 200


def test_few_equal_scores_stay_in_order() -> None:
    assert descending([1.0, 2.0] * 8) == [*range(1, 16, 2), *range(0, 16, 2)]


def test_many_equal_scores_come_as_the_library_of_gcc_has_them() -> None:
    """The order was printed by a program that g++ 12 made of std::sort over pairs."""
    assert descending([1.0] * 20) == GCC_OF_20_EQUAL
    scores = [float(i * 7 % 5) for i in range(40)]
    assert descending(scores) == GCC_OF_40
    assert leading(torch.tensor(scores), 12).tolist() == GCC_OF_40[:12]


GCC_OF_20_EQUAL = [10, *range(19, 10, -1), 0, *range(9, 0, -1)]
GCC_OF_40 = [
    17,
    2,
    37,
    22,
    7,
    32,
    27,
    12,
    9,
    24,
    14,
    29,
    19,
    34,
    4,
    39,
    21,
    1,
    26,
    31,
    36,
    16,
    11,
    6,
    18,
    23,
    38,
    13,
    28,
    3,
    8,
    33,
    0,
    20,
    5,
    35,
    10,
    30,
    15,
    25,
]
