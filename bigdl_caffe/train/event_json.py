"""Events as lines of JSON, to be sent from one process to another or kept in a file."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from bigdl_caffe.train.events import Ended, Event, Iterated, Output, Snapshotted, Started, Tested

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Started, Iterated, Tested, Snapshotted, Ended)
}


def to_json(event: Event) -> str:
    """Return ``event`` as one line; numbers that are none are NaN and Infinity there."""
    return json.dumps({"event": type(event).__name__, **asdict(event)})


def from_json(line: str) -> Event:
    """Return the event of such a line."""
    said: dict[str, Any] = json.loads(line)
    kind = _KINDS[said.pop("event")]
    if "outputs" in said:
        said["outputs"] = tuple(_output(**output) for output in said["outputs"])
    return kind(**said)


def _output(blob: str, values: list[float], weight: float) -> Output:
    return Output(blob, tuple(values), weight)
