"""A model as one Arrow file: weights as columns, the net in the schema's metadata.

What Spark broadcasts, and what opens again in milliseconds. The layout is told in
docs/arrow-layout.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bigdl_caffe.errors import CaffeFormatError, ParseError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.paths import atomic_write
from bigdl_caffe.format.prototxt import format_message, parse
from bigdl_caffe.layers.assemble import Options
from bigdl_caffe.weights.scheme import Scheme
from bigdl_caffe.weights.slots import Slot, owned_shapes
from bigdl_caffe.weights.table import WeightTable

VERSION = "1"
INT8_VERSION = "2"
"""Of int8 nets alone: float nets stay files that older packages open."""
PREFIX = "bigdl_caffe."
HASH = PREFIX + "sha256"
NOTE = PREFIX + "note."


@dataclass(frozen=True)
class Bundle:
    """What a model is at one moment, ready to be written.

    Attributes
    ----------
    table : WeightTable
        Its weights: the model's own memory, so write before they change.
    metadata : mapping of str to str
        The words beside them, their common hash among these.
    """

    table: WeightTable
    metadata: Mapping[str, str]

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the definition, the options and every weight."""
        return self.metadata[HASH]

    def noted(self, name: str, text: str) -> Bundle:
        """Return the bundle with one more text in it, and a hash that tells it, too."""
        told = hashlib.sha256(f"{self.content_hash} {name} {text}".encode()).hexdigest()
        return Bundle(self.table, {**self.metadata, NOTE + name: text, HASH: told})

    def write_bundle(self, target: str | Path | IO[bytes]) -> None:
        """Write the Arrow file; a path or URI appears whole or not at all."""
        if isinstance(target, (str, Path)):
            with atomic_write(str(target)) as sink:
                self.table.write(sink, self.metadata)
        else:
            self.table.write(target, self.metadata)


def bundle(
    table: WeightTable,
    definition: pb.NetParameter,
    options: Options,
    scheme: Scheme | None = None,
) -> Bundle:
    """Return the bundle of a net's weights and words, hashing them."""
    words = describe(definition, options)
    if scheme is not None:
        words |= {PREFIX + "version": INT8_VERSION, PREFIX + "int8": scheme.to_json()}
    return Bundle(table, {**words, HASH: table.content_hash(words)})


def describe(definition: pb.NetParameter, options: Options) -> dict[str, str]:
    """Return the metadata of a net: its layout version, definition and options."""
    chosen: dict[str, Any] = {
        "phase": options.phase,
        "stages": options.stages,
        "level": options.level,
        "outputs": options.outputs,
        "input_shapes": dict(options.input_shapes),
        **({"judges": True} if options.judges else {}),  # the others' hashes stay what they were
    }
    return {
        PREFIX + "version": VERSION,
        PREFIX + "definition": format_message(definition),
        PREFIX + "options": json.dumps(chosen, sort_keys=True),
    }


def read_description(metadata: dict[str, str], path: str) -> tuple[pb.NetParameter, Options]:
    """Return the definition and options that `describe` wrote.

    Raises
    ------
    CaffeFormatError
        When the metadata is not ours, damaged, or of a version this package does not know.
    """
    version = metadata.get(PREFIX + "version")
    if version not in (VERSION, INT8_VERSION):
        found = "none" if version is None else f"'{version}'"
        raise CaffeFormatError(
            f"the Arrow schema's {PREFIX}version is {found}, not '{VERSION}' or '{INT8_VERSION}': "
            "the file is not a model of this package, or of another version of it",
            path,
        )
    with _damaged(path):
        definition = parse(metadata[PREFIX + "definition"], pb.NetParameter, path)
        return definition, _options(metadata[PREFIX + "options"])


def read_scheme(metadata: Mapping[str, str], path: str) -> Scheme | None:
    """Return the scheme of an int8 net, None of a float one.

    Raises
    ------
    CaffeFormatError
        When it is damaged.
    """
    if metadata.get(PREFIX + "version") != INT8_VERSION:
        return None
    with _damaged(path):
        return Scheme.from_json(metadata[PREFIX + "int8"])


@contextmanager
def _damaged(path: str) -> Iterator[None]:
    try:
        yield
    except (ParseError, ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CaffeFormatError(
            f"the net's words in the Arrow schema are damaged ({error}); write the file again with "
            "Model.write_bundle",
            path,
        ) from error


def _options(text: str) -> Options:
    chosen = json.loads(text)
    return Options(
        phase=str(chosen["phase"]),
        stages=tuple(map(str, chosen["stages"])),
        level=int(chosen["level"]),
        outputs=None if chosen["outputs"] is None else tuple(map(str, chosen["outputs"])),
        input_shapes={b: tuple(map(int, shape)) for b, shape in chosen["input_shapes"].items()},
        judges=bool(chosen.get("judges", False)),
    )


def check_blobs(slots: Sequence[Slot], table: WeightTable, path: str) -> None:
    """Raise `CaffeFormatError` unless ``table`` has every blob of ``slots`` in its shape."""
    shapes = {key: blob.shape for key, blob in table.blobs.items()}
    wrong = {key: shape for key, shape in owned_shapes(slots).items() if shapes.get(key) != shape}
    if wrong:
        key, shape = next(iter(wrong.items()))
        raise CaffeFormatError(
            f"{len(wrong)} blobs of the net are not in the file in their shape, the first is "
            f"'{key}' {shape}: the file is damaged; write it again with Model.write_bundle",
            path,
        )
