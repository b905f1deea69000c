"""The order in which C++'s ``std::sort`` leaves equal elements, which Caffe's results show.

The standard leaves it open; this is what libstdc++, the library of GCC, has done since 4.7:
quicksort down to runs of 16 elements, and an insertion sort, which is stable, over the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

RUN = 16


def leading(scores: Tensor, most: int) -> Tensor:
    """Return the places of the ``most`` largest of ``scores`` (n,), largest first.

    Equal scores come as ``std::sort`` of all of them has them. Where the largest are all
    different, which is the rule, nothing but a sort of torch's is done.
    """
    best, order = scores.sort(descending=True, stable=True)
    top = best[: most + 1]  # one more: it may equal the last one taken
    if len(scores) <= RUN or not (top[1:] == top[:-1]).any():
        return order[:most]
    return torch.tensor(descending(scores.tolist())[:most], device=scores.device)


def descending(scores: Sequence[float]) -> list[int]:
    """Return the places of ``scores``, largest first, as ``std::sort`` with ``>`` orders them.

    Its turn to a heap sort, where quicksort gets nowhere, is left out: scores would have to be
    made to bring it about.
    """
    places = list(range(len(scores)))
    spans = [(0, len(places))]
    while spans:
        first, last = spans.pop()
        while last - first > RUN:
            cut = _partition(scores, places, first, last)
            spans.append((cut, last))
            last = cut
    return sorted(places, key=lambda place: -scores[place])


def _partition(scores: Sequence[float], places: list[int], first: int, last: int) -> int:
    """Split places[first:last] around the median of three of them, and return where.

    As __unguarded_partition_pivot: what equals the pivot changes sides, too.
    """
    three = (first + 1, first + (last - first) // 2, last - 1)
    middle = _median(*(scores[places[i]] for i in three))
    places[first], places[three[middle]] = places[three[middle]], places[first]
    pivot = scores[places[first]]
    low, high = first + 1, last
    while True:
        while scores[places[low]] > pivot:
            low += 1
        high -= 1
        while pivot > scores[places[high]]:
            high -= 1
        if low >= high:
            return low
        places[low], places[high] = places[high], places[low]
        low += 1


def _median(a: float, b: float, c: float) -> int:
    """Return which of three numbers lies between the others, as __move_median_to_first."""
    if a > b:
        return 1 if b > c else 2 if a > c else 0
    return 0 if a > c else 2 if b > c else 1
