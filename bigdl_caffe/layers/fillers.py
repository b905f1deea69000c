"""Caffe's fillers: how blobs begin when no file gives them (filler.hpp)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.graph.ir import Shape
from bigdl_caffe.layers.options import refuse

_LARGEST = torch.finfo(torch.float32).max
Filler = Callable[[Tensor, pb.FillerParameter, torch.Generator], None]


def fill(
    blob: Tensor,
    filler: pb.FillerParameter | tuple[float, ...] | None,
    generator: torch.Generator,
) -> None:
    """Fill ``blob`` in place as Caffe's filler of that type does.

    Parameters
    ----------
    blob : Tensor
        float32, any shape: (out, in, ...) for the fillers that count fans.
    filler : FillerParameter, tuple of float or None
        A tuple is the numbers themselves, the last axis running fastest. None fills with
        zeros, as Caffe's default (constant 0).
    generator : torch.Generator
        Random numbers; Caffe's own sequence is not reproduced, its distributions are.

    Raises
    ------
    CaffeError
        For a filler type that Caffe does not have, bilinear on a blob that is not 4-D and
        square, sparse where it is not read, options of forks, and for numbers that make no
        distribution.
    """
    if isinstance(filler, tuple):
        blob.copy_(torch.tensor(filler).view(blob.shape))
        return
    filler = filler if filler is not None else pb.FillerParameter()
    function = FILLERS.get(filler.type)
    if function is None:
        raise CaffeError(
            f"there is no filler type '{filler.type}'; Caffe has: {', '.join(FILLERS)}"
        )
    refuse(filler, "scale", "diag_val")
    if filler.sparse != -1 and (filler.type != "gaussian" or filler.sparse < 0):
        raise CaffeError(
            f"the {filler.type} filler has sparse {filler.sparse}: only gaussian takes it, 0 or "
            f"more; remove it"
        )
    with torch.no_grad():
        function(blob, filler, generator)


def _constant(blob: Tensor, filler: pb.FillerParameter, generator: torch.Generator) -> None:
    blob.fill_(filler.value)


def _uniform(blob: Tensor, filler: pb.FillerParameter, generator: torch.Generator) -> None:
    if not 0 <= filler.max - filler.min <= _LARGEST:
        raise CaffeError(
            f"the uniform filler needs finite numbers, min up to max, not {filler.min} to "
            f"{filler.max}: exchange them"
        )
    blob.uniform_(filler.min, filler.max, generator=generator)


def _gaussian(blob: Tensor, filler: pb.FillerParameter, generator: torch.Generator) -> None:
    if not filler.std >= 0:
        raise CaffeError(f"the gaussian filler has std {filler.std}: give 0 or more")
    blob.normal_(filler.mean, filler.std, generator=generator)
    if filler.sparse >= 0:
        # Each output keeps `sparse` inputs on average; axis 0 is that of the outputs.
        keep = min(1.0, filler.sparse / _size(blob, 0))
        blob.mul_(torch.empty_like(blob).bernoulli_(keep, generator=generator))


def _positive_unitball(
    blob: Tensor, filler: pb.FillerParameter, generator: torch.Generator
) -> None:
    blob.uniform_(0, 1, generator=generator)
    rows = blob.reshape(_size(blob, 0), -1)
    rows.div_(rows.sum(1, keepdim=True))


def _xavier(blob: Tensor, filler: pb.FillerParameter, generator: torch.Generator) -> None:
    bound = math.sqrt(3.0 / _fan(blob, filler))
    blob.uniform_(-bound, bound, generator=generator)


def _msra(blob: Tensor, filler: pb.FillerParameter, generator: torch.Generator) -> None:
    blob.normal_(0, math.sqrt(2.0 / _fan(blob, filler)), generator=generator)


def _fan(blob: Tensor, filler: pb.FillerParameter) -> float:
    # As Caffe: fan_in is count/num, fan_out count/channels, whatever the axes mean.
    fan_in, fan_out = blob.numel() / _size(blob, 0), blob.numel() / _size(blob, 1)
    if filler.variance_norm == pb.FillerParameter.AVERAGE:
        return (fan_in + fan_out) / 2
    return fan_out if filler.variance_norm == pb.FillerParameter.FAN_OUT else fan_in


def _size(blob: Tensor, axis: int) -> int:
    """Return the size of an axis, 1 where there is none: Blob::LegacyShape."""
    return blob.shape[axis] if axis < blob.dim() else 1


def _bilinear(blob: Tensor, filler: pb.FillerParameter, generator: torch.Generator) -> None:
    if blob.dim() != 4 or blob.shape[2] != blob.shape[3]:
        raise CaffeError(
            f"the bilinear filler needs a 4-D blob with a square kernel, not {tuple(blob.shape)}"
        )
    size = blob.shape[3]
    line = 1 - (torch.arange(size) - (size - 1) / 2).abs() / math.ceil(size / 2)
    blob.copy_((line[:, None] * line[None, :]).expand_as(blob))


FILLERS: dict[str, Filler] = {
    "constant": _constant,
    "gaussian": _gaussian,
    "positive_unitball": _positive_unitball,
    "uniform": _uniform,
    "xavier": _xavier,
    "msra": _msra,
    "bilinear": _bilinear,
}


class Filled(nn.Module):
    """Makes blobs from fillers, anew at each forward pass.

    Parameters
    ----------
    shapes : sequence of Shape
    fillers : sequence of FillerParameter
        One a blob.
    """

    like: Tensor

    def __init__(self, shapes: Sequence[Shape], fillers: Sequence[pb.FillerParameter]) -> None:
        super().__init__()
        self.blobs = tuple(zip(shapes, fillers, strict=True))
        self.register_buffer("like", torch.empty(0), persistent=False)  # moves with the net

    def forward(self) -> tuple[Tensor, ...]:
        """Return the blobs, each in its own shape."""
        made = []
        for shape, filler in self.blobs:
            blob = torch.empty(shape)
            fill(blob, filler, torch.default_generator)
            made.append(blob.to(self.like))
        return tuple(made)
