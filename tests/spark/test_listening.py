"""The driver hears of a training while it goes on, from nobody but the training."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from bigdl_caffe import Model
from bigdl_caffe.spark.listening import Address, Listener, send_model, teller
from bigdl_caffe.train.event_json import from_json, to_json
from bigdl_caffe.train.events import (
    Ended,
    Event,
    Iterated,
    Output,
    Snapshotted,
    Started,
    Tested,
)

OUTPUT = Output("loss", (0.25, float("inf")), 1.0)
EVENTS: list[Event] = [
    Started("net", "SGD", 0, 10, ranks=2, passes=3),
    Iterated(0, 0.5, 0.5, 0.01, (OUTPUT,), 10, 0.1, 0.2, displayed=True),
    Tested(1, 0, (OUTPUT,), None, 7),
    Snapshotted(1, "a.caffemodel", "a.solverstate"),
    Ended(1, "it was asked to"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_are_the_same_after_the_way(event: Event) -> None:
    assert from_json(to_json(event)) == event


def test_the_driver_hears_all_and_does_without_observers_that_raise(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    seen: list[Event] = []

    def fails(event: Event) -> None:
        raise ValueError("not today")

    with Listener("localhost", [fails, seen.append], tmp_path / "model") as listener:
        wrong = Address("localhost", listener.address.port, "another token")
        for address in (wrong, listener.address):
            with teller(address) as tell:
                for event in EVENTS:
                    tell(event)
            assert tell.told == EVENTS
        while len(seen) < len(EVENTS):  # a training lasts longer
            time.sleep(0.01)
    assert listener.heard == seen == EVENTS
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert "not today" in caplog.text


def test_a_model_arrives_whole_or_is_known_to_be_missing(lenet: Model, tmp_path: Path) -> None:
    file = tmp_path / "model.arrow"
    with Listener("localhost", [], file) as listener:
        assert send_model(listener.address, lenet)
        assert Model.open_bundle(file).content_hash == lenet.content_hash
        assert not send_model(Address("localhost", listener.address.port, "another"), lenet)
    assert not send_model(listener.address, lenet)
    assert not send_model(None, lenet)
    with Listener("localhost", [], tmp_path / "no folder" / "model.arrow") as listener:
        assert not send_model(listener.address, lenet)


def test_training_goes_on_where_the_driver_is_out_of_reach() -> None:
    with socket.create_server(("localhost", 0)) as server:
        nowhere = Address("localhost", server.getsockname()[1], "token")
    with teller(nowhere) as tell:
        tell(EVENTS[0])
    assert tell.told == EVENTS[:1]
