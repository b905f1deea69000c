"""Labels as Caffe reads them: numbers of the bottom's own type, cut to whole ones."""

from __future__ import annotations

import torch
from torch import Tensor

from bigdl_caffe.errors import CaffeError

IGNORED = -1
"""What stands for a label that does not count, in what `class_labels` returns."""


def class_labels(label: Tensor, classes: int, ignore: int | None = None) -> Tensor:
    """Return ``label`` as classes from 0 to ``classes - 1``; `IGNORED` where it is ``ignore``.

    Raises
    ------
    CaffeError
        For a label that is no class. Caffe reads beyond the blob there.
    """
    labels = label.detach().long()
    ignored = torch.zeros_like(labels, dtype=torch.bool) if ignore is None else labels == ignore
    strange = ~ignored & ((labels < 0) | (labels >= classes))
    if not torch.compiler.is_compiling() and bool(strange.any()):
        raise CaffeError(
            f"label {int(labels[strange][0])} is none of {classes} classes (0 to {classes - 1}): "
            f"mend the labels, or give ignore_label where the layer has it"
        )
    return labels.masked_fill(ignored, IGNORED)
