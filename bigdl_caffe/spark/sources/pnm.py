"""Raw pixels as a picture file that holds them as they are: PGM, PPM (netpbm's formats)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pnm(pixels: NDArray[np.uint8]) -> bytes:
    """Return BGR or grey pixels as a file.

    It costs no more than a copy, and whatever takes encoded pictures takes it.

    Parameters
    ----------
    pixels : ndarray of uint8
        (height, width, 3 or 1).
    """
    height, width, channels = pixels.shape
    kind = {1: b"P5", 3: b"P6"}[channels]
    return b"%b %d %d 255\n%b" % (kind, width, height, pixels[:, :, ::-1].tobytes())
