"""The baselines: what one writes by hand with a socket and struct for the same two integers.

No deadline, no check of who is there, no schema, no half-read message except where the comment
says so: the floor, not a library. A request is a command number and two integers, a reply a result
number and one integer, as bincode would write them.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Sequence

REQUEST = struct.Struct("<IQQ")
REPLY = struct.Struct("<IQ")
ADD = 0
SUM = 0

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


def connect(path: str) -> socket.socket:
    """A connected socket."""
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
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
            _, a, b = REQUEST.unpack(data)
            connected.send(REPLY.pack(SUM, a + b))
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
            connected.sendall(b"".join([REPLY.pack(SUM, a + b) for _, a, b in requests]))
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
            _, a, b = REQUEST.unpack(data)
            clients[fd].send(REPLY.pack(SUM, a + b))


# Clients ---------------------------------------------------------------------------------------


def call(connected: socket.socket, a: int, b: int) -> int:
    """One round trip over a kept connection."""
    connected.send(REQUEST.pack(ADD, a, b))
    _, total = REPLY.unpack(connected.recv(RECEIVE_BYTES))
    return int(total)


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
        connected.sendall(b"".join([REQUEST.pack(ADD, a, b) for a, b in window]))
        totals += _replies(connected, due)
        due = len(window)
    return totals + _replies(connected, due)


def _replies(connected: socket.socket, count: int) -> list[int]:
    parts: list[bytes] = []
    left = count * REPLY.size
    while left:
        parts.append(connected.recv(left))
        left -= len(parts[-1])
    return [total for _, total in REPLY.iter_unpack(b"".join(parts))]
