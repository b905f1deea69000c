"""Pictures for the tests, made on the spot."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image


def gradient(height: int = 37, width: int = 53, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth colours with some noise: close to a photograph, whatever the codec."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    planes = [128 + 100 * np.sin((y + k) / 9 + x * (k + 1) / 17) for k in range(channels)]
    noisy = np.stack(planes, axis=2) + rng.normal(0, 8, (height, width, channels))
    return noisy.clip(0, 255).astype(np.uint8)


def photo(mode: str = "RGB", **size: int) -> Image.Image:
    picture = Image.fromarray(gradient(**size))
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.fromarray(gradient(channels=1, seed=1, **size)[:, :, 0]))
    return picture.convert(mode)


def encode(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def opencv(data: bytes, channels: int) -> np.ndarray:
    """Return what cv2.imdecode makes of a picture."""
    cv2 = pytest.importorskip(
        "cv2", reason="opencv-python-headless is what decoding is compared to"
    )
    flag = cv2.IMREAD_COLOR if channels == 3 else cv2.IMREAD_GRAYSCALE
    found = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    return found[:, :, None] if found.ndim == 2 else found


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
