"""Arrays to where a net computes, and its results back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, Any]
HALF = (torch.float16, torch.bfloat16)


def to_device(arrays: Mapping[str, Array], like: Tensor) -> dict[str, Tensor]:
    """Return float32 arrays as tensors of the device and type of ``like``.

    A GPU fetches them from memory that is pinned to its place, by itself: nothing waits until
    they are there but what computes with them.
    """
    sources = {blob: torch.from_numpy(array) for blob, array in arrays.items()}
    if not on_gpu(like):
        return {blob: source.to(like) for blob, source in sources.items()}
    sent = like.dtype if like.dtype in HALF else torch.float32  # the fewer bytes of the two
    return {
        blob: staged(source, sent).to(like.device, non_blocking=True).to(like.dtype)
        for blob, source in sources.items()
    }


def to_host(tops: Mapping[str, Tensor]) -> dict[str, Array]:
    """Return tensors as contiguous float32 arrays, in memory that is not pinned.

    What comes from a GPU is waited for once, and not once a blob.
    """
    coming = {blob: _sent_back(top) if on_gpu(top) else top for blob, top in tops.items()}
    for device in {top.device for top in tops.values() if on_gpu(top)}:
        arrived(device)
    return {
        # Pinned memory is scarce, and who gets the array may keep it: that one is a copy.
        blob: here.detach().to(torch.float32, copy=on_gpu(tops[blob])).cpu().contiguous().numpy()
        for blob, here in coming.items()
    }


def aligned(values: Array) -> Array:
    """Return a float32 copy in memory of torch's, which begins at a multiple of 64 bytes."""
    copy: Array = torch.empty(values.shape).numpy()
    copy[...] = values
    return copy


def on_gpu(tensor: Tensor) -> bool:
    """Return whether a tensor is on a device that copies pinned memory by itself."""
    return tensor.device.type == "cuda"


def staged(source: Tensor, dtype: torch.dtype) -> Tensor:
    """Return ``source`` in pinned memory, which torch keeps until the GPU has read it."""
    return pinned(source.shape, dtype).copy_(source)


def pinned(shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """Return pinned memory, from torch's own store of it."""
    return torch.empty(shape, dtype=dtype, pin_memory=True)


def arrived(device: torch.device) -> None:
    """Wait until ``device`` has done all that this thread has asked of it."""
    torch.cuda.current_stream(device).synchronize()


def _sent_back(top: Tensor) -> Tensor:
    """Return pinned memory that ``top`` is on its way to, in half precision if it is so."""
    kind = top.dtype if top.dtype in HALF else torch.float32
    made = top.detach().to(kind).contiguous()
    return pinned(made.shape, kind).copy_(made, non_blocking=True)
