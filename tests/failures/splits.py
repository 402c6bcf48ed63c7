"""Mode 14: one message in many reads, many messages in one; what comes of it is the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lazyipc import IpcServer, Limits, Wire
from lazyipc._core.catalog import Catalog
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import Rejected, Requested
from tests.core.connection_pair import byte_by_byte, cut_at, events_of
from tests.failures.commands import ORDERS, Heard, Order, json_request
from tests.failures.finding import Finding
from tests.harness import RawClient, bare_request, header, request, response, until

CATALOG = Catalog(Order)
AT_ONCE = 200
ODD = [header(5, 9, call=70) + b"hello", header(3, 1, call=71) + b"abc"]
"""Whole frames that are answered with an error, between the others."""


def every_split(folder: Path, *, step: int, pairs_of_cuts: bool) -> Finding:
    """Each message cut at each place, byte by byte, and all of them in one piece, cut anywhere.

    Args:
        step: every how many bytes a message is cut on its way to a server; 1 is each.
        pairs_of_cuts: also each two places at once, into the state machines of both sides.
    """
    streams = messages()
    with ExitStack() as stack:
        limits = Limits(clients=AT_ONCE + 1, accepts_per_poll=AT_ONCE, seconds_per_poll=60)
        server = stack.enter_context(IpcServer(folder / "s", Order, limits=limits, wires=Wire.ALL))
        polls = Polls(server)
        for stream in streams:
            told = polls.answers([[stream]])[0]
            assert told, "a message is not answered"
            splits = [[stream[:cut], stream[cut:]] for cut in range(1, len(stream), step)]
            splits.append(byte_by_byte(stream))
            for answer, pieces in zip(polls.answers(splits), splits, strict=True):
                assert answer == told, f"{stream.hex()} cut after {len(pieces[0])} bytes"
    replies = answers_to_a_client()
    count = sum(map(_check_events, streams)) + sum(map(_check_replies, replies))
    if pairs_of_cuts:
        count += sum(_check_pairs(stream) for stream in streams if len(stream) < 250)
    return Finding(
        f"{len(streams)} requests, alone and together, at each split and byte by byte through a "
        f"server: {polls.connections:,} connections, {polls.polls:,} polls; {len(replies)} replies",
        f"the same answers; and the same events of both state machines for {count:,} cuts",
    )


def messages() -> list[bytes]:
    """Each command on each wire; then all together, as a client that does not wait sends them."""
    framed = [request(order, call) for call, order in enumerate(ORDERS, 1)]
    bare = [bare_request(order, Order) for order in ORDERS]
    lines = [json_request(order, call) for call, order in enumerate(ORDERS, 1)]
    return [*framed, *bare, *ODD, *lines, b"".join([*framed, *ODD]), b"".join(lines)]


# Through a server ---------------------------------------------------------------------------------


class Polls:
    """Sends messages in pieces, one piece a poll, on many connections at once."""

    def __init__(self, server: IpcServer[list[Order]]) -> None:
        self._server = server
        self._ran: list[Order] = []
        self.connections = self.polls = 0

    def answers(self, splits: Sequence[list[bytes]]) -> list[bytes]:
        """All that each connection is answered, where it sends these pieces."""
        found: list[bytes] = []
        for start in range(0, len(splits), AT_ONCE):
            found += self._some(splits[start : start + AT_ONCE])
        return found

    def _some(self, splits: Sequence[list[bytes]]) -> list[bytes]:
        with ExitStack() as stack:
            clients = [stack.enter_context(RawClient(self._server.path)) for _ in splits]
            for pieces in itertools.zip_longest(*splits):
                for one, piece in zip(clients, pieces, strict=True):
                    if piece:
                        one.send(piece)
                self._poll()
            while self._server.wait(0):
                self._poll()
            for one in clients:
                one.pump()
        until(lambda: not self._server.clients, self._poll)
        self.connections += len(clients)
        return [bytes(one.received) for one in clients]

    def _poll(self) -> None:
        self.polls += 1
        self._server.handle_new_messages(self._ran)
        self._ran.clear()


# Into the state machines --------------------------------------------------------------------------


def answers_to_a_client() -> list[bytes]:
    """Replies and errors, as a client receives them: one by one, and all at once."""
    server = ServerConnection(CATALOG, Wire.ALL)
    replies = []
    for stream in [request(order, call) for call, order in enumerate(ORDERS, 1)] + ODD:
        server.receive_data(stream)
        event = server.next_event()
        if isinstance(event, Rejected):
            replies.append(server.fail(event.call, event.error))
        else:
            assert isinstance(event, Requested)
            replies.append(server.respond(event.call, event.command.process([])))
    replies.append(response(ORDERS[0], 999, Heard(words="to nobody")))
    return [*replies, b"".join(replies)]


def _client() -> ClientConnection:
    client = ClientConnection()
    for call, order in enumerate(ORDERS, 1):
        client.request(call, order, None, None)
    for call in (70, 71):
        client.request(call, ORDERS[0], None, None)
    return client


def _server() -> ServerConnection:
    return ServerConnection(CATALOG, Wire.ALL)


def _check_events(stream: bytes) -> int:
    return _check(_server, stream, ([cut] for cut in range(1, len(stream))))


def _check_replies(stream: bytes) -> int:
    return _check(_client, stream, ([cut] for cut in range(1, len(stream))))


def _check_pairs(stream: bytes) -> int:
    return _check(_server, stream, itertools.combinations(range(1, len(stream)), 2))


def _check(make: Any, stream: bytes, cuts: Iterable[Sequence[int]]) -> int:
    """The same events however it is cut; how many cuts there were."""
    told = events_of(make(), [stream])
    assert events_of(make(), byte_by_byte(stream)) == told
    count = 1
    for places in cuts:
        count += 1
        assert events_of(make(), cut_at(stream, places)) == told, f"cut at {places}"
    return count
