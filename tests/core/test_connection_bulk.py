"""Large frames: taken in where they stay, in any mixture of ways, to the same events."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from lazyipc import I64, U8, Command, Response
from lazyipc._core.catalog import Catalog
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import Failed, Rejected, Requested, Responded
from lazyipc._core.parts import LARGE_BYTES, Parts
from tests.core.connection_pair import (
    each_event,
    fingerprint_of,
    frame_bytes,
    in_words,
    raw_request,
)

SIZE = 3 * LARGE_BYTES
BLOB = random.Random(1).randbytes(SIZE)


class Answer(Response):
    pass


class Given(Answer):
    name: str
    data: bytes


class Order(Command[None]):
    pass


class Last(Order):
    """What ends with its bytes: they are taken as they came."""

    name: str
    flags: list[U8]
    data: bytes

    def process(self, context: None) -> Given:
        return Given(name=self.name, data=self.data)


class First(Order):
    data: bytes
    name: str

    def process(self, context: None) -> bytes:
        return self.data


class Both(Order):
    one: bytes
    two: bytes | None

    def process(self, context: None) -> None: ...


class Words(Order):
    text: str

    def process(self, context: None) -> str:
        return self.text


class Numbers(Order):
    numbers: list[I64]

    def process(self, context: None) -> list[I64]:
        return self.numbers


class Small(Order):
    number: U8

    def process(self, context: None) -> None: ...


ORDERS: list[Order] = [
    Last(name="n", flags=[1, 2], data=BLOB),
    Last(name="é" * 3000, flags=[0] * 200, data=BLOB),
    Last(name="x" * SIZE, flags=[], data=b"short"),
    First(data=BLOB, name="end"),
    Both(one=b"", two=BLOB),
    Both(one=BLOB, two=None),
    Both(one=BLOB, two=BLOB),
    Words(text="é" * SIZE),
    Numbers(numbers=list(range(SIZE // 8))),
]


def text_frame(body: bytes) -> bytes:
    return raw_request(2, fingerprint_of(Words), body)


def counted(count: int, data: bytes) -> bytes:
    return count.to_bytes(8, "little") + data


ODD: dict[str, bytes] = {
    "no UTF-8": text_frame(counted(SIZE, b"a" * (SIZE - 1) + b"\xff")),
    "bytes left over": text_frame(counted(SIZE, b"a" * (SIZE + 1))),
    "a count too large": text_frame(counted(SIZE + 1, b"a" * SIZE)),
    "no such command": raw_request(2, b"unknown!", BLOB),
    "no such kind": frame_bytes(9, 2, BLOB),
    "a length within the bytes": text_frame(
        counted(SIZE, b"a" * 4096 + counted(SIZE - 4104, BLOB))
    ),
}

Feed = Callable[[ServerConnection | ClientConnection, bytes], list[object]]


def plainly(connection: ServerConnection | ClientConnection, stream: bytes) -> list[object]:
    """All at once."""
    connection.receive_data(stream)
    return [in_words(event) for event in each_event(connection)]


def into_place(most: int, seed: int = 0) -> Feed:
    """As a driver does: into the place there is, or as a piece; with a seed, now and then a piece
    where there is a place."""

    def feed(connection: ServerConnection | ClientConnection, stream: bytes) -> list[object]:
        dice, told, at, placed = random.Random(seed), [], 0, 0
        while at < len(stream):
            space = connection.space()
            if space is None or (seed and dice.random() < 0.1):
                piece = stream[at : at + (dice.randrange(1, most) if seed else most)]
                at += len(piece)
                connection.receive_data(piece)
            else:
                count = min(len(space), most, len(stream) - at)
                space[:count] = stream[at : at + count]
                at += count
                placed += count
                connection.received(count)
            told += [in_words(event) for event in each_event(connection)]
            assert len(connection.buffer) <= at
        assert seed or placed > SIZE / 2, "no place was offered"
        return told

    return feed


WAYS: dict[str, Feed] = {
    "into place": into_place(LARGE_BYTES),
    "into place, in small steps": into_place(5000),
    **{f"mixed {seed}": into_place(20_000, seed) for seed in range(1, 6)},
}
each_way = pytest.mark.parametrize("feed", WAYS.values(), ids=WAYS)


def server() -> ServerConnection:
    return ServerConnection(Catalog(Order), wires=ClientConnection().wire)


def requests(*orders: Order) -> bytes:
    client = ClientConnection()
    asked = [client.request(call, order, None, None) for call, order in enumerate(orders, 1)]
    return b"".join(map(bytes, asked))


@each_way
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_a_request_comes_as_it_was_sent(order: Order, feed: Feed) -> None:
    small = Small(number=1)
    told = feed(server(), requests(small, order, small, order, small))
    assert [event.command for event in told] == [small, order, small, order, small]  # type: ignore[attr-defined]
    assert all(isinstance(event, Requested) for event in told)


@each_way
@pytest.mark.parametrize("stream", ODD.values(), ids=ODD)
def test_an_odd_frame_is_told_of_as_if_it_came_at_once(stream: bytes, feed: Feed) -> None:
    stream = requests(Small(number=1)) + stream
    expected = plainly(server(), stream)
    assert feed(server(), stream) == expected
    assert [told[0] for told in expected[1:]] in ([Rejected], [])  # type: ignore[index]


@each_way
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_a_response_comes_as_it_was_sent(order: Any, feed: Feed) -> None:
    client, asked = ClientConnection(), server()
    asked.receive_data(b"".join(bytes(client.request(c, order, None, None)) for c in (1, 2, 3)))
    value = order.process(None)
    stream = b""
    for event in each_event(asked):
        stream += bytes(asked.respond(event.call, value))  # type: ignore[union-attr]
    client.forget(2)
    if len(stream) < SIZE:
        feed = plainly
    assert feed(client, stream) == [Responded(1, value), Responded(3, value)]
    assert len(client.buffer) == 0


def test_a_bad_response_is_told_of() -> None:
    client, asked = ClientConnection(), server()
    order = Words(text="a" * SIZE)
    asked.receive_data(bytes(client.request(1, order, None, None)))
    assert asked.next_event() == Requested(1, order, None)
    stream = bytes(asked.respond(1, order.text))[:-1] + b"\xff"
    (told,) = into_place(LARGE_BYTES)(client, stream)
    assert told[0] is Failed  # type: ignore[index]
    assert f"offset {8 + SIZE - 1}" in told[3] or "UTF-8" in told[3]  # type: ignore[index]


def test_a_large_part_is_sent_from_where_it_lies() -> None:
    client, asked = ClientConnection(), server()
    order = Last(name="n", flags=[], data=BLOB)
    sent = client.request(1, order, None, None)
    assert isinstance(sent, Parts)
    assert sent.pieces[-1] is BLOB
    asked.receive_data(bytes(sent))
    asked.next_event()
    answered = asked.respond(1, Given(name="n", data=BLOB))
    assert isinstance(answered, Parts)
    assert [part is BLOB for part in answered.pieces] == [False, True]


def test_what_is_small_is_sent_in_one_piece() -> None:
    order = Last(name="n", flags=[], data=bytes(LARGE_BYTES - 1))
    assert type(ClientConnection().request(1, order, None, None)) is bytes


def test_bytes_at_the_end_are_copied_by_nobody() -> None:
    """Of all that a frame is while it comes and is decoded, its bytes are there once."""
    blob = bytes(5 * 2**20)
    stream = requests(Last(name="n", flags=[1], data=blob))
    connection = server()
    connection.receive_data(requests(Small(number=1)))
    assert connection.next_event() == Requested(1, Small(number=1), None)
    connection.respond(1, None)
    del blob
    tracemalloc.start()
    try:
        told = []
        connection.receive_data(stream[:60_000])
        at = 60_000
        assert connection.next_event() is None
        while at < len(stream):
            space = connection.space()
            assert space is not None
            space[:] = memoryview(stream)[at : at + len(space)]
            at += len(space)
            connection.received(len(space))
            del space
            told += list(each_event(connection))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(told) == 1
    assert peak < 1.2 * len(stream)
    assert len(connection.buffer) == len(connection.buffer.data) == 0, "it is kept"
