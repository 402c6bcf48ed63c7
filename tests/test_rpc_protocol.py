"""The section "RPC" of docs/protocol.md, held against lazyipc.rpc by a peer written from it alone.

The peer blocks, so it has a thread of its own; the library's side has the loop.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import math
import os
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from examples.rpc import server as example
from examples.rpc.messages import (
    ASandwich,
    Good,
    GoodToHear,
    HowAreYou,
    MakeMeASandwich,
    Message,
    SandwichComponent,
)
from examples.rpc.orders import Talk, Work
from examples.simple.commands import ClientCommand
from lazyipc import (
    U64,
    Command,
    CommandFailed,
    Disconnected,
    IpcServer,
    MessageTooLarge,
    NotPermitted,
    RemoteError,
    RemoteProtocolError,
    ReplyTimeout,
    SchemaMismatch,
)
from lazyipc._io.clock import clock_identity
from lazyipc.rpc import RpcClient, RpcLimits, RpcPeer, RpcProcess, RpcServer
from tests import independent_peer as wire
from tests.harness import DEADLINE_SECONDS, ROOT
from tests.independent_peer import (
    ACCEPT,
    CANCEL,
    ERROR,
    FINISHED,
    GOODBYE,
    HELLO,
    NOTIFY,
    REQUEST,
    RESPONSE,
    Frame,
    Peer,
)
from tests.rpc.loops import run
from tests.rpc.messages import Answer, Said, Sum

T = TypeVar("T")

PARTS = ["BREAD", "PEANUT_BUTTER", "JELLY"]
MESSAGES: list[Any] = [
    ["message", "HowAreYou", []],
    ["message", "Good", []],
    ["message", "GoodToHear", []],
    ["message", "MakeMeASandwich", []],
    ["message", "ASandwich", [["parts", ["vec", ["enum", PARTS]]]]],
]
PRIMES = ["response", "Primes", [["count", "u64"]]]
TALK: list[Any] = [
    ["command", "CountPrimes", [["below", "u64"]], PRIMES],
    ["command", "SetChunk", [["size", "u64"]], "unit"],
    ["command", "Progress", [["done", "u64"], ["total", "u64"]], "unit"],
]
TALK_REPLIES = [PRIMES, ["type", "unit"]]
BOTH = SandwichComponent.BREAD, SandwichComponent.JELLY

Script = Callable[[Peer, str], T]
"""What the independent peer does; the text is the token of the server's key."""


def read_key(key: str) -> tuple[str, bytes]:
    """The token and the path in a key, as the page has it."""
    scheme, token, path = key.split(":", 2)
    assert scheme == "lazyipc-rpc"
    first, *escaped = path.split("%")
    pieces = [bytes.fromhex(piece[:2]) + piece[2:].encode() for piece in escaped]
    return token, b"".join([first.encode(), *pieces])


@contextlib.contextmanager
def peer_of(stream: socket.socket, *descriptions: Any) -> Iterator[Peer]:
    with stream:
        stream.settimeout(DEADLINE_SECONDS)
        peer = Peer(stream, *(descriptions or (MESSAGES,)))
        with peer.incoming:
            yield peer


def is_at_end(peer: Peer) -> bool:
    """Wait for the end of the stream, behind which nothing may stand."""
    try:
        return peer.incoming.read(1) == b""
    except ConnectionResetError:  # closed with bytes unread
        return True


# A client of an RpcServer -------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def client_of(
    server: RpcServer[Any], script: Script[T], *descriptions: Any
) -> AsyncIterator[asyncio.Task[T]]:
    """A client of a server that does this meanwhile, and is over with the block."""

    def talk() -> T:
        token, path = read_key(str(server.key))
        stream = socket.socket(socket.AF_UNIX)
        with peer_of(stream, *descriptions) as peer:
            stream.connect(path)
            return script(peer, token)

    task = asyncio.create_task(asyncio.to_thread(talk))
    try:
        yield task
    finally:
        await asyncio.wait([task])
    await task


def as_client(
    script: Script[T],
    handler: Any = example.handler,
    *,
    message: Any = Message,
    descriptions: Any = (),
    status: str = "",
    **settings: Any,
) -> T:
    """Do this as the client of a server; what it returns.

    Args:
        status: how the connection must end; a client that has left before the server's next turn
            is given to nobody, so this is not asked of each.
    """

    async def main() -> T:
        async with (
            RpcServer(message, handler, **settings) as server,
            client_of(server, script, *descriptions) as talk,
        ):
            if status:
                peer = await server.wait_for_client(DEADLINE_SECONDS)
                assert (await peer.wait_closed()).kind == status
            await asyncio.wait([talk])
            assert server.peers == ()
        return await talk

    result: T = run(main)
    return result


def test_a_client_in_the_place_of_the_examples_client(capsys: pytest.CaptureFixture[str]) -> None:
    def script(peer: Peer, token: str) -> list[Frame]:
        peer.join(token)
        came = []
        for kind, name in (
            (REQUEST, "HowAreYou"),
            (NOTIFY, "GoodToHear"),
            (REQUEST, "MakeMeASandwich"),
        ):
            peer.begin(kind, name)
            came.append(peer.next())
        peer.write(GOODBYE, 0)
        assert is_at_end(peer)
        return came

    assert as_client(script) == [
        (RESPONSE, 1, ("Good",)),
        (FINISHED, 2, None),
        (RESPONSE, 3, ("ASandwich", ["BREAD", "PEANUT_BUTTER", "JELLY", "BREAD"])),
    ]
    assert capsys.readouterr().out.count("message from client") == 3


def test_the_servers_hello() -> None:
    def script(peer: Peer, token: str) -> dict[str, Any]:
        peer.join(token)
        peer.write(GOODBYE, 0)
        return peer.theirs

    limits = RpcLimits(message_bytes=1000, calls_per_peer=7, in_bytes=3000)
    hello = as_client(script, limits=limits)
    told = json.loads(hello.pop("schema"))
    assert hello == {"version": 1, "message_bytes": 1000, "calls": 7, "in_bytes": 3000}
    assert told == {
        "version": 1,
        "messages": [{"name": name, "fields": fields} for _, name, fields in MESSAGES],
    }


def test_a_server_asks_its_client() -> None:
    """The handler asks back three times before it answers."""
    heard: list[Any] = []

    async def handler(message: Message, peer: RpcPeer[Message]) -> Message:
        heard.append(await peer.send(MakeMeASandwich()))
        try:
            await peer.send(HowAreYou())
        except RemoteError as error:
            heard.append((type(error), error.kind, error.message))
        try:
            await peer.send(Good(), timeout=0.05)
        except ReplyTimeout as error:
            heard.append(error.started)
        await peer.notify(GoodToHear())
        return Good()

    def script(peer: Peer, token: str) -> None:
        peer.join(token)
        peer.begin(REQUEST, "HowAreYou")
        assert peer.next() == (REQUEST, 1, ("MakeMeASandwich",))
        peer.respond(1, "ASandwich", ["BREAD", "JELLY"])
        assert peer.next() == (REQUEST, 2, ("HowAreYou",))
        peer.fail(2, 2, "Mood", "not so well", "{}")
        assert peer.next() == (REQUEST, 3, ("Good",))
        peer.write(FINISHED, 3)
        assert peer.next() == (NOTIFY, 4, ("GoodToHear",))
        peer.write(FINISHED, 4)
        assert peer.next() == (RESPONSE, 1, ("Good",))
        peer.write(GOODBYE, 0)

    as_client(script, handler)
    assert heard == [ASandwich(parts=list(BOTH)), (CommandFailed, "Mood", "not so well"), "yes"]


def test_a_cancel_stops_the_handler_and_the_call_is_ended_all_the_same() -> None:
    stopped: list[Message] = []

    async def handler(message: Message, peer: RpcPeer[Message]) -> Message:
        if isinstance(message, MakeMeASandwich):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                stopped.append(message)
                raise
        return Good()

    def script(peer: Peer, token: str) -> None:
        peer.join(token)
        for kind in (REQUEST, NOTIFY):
            slow = peer.begin(kind, "MakeMeASandwich")
            quick = peer.begin(REQUEST, "HowAreYou")  # answered before what was asked first
            assert peer.next() == (RESPONSE, quick, ("Good",))
            peer.write(CANCEL, slow)
            peer.write(CANCEL, quick)  # which has ended: passed over
            assert peer.next() == (FINISHED, slow, None)
        peer.write(CANCEL, slow)
        peer.write(GOODBYE, 0)
        assert is_at_end(peer)

    as_client(script, handler)
    assert stopped == [MakeMeASandwich()] * 2


def test_a_wrong_key_is_told_nothing() -> None:
    def script(peer: Peer, token: str) -> Frame:
        peer.hello(key=token[:-1])
        failure = peer.next(ERROR)
        assert is_at_end(peer)
        return failure

    _, call, (code, kind, _, _) = as_client(script)
    assert (call, code, kind) == (0, 3, NotPermitted.__name__)


CHANGED = [["message", "Good", [["how", "u64"]]], *MESSAGES[2:]]
DESCRIBED = {
    "version": 1,
    "messages": [dict(zip(("name", "fields"), m[1:], strict=True)) for m in MESSAGES],
}


def test_a_mismatch_ends_the_handshake_with_the_servers_description() -> None:
    def script(peer: Peer, token: str) -> Frame:
        peer.hello(key=token)
        hello = peer.next(HELLO)
        assert hello.call == 0
        assert "key" not in hello.content
        failure = peer.next(ERROR)  # and no accept before it
        assert is_at_end(peer)
        return failure

    _, call, (code, kind, _, detail) = as_client(script, descriptions=[CHANGED])
    assert (call, code, kind) == (0, 7, "SchemaMismatch")
    assert json.loads(detail) == DESCRIBED


def test_nothing_in_common_is_a_mismatch() -> None:
    def script(peer: Peer, token: str) -> int:
        peer.hello(key=token)
        peer.next(HELLO)
        return int(peer.next(ERROR).content[0])

    other = [["message", "HowAreYouToday", []]]
    assert as_client(script, descriptions=[other]) == 7


@pytest.mark.parametrize("schema", ["null", "[]", '{"messages":7}', "{"])
def test_a_description_that_cannot_be_read(schema: str) -> None:
    def script(peer: Peer, token: str) -> int:
        peer.hello(key=token, schema=schema)
        peer.next(HELLO)
        return int(peer.next(ERROR).content[0])

    assert as_client(script) == 5


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        pytest.param(None, "disabled", id="not told"),
        pytest.param(MESSAGES[::-1], "matched", id="another order"),
        pytest.param(MESSAGES[:2], "compatible", id="fewer"),
        pytest.param([*MESSAGES, ["message", "More", []]], "compatible", id="more"),
    ],
)
def test_what_fits(schema: Any, kind: str) -> None:
    async def main() -> None:
        def script(peer: Peer, token: str) -> Frame:
            peer.join(token, **({"schema": None} if schema is None else {}))
            peer.begin(REQUEST, "HowAreYou")
            answer = peer.next()
            peer.write(GOODBYE, 0)
            return answer

        async with (
            RpcServer(Message, example.handler) as server,
            client_of(server, script, schema or MESSAGES) as talk,
        ):
            peer = await server.wait_for_client(DEADLINE_SECONDS)
            assert (await peer.schema_validated()).kind == kind
        assert await talk == (RESPONSE, 1, ("Good",))

    run(main)


def test_an_unknown_message_is_answered_and_the_connection_goes_on() -> None:
    def not_compared(peer: Peer, token: str) -> Frame:
        peer.join(token, schema=None)
        peer.begin(REQUEST, "More")
        failure = peer.next(ERROR)
        peer.write(GOODBYE, 0)
        return failure

    def script(peer: Peer, token: str) -> list[Frame]:
        peer.join(token)
        came = []
        for kind in REQUEST, NOTIFY, REQUEST:
            peer.begin(kind, "HowAreYou" if came[1:] else "More")
            came.append(peer.next())
        peer.write(GOODBYE, 0)
        return came

    more = [[*MESSAGES, ["message", "More", []]]]
    assert json.loads(as_client(not_compared, descriptions=more).content[3]) == DESCRIBED
    first, second, third = as_client(script, descriptions=more)
    assert first.content[3] == "{}"
    assert [(kind, call, content[0]) for kind, call, content in (first, second)] == [
        (ERROR, 1, 7),
        (ERROR, 2, 7),
    ]
    assert third == (RESPONSE, 3, ("Good",))


def test_bytes_that_are_no_message() -> None:
    def script(peer: Peer, token: str) -> list[Frame]:
        peer.join(token)
        named = wire.fingerprint(MESSAGES[4])
        came = []
        for kind, payload in (
            (REQUEST, named + bytes(8) + b"\xff" * 16 + struct.pack("<QI", 2, 0)),
            (NOTIFY, named + struct.pack("<QI", 1, 3)),
            (REQUEST, named),
            (NOTIFY, b"short"),
        ):
            peer.last_call += 1
            peer.unfinished[peer.last_call] = 0
            peer.write(kind, peer.last_call, payload)
            came.append(peer.next(ERROR))
        peer.begin(REQUEST, "HowAreYou")
        came.append(peer.next(RESPONSE))
        peer.write(GOODBYE, 0)
        return came

    *failures, answer = as_client(script)
    assert [(call, content[0]) for _, call, content in failures] == [(n, 5) for n in range(1, 5)]
    assert json.loads(failures[1].content[3])["path"] == "parts[0]"
    assert answer.call == 5


def test_a_deadline_that_has_passed() -> None:
    def script(peer: Peer, token: str) -> list[Frame]:
        peer.join(token)
        now = time.monotonic_ns()
        came = []
        for deadline in (
            (bytes(8), 2**64 - 1, 0),
            (clock_identity(), now - 1, 2**64 - 1),
            (clock_identity(), now + 10**12, 0),
            (b"anothers", 0, 10**12),
        ):
            peer.begin(REQUEST, "HowAreYou", deadline=deadline)
            came.append(peer.next())
        peer.write(GOODBYE, 0)
        return came

    came = as_client(script)
    assert [frame.content[0] for frame in came] == [8, 8, "Good", "Good"]


def test_kinds_that_are_not_in_the_table_are_answered_and_skipped() -> None:
    def script(peer: Peer, token: str) -> list[Frame]:
        peer.join(token)
        came = []
        for kind in 4, 6, 12, 99:
            peer.unfinished[70] = 0  # not a call: its number may be below those that follow
            peer.write(kind, 70, b"whatever")
            came.append(peer.next(ERROR))
        peer.begin(REQUEST, "HowAreYou")
        came.append(peer.next(RESPONSE))
        peer.write(GOODBYE, 0)
        return came

    *failures, answer = as_client(script)
    assert [(call, content[0]) for _, call, content in failures] == [(70, 9)] * 4
    assert answer == (RESPONSE, 1, ("Good",))


def begun(peer: Peer, call: int, name: str = "HowAreYou") -> None:
    """A request under any number, whatever room there is."""
    (told,) = [told for told in MESSAGES if told[1] == name]
    peer.write(REQUEST, call, wire.fingerprint(told) + struct.pack("<8sQQ", *wire.NO_DEADLINE))


def broken(peer: Peer, how: str) -> None:
    match how:
        case "a number twice":
            begun(peer, 1)
        case "a lower number":
            begun(peer, 5)
            peer.unfinished[5] = 0
            peer.next(RESPONSE)
            begun(peer, 4)
        case "the end of no call":
            peer.write(FINISHED, 1)
        case "a response to no call":
            peer.respond(1, "Good")
        case "a cancel of no call":
            peer.write(CANCEL, 2)
        case "a second hello":
            peer.hello()
        case "an unknown kind under call 0":
            peer.write(12, 0)
        case "a request under call 0":
            begun(peer, 0)
        case "another version":
            peer.stream.sendall(struct.pack("<2sBBIQ", b"\xff\x4c", 2, REQUEST, 32, 1))
        case "no frame":
            peer.stream.sendall(b"GET / HTTP/1.1\r\n\r\n")
        case "more than calls":
            for call in 2, 3, 4:
                begun(peer, call, "MakeMeASandwich")
        case "more than in_bytes":
            named = wire.fingerprint(MESSAGES[4])
            for call in 2, 3:
                fields = wire.encode(["vec", ["enum", PARTS]], ["JELLY"] * 150)
                peer.write(REQUEST, call, named + bytes(8) + b"\xff" * 16 + fields)


@pytest.mark.parametrize(
    "how",
    [
        "a number twice",
        "a lower number",
        "the end of no call",
        "a response to no call",
        "a cancel of no call",
        "a second hello",
        "an unknown kind under call 0",
        "a request under call 0",
        "another version",
        "no frame",
        "more than calls",
        "more than in_bytes",
    ],
)
def test_a_broken_rule_is_told_under_call_0_and_the_connection_ends(how: str) -> None:
    async def handler(message: Message, peer: RpcPeer[Message]) -> Message:
        if not isinstance(message, HowAreYou):
            await asyncio.Event().wait()
        return Good()

    def script(peer: Peer, token: str) -> Frame:
        peer.join(token)
        peer.begin(REQUEST, "HowAreYou")
        peer.next(RESPONSE)
        broken(peer, how)
        failure = peer.next(ERROR)
        assert is_at_end(peer)
        return failure

    limits = RpcLimits(calls_per_peer=2, in_bytes=1000, message_bytes=1000)
    _, call, content = as_client(script, handler, status="failed", limits=limits)
    assert (call, content[0]) == (0, 9)


@pytest.mark.parametrize(
    ("kind", "size", "code"),
    [
        (REQUEST, 1032, 5),
        (REQUEST, 1033, 6),
        (NOTIFY, 1008, 5),
        (NOTIFY, 1009, 6),
        (99, 1008, 9),
        (99, 1009, 6),
        (ERROR, 1_318_913, 6),
    ],
)
def test_how_long_a_frame_may_be(kind: int, size: int, code: int) -> None:
    def script(peer: Peer, token: str) -> Frame:
        peer.join(token)
        peer.begin(REQUEST, "HowAreYou")
        peer.next(RESPONSE)
        peer.unfinished[2] = 0
        if code == 6:  # told by the header alone
            peer.stream.sendall(wire.HEADER.pack(b"\xff\x4c", 1, kind, size, 2))
        else:  # behind a message without fields nothing may stand
            peer.write(kind, 2, wire.fingerprint(MESSAGES[0]) + b"\xff" * (size - 8))
        failure = peer.next(ERROR)
        peer.write(GOODBYE, 0)
        return failure

    status = "failed" if code == 6 else "closed"
    limits = RpcLimits(message_bytes=1000, in_bytes=1000)
    _, call, content = as_client(script, status=status, limits=limits)
    assert (call, content[0]) == (0 if code == 6 else 2, code)


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        pytest.param({"version": 2}, 9, id="version"),
        pytest.param({"version": True}, 9, id="no version"),
        pytest.param({"calls": 0}, 9, id="no calls"),
        pytest.param({"in_bytes": 2**63}, 9, id="too large a number"),
        pytest.param({"message_bytes": 1.0}, 9, id="no integer"),
        pytest.param({"key": 7}, 9, id="a key that is no text"),
        pytest.param({"schema": []}, 9, id="a schema that is no text"),
    ],
)
def test_hellos_that_are_none(hello: dict[str, Any], code: int) -> None:
    def script(peer: Peer, token: str) -> Frame:
        peer.hello(**{"key": token, **hello})
        failure = peer.next(ERROR)
        assert is_at_end(peer)
        return failure

    _, call, content = as_client(script)
    assert (call, content[0]) == (0, code)


def test_a_hello_that_is_too_long() -> None:
    def script(peer: Peer, token: str) -> Frame:
        peer.stream.sendall(wire.HEADER.pack(b"\xff\x4c", 1, HELLO, 1_056_769, 0))
        return peer.next(ERROR)

    assert as_client(script).content[0] == 6


def test_keys_of_a_hello_that_nobody_knows_are_passed_over() -> None:
    def script(peer: Peer, token: str) -> None:
        peer.join(token, colour="blue")
        peer.write(GOODBYE, 0, b"of a later version")

    as_client(script)


def test_a_message_before_the_handshake_is_over() -> None:
    def script(peer: Peer, token: str) -> Frame:
        peer.hello(key=token)
        peer.next(HELLO)
        peer.next(ACCEPT)
        begun(peer, 1)
        failure = peer.next(ERROR)
        assert is_at_end(peer)
        return failure

    _, call, content = as_client(script)
    assert (call, content[0]) == (0, 9)


def test_whoever_speaks_something_else_is_told_what_it_can_read() -> None:
    def http(peer: Peer, token: str) -> bytes:
        peer.stream.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert is_at_end(peer)
        return b""

    def lazy_client(peer: Peer, token: str) -> Frame:
        begun(peer, 7)
        peer.unfinished[7] = 0
        failure = peer.next(ERROR)
        assert is_at_end(peer)
        return failure

    as_client(http)
    _, call, content = as_client(lazy_client)
    assert (call, content[0]) == (7, 9)


def test_the_room_of_this_side_is_kept() -> None:
    """Four of six messages come; the others when one has ended."""

    async def main() -> None:
        def script(peer: Peer, token: str) -> list[int]:
            peer.join(token)
            calls = [peer.next(REQUEST).call for _ in range(4)]
            peer.begin(REQUEST, "HowAreYou")
            assert peer.next(RESPONSE).content == ("Good",)  # and no fifth request before it
            for call in 1, 2, 3, 4, 5, 6:
                peer.respond(call, "Good")
                if call < 3:
                    calls.append(peer.next(REQUEST).call)
            peer.write(GOODBYE, 0)
            return calls

        async with (
            RpcServer(Message, example.handler) as server,
            client_of(server, script) as talk,
        ):
            peer = await server.wait_for_client(DEADLINE_SECONDS)
            with pytest.raises(MessageTooLarge):
                await peer.send(ASandwich(parts=[SandwichComponent.JELLY] * 1023))
            await asyncio.gather(*[peer.send(MakeMeASandwich()) for _ in range(6)])
        assert await talk == [1, 2, 3, 4, 5, 6]

    run(main)


def test_bytes_count_as_the_page_counts_them() -> None:
    """Two of 4,096 bytes of fields are 8,192, which is all that this side takes at once."""
    large = ASandwich(parts=[SandwichComponent.JELLY] * 1022)

    async def main() -> None:
        def script(peer: Peer, token: str) -> None:
            peer.join(token)
            assert [peer.next().kind for _ in range(2)] == [REQUEST, NOTIFY]
            peer.begin(REQUEST, "HowAreYou")
            assert peer.next(RESPONSE).content == ("Good",)
            peer.write(FINISHED, 2)
            assert peer.next(REQUEST).call == 3
            peer.respond(3, "Good")
            peer.respond(1, "Good")
            peer.write(GOODBYE, 0)

        async with (
            RpcServer(Message, example.handler) as server,
            client_of(server, script),
        ):
            peer = await server.wait_for_client(DEADLINE_SECONDS)
            first, told, last = peer.send(large), peer.notify(large), peer.send(ASandwich(parts=[]))
            await asyncio.gather(first, told, last)

    run(main)


# A server of an RpcClient -------------------------------------------------------------------------


def as_server(
    script: Script[T],
    talk: Callable[[RpcClient[Any]], Any],
    handler: Any = None,
    *,
    message: Any = Message,
    descriptions: Any = (),
    path: Path,
    **settings: Any,
) -> T:
    """Do this as the server that an RpcClient connects to and talks to."""
    token = "for-your-eyes-only-and-mine"

    def serve(listener: socket.socket) -> T:
        stream, _ = listener.accept()
        with peer_of(stream, *descriptions) as peer:
            return script(peer, token)

    async def main() -> T:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.fsencode(path))
            listener.listen()
            listener.settimeout(DEADLINE_SECONDS)
            served = asyncio.create_task(asyncio.to_thread(serve, listener))
            key = f"lazyipc-rpc:{token}:{path}"
            try:
                async with RpcClient.connect(key, message, handler, **settings) as client:
                    await talk(client)
            finally:
                await asyncio.wait([served])
            return await served

    result: T = run(main)
    return result


def test_a_server_in_the_place_of_the_examples_server(folder: Path) -> None:
    def script(peer: Peer, token: str) -> list[Frame]:
        peer.welcome(token)
        came = [peer.next()]
        peer.respond(1, "Good")
        came.append(peer.next())
        peer.write(FINISHED, 2)
        came.append(peer.next())
        peer.respond(3, "ASandwich", ["BREAD", "JELLY"])
        came.append(peer.next())
        peer.write(GOODBYE, 0)
        assert is_at_end(peer)
        return came

    async def talk(client: RpcClient[Message]) -> None:
        assert await client.send(HowAreYou()) == Good()
        await client.notify(GoodToHear())
        assert await client.send(MakeMeASandwich()) == ASandwich(parts=list(BOTH))
        assert (await client.schema_validated()).kind == "matched"

    assert as_server(script, talk, path=folder / "s") == [
        (REQUEST, 1, ("HowAreYou",)),
        (NOTIFY, 2, ("GoodToHear",)),
        (REQUEST, 3, ("MakeMeASandwich",)),
        (GOODBYE, 0, None),
    ]


def test_a_server_that_asks_and_cancels(folder: Path) -> None:
    stopped = []

    async def handler(message: Message, peer: RpcPeer[Message]) -> Message | None:
        if isinstance(message, HowAreYou):
            return Good()
        if isinstance(message, Good):
            return None
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(message)
            raise
        return None

    def script(peer: Peer, token: str) -> None:
        peer.welcome(token)
        assert peer.next() == (REQUEST, 1, ("HowAreYou",))
        peer.begin(REQUEST, "HowAreYou")
        assert peer.next() == (RESPONSE, 1, ("Good",))
        peer.begin(REQUEST, "Good")
        assert peer.next() == (FINISHED, 2, None)
        peer.begin(REQUEST, "MakeMeASandwich")
        peer.write(CANCEL, 3)
        assert peer.next() == (FINISHED, 3, None)
        peer.respond(1, "Good")
        assert peer.next() == (REQUEST, 2, ("MakeMeASandwich",))
        assert peer.next() == (CANCEL, 2, None)
        assert peer.next() == (REQUEST, 3, ("HowAreYou",))
        peer.respond(2, "ASandwich", [])  # too late, and not taken for the answer to the third
        peer.respond(3, "Good")
        assert peer.next() == (REQUEST, 4, ("MakeMeASandwich",))
        assert peer.next() == (CANCEL, 4, None)  # its time is over
        peer.write(FINISHED, 4)
        peer.next(GOODBYE)

    async def talk(client: RpcClient[Message]) -> None:
        assert await client.send(HowAreYou()) == Good()
        task = asyncio.create_task(client.send(MakeMeASandwich()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await client.send(HowAreYou()) == Good()
        with pytest.raises(ReplyTimeout):
            await client.send(MakeMeASandwich(), timeout=0.01)

    as_server(script, talk, handler, path=folder / "s")
    assert len(stopped) <= 1  # it may have been cancelled before it began


def test_what_is_open_when_the_server_says_goodbye(folder: Path) -> None:
    def script(peer: Peer, token: str) -> None:
        peer.welcome(token)
        peer.next(REQUEST)
        peer.write(GOODBYE, 0)
        assert is_at_end(peer)

    async def talk(client: RpcClient[Message]) -> None:
        with pytest.raises(Disconnected) as caught:
            await client.send(HowAreYou(), timeout=math.inf)
        assert caught.value.started == "unknown"
        assert (await client.wait_closed()).kind == "closed"

    as_server(script, talk, path=folder / "s")


def test_a_server_that_goes_without_a_word(folder: Path) -> None:
    def script(peer: Peer, token: str) -> None:
        peer.welcome(token)
        peer.next(REQUEST)

    async def talk(client: RpcClient[Message]) -> None:
        with pytest.raises(Disconnected):
            await client.send(HowAreYou(), timeout=math.inf)
        assert (await client.wait_closed()).kind == "failed"

    as_server(script, talk, path=folder / "s")


def test_a_server_whose_messages_differ(folder: Path) -> None:
    def script(peer: Peer, token: str) -> Frame:
        hello = peer.next(HELLO).content
        assert hello["key"] == token
        peer.hello()
        peer.write(ACCEPT, 0)  # a server that does not look
        failure = peer.next(ERROR)
        assert is_at_end(peer)
        return failure

    failures: list[Frame] = []

    def keep(peer: Peer, token: str) -> None:
        failures.append(script(peer, token))

    async def talk(client: RpcClient[Message]) -> None:
        raise AssertionError("it connected")

    with pytest.raises(SchemaMismatch, match="how"):
        as_server(keep, talk, descriptions=[CHANGED], path=folder / "s")
    ((_, call, (code, _, _, detail)),) = failures
    assert (call, code) == (0, 7)
    assert json.loads(detail) == DESCRIBED


def test_a_server_that_refuses(folder: Path) -> None:
    def script(peer: Peer, token: str) -> None:
        peer.next(HELLO)
        peer.fail(0, 3, "NotPermitted", "who are you?", "{}")

    async def talk(client: RpcClient[Message]) -> None:
        raise AssertionError("it connected")

    with pytest.raises(NotPermitted, match="who are you"):
        as_server(script, talk, path=folder / "s")


def test_a_reply_that_is_none(folder: Path) -> None:
    def script(peer: Peer, token: str) -> None:
        peer.welcome(token)
        peer.next(REQUEST)
        peer.write(RESPONSE, 1, wire.fingerprint(MESSAGES[4]) + b"\x01")
        peer.next(REQUEST)
        peer.respond(2, "Good")
        peer.next(GOODBYE)

    async def talk(client: RpcClient[Message]) -> None:
        with pytest.raises(RemoteProtocolError):
            await client.send(MakeMeASandwich())
        assert await client.send(HowAreYou()) == Good()

    as_server(script, talk, path=folder / "s")


# Messages that have `process` ---------------------------------------------------------------------


def test_commands_are_answered_as_they_declare(capsys: pytest.CaptureFixture[str]) -> None:
    def script(peer: Peer, token: str) -> list[Frame]:
        peer.join(token)
        came = []
        for name, value in ("SetChunk", 50), ("CountPrimes", 100), ("CountPrimes", 10**9):
            peer.begin(REQUEST, name, value)
            while (frame := peer.next(NOTIFY, RESPONSE, ERROR)).kind == NOTIFY:
                peer.write(FINISHED, frame.call)
                came.append(frame)
            came.append(frame)
        peer.begin(NOTIFY, "CountPrimes", 10**9)
        came.append(peer.next())  # a notification is told nothing but that it is over
        peer.write(GOODBYE, 0)
        assert json.loads(peer.theirs["schema"])["messages"][0] == {
            "name": "CountPrimes",
            "fields": [["below", "u64"]],
            "returns": PRIMES,
        }
        return came

    chunk, half, whole, primes, failure, told = as_client(
        script, None, message=Talk, descriptions=[TALK, TALK_REPLIES], context=Work()
    )
    assert chunk == (RESPONSE, 1, ("unit", None))
    assert half == (NOTIFY, 1, ("Progress", 50, 100))
    assert whole == (NOTIFY, 2, ("Progress", 100, 100))
    assert primes == (RESPONSE, 2, ("Primes", 25))
    assert (failure.call, failure.content[:2]) == (3, (2, "CommandFailed"))
    assert told == (FINISHED, 4, None)
    assert "chunks of 50" in capsys.readouterr().out


class Pick(Command[Any]):
    """A set of one, whose replies are of a family."""

    n: U64

    def process(self, context: Any) -> Answer:
        return Sum(c=self.n) if self.n else Said(words="")


def test_replies_of_a_family_that_is_returned_by_its_root() -> None:
    """A variant more does no harm until it is sent."""
    pick = ["command", "Pick", [["n", "u64"]], ["family", "Answer"]]
    variants = [["Said", [["words", "str"]]], ["Sum", [["c", "u64"]]]]
    own = {"name": "Pick", "fields": pick[2], "returns": pick[3], "family": 0}
    told = {"version": 1, "messages": [own], "families": [[*variants, ["Other", []]]]}

    def script(peer: Peer, token: str) -> Frame:
        peer.join(token, schema=json.dumps(told))
        theirs = json.loads(peer.theirs["schema"])
        assert theirs == {**told, "families": [sorted(variants, reverse=True)]}
        peer.begin(REQUEST, "Pick", 7)
        answer = peer.next()
        peer.write(GOODBYE, 0)
        return answer

    replies = [["response", "Sum", [["c", "u64"]]]]
    answer = as_client(script, None, message=Pick, descriptions=[[pick], replies], context=None)
    assert answer == (RESPONSE, 1, ("Sum", 7))


# A child ------------------------------------------------------------------------------------------

CHILD = f"""
import os, socket
from tests.independent_peer import *
peer = Peer(socket.socket(fileno=int(os.environ["LAZYIPC_RPC_FD"])), {MESSAGES!r})
peer.join()
peer.begin(REQUEST, "HowAreYou")
came = sorted([peer.next(), peer.next()], reverse=True)
assert came == [(RESPONSE, 1, ("Good",)), (REQUEST, 1, ("MakeMeASandwich",))]
peer.respond(1, "ASandwich", ["BREAD", "JELLY"])
peer.next(GOODBYE)
"""


@pytest.mark.parametrize("via", ["fd", "env", "argv"])
def test_a_child_finds_its_parent(via: Any) -> None:
    code = CHILD
    if via != "fd":
        key = 'os.environ["LAZYIPC_RPC_KEY"]' if via == "env" else "sys.argv[-1]"
        stream = 'socket.socket(fileno=int(os.environ["LAZYIPC_RPC_FD"]))'
        code = code.replace("import os", "import os, sys").replace(
            stream, "socket.socket(socket.AF_UNIX)"
        )
        connect = (
            f"_, token, path = {key}.split(':', 2)\npeer.stream.connect(path)\npeer.join(token)"
        )
        code = code.replace("peer.join()", connect)

    async def main() -> None:
        argv = [sys.executable, "-c", code]
        async with RpcProcess.spawn(argv, Message, example.handler, key_via=via, cwd=ROOT) as child:
            assert await child.send(MakeMeASandwich()) == ASandwich(parts=list(BOTH))
        assert (child.returncode, child.stderr_tail) == (0, "")
        assert child.status.kind == "closed"

    run(main)


# Beside a lazy server, and the page itself --------------------------------------------------------


def test_a_lazy_server_answers_a_hello_under_call_0(path: str) -> None:
    with IpcServer(path, ClientCommand) as server, socket.socket(socket.AF_UNIX) as stream:
        stream.connect(path)
        with peer_of(stream) as peer:
            peer.hello()
            server.wait(DEADLINE_SECONDS)
            server.handle_new_messages([])
            _, call, content = peer.next(ERROR)
            assert (call, content[0]) == (0, 9)


def test_the_independent_peer_is_short_and_needs_little() -> None:
    source = Path(wire.__file__).read_text("utf-8")
    assert len(source.splitlines()) <= 150
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported == {"__future__", "hashlib", "json", "socket", "struct", "typing"}
