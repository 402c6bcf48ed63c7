"""Many commands under way: one client that pipelines, and sixteen with one command each."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator
from typing import Self

from benchmarks import peers, raw
from benchmarks.messages import Add, Sum
from benchmarks.rounds import Row, interleave, rate_row, speed_row, timed
from lazyipc import IpcClient
from lazyipc.bincode import encode

PIPELINED_PER_ROUND = 5000
CONNECTIONS = 16
EXCHANGES_PER_ROUND = 500
RECEIVE_BYTES = 65536


def pipelined(seconds: float) -> Iterator[Row]:
    """`send_many` by one client, on one core and on all."""
    with peers.one_core():
        yield _pipelined_row("pipelined, one core", seconds)
    yield _pipelined_row("pipelined, all cores", seconds)


def _pipelined_row(name: str, seconds: float) -> Row:
    commands = [Add(a=number, b=2) for number in range(PIPELINED_PER_ROUND)]
    pairs = [(number, 2) for number in range(PIPELINED_PER_ROUND)]
    with (
        peers.lazyipc_server() as our_path,
        peers.raw_server(raw.serve_stream) as raw_path,
        IpcClient(our_path) as client,
        raw.connect(raw_path) as connected,
    ):
        if [reply.c for reply in client.send_many(commands)] != raw.call_many(connected, pairs):
            raise RuntimeError("a wrong sum came back")
        pair = interleave(
            lambda: timed(lambda: client.send_many(commands), PIPELINED_PER_ROUND),
            lambda: timed(lambda: raw.call_many(connected, pairs), PIPELINED_PER_ROUND),
            seconds,
        )
    return rate_row(name, pair, at_least_per_second=300_000)


def sixteen(seconds: float) -> Iterator[Row]:
    """Sixteen connections, one command under way on each: one load generator, both servers."""
    with (
        peers.lazyipc_server() as our_path,
        peers.raw_server(raw.serve_many) as raw_path,
        _Load(our_path, *_our_exchange(our_path)) as ours,
        _Load(raw_path, raw.request(1, 2), raw.answer(raw.request(1, 2))) as bare,
    ):
        pair = interleave(ours.round, bare.round, seconds)
    yield speed_row(f"{CONNECTIONS} connections, all cores", pair, at_least=0.9)


def _our_exchange(path: str) -> tuple[bytes, bytes]:
    """The bytes of a request, and of its reply as the server writes it."""
    request = peers.request_bytes(Add(a=1, b=2))
    with raw.connect(path) as connected:
        connected.send(request)
        reply = connected.recv(RECEIVE_BYTES)
    if not reply.endswith(encode(Sum(c=3))):
        raise RuntimeError("a wrong sum came back")
    return request, reply


class _Load:
    """Connections that send the same bytes again and again, each after its reply."""

    def __init__(self, path: str, request: bytes, reply: bytes) -> None:
        self._request = request
        self._reply = reply
        self._stack = contextlib.ExitStack()
        self._poller = self._stack.enter_context(select.epoll())
        self._sockets: dict[int, socket.socket] = {}
        for _ in range(CONNECTIONS):
            connected = self._stack.enter_context(raw.connect(path))
            self._sockets[connected.fileno()] = connected
            self._poller.register(connected, select.EPOLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def round(self) -> float:
        """Seconds one exchange took."""
        return timed(self._exchange, EXCHANGES_PER_ROUND)

    def _exchange(self) -> None:
        request, reply, sockets = self._request, self._reply, self._sockets
        for connected in sockets.values():
            connected.send(request)
        unsent = EXCHANGES_PER_ROUND - CONNECTIONS
        unanswered = EXCHANGES_PER_ROUND
        while unanswered:
            for fd, _ in self._poller.poll():
                if sockets[fd].recv(RECEIVE_BYTES) != reply:
                    raise RuntimeError("a wrong reply came back")
                unanswered -= 1
                if unsent:
                    unsent -= 1
                    sockets[fd].send(request)
