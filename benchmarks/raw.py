"""The baselines: what one writes by hand with a socket and struct for the same two integers.

A request is a command number and two integers, a reply a result number and one integer, as bincode
would write them, each behind its length in bytes; and a client waits no longer than its timeout.
No check of who is there, no schema, no half-read message except where the comment says so: a
floor, not a library. The `lean` ones below do without length and timeout too.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from collections.abc import Callable, Sequence
from time import monotonic

REQUEST = struct.Struct("<IIQQ")
REPLY = struct.Struct("<IIQ")
PREFIX_BYTES = 4
REQUEST_LENGTH = REQUEST.size - PREFIX_BYTES
REPLY_LENGTH = REPLY.size - PREFIX_BYTES
"""What the first number of each says: how many bytes follow."""

ADD = 0
SUM = 0

TIMEOUT_SECONDS = 5.0

RECEIVE_BYTES = 65536
WINDOW_COUNT = 1000
"""Requests a pipelining client writes at once; two windows are under way at a time."""

BACKLOG = 1024


def listen(path: str) -> socket.socket:
    """A listening socket."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(BACKLOG)
    return listener


def connect(path: str, timeout: float | None = TIMEOUT_SECONDS) -> socket.socket:
    """A connected socket."""
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connected.settimeout(timeout)
    connected.connect(path)
    return connected


# Servers: each runs until its process is ended -------------------------------------------------


def serve_in_turn(listener: socket.socket) -> None:
    """Answer one client after the other; a client has one request under way.

    So a message is never cut, and one `recv` is one request.
    """
    while True:
        connected, _ = listener.accept()
        while data := connected.recv(RECEIVE_BYTES):
            connected.send(answer(data))
        connected.close()


def serve_stream(listener: socket.socket) -> None:
    """Answer one pipelining client after the other; a read may end within a request."""
    while True:
        connected, _ = listener.accept()
        rest = b""
        while data := connected.recv(RECEIVE_BYTES):
            data = rest + data
            whole = len(data) - len(data) % REQUEST.size
            requests = REQUEST.iter_unpack(data[:whole])
            rest = data[whole:]
            replies = [REPLY.pack(REPLY_LENGTH, SUM, a + b) for _, _, a, b in requests]
            connected.sendall(b"".join(replies))
        connected.close()


def serve_many(listener: socket.socket) -> None:
    """Answer many clients by epoll; each has one request under way, so one `recv` is one."""
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    clients: dict[int, socket.socket] = {}
    while True:
        for fd, _ in poller.poll():
            if fd == listener.fileno():
                connected, _ = listener.accept()
                clients[connected.fileno()] = connected
                poller.register(connected, select.EPOLLIN)
                continue
            data = clients[fd].recv(RECEIVE_BYTES)
            if not data:
                clients.pop(fd).close()  # which ends its registration too
                continue
            clients[fd].send(answer(data))


def serve_polling(listener: socket.socket) -> None:
    """Answer one client after the other, asking all the time whether something came."""
    while True:
        connected, _ = listener.accept()
        readiness = select.epoll()
        readiness.register(connected, select.EPOLLIN)
        while True:
            if readiness.poll(0):
                data = connected.recv(RECEIVE_BYTES)
                if not data:
                    break
                connected.send(answer(data))
        readiness.close()
        connected.close()


def answer(data: bytes) -> bytes:
    """The reply to a request.

    Raises:
        RuntimeError: the data is not one request.
    """
    length, _, a, b = REQUEST.unpack(data)
    if length != REQUEST_LENGTH:
        raise RuntimeError("not one whole request")
    return REPLY.pack(REPLY_LENGTH, SUM, a + b)


def request(a: int, b: int) -> bytes:
    """A request."""
    return REQUEST.pack(REQUEST_LENGTH, ADD, a, b)


# Clients ---------------------------------------------------------------------------------------


def call(connected: socket.socket, a: int, b: int) -> int:
    """One round trip over a kept connection."""
    connected.send(REQUEST.pack(REQUEST_LENGTH, ADD, a, b))
    length, _, total = REPLY.unpack(connected.recv(RECEIVE_BYTES))
    if length != REPLY_LENGTH:
        raise RuntimeError("not one whole reply")
    return int(total)


def spinner(connected: socket.socket) -> Callable[[int, int], int]:
    """One round trip, asking all the time whether the reply came, until the timeout."""
    readiness = select.poll()
    readiness.register(connected, select.POLLIN)

    def call(a: int, b: int) -> int:
        connected.send(REQUEST.pack(REQUEST_LENGTH, ADD, a, b))
        deadline = monotonic() + TIMEOUT_SECONDS
        while not readiness.poll(0):
            if monotonic() >= deadline:
                raise TimeoutError
        length, _, total = REPLY.unpack(connected.recv(RECEIVE_BYTES))
        if length != REPLY_LENGTH:
            raise RuntimeError("not one whole reply")
        return int(total)

    return call


def call_once(path: str, a: int, b: int) -> int:
    """Connect, one round trip, close."""
    connected = connect(path)
    total = call(connected, a, b)
    connected.close()
    return total


def call_many(connected: socket.socket, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Many requests, the next window written before the last one's replies are read."""
    totals: list[int] = []
    due = 0
    for first in range(0, len(pairs), WINDOW_COUNT):
        window = pairs[first : first + WINDOW_COUNT]
        connected.sendall(b"".join([REQUEST.pack(REQUEST_LENGTH, ADD, a, b) for a, b in window]))
        totals += _replies(connected, due)
        due = len(window)
    return totals + _replies(connected, due)


def _replies(connected: socket.socket, count: int) -> list[int]:
    parts: list[bytes] = []
    left = count * REPLY.size
    while left:
        parts.append(connected.recv(left))
        left -= len(parts[-1])
    return [total for _, _, total in REPLY.iter_unpack(b"".join(parts))]


# A large payload behind its length -------------------------------------------------------------

LENGTH = struct.Struct("<Q")


def serve_echo(listener: socket.socket) -> None:
    """Give one client after the other its payloads back."""
    while True:
        connected, _ = listener.accept()
        with contextlib.suppress(EOFError):
            while True:
                send_payload(connected, receive_payload(connected))
        connected.close()


def send_payload(connected: socket.socket, payload: bytes | bytearray) -> None:
    """Its length, then the payload where it lies."""
    connected.sendall(LENGTH.pack(len(payload)))
    connected.sendall(payload)


def receive_payload(connected: socket.socket) -> bytearray:
    """Receive a payload into its place: nothing is copied but by the kernel.

    Raises:
        EOFError: the other side closed.
    """
    length = connected.recv(LENGTH.size)
    if not length:
        raise EOFError
    payload = bytearray(*LENGTH.unpack(length))
    rest = memoryview(payload)
    while rest:
        rest = rest[connected.recv_into(rest) :]
    return payload


# Lean: no length, no timeout -------------------------------------------------------------------

LEAN_REQUEST = struct.Struct("<IQQ")
LEAN_REPLY = struct.Struct("<IQ")


def serve_lean(listener: socket.socket) -> None:
    """Answer one client after the other with as little as possible."""
    while True:
        connected, _ = listener.accept()
        while data := connected.recv(RECEIVE_BYTES):
            _, a, b = LEAN_REQUEST.unpack(data)
            connected.send(LEAN_REPLY.pack(SUM, a + b))
        connected.close()


def call_lean(connected: socket.socket, a: int, b: int) -> int:
    """One round trip over a kept connection."""
    connected.send(LEAN_REQUEST.pack(ADD, a, b))
    _, total = LEAN_REPLY.unpack(connected.recv(RECEIVE_BYTES))
    return int(total)


def call_once_lean(path: str, a: int, b: int) -> int:
    """Connect, one round trip, close."""
    connected = connect(path, None)
    total = call_lean(connected, a, b)
    connected.close()
    return total
