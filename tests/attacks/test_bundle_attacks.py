"""Damaged bundles: a model or one clear error."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pytest

from bigdl_caffe import CaffeError, Model
from tests.paths import REPO

DIGITS = REPO / "examples" / "digits"
EDGE = 9000
"""Bytes at either end of a bundle of the digits net that hold its words; between are weights."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("bundle") / "digits.arrow"
    model = Model.load_caffe_model(DIGITS / "lenet.prototxt", DIGITS / "lenet.caffemodel")
    model.write_bundle(path)
    return path.read_bytes()


def _damage(data: bytes, chance: random.Random) -> bytes:
    """Return ``data`` cut off, or with one to four bytes changed, mostly among the words."""
    if chance.random() < 0.2:
        return data[: chance.randrange(len(data))]
    out = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 4])):
        near = chance.randrange(EDGE)
        at = chance.choice([near, -1 - near, chance.randrange(len(data))])
        out[at] = chance.choice([chance.randrange(256), out[at] ^ 1 << chance.randrange(8)])
    return bytes(out)


@pytest.mark.parametrize("seed", range(10))
def test_a_damaged_bundle_opens_or_is_refused(seed: int, bundle: bytes, tmp_path: Path) -> None:
    chance = random.Random(seed)
    path = tmp_path / "x.arrow"
    for _ in range(50):
        path.write_bytes(_damage(bundle, chance))
        with suppress(CaffeError):  # any other error fails the test
            assert Model.open_bundle(path).outputs


OPTIONS = ['{"phase": 1}', "[]", "nonsense", '{"phase": "TEST", "stages": 5}', "null"]


@pytest.mark.parametrize("options", OPTIONS)
def test_damaged_options_are_refused(options: str, bundle: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.arrow"
    begin = bundle.index(b'{"input_shapes"')
    end = bundle.index(b"}", bundle.index(b'"stages"')) + 1
    words = bundle[begin:end]
    path.write_bytes(bundle.replace(words, options.encode().ljust(len(words))))
    with pytest.raises(CaffeError, match=r"words .* damaged .*write_bundle"):
        Model.open_bundle(path)
