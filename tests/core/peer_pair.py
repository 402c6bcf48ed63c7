"""`PeerPair`: the state machines of two peers, and no network between them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

from lazyipc import U8, U64, Command, Response, TaggedUnion
from lazyipc._core.connection.peer import PeerConnection
from lazyipc._core.events import Failed, Opened, Rejected
from lazyipc._core.messages import MessageSet
from lazyipc._core.parts import Parts
from lazyipc.errors import IpcError, RemoteError, RemoteProtocolError
from tests.core.connection_pair import CLOCK, MOST_EVENTS, Cut, frame_bytes, whole

KEY = "a key that nobody guesses"


# Messages ----------------------------------------------------------------------------------------


class Word(TaggedUnion):
    """What peers of the tests say; replies are words, too."""


class Hush(Word):
    pass


class Pair(Word):
    a: U64
    b: U64


class Text(Word):
    text: str
    blob: bytes = b""


class Many(Word):
    numbers: list[U8]


words: st.SearchStrategy[Word] = st.one_of(
    st.builds(Hush),
    st.builds(Pair, a=st.integers(0, 2**64 - 1), b=st.integers(0, 2**64 - 1)),
    st.builds(Text, text=st.text(max_size=9), blob=st.binary(max_size=9)),
    st.builds(Many, numbers=st.lists(st.integers(0, 255), max_size=9)),
)

WORDS: list[Word] = [
    Hush(),
    Pair(a=1, b=2**64 - 1),
    Text(text="größe 🦀", blob=b"\xff\x4c\0"),
    Many(numbers=[]),
    Many(numbers=[1, 2, 3]),
]

WORD_SET = MessageSet(Word)


class Answer(Response):
    """What tasks are answered with."""


class Done(Answer):
    pass


class Total(Answer):
    c: U64


class Task(Command):
    """Commands that peers give each other."""


class Stop(Task):
    async def process(self, context: object) -> None: ...


class Add(Task):
    a: U64
    b: U64

    def process(self, context: object) -> Total:
        return Total(c=self.a + self.b)


class Ask(Task):
    numbers: list[U8]

    async def process(self, context: object) -> Answer:
        return Done()


TASK_SET = MessageSet(Task)


# Two state machines ------------------------------------------------------------------------------


def each_event(connection: PeerConnection) -> Iterator[Any]:
    """Event after event until None, "need more"."""
    for _ in range(MOST_EVENTS):
        event = connection.next_event()
        if event is None:
            return
        yield event
    raise AssertionError(f"events without end, such as {event}")


def drain(connection: PeerConnection) -> list[Any]:
    """All events until None, "need more"."""
    return list(each_event(connection))


def events_of(connection: PeerConnection, pieces: Iterable[bytes]) -> list[object]:
    """What a connection tells of a stream, in words that can be compared.

    The error that ends the stream is the last of them.
    """
    told: list[object] = []
    try:
        for piece in pieces:
            connection.receive_data(piece)
            for event in each_event(connection):
                told.append(in_words(event))
    except (RemoteProtocolError, RemoteError) as error:
        told.append(("raised", type(error), str(error)))
        assert connection.next_event() is None
    return told


def in_words(event: Any) -> object:
    """An event with its error's type and text instead of the error itself."""
    if isinstance(event, Rejected | Failed):
        return type(event), event.call, type(event.error), str(event.error)
    return event


class PeerPair:
    """What one side writes, the other receives, cut as asked.

    Args:
        messages: what the server knows, and the client unless it is told otherwise.
        cut: how what is written is cut on its way.
        client, server: settings of one side's connection.
        settings: those of both.
    """

    def __init__(
        self,
        messages: MessageSet = WORD_SET,
        *,
        theirs: MessageSet | None = None,
        cut: Cut = whole,
        client: dict[str, Any] | None = None,
        server: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        both = {"key": KEY, "clock": CLOCK, **settings}
        self.client = PeerConnection(theirs or messages, opens=True, **{**both, **(client or {})})
        self.server = PeerConnection(messages, opens=False, **{**both, **(server or {})})
        self.cut = cut

    def open(self) -> PeerPair:
        """Shake hands, and see that both sides are open."""
        told = self.shake_hands()
        assert [type(event) for event in told] == [Opened, Opened]
        assert self.client.is_open
        assert self.server.is_open
        return self

    def shake_hands(self) -> list[Any]:
        """Let both sides say all they have to say of themselves; the events, errors raised too."""
        self.client.start()
        self.server.start()
        told: list[Any] = []
        while data := self.client.take_output():
            told += self._caught(self.server, data)
            told += self._caught(self.client, self.server.take_output())
        return told

    def _caught(self, to: PeerConnection, data: bytes) -> list[Any]:
        try:
            return self.bring(to, data)
        except IpcError as error:
            return [error]

    def bring(self, to: PeerConnection, data: bytes | Parts, now_ns: int = 0) -> list[Any]:
        """The events of one side of what the other wrote."""
        events = []
        for piece in self.cut(bytes(data)):
            to.receive_data(piece, now_ns)
            events += drain(to)
        return events

    def to_server(self, data: bytes | Parts, now_ns: int = 0) -> Any:
        """The server's one event of what the client wrote."""
        (event,) = self.bring(self.server, data, now_ns)
        return event

    def to_client(self, data: bytes | Parts, now_ns: int = 0) -> Any:
        """The client's one event of what the server wrote."""
        (event,) = self.bring(self.client, data, now_ns)
        return event


def raised(connection: PeerConnection, data: bytes | Parts) -> Exception:
    """The error that ends a connection at these bytes."""
    connection.receive_data(bytes(data))
    try:
        events = drain(connection)
    except IpcError as error:
        return error
    raise AssertionError(f"nothing was raised; events {events}")


# Bytes without the library -----------------------------------------------------------------------


def hello_bytes(messages: MessageSet | None = WORD_SET, **changes: Any) -> bytes:
    """The hello of a client; changed, or with a key left out where its value is ..."""
    told = {
        "version": 1,
        "key": KEY,
        "message_bytes": 1000,
        "calls": 10,
        "in_bytes": 2000,
        "schema": messages.description if messages is not None else None,
        **changes,
    }
    left = {name: value for name, value in told.items() if value is not ...}
    return frame_bytes(10, 0, json.dumps(left).encode())


ACCEPT = frame_bytes(14, 0, b"")
GOODBYE = frame_bytes(13, 0, b"")


def finished(call: int) -> bytes:
    return frame_bytes(15, call, b"")


def cancel(call: int) -> bytes:
    return frame_bytes(5, call, b"")


def open_server(messages: MessageSet = WORD_SET, **settings: Any) -> PeerConnection:
    """A server's side that has shaken hands with somebody whose bytes a test writes."""
    server = PeerConnection(messages, opens=False, key=KEY, clock=CLOCK, **settings)
    server.receive_data(hello_bytes(messages) + ACCEPT)
    assert isinstance(server.next_event(), Opened)
    server.take_output()
    return server
