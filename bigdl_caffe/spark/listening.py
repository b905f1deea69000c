"""What happens in a training, told to the driver while it happens, and what comes of it.

Rank 0 sends each event to a socket of the driver's, and at the end the trained model, which
as a task's result would fill the heaps of executor and driver. It does so as well as it can:
where no connection can be had, or it breaks, both come with Spark's result.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING

from bigdl_caffe.train.event_json import from_json, to_json
from bigdl_caffe.train.events import Event, Observer

if TYPE_CHECKING:
    from bigdl_caffe.model import Model

_SECONDS = 5.0
_EVENTS, _MODEL, _RECEIVED = b"events", b"model", b"received"
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
    file : Path
        Where to put the trained model's bundle.

    Attributes
    ----------
    heard : list of Event
    address : Address
    """

    def __init__(self, host: str, observers: Sequence[Observer], file: Path) -> None:
        self.heard: list[Event] = []
        self._file = file
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
                with connection, connection.makefile("rb") as lines:
                    self._follow(connection, lines)

    def _follow(self, connection: socket.socket, lines: IO[bytes]) -> None:
        """Take what one connection brings, if it begins with the token in time."""
        connection.settimeout(_SECONDS)
        with suppress(OSError, ValueError):  # it broke off, or talks of something else
            token, _, what = lines.readline(64).strip().partition(b" ")
            if not secrets.compare_digest(token, self.address.token.encode()):
                return
            connection.settimeout(None)
            if what == _MODEL:
                with self._file.open("wb") as out:
                    shutil.copyfileobj(lines, out, 1 << 20)
                connection.sendall(_RECEIVED)
                return
            for line in lines:
                if self._over:
                    return
                self.hear(from_json(line.decode()))


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
            line.sendall(b"%b %b\n" % (address.token.encode(), _EVENTS))
        yield Teller(line)


def send_model(address: Address | None, model: Model) -> bool:
    """Send a model's bundle to ``address``; return whether it arrived."""
    if address is None:
        return False
    try:
        with socket.create_connection((address.host, address.port), _SECONDS) as line:
            line.settimeout(None)
            line.sendall(b"%b %b\n" % (address.token.encode(), _MODEL))
            with line.makefile("wb") as out:
                model.write_bundle(out)
            line.shutdown(socket.SHUT_WR)
            return line.recv(len(_RECEIVED)) == _RECEIVED
    except OSError as error:
        _log.warning("the trained model goes to the driver as Spark's result: %s", error)
        return False
