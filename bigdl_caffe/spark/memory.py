"""Memory of a batch that the next batch uses again.

glibc hands large pieces back to the kernel when they are freed, and is given them anew, page by
page, for the next batch: up to a third of a batch's time goes there. A worker keeps them.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache

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
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):  # macOS, or musl, which has no mallopt
        return False
    # Both, as setting one ends glibc's own adjusting of the two.
    return all([library.mallopt(_MMAP, _LARGEST), library.mallopt(_TRIM, _NEVER)])
