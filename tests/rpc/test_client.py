"""The client: how it connects, and what it is told when it cannot."""

from __future__ import annotations

import asyncio
import math
import socket
from typing import Any

import pytest

from lazyipc import (
    Command,
    Disconnected,
    IpcClient,
    IpcError,
    IpcServer,
    LocalProtocolError,
    RemoteProtocolError,
    ReplyTimeout,
    TransportError,
)
from lazyipc._core.framing import Kind, frame
from lazyipc._core.messages import MessageSet
from lazyipc.rpc import ConnectionKey, RpcClient, RpcLimits, RpcServer
from lazyipc.rpc._conversation import LINGER_SECONDS
from tests.harness import Host, Job, hosted
from tests.rpc.loops import Run, raised_in_time, run, settle, until
from tests.rpc.messages import SECONDS, Note, Number, Order, Place, Stage, Where, echo, joined
from tests.rpc.raw import Raw, RawServer, accept, goodbye, hello, notify
from tests.rpc.virtual import VirtualClock

SHORT = 0.05


def connecting(key: ConnectionKey, handler: Any = echo, **settings: Any) -> Any:
    return RpcClient.connect(key, Note, handler, **settings)


async def _await(awaitable: Any) -> Any:
    return await awaitable


def test_awaited_or_entered(on_loop: Run) -> None:
    async def main() -> None:
        async with RpcServer(Note, echo) as server:
            client = await connecting(server.key)
            assert isinstance(client, RpcClient)
            assert await client.send(Number(n=1)) == Number(n=1)
            async with client as same:
                assert same is client
            assert client.status.kind == "closed"
            async with connecting(server.key) as client:
                assert await client.send(Number(n=2)) == Number(n=2)
            assert client.status.kind == "closed"
            async with await connecting(server.key) as client:
                assert await client.send(Number(n=3)) == Number(n=3)
            client = await asyncio.create_task(_await(connecting(server.key)))
            client.close()
            await client.wait_closed()

    on_loop(main)


async def _fail_within(server: RpcServer[Note], met: list[Any]) -> None:
    async with connecting(server.key):
        met.append(await server.wait_for_client(SECONDS))
        raise ZeroDivisionError


def test_a_block_that_fails_closes_the_connection() -> None:
    async def main() -> None:
        async with RpcServer(Note, echo) as server:
            met: list[Any] = []
            with pytest.raises(ZeroDivisionError):
                await _fail_within(server, met)
            (peer,) = met
            assert (await peer.wait_closed()).kind == "closed"

    run(main)


def test_the_client_handles_what_the_server_sends() -> None:
    async def main() -> None:
        async with joined(at_server=None) as both:
            assert await both.peer.send(Number(n=1)) == Number(n=1)

    run(main)


def test_the_clients_context() -> None:
    async def main() -> None:
        client = {"context": Place("client")}
        async with joined(None, None, Order, server={"context": Place()}, client=client) as both:
            assert await both.peer.send(Where()) == "client"

    run(main)


# Connecting fails ---------------------------------------------------------------------------------


def test_a_server_that_says_nothing(on_loop: Run, path: str) -> None:
    async def main() -> None:
        async with RawServer(path) as raw:
            with raised_in_time(SECONDS), pytest.raises(ReplyTimeout, match=r"0\.05"):
                await connecting(raw.key, timeout=SHORT)

    on_loop(main)


@pytest.mark.parametrize("stage", ["at once", "after the hello", "before the accept", "within"])
def test_a_server_that_goes_away(path: str, stage: str) -> None:
    async def main() -> None:
        async with RawServer(path) as raw:
            client = asyncio.create_task(_await(connecting(raw.key)))
            connection = await raw.client()
            if stage != "at once":
                await connection.expect(Kind.HELLO)
            if stage == "before the accept":
                connection.write(hello())
            if stage == "within":
                connection.write(hello()[:50])
            await connection.close()
            with raised_in_time(SECONDS), pytest.raises(Disconnected) as raised:
                await client
            assert path in str(raised.value)

    run(main)


async def _read_and_close(connection: Raw) -> None:
    await connection.rest()
    await connection.close()


HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "said",
    [
        HTTP,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
        b"\xff\x4c\x02\x0a" + bytes(12),
        b"\xff\x4c\x01\x0a\xff\xff\xff\xff" + bytes(8),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b'{"Ok":null}\n' * 3,
        frame(Kind.HELLO, 0, b"{"),
        frame(Kind.HELLO, 0, b"[]"),
        frame(Kind.HELLO, 0, b"\xff\xfe"),
        frame(Kind.HELLO, 0, b"[" * 5000),
        frame(Kind.HELLO, 7, b"{}"),
        frame(Kind.HELLO, 0, b"{}"),
        accept(),
        hello() + hello(),
        hello() + notify(Number(n=1), 1),
        hello(calls=-1),
        hello(in_bytes="many"),
        hello(message_bytes=None),
        hello(calls=1.5),
        hello(calls=True),
        hello(schema=5),
    ],
    ids=lambda said: repr(said[:24]),
)
def test_a_server_that_speaks_something_else(path: str, said: bytes) -> None:
    async def main() -> None:
        ran = Stage(is_open=True)
        async with RawServer(path) as raw:
            client = asyncio.create_task(_await(connecting(raw.key, ran.handle)))
            connection = await raw.client()
            connection.write(said)
            reading = asyncio.create_task(_read_and_close(connection))
            with raised_in_time(SECONDS), pytest.raises((RemoteProtocolError, Disconnected)):
                await client
            await reading
            assert not ran.began

    run(main)


def test_a_hello_of_a_version_that_is_not_ours(path: str) -> None:
    async def main() -> None:
        async with RawServer(path) as raw:
            client = asyncio.create_task(_await(connecting(raw.key)))
            connection = await raw.client()
            connection.write(hello(version=2))
            await connection.close()
            with raised_in_time(SECONDS), pytest.raises(RemoteProtocolError, match="RPC 2"):
                await client

    run(main)


def test_a_hello_may_say_more_than_is_known(path: str) -> None:
    async def main() -> None:
        async with RawServer(path) as raw:
            client = asyncio.create_task(_await(connecting(raw.key)))
            connection = await raw.client()
            await connection.shake_hands_as_server(compression=["zstd"])
            async with await client as opened:
                assert opened.status.kind == "connected"
                await connection.close()

    run(main)


def test_connecting_may_take_as_long_as_its_timeout_says(path: str) -> None:
    """What a server bounds handshakes with is not what a client bounds them with."""

    async def main() -> None:
        limits = RpcLimits(handshake_seconds=1)
        async with RawServer(path) as raw:
            opening = asyncio.create_task(_await(connecting(raw.key, timeout=60, limits=limits)))
            connection = await raw.client()
            await asyncio.sleep(30)
            await connection.shake_hands_as_server()
            async with await opening as client:
                assert client.status.kind == "connected"
                await connection.close()

    with VirtualClock() as clock:
        run(main, timeout=600, new_loop=clock.new_loop)


def test_a_connect_that_fails_does_not_wait_for_the_server_to_hang_up(path: str) -> None:
    async def main(clock: VirtualClock) -> None:
        async with RawServer(path) as raw:
            opening = asyncio.create_task(_await(connecting(raw.key)))
            connection = await raw.client()
            connection.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            before = clock.monotonic()
            with pytest.raises(RemoteProtocolError):
                await opening
            assert clock.monotonic() - before < LINGER_SECONDS / 2

    with VirtualClock() as clock:
        run(lambda: main(clock), timeout=600, new_loop=clock.new_loop)


@pytest.mark.parametrize("after", [1, 3, 20])
def test_a_connect_that_is_thrown_away_hangs_up(path: str, after: int) -> None:
    """As by the collector, when a loop was closed over it; nothing can be awaited then."""

    async def main() -> None:
        async with RawServer(path) as raw:
            opening = connecting(raw.key)
            waits_for: Any = opening.send(None)
            connection = await raw.client()
            for _ in range(after):
                await asyncio.sleep(0)
                if waits_for is None or waits_for.done():
                    waits_for = opening.send(None)
            opening.close()
            with raised_in_time(SECONDS):
                await connection.rest()

    run(main)


@pytest.mark.parametrize("after", range(1, 8))
def test_a_connect_that_is_cancelled_leaves_nothing(on_loop: Run, path: str, after: int) -> None:
    async def main() -> None:
        async with RawServer(path) as raw:
            client = asyncio.create_task(_await(connecting(raw.key)))
            await settle(after)
            client.cancel()
            with pytest.raises(asyncio.CancelledError):
                await client

    on_loop(main)


class Step(Command[list[Any]]):
    """What a server may make a client do that has only just agreed."""


class Linger(Step):
    async def process(self, context: list[Any]) -> None:
        await asyncio.Event().wait()


class CallOff(Step):
    def process(self, context: list[Any]) -> None:
        context[0].cancel()


def test_a_connect_that_is_cancelled_as_it_succeeds_waits_for_no_handler(path: str) -> None:
    """The server agrees, notifies and leaves in one piece."""
    steps = MessageSet(Step)

    async def main() -> None:
        tasks: list[Any] = []
        async with RawServer(path) as raw:
            opening = RpcClient.connect(raw.key, Step, context=tasks)
            tasks.append(asyncio.create_task(_await(opening)))
            connection = await raw.client()
            await connection.expect(Kind.HELLO)
            said = [notify(Linger(), 1, steps), notify(CallOff(), 2, steps), goodbye()]
            connection.write(hello(messages=steps), accept(), *said)
            with raised_in_time(SECONDS), pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(tasks[0], SECONDS)

    run(main)


@pytest.mark.parametrize("after", range(1, 8))
def test_a_connect_that_is_cut_off_leaves_nothing(on_loop: Run, path: str, after: int) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            client = asyncio.create_task(_await(connecting(ConnectionKey.make(path))))
            await settle(after)
            listener.accept()[0].close()
            with raised_in_time(SECONDS), pytest.raises(Disconnected):
                await client

    on_loop(main)


def test_an_opening_that_is_never_awaited_warns_as_a_coroutine_does() -> None:
    async def main() -> None:
        async with RpcServer(Note, echo) as server:
            connecting(server.key)

    with pytest.raises(AssertionError, match="never awaited"):
        run(main)


@pytest.mark.parametrize("timeout", [-1, math.nan, "5", None], ids=repr)
def test_a_timeout_that_is_none_is_told_at_the_call(timeout: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="timeout must be a number of seconds"):
        connecting(ConnectionKey.make("/tmp/none"), timeout=timeout)
    with pytest.raises((ValueError, TypeError), match="timeout must be a number of seconds"):
        RpcClient.from_parent(Note, timeout=timeout)


# The other kinds of server and client -------------------------------------------------------------


def test_an_rpc_client_at_a_lazy_server(path: str) -> None:
    with IpcServer(path, Job) as server, hosted(server, Host()):

        async def main() -> None:
            with raised_in_time(SECONDS), pytest.raises(IpcError, match=r"(?i)rpc|lazy|IpcServer"):
                await connecting(ConnectionKey.make(path))

        run(main)


def test_a_lazy_client_at_an_rpc_server(caplog: pytest.LogCaptureFixture) -> None:
    def ask(path: str) -> None:
        with IpcClient(path, timeout=SECONDS) as client:
            client.send(Where())

    async def main() -> None:
        async with RpcServer(Order, context=Place()) as server:
            with raised_in_time(SECONDS), pytest.raises(IpcError, match=r"(?i)rpc|hello"):
                await asyncio.to_thread(ask, server.path)
            async with RpcClient.connect(server.key, Order) as client:
                assert await client.send(Where()) == ""

    run(main)
    assert caplog.records


def test_two_clients_with_one_key_are_two_peers() -> None:
    async def main() -> None:
        async with (
            RpcServer(Note, echo) as server,
            connecting(server.key) as one,
            connecting(server.key) as other,
        ):
            await until(lambda: len(server.peers) == 2)
            assert await one.send(Number(n=1)) == await other.send(Number(n=1))

    run(main)


def test_from_parent_without_a_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        with pytest.raises((LocalProtocolError, TransportError), match=r"spawn|parent"):
            await RpcClient.from_parent(Note, echo)

    monkeypatch.setattr("sys.argv", ["program"])
    run(main)
