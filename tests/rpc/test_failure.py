"""Ends that nobody announced: at any byte, by SIGKILL, by a loop that stops, by letting go."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import os
import socket
import warnings
from typing import Any

import pytest

from lazyipc import Disconnected, IpcError, LocalProtocolError
from lazyipc._core.framing import Kind
from lazyipc.rpc import RpcClient, RpcServer
from tests.harness import Line as ChildLine
from tests.harness import forked
from tests.rpc.loops import Run, raised_in_time, run, settle, until
from tests.rpc.messages import SECONDS, Blob, Note, Number, Stage, Text, echo, joined
from tests.rpc.proxy import Course, Line, Proxy
from tests.rpc.raw import RawServer, goodbye, notify, raw_client, response
from tests.rpc.virtual import VirtualClock


def connecting(key: Any, handler: Any = echo, **settings: Any) -> Any:
    return RpcClient.connect(key, Note, handler, **settings)


# Cut at any byte ----------------------------------------------------------------------------------

DIALOGUE: tuple[Note, ...] = (Number(n=7), Text(text="größe"), Blob(data=bytes(300)))
CUTS = 25
"""Into so many parts each direction is cut."""


async def converse(server: RpcServer[Note], key: Any) -> list[BaseException]:
    """Connect, send both ways, notify, hang up; how each step failed that did."""
    failures: list[BaseException] = []
    try:
        client = await connecting(key, timeout=SECONDS)
    except IpcError as error:
        return [error]
    try:
        peer = await server.wait_for_client(SECONDS)
        for message in DIALOGUE:
            for end in (client, peer):
                try:
                    assert await end.send(message, SECONDS) == message
                    await end.notify(message)
                except IpcError as error:
                    failures.append(error)
    except IpcError as error:
        failures.append(error)
    client.close()
    await client.wait_closed()
    return failures


@pytest.mark.parametrize("direction", ["to_server", "to_client"])
def test_a_connection_cut_at_any_byte(on_loop: Run, direction: str) -> None:
    async def main() -> None:
        async with RpcServer(Note, echo) as server, Proxy(server.key) as proxy:
            assert not await converse(server, proxy.key)
            whole = len(getattr(proxy.lines[-1], direction).passed)
            assert whole > 300
            step = whole // CUTS
            for cut in [*range(0, 20), *range(20, whole - 20, step), *range(whole - 20, whole)]:
                line = Line(Course(), Course())
                setattr(line, direction, Course(cut_after=cut))
                proxy.plan(line)
                with raised_in_time(SECONDS):
                    failures = await converse(server, proxy.key)
                assert all(isinstance(error, Disconnected) for error in failures), (cut, failures)
                # Behind the last reply come a notification of 300 bytes, and goodbyes.
                assert failures or cut > whole - 400, f"a cut at {cut} of {whole} did nothing"
                await until(lambda: not server.peers)
            assert not await converse(server, server.key)

    on_loop(main, timeout=50)


@pytest.mark.parametrize("piece_bytes", [1, 3, 17])
def test_the_same_in_small_pieces(on_loop: Run, piece_bytes: int) -> None:
    async def main() -> None:
        line = Line(Course(piece_bytes=piece_bytes), Course(piece_bytes=piece_bytes))
        async with RpcServer(Note, echo) as server, Proxy(server.key, line) as proxy:
            assert not await converse(server, proxy.key)

    on_loop(main)


def test_a_cut_fails_each_open_send_and_cancels_each_handler(on_loop: Run) -> None:
    async def main() -> None:
        stage = Stage()
        async with (
            RpcServer(Note, stage.handle) as server,
            Proxy(server.key) as proxy,
            connecting(proxy.key, stage.handle) as client,
        ):
            peer = await server.wait_for_client(SECONDS)
            sends = [end.send(Number(n=n), math.inf) for n in range(5) for end in (peer, client)]
            await stage.reaches(began=10)
            proxy.lines[0].is_cut.set()
            outcomes = await asyncio.gather(*sends, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Disconnected] * 10
            assert all(outcome.started in ("yes", "unknown") for outcome in outcomes)
            await stage.reaches(cancelled=10)
            for end in (peer, client):
                status = await end.wait_closed()
                assert status.kind == "failed"
                assert isinstance(status.reason, Disconnected)
                assert end.status.kind == "failed"
                with pytest.raises(IpcError):
                    end.send(Number(n=1))

    on_loop(main)


def test_a_handler_that_sends_when_its_peer_is_gone() -> None:
    failures: list[Any] = []

    async def asks_back(message: Note, peer: Any) -> Note:
        try:
            await peer.send(message, math.inf)
        except IpcError as error:
            failures.append(error)
            raise
        except asyncio.CancelledError as error:
            failures.append(error)
            raise
        return message

    async def main() -> None:
        stage = Stage()
        async with RpcServer(Note, asks_back) as server, Proxy(server.key) as proxy:
            async with connecting(proxy.key, stage.handle) as client:
                send = client.send(Number(n=1), math.inf)
                await stage.reaches(began=1)
                proxy.lines[0].is_cut.set()
                with pytest.raises(Disconnected):
                    await send
            await until(lambda: len(failures) == 1)
            assert isinstance(failures[0], Disconnected | asyncio.CancelledError)

    run(main)


# SIGKILL ------------------------------------------------------------------------------------------


def test_a_client_that_is_killed() -> None:
    async def live(line: ChildLine, key: str) -> None:
        stage = Stage()
        async with connecting(key, stage.handle) as client:
            sends = [client.send(Number(n=n), math.inf) for n in range(3)]
            await stage.reaches(began=2)
            line.say("busy")
            await asyncio.gather(*sends)

    async def main(child: Any) -> None:
        stage = Stage()
        async with RpcServer(Note, stage.handle) as server:
            child.say(server.key)
            peer = await server.wait_for_client(SECONDS)
            assert peer.credentials.pid == child.pid
            sends = [peer.send(Number(n=n), math.inf) for n in range(2)]
            await stage.reaches(began=3)
            assert await asyncio.to_thread(child.hear) == "busy"
            child.kill()
            with raised_in_time(SECONDS):
                outcomes = await asyncio.gather(*sends, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Disconnected] * 2
            assert (await peer.wait_closed()).kind == "failed"
            await stage.reaches(cancelled=3)
            assert server.peers == ()
            async with connecting(server.key) as client:
                stage.gate.set()
                assert await client.send(Number(n=5)) == Number(n=5)

    with forked(lambda line: asyncio.run(live(line, line.hear()))) as child:
        run(lambda: main(child))


def test_a_server_that_is_killed() -> None:
    async def live(line: ChildLine) -> None:
        stage = Stage()
        async with RpcServer(Note, stage.handle) as server:
            line.say(server.key)
            await stage.reaches(began=3)
            line.say("busy")
            await asyncio.Event().wait()

    async def main(child: Any, key: str) -> None:
        async with connecting(key) as client:
            sends = [client.send(Number(n=n), math.inf) for n in range(3)]
            assert await asyncio.to_thread(child.hear) == "busy"
            child.kill()
            with raised_in_time(SECONDS):
                outcomes = await asyncio.gather(*sends, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Disconnected] * 3
            status = await client.wait_closed()
            assert status.kind == "failed"
            with pytest.raises(IpcError):
                await connecting(key)

    with forked(lambda line: asyncio.run(live(line))) as child:
        key = child.hear()
        try:
            run(lambda: main(child, key))
        finally:
            child.kill()
            folder = os.path.dirname(_path_of(key))
            for name in os.listdir(folder):
                os.unlink(f"{folder}/{name}")
            os.rmdir(folder)


def _path_of(key: str) -> str:
    from lazyipc.rpc import ConnectionKey

    return ConnectionKey(key).path


# Broken one way -----------------------------------------------------------------------------------


def test_what_had_come_when_a_write_fails_is_taken_all_the_same(on_loop: Run) -> None:
    """The other side answered, notified, said goodbye and closed; then we write."""

    async def main() -> None:
        stage = Stage(is_open=True)
        async with RpcServer(Note, stage.handle) as server, raw_client(server.path) as raw:
            await raw.shake_hands_as_client(server.key)
            peer = await server.wait_for_client(SECONDS)
            asked = peer.send(Number(n=0))
            await raw.expect(Kind.REQUEST, 1)
            said = [response(Number(n=7), 1), *(notify(Number(n=n), n) for n in (1, 2, 3))]
            fd = os.dup(raw.writer.get_extra_info("socket").fileno())
            with socket.socket(fileno=fd) as theirs:
                theirs.sendall(b"".join([*said, goodbye()]))
                theirs.shutdown(socket.SHUT_RDWR)
            late = peer.send(Number(n=9))
            assert await asked == Number(n=7)
            with pytest.raises(Disconnected):
                await late
            assert (await peer.wait_closed()).kind == "closed"
            await until(lambda: stage.ended == [Number(n=1), Number(n=2), Number(n=3)])

    on_loop(main)


def test_a_half_closed_peer_that_does_not_read_has_left(on_loop: Run) -> None:
    """Whatever is still to be written to it."""

    async def main() -> None:
        async with RpcServer(Note, echo) as server, raw_client(server.path) as raw:
            await raw.shake_hands_as_client(server.key)
            peer = await server.wait_for_client(SECONDS)
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await peer.notify(Blob(data=bytes(5_000_000)))
            await settle()
            assert peer._conversation._stream.is_full
            waiting = peer.send(Number(n=1), math.inf)
            raw.writer.write_eof()
            with raised_in_time(SECONDS), pytest.raises(Disconnected):
                await waiting
            assert peer.status.kind == "failed"
            raw.abort()

    on_loop(main)


# Nobody closes ------------------------------------------------------------------------------------


def forget(held: list[Any]) -> None:
    held.clear()
    gc.collect()


def test_a_client_that_is_let_go_of_hangs_up(on_loop: Run) -> None:
    """As when the crate's client is dropped."""

    async def main() -> None:
        async with RpcServer(Note, echo) as server:
            client = await connecting(server.key)
            peer = await server.wait_for_client(SECONDS)
            assert await client.send(Number(n=1)) == Number(n=1)
            held = [client]
            del client
            with pytest.warns(ResourceWarning, match="forgotten"):
                forget(held)
            with raised_in_time(SECONDS):
                assert (await peer.wait_closed()).kind == "closed"

    on_loop(main)


def test_a_loop_that_ends_under_its_peers(on_loop: Run) -> None:
    left: list[Any] = []

    async def main() -> None:
        server = RpcServer(Note, echo)
        await server.__aenter__()
        client = await connecting(server.key)
        peer = await server.wait_for_client(SECONDS)
        reply = client.send(Number(n=1), math.inf)
        left.extend([server, client, peer, reply])

    with contextlib.suppress(AssertionError):  # of what was left open
        on_loop(main, leaves_tasks=True)
    server, client, peer, _ = left
    for end in (client, peer):
        with pytest.raises(IpcError):
            end.send(Number(n=1))
        end.close()
    server.close()
    with warnings.catch_warnings():  # asyncio's own, of the transports that its loop left open
        warnings.simplefilter("ignore", ResourceWarning)
        left.clear()
        del server, client, peer, end, _
        gc.collect()


def test_a_peer_belongs_to_one_loop() -> None:
    async def elsewhere(client: Any) -> None:
        with pytest.raises(LocalProtocolError, match="loop"):
            client.send(Number(n=1))
        with pytest.raises(LocalProtocolError, match="loop"):
            await client.notify(Number(n=1))

    async def main() -> None:
        async with joined() as both:
            await asyncio.to_thread(asyncio.run, elsewhere(both.client))
            assert await both.client.send(Number(n=2)) == Number(n=2)

    run(main)


# Ends that take time ------------------------------------------------------------------------------


def test_who_closes_does_not_wait_for_ever_for_one_who_does_not_read(path: str) -> None:
    async def main() -> None:
        async with RawServer(path) as raw:
            opening = asyncio.create_task(_await(connecting(raw.key)))
            connection = await raw.client()
            await connection.shake_hands_as_server()
            client = await opening
            connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    for _ in range(1000):
                        await client.notify(Blob(data=bytes(100_000)))
            client.close()
            async with asyncio.timeout(30):
                await client.wait_closed()
            connection.abort()

    with VirtualClock() as clock:
        run(main, timeout=60, new_loop=clock.new_loop)


async def _await(awaitable: Any) -> Any:
    return await awaitable


def test_a_server_that_closes_does_not_wait_for_ever_for_stubborn_handlers() -> None:
    """A handler that suppresses its cancellation ends when it likes; meanwhile nobody hangs."""
    began, gate = asyncio.Event(), asyncio.Event()

    async def stubborn(message: Note, peer: Any) -> Note:
        began.set()
        while not gate.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await gate.wait()
        return message

    async def main() -> None:
        async with joined(stubborn) as both:
            send = both.client.send(Number(n=1), math.inf)
            await began.wait()
            both.peer.close()
            with raised_in_time(SECONDS), pytest.raises(Disconnected):
                await send
            await both.client.wait_closed()
            gate.set()
            await both.peer.wait_closed()

    run(main)
