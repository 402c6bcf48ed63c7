"""The state machines, bare: one message each way, no frame, no words for an error."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from lazyipc import U8, U16, Command, Wire
from lazyipc._core.catalog import Catalog, bare_pair
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import Requested, Responded
from lazyipc.errors import (
    CommandFailed,
    DecodeError,
    EncodeError,
    LocalProtocolError,
    MessageTooLarge,
    RemoteProtocolError,
    SchemaError,
)
from tests.core.connection_pair import (
    CUTS,
    ORDERS,
    Add,
    Ask,
    ConnectionPair,
    Cut,
    Done,
    Order,
    Said,
    Say,
    Stop,
    Total,
    drain,
    request_bytes,
)

each_cut = pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.__name__)


def bare(command: Any = Order, *, wires: Wire = Wire.ALL, **settings: Any) -> ConnectionPair:
    return ConnectionPair(command, wire=Wire.BARE, wires=wires, **settings)


class Touch(Command):
    """Answered with nothing at all."""

    def process(self, context: object) -> None: ...


class Begin(Touch):
    x: U8


class End(Touch):
    pass


class Lone(BaseModel):
    """A set of one, which has no index."""

    x: U8

    def process(self, context: object) -> U16: ...


class Mute(BaseModel):
    """A set of one without a byte."""

    def process(self, context: object) -> U16: ...


# Calls -------------------------------------------------------------------------------------------


@each_cut
@pytest.mark.parametrize("order", ORDERS, ids=repr)
def test_a_command_and_its_response_arrive_as_they_left(order: Any, cut: Cut) -> None:
    pair = bare(cut=cut)
    assert pair.ask(order, call=7) == Requested(0, order, None)
    assert pair.server.wire is Wire.BARE
    response = order.process([])
    assert pair.answer(0, response) == Responded(7, response)
    assert pair.server.finished
    assert pair.client.open_count == 0


def test_the_bytes_are_those_of_rust() -> None:
    pair = bare()
    request = pair.client.request(1, Add(a=1, b=2), None, None)
    assert request == bytes.fromhex("01000000 0100000000000000 0200000000000000")
    pair.to_server(request)
    assert pair.server.respond(0, Total(c=3)) == bytes.fromhex("01000000 0300000000000000")


def test_a_request_is_told_once() -> None:
    server = ServerConnection(Catalog(Order), Wire.BARE)
    server.receive_data(b"\0\0\0\0")
    assert server.next_event() == Requested(0, Stop(), None)
    assert server.next_event() is None
    server.receive_data(b"and more")
    assert server.next_event() is None


@each_cut
def test_what_stands_behind_the_command_is_not_looked_at(cut: Cut) -> None:
    pair = bare(cut=cut)
    (event,) = pair.to_server(pair.client.request(1, Stop(), None, None) + b"\xff\xff more")
    assert event == Requested(0, Stop(), None)
    assert pair.answer(0, Done()) == Responded(1, Done())


@each_cut
def test_what_stands_behind_the_response_is_not_looked_at(cut: Cut) -> None:
    pair = bare(cut=cut)
    pair.ask(Stop())
    assert pair.to_client(pair.server.respond(0, Done()) + b"more") == [Responded(1, Done())]
    assert pair.client.receive_end() is None


@pytest.mark.parametrize("order", [Begin(x=5), End()])
def test_a_response_of_no_bytes_is_there_when_the_stream_ends(order: Any) -> None:
    pair = bare(Touch)
    assert pair.ask(order) == Requested(0, order, None)
    assert pair.server.respond(0, None) == b""
    assert pair.server.finished
    assert drain(pair.client) == []
    assert pair.client.receive_end() == Responded(1, None)
    assert pair.client.receive_end() is None


def test_a_command_set_of_one_has_no_index() -> None:
    pair = bare(Lone, wires=Wire.BARE)
    assert pair.client.request(1, Lone(x=0xFF), None, None) == b"\xff"
    assert pair.to_server(b"\xff") == [Requested(0, Lone(x=0xFF), None)]
    assert pair.answer(0, 7) == Responded(1, 7)


def test_a_command_of_no_bytes_is_there_at_once() -> None:
    server = ServerConnection(Catalog(Mute), Wire.BARE)
    assert server.next_event() == Requested(0, Mute(), None)
    assert server.respond(0, 7) == b"\7\0"


def test_a_bare_command_has_no_deadline() -> None:
    pair = bare()
    (event,) = pair.to_server(pair.client.request(1, Stop(), 5, 5), 1000)
    assert event.deadline_ns is None


# Half messages -----------------------------------------------------------------------------------


def test_the_server_lacks_a_byte_at_least_while_a_command_is_under_way() -> None:
    request = bare().client.request(1, Say(text="abc"), None, None)
    server = ServerConnection(Catalog(Order), Wire.BARE)
    assert server.wanted_bytes == 0
    for place in range(len(request)):
        assert drain(server) == []
        assert (server.wanted_bytes > 0) == (place > 0)
        server.receive_data(request[place : place + 1])
    assert len(drain(server)) == 1
    assert server.wanted_bytes == 0


def test_a_response_cut_short_is_told_at_the_end() -> None:
    response = b"\1\0\0\0" + bytes(7)
    for length in range(1, len(response) + 1):
        pair = bare()
        pair.ask(Add(a=1, b=2))
        assert pair.to_client(response[:length]) == []
        with pytest.raises(DecodeError):
            pair.client.receive_end()


def test_no_response_at_all_is_none() -> None:
    pair = bare()
    pair.ask(Add(a=1, b=2))
    assert pair.client.receive_end() is None
    assert pair.client.open_count == 1


# Broken rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "received",
    [
        b"\4\0\0\0",
        b"\0\x08\0\0",
        b"\3\0\0\0" + b"\xff" * 8,
        b"\2\0\0\0" + b"\1" + bytes(7) + b"\xff" + bytes(8),
    ],
)
def test_bytes_that_are_no_command_end_the_stream(received: bytes) -> None:
    server = ServerConnection(Catalog(Order), Wire.ALL)
    server.receive_data(received)
    with pytest.raises(RemoteProtocolError):
        drain(server)
    assert server.fail(0, RemoteProtocolError("no")) == b""
    assert server.finished
    assert drain(server) == []


@pytest.mark.parametrize("received", [b"\5\0\0\0", b"\2\0\0\0\1" + bytes(7) + b"\xff" + bytes(8)])
def test_bytes_that_are_no_response_end_the_stream(received: bytes) -> None:
    pair = bare()
    pair.ask(Say(text=""))
    with pytest.raises(DecodeError):
        pair.to_client(received)


def test_a_server_of_frames_alone_refuses_a_bare_client() -> None:
    pair = bare(wires=Wire.FRAMED)
    with pytest.raises(RemoteProtocolError, match="speaks BARE, this server FRAMED"):
        pair.ask(Stop())


def test_one_server_takes_both() -> None:
    for data, wire in ((request_bytes(1, Stop()), Wire.FRAMED), (bytes(4), Wire.BARE)):
        server = ServerConnection(Catalog(Order), Wire.ALL)
        server.receive_data(data)
        assert len(drain(server)) == 1
        assert server.wire is wire


def test_the_elements_of_a_command_are_limited() -> None:
    request = bare().client.request(1, Ask(numbers=[1, 2, 3, 4]), None, None)
    assert bare(elements=4).to_server(request)
    with pytest.raises(MessageTooLarge) as caught:
        bare(elements=3).to_server(request)
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (4, 3)


def test_a_command_of_the_largest_size_is_taken_and_no_larger_one() -> None:
    overhead = 4 + 8 + 8
    fitting = bare().client.request(1, Say(text="x" * (100 - overhead)), None, None)
    assert len(fitting) == 100
    assert bare(message_bytes=100).to_server(fitting)
    larger = bare().client.request(1, Say(text="x" * (101 - overhead)), None, None)
    with pytest.raises(MessageTooLarge):
        bare(message_bytes=100).to_server(larger[:-8])


def test_a_response_of_the_largest_size_is_taken_and_no_larger_one() -> None:
    overhead = 4 + 8 + 8
    for size, fits in ((100, True), (101, False), (108, False)):
        pair = bare(client_bytes=100)
        pair.ask(Say(text=""))
        response = pair.server.respond(0, Said(text="x" * (size - overhead), blob=b""))
        assert len(response) == size
        if fits:
            assert len(pair.to_client(response)) == 1
        else:
            with pytest.raises(MessageTooLarge):
                pair.to_client(response)


def test_a_response_over_the_servers_limit_leaves_the_call_open() -> None:
    pair = bare(message_bytes=100)
    pair.ask(Say(text=""))
    with pytest.raises(MessageTooLarge):
        pair.server.respond(0, Said(text="x" * 101, blob=b""))
    assert not pair.server.finished
    assert pair.answer(0, Said(text="", blob=b""))


# Our own mistakes --------------------------------------------------------------------------------


def test_a_failure_is_an_end_without_a_word() -> None:
    pair = bare()
    pair.ask(Stop())
    assert pair.server.fail(0, CommandFailed("no")) == b""
    assert pair.server.finished
    assert pair.client.receive_end() is None


def test_a_request_is_answered_once() -> None:
    pair = bare()
    pair.ask(Stop())
    pair.server.respond(0, Done())
    with pytest.raises(LocalProtocolError):
        pair.server.respond(0, Done())
    unasked = ServerConnection(Catalog(Order), Wire.BARE)
    with pytest.raises(LocalProtocolError):
        unasked.respond(0, Done())


def test_a_connection_carries_one_request() -> None:
    pair = bare()
    pair.client.request(1, Stop(), None, None)
    with pytest.raises(LocalProtocolError, match="one request"):
        pair.client.request(2, Stop(), None, None)


@pytest.mark.parametrize("value", [None, 5, Add(a=1, b=2)])
def test_a_response_of_no_variant_leaves_the_call_open(value: Any) -> None:
    pair = bare()
    pair.ask(Stop())
    with pytest.raises(EncodeError, match="Done"):
        pair.server.respond(0, value)
    assert pair.answer(0, Done()) == Responded(1, Done())


def test_a_response_declared_otherwise_is_refused_as_on_the_other_wire() -> None:
    """Bare, any variant of the family would do for the bytes, not for who declared one."""
    pair = bare()
    pair.ask(Add(a=1, b=2))
    with pytest.raises(EncodeError):
        pair.server.respond(0, Done())


def test_a_command_that_does_not_fit_leaves_nothing_open() -> None:
    client = ClientConnection(Wire.BARE)
    with pytest.raises(EncodeError, match="a: "):
        client.request(1, Add.model_construct(a=-1, b=0), None, None)
    assert client.open_count == 0
    assert client.request(1, Stop(), None, None) == bytes(4)


def test_a_forgotten_response_is_dropped() -> None:
    pair = bare()
    pair.ask(Stop())
    pair.client.forget(1)
    assert pair.to_client(pair.server.respond(0, Done())) == []
    assert pair.client.receive_end() is None


# Sets that cannot be spoken bare -----------------------------------------------------------------


class Mixed(Command):
    pass


class Left(Mixed):
    def process(self, context: object) -> U8: ...


class Right(Mixed):
    def process(self, context: object) -> str: ...


def test_a_set_with_two_response_types_is_refused() -> None:
    with pytest.raises(SchemaError, match="one response type"):
        Catalog(Mixed).check_bare(Wire.BARE)
    with pytest.raises(SchemaError, match="one response type"):
        ClientConnection(Wire.BARE).request(1, Left(), None, None)


@pytest.mark.parametrize("wires", [Wire.ALL, Wire.BARE | Wire.FRAMED])
def test_a_set_of_one_is_bare_alone_or_not_at_all(wires: Wire) -> None:
    with pytest.raises(SchemaError, match="Lone is a set of one"):
        Catalog(Lone).check_bare(wires)
    Catalog(Lone).check_bare(Wire.BARE)


@pytest.mark.parametrize("wires", [Wire.ALL, Wire.BARE])
def test_a_family_with_one_response_root_is_bare_beside_others(wires: Wire) -> None:
    Catalog(Order).check_bare(wires)
    assert bare_pair(Order).command.encode(Stop()) == bytes(4)
