"""Memory of a batch that the next batch uses again.

glibc hands large pieces back to the kernel when they are freed, and is given them anew, page by
page, for the next batch: about an eighth of the time of a batch of 16 through ResNet-50 went
there. A worker keeps them.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

SWITCH = "BIGDL_CAFFE_KEEP_MEMORY"
"""Name of the environment variable that, set to 0, leaves the C library as it is."""

_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
_LARGEST = 32 << 20  # glibc takes no more; `bigdl_caffe.engine.chunks.LARGEST` keeps within it
_NEVER = 2**31 - 1


@cache
def keep_memory() -> bool:
    """Have this process keep what it frees, where the C library is glibc; return whether it does.

    What the environment says of malloc (``MALLOC_*_``, ``GLIBC_TUNABLES``) goes before.
    """
    said = any(name.startswith("MALLOC_") for name in os.environ)
    if said or "GLIBC_TUNABLES" in os.environ or os.environ.get(SWITCH) == "0":
        return False
    library = _glibc()
    if library is None:
        return False
    # Both, as setting one ends glibc's own adjusting of the two.
    return all([library.mallopt(_MMAP, _LARGEST), library.mallopt(_TRIM, _NEVER)])


def trim_memory() -> None:
    """Hand what is freed, and kept, back to the kernel: what it was used for will not recur.

    Opening a model packs weights and runs a batch in Caffe's order: buffers larger than any that
    scoring needs.
    """
    library = _glibc() if keep_memory() else None
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> Any:
    """Return the C library if it is glibc: macOS's and musl have no mallopt."""
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
