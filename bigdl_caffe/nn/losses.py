"""Losses with Caffe's floors, divisors and gradients.

Each returns its loss unweighted: loss_weight is the gradient that arrives from above.
"""

from __future__ import annotations

from torch import Tensor


def normalizer(
    mode: str, outer: int, inner: int, valid: Tensor | None = None, fixed: float = 1.0
) -> Tensor | float:
    """Return what a loss is divided by, at least 1 (get_normalizer of softmax_loss_layer.cpp).

    Parameters
    ----------
    mode : str
        A name of LossParameter.NormalizationMode: "FULL", "VALID", "BATCH_SIZE", "NONE",
        or the forks' "PRE_FIXED".
    outer, inner : int
        How many elements the bottom has before and behind the axis of the classes.
    valid : Tensor, optional
        Scalar: how many labels count. Without it all of ``outer * inner`` do.
    fixed : float
        The divisor of "PRE_FIXED".
    """
    if mode == "VALID" and valid is not None:
        return valid.clamp(min=1)
    full = outer * inner
    sizes = {"FULL": full, "VALID": full, "BATCH_SIZE": outer, "NONE": 1, "PRE_FIXED": fixed}
    return max(1.0, float(sizes[mode]))
