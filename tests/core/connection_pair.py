"""`ConnectionPair`: a client's and a server's state machine, and no network between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

from lazyipc import U8, U64, Command, Response, Wire
from lazyipc._core.catalog import Catalog, entry_of
from lazyipc._core.connection.client import ClientConnection
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.events import Asked, Failed, Rejected, Requested, Responded
from lazyipc._core.framing import HEADER, NEVER_NS
from lazyipc._core.parts import Parts
from lazyipc.errors import RemoteProtocolError

MOST_EVENTS = 100
"""More than any test sends: a connection that tells so many tells them without end."""

CLOCK = b"clock 01"
OTHER_CLOCK = b"clock 02"

Event = Requested | Asked | Rejected | Responded | Failed
Cut = Callable[[bytes], list[bytes]]


# Messages ----------------------------------------------------------------------------------------


class Answer(Response):
    """What orders are answered with; one root, so that they can be spoken bare."""


class Done(Answer):
    pass


class Total(Answer):
    c: U64


class Said(Answer):
    text: str
    blob: bytes


class Order(Command[list[int]]):
    """Commands of the tests."""


class Stop(Order):
    def process(self, context: list[int]) -> Done:
        return Done()


class Add(Order):
    a: U64
    b: U64

    def process(self, context: list[int]) -> Total:
        return Total(c=(self.a + self.b) % 2**64)


class Say(Order):
    text: str
    blob: bytes = b""

    def process(self, context: list[int]) -> Said:
        return Said(text=self.text, blob=self.blob)


class Ask(Order):
    numbers: list[U8]

    def process(self, context: list[int]) -> Answer:
        return Total(c=sum(self.numbers)) if self.numbers else Done()


orders: st.SearchStrategy[Order] = st.one_of(
    st.builds(Stop),
    st.builds(Add, a=st.integers(0, 2**64 - 1), b=st.integers(0, 2**64 - 1)),
    st.builds(Say, text=st.text(max_size=9), blob=st.binary(max_size=9)),
    st.builds(Ask, numbers=st.lists(st.integers(0, 255), max_size=9)),
)

ORDERS: list[Order] = [
    Stop(),
    Add(a=1, b=2**64 - 1),
    Say(text=""),
    Say(text="größe 🦀", blob=b"\xff\x4c\0"),
    Ask(numbers=[]),
    Ask(numbers=[1, 2, 3]),
]


# Pieces ------------------------------------------------------------------------------------------


def whole(data: bytes) -> list[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def last_byte_apart(data: bytes) -> list[bytes]:
    return [data[:-1], data[-1:]]


def by_threes(data: bytes) -> list[bytes]:
    return [data[place : place + 3] for place in range(0, len(data), 3)]


CUTS: list[Cut] = [whole, byte_by_byte, last_byte_apart, by_threes]


def cut_at(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The pieces between these places."""
    ends = [*sorted({place for place in places if place < len(data)}), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


# Two state machines ------------------------------------------------------------------------------


def each_event(connection: ServerConnection | ClientConnection) -> Iterator[Event]:
    """Event after event until None, "need more"."""
    for _ in range(MOST_EVENTS):
        event = connection.next_event()
        if event is None:
            return
        yield event
    raise AssertionError(f"events without end, such as {event}")


def drain(connection: ServerConnection | ClientConnection) -> list[Any]:
    """All events until None, "need more"."""
    return list(each_event(connection))


def events_of(
    connection: ServerConnection | ClientConnection, pieces: Iterable[bytes]
) -> list[object]:
    """What a connection tells of a stream, in words that can be compared.

    The RemoteProtocolError that ends the stream is the last of them.
    """
    told: list[object] = []
    try:
        for piece in pieces:
            connection.receive_data(piece)
            for event in each_event(connection):
                told.append(in_words(event))
    except RemoteProtocolError as error:
        told.append(("raised", type(error), str(error)))
    return told


def in_words(event: Event) -> object:
    """An event with its error's type and text instead of the error itself."""
    if isinstance(event, Rejected | Failed):
        return type(event), event.call, type(event.error), str(event.error)
    return event


class ConnectionPair:
    """What one side writes, the other receives, cut as asked.

    Args:
        command: the server's command set.
        wire: what the client speaks.
        wires: what the server takes; by default that wire alone.
        cut: how what is written is cut on its way.
        settings: those of the server's connection.
    """

    def __init__(
        self,
        command: Any = Order,
        *,
        wire: Wire = Wire.FRAMED,
        wires: Wire | None = None,
        cut: Cut = whole,
        client_clock: bytes = CLOCK,
        server_clock: bytes = CLOCK,
        client_bytes: int = 1 << 20,
        **settings: Any,
    ) -> None:
        self.client = ClientConnection(wire, message_bytes=client_bytes, clock=client_clock)
        self.server = ServerConnection(
            Catalog(command), wires or wire, clock=server_clock, **settings
        )
        self.cut = cut

    def to_server(self, data: bytes | Parts, now_ns: int = 0) -> list[Any]:
        """The server's events of what the client wrote."""
        events: list[Event] = []
        for piece in self.cut(bytes(data)):
            self.server.receive_data(piece, now_ns)
            events += drain(self.server)
        return events

    def to_client(self, data: bytes | Parts) -> list[Any]:
        """The client's events of what the server wrote."""
        events: list[Event] = []
        for piece in self.cut(bytes(data)):
            self.client.receive_data(piece)
            events += drain(self.client)
        return events

    def ask(self, command: Any, call: int = 1) -> Any:
        """Bring one command to the server; its event there."""
        (event,) = self.to_server(self.client.request(call, command, None, None))
        return event

    def answer(self, call: int, value: Any) -> Any:
        """Bring one response to the client; its event there."""
        (event,) = self.to_client(self.server.respond(call, value))
        return event


def request_bytes(call: int, command: Any) -> bytes:
    """One request, without a deadline."""
    return bytes(ClientConnection().request(call, command, None, None))


def frame_bytes(kind: int, call: int, payload: bytes, *, version: int = 1) -> bytes:
    """Any frame, written without the library's own function."""
    head = b"\xff\x4c" + bytes([version, kind]) + len(payload).to_bytes(4, "little")
    return head + call.to_bytes(8, "little") + payload


def raw_request(call: int, fingerprint: bytes, body: bytes) -> bytes:
    """A request with any fingerprint and any body, without a deadline."""
    never = NEVER_NS.to_bytes(8, "little")
    return frame_bytes(1, call, fingerprint + bytes(8) + never * 2 + body)


def fingerprint_of(command: type) -> bytes:
    return entry_of(command).fingerprint


def body_of(frame: bytes) -> bytes:
    """What a frame carries."""
    return frame[HEADER.size :]
