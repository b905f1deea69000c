"""What happens in a training, told to the driver while it happens.

Rank 0 sends each event to a socket of the driver's. It does so as well as it can: where no
connection can be had, or it breaks, training goes on, and the events come with the result.
"""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import IO

from bigdl_caffe.train.event_json import from_json, to_json
from bigdl_caffe.train.events import Event, Observer

_SECONDS = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Address:
    """Where events are to be sent, and the word that opens the door."""

    host: str
    port: int
    token: str


class Listener:
    """Hears the events of one training on the driver, and passes them to observers.

    Parameters
    ----------
    host : str
        By which the executors know the driver.
    observers : sequence of callable
        One that raises is left out from then on, and the log says why.

    Attributes
    ----------
    heard : list of Event
    address : Address
    """

    def __init__(self, host: str, observers: Sequence[Observer]) -> None:
        self.heard: list[Event] = []
        self._observers = list(observers)
        self._over = False
        self._socket = socket.create_server(("", 0))
        self.address = Address(host, self._socket.getsockname()[1], secrets.token_hex(16))
        self._thread = Thread(target=self._listen, name="bigdl-caffe-events", daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # it may be closed already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(_SECONDS)
        self._over = True  # a connection that has not ended by now has lost its other end

    def hear(self, event: Event) -> None:
        """Note an event, and tell the observers."""
        self.heard.append(event)
        for observer in tuple(self._observers):
            try:
                observer(event)
            except Exception:  # somebody else's code, which must not end a training
                _log.exception("%r is not told of the training any more: it raised", observer)
                self._observers.remove(observer)

    def _listen(self) -> None:
        with suppress(OSError):  # the socket is closed: nobody listens any more
            while True:
                connection, _ = self._socket.accept()
                with connection, connection.makefile("r", encoding="utf-8") as lines:
                    self._follow(connection, lines)

    def _follow(self, connection: socket.socket, lines: IO[str]) -> None:
        """Take the events of one connection, if it begins with the token in time."""
        connection.settimeout(_SECONDS)
        with suppress(OSError, ValueError):  # it broke off, or talks of something else
            if not secrets.compare_digest(lines.readline(64).strip(), self.address.token):
                return
            connection.settimeout(None)
            for line in lines:
                if self._over:
                    return
                self.hear(from_json(line))


class Teller:
    """Observer on rank 0 that keeps every event, and sends it to a `Listener`.

    Attributes
    ----------
    told : list of Event
    """

    def __init__(self, line: socket.socket | None) -> None:
        self.told: list[Event] = []
        self._line = line

    def __call__(self, event: Event) -> None:
        """Send ``event``; after a failure, no more."""
        self.told.append(event)
        if self._line is None:
            return
        try:
            self._line.sendall(f"{to_json(event)}\n".encode())
        except OSError as error:
            _log.warning("the driver hears of the training at its end only: %s", error)
            self._line = None


@contextmanager
def teller(address: Address | None) -> Iterator[Teller]:
    """Give a `Teller` that is connected to ``address``, if that can be reached."""
    if address is None:
        yield Teller(None)
        return
    try:
        line = socket.create_connection((address.host, address.port), _SECONDS)
    except OSError:
        yield Teller(None)
        return
    with line:
        with suppress(OSError):  # the first event finds out
            line.sendall(f"{address.token}\n".encode())
        yield Teller(line)
