"""A file that claims what it has not is an error, and costs no memory."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests.image.pictures import png_chunk

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is measured as Linux tells it"
)
HUGE, MOST = 50_000, 2**31 - 1
ALLOWED_MB = 64


def png(width: int = 4, height: int = 4, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", zlib.compress(bytes(52)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


def jpeg(width: int, height: int, start: int = 0xC0) -> bytes:
    parts = bytes([1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0])
    frame = b"\xff" + bytes([start]) + struct.pack(">HBHHB", 17, 8, height, width, 3) + parts
    scan = b"\xff\xda" + struct.pack(">HB", 12, 3) + bytes([1, 0, 2, 0x11, 3, 0x11, 0, 63, 0])
    return b"\xff\xd8" + frame + scan + bytes(50) + b"\xff\xd9"


def tiff(width: int, height: int, lzw: bool = False, **tags: tuple[int, int]) -> bytes:
    """Return a colour TIFF; further tags are "t" and their number, with count and value."""
    entries = {256: (1, width), 257: (1, height), 258: (1, 8), 259: (1, 5 if lzw else 1)}
    entries |= {262: (1, 2), 277: (1, 3)} | {int(name[1:]): value for name, value in tags.items()}
    packed = [struct.pack("<HHII", tag, 4, *entries[tag]) for tag in sorted(entries)]
    table = struct.pack("<H", len(packed)) + b"".join(packed) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + table + bytes(64)


def strips(count: int = 1, size: int = 64, rows: int = 8) -> dict[str, tuple[int, int]]:
    return {"t273": (count, 200), "t278": (1, rows), "t279": (count, size)}


def tiles(width: int, height: int) -> dict[str, tuple[int, int]]:
    return {"t322": (1, width), "t323": (1, height), "t324": (1, 200), "t325": (1, 64)}


def gif(screen: int, frame: int) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", screen, screen, 0x80, 0, 0) + bytes(6)
    return head + b"," + struct.pack("<HHHHB", 0, 0, frame, frame, 0) + b"\x02\x02\x4c\x01\0;"


def bmp(width: int, height: int, bits: int = 24, compression: int = 0) -> bytes:
    head = b"BM" + struct.pack("<IHHI", 114, 0, 0, 54)
    return head + struct.pack("<IiiHHII", 40, width, height, 1, bits, compression, 0) + bytes(76)


def webp(kind: bytes, body: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def inflating() -> bytes:
    """Return a megabyte that zlib makes 256 of."""
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()


def claims() -> dict[str, bytes]:
    bomb = inflating()
    return {
        "png": png(HUGE, HUGE),
        "png most": png(MOST, MOST),
        "png in the limit": png(10_000, 9_999),
        "png text": png(4, 4, png_chunk(b"zTXt", b"k\0\0" + bomb)),
        "png unicode": png(4, 4, png_chunk(b"iTXt", b"k\0\1\0\0\0" + bomb)),
        "png profile": png(4, 4, png_chunk(b"iCCP", b"k\0\0" + bomb)),
        "png texts": png(4, 4, png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 20))) * 99),
        "png chunk": png()[:33] + struct.pack(">I", MOST) + b"tEXtk\0v",
        "png frames": png(4, 4, png_chunk(b"acTL", struct.pack(">II", MOST, 0))),
        "jpeg": jpeg(65_500, 65_500),
        "jpeg progressive": jpeg(65_500, 65_500, 0xC2),
        "tiff": tiff(MOST, MOST, **strips()),
        "tiff strip": tiff(8, 8, **strips(size=2**32 - 1)),
        "tiff packed strip": tiff(8, 8, lzw=True, **strips(size=2**32 - 1, rows=2**32 - 1)),
        "tiff strips": tiff(8, 8, **strips(count=MOST)),
        "tiff tile": tiff(8, 8, lzw=True, **tiles(13_008, 13_008)),
        "tiff long tile": tiff(8, 8, lzw=True, **tiles(1 << 28, 16)),
        "tiff tag": tiff(8, 8, **strips(), t700=(2**32 - 1, 8)),
        "gif": gif(65_535, 65_535),
        "gif frame": gif(4, 65_535),
        "bmp": bmp(HUGE, HUGE),
        "bmp packed": bmp(HUGE, -HUGE, 8, 1),
        "webp": webp(b"VP8 ", b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", 16_383, 16_383)),
        "webp lossless": webp(b"VP8L", b"\x2f" + struct.pack("<I", (1 << 28) - 1) + bytes(21)),
        "webp canvas": webp(b"VP8X", b"\2\0\0\0" + (b"\xff\x3f\0" * 2)),
        "ppm": b"P6 99999999 99999999 255\n",
        "ppm as text": b"P3 99999 99999 255\n1 2 3",
        "ppm number": b"P6 " + b"9" * 10**6 + b" 1 255\n",
    }


CHILD = """
import json, pathlib, re, sys
from bigdl_caffe.errors import ImageError
from bigdl_caffe.image.decode import decode

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])

def outcome(path):
    try:
        return str(decode(path.read_bytes()).shape)
    except ImageError as error:
        return str(error)

outcome(pathlib.Path(sys.argv[1], "fine"))
before = peak()
found = {path.name: outcome(path) for path in pathlib.Path(sys.argv[1]).iterdir()}
print(json.dumps({**found, "grown": str((peak() - before) // 1024)}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what became of every claim, and by how many MB the process's peak has "grown"."""
    folder: Path = tmp_path_factory.mktemp("claims")
    for name, data in {"fine": png(), **claims()}.items():
        (folder / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    result: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_claims_are_errors_that_cost_no_memory(found: dict[str, str]) -> None:
    # How many frames follow is no claim on memory: the first is there.
    assert {name for name, what in found.items() if what == "(4, 4, 3)"} == {"fine", "png frames"}
    assert int(found["grown"]) < ALLOWED_MB


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("png", "too large"),
        ("png in the limit", "truncated"),
        ("png text", "too large for PngImagePlugin"),
        ("jpeg", "too large"),
        ("tiff", "too large"),
        ("tiff tile", "13008x13008 pixels, more than the limit"),
        ("gif frame", "too large"),
        ("bmp packed", "too large"),
        ("webp canvas", "too large"),
        ("ppm", "too large"),
        ("ppm number", "Token too long"),
    ],
)
def test_they_say_what_is_wrong(found: dict[str, str], name: str, reason: str) -> None:
    assert reason in found[name]
