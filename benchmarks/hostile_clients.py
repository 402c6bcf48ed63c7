"""Six kinds of clients no server would wish for, all in one process that never sleeps.

Each client does one thing a turn and never waits: sockets are non-blocking, and whatever the
server does to one of them only makes it begin anew.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import struct
from abc import abstractmethod

EACH_KIND = 20

HEADER_BYTES = 16
FIELDS_START = 48
"""Where a request's first field stands; docs/protocol.md."""

FRAME_START = b"\xffL\x01\x01"
"""Of a request, as docs/protocol.md has it: magic, version, kind; then the payload's length."""

HALF_BYTES = 1 << 20
"""What a half-sender says its message has."""

RECEIVE_BYTES = 1 << 20
FLOOD_COUNT = 100
"""Requests a flooder writes at once."""


class Hostile:
    """One client.

    Args:
        path: the server's socket.
        request: the bytes of a small request.
        large: those of a request for a large reply.
        text: those of a request whose first field is a string.
    """

    def __init__(self, path: str, request: bytes, large: bytes, text: bytes) -> None:
        self.path = path
        self.request = request
        self.large = large
        self.text = text
        self.connected: socket.socket | None = None

    def turn(self) -> None:
        """Do one thing; connect first, again if the server closed."""
        try:
            if self.connected is None:
                self.begin()
            else:
                self.act(self.connected)
        except BlockingIOError:
            pass
        except OSError:
            self.end()

    def begin(self) -> None:
        """Connect."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            made.connect(self.path)
        except BaseException:
            made.close()
            raise
        self.connected = made

    def end(self) -> None:
        """Close, to connect again in the next turn."""
        if self.connected is not None:
            self.connected.close()
            self.connected = None

    @abstractmethod
    def act(self, connected: socket.socket) -> None:
        """Do one thing."""


class Silent(Hostile):
    """Connects and says nothing."""

    def act(self, connected: socket.socket) -> None:
        """Notice only that the server closed."""
        if not connected.recv(1):
            self.end()


class HalfSender(Hostile):
    """Begins a message of a mebibyte and sends a byte of it now and then."""

    def begin(self) -> None:
        """Connect, and begin."""
        super().begin()
        assert self.connected is not None
        self.connected.send(FRAME_START + HALF_BYTES.to_bytes(4, "little"))

    def act(self, connected: socket.socket) -> None:
        """Send one byte."""
        connected.send(b"\0")


class Flooder(Hostile):
    """Sends small requests as fast as they are taken."""

    def begin(self) -> None:
        """Connect."""
        super().begin()
        self._flood = self.request * FLOOD_COUNT
        self._unsent = b""

    def act(self, connected: socket.socket) -> None:
        """Write what the kernel takes, and throw away what came."""
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent or self._flood
            self._unsent = self._unsent[connected.send(self._unsent) :]
        if not connected.recv(RECEIVE_BYTES):
            self.end()


class Garbler(Hostile):
    """Sends what is no message, or one that announces far too much, and comes again."""

    def begin(self) -> None:
        """Connect, and send it."""
        super().begin()
        assert self.connected is not None
        self.connected.send(self._bytes())

    def act(self, connected: socket.socket) -> None:
        """Come again once the server has said something of it, or closed."""
        connected.recv(RECEIVE_BYTES)
        self.end()

    def _bytes(self) -> bytes:
        request, text = self.request, self.text
        return _DICE.choice(
            (
                _DICE.randbytes(_DICE.randrange(1, 4096)),
                FRAME_START + b"\xff" * 12,  # 4 GiB are to follow
                b"\xffL\x01\x63" + struct.pack("<IQ", 0, 0),  # no such kind, under no call
                b"\xffL\x63\x01" + request[4:],  # another version
                request[:HEADER_BYTES] + bytes(8) + request[HEADER_BYTES + 8 :],  # no such command
                text[:FIELDS_START] + b"\xff" * 8 + text[FIELDS_START + 8 :],  # a string of 16 EiB
                b'{"Add":{"a":' + b"[" * 2000 + b"\n",
            )
        )


class NeverReader(Hostile):
    """Asks for large replies and takes none."""

    def act(self, connected: socket.socket) -> None:
        """Ask."""
        connected.send(self.large)


class Dier(Hostile):
    """Sends a request up to some byte, another one each time, and dies there."""

    _cuts = itertools.count()

    def act(self, connected: socket.socket) -> None:
        """Send a part and close."""
        connected.send(self.request[: next(self._cuts) % (len(self.request) + 1)])
        self.end()


_DICE = random.Random(1)
KINDS: tuple[type[Hostile], ...] = (Silent, HalfSender, Flooder, Garbler, NeverReader, Dier)


def run(path: str, request: bytes, large: bytes, text: bytes) -> None:
    """So many of each kind, in turn, until the process is ended."""
    clients = [kind(path, request, large, text) for _ in range(EACH_KIND) for kind in KINDS]
    while True:
        for client in clients:
            client.turn()
