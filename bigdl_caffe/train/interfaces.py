"""By which of a host's network interfaces another host is reached."""

from __future__ import annotations

import fcntl
import socket
import struct

_ADDRESS_OF = 0x8915
"""Linux's SIOCGIFADDR: the IPv4 address of an interface."""


def interface_to(host: str) -> str | None:
    """Return the name of the interface by which ``host`` is reached over IPv4.

    None where that cannot be told: the name does not resolve, or the system is not Linux.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))  # sends nothing: it only chooses the way
            address = probe.getsockname()[0]
            names = [name for _, name in socket.if_nameindex()]
            return next((name for name in names if _address(probe, name) == address), None)
    except OSError:
        return None


def _address(probe: socket.socket, interface: str) -> str | None:
    """Return an interface's IPv4 address, None where it has none."""
    try:
        request = struct.pack("256s", interface.encode()[:15])
        answer = fcntl.ioctl(probe.fileno(), _ADDRESS_OF, request)
    except OSError:
        return None
    return socket.inet_ntoa(answer[20:24])
