"""The server: where it listens and who may come, its key, its peers, its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import stat
from pathlib import Path
from typing import Any

import pytest

from lazyipc import (
    IpcError,
    IpcServer,
    LocalProtocolError,
    NotPermitted,
    ReplyTimeout,
    ServerNotRunning,
    SocketInUse,
    SocketRefused,
)
from lazyipc._core.framing import Kind
from lazyipc.rpc import ConnectionKey, RpcClient, RpcLimits, RpcPeer, RpcServer
from lazyipc.rpc._reception import LEFT_COUNT
from tests.harness import NOBODY, Job, Line, become_nobody, connect, forked, need_root
from tests.rpc.loops import Run, raised_in_time, run, settle, until
from tests.rpc.messages import SECONDS, Note, Number, Order, Place, Stage, Where, echo, joined
from tests.rpc.raw import ACCEPT, Raw, accept, goodbye, hello, notify, raw_client


def serving(handler: Any = echo, **settings: Any) -> RpcServer[Note]:
    return RpcServer(Note, handler, **settings)


def connecting(key: Any, handler: Any = echo, **settings: Any) -> Any:
    return RpcClient.connect(key, Note, handler, **settings)


# Where it listens ---------------------------------------------------------------------------------


def mode_of(path: str | Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_without_a_path_a_private_one_is_made_and_removed(on_loop: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            folder = os.path.dirname(server.path)
            assert mode_of(folder) == 0o700
            assert mode_of(server.path) == 0o600
            assert stat.S_ISSOCK(os.lstat(server.path).st_mode)
            assert all(mode_of(f"{folder}/{name}") == 0o600 for name in os.listdir(folder))
        assert not os.path.lexists(folder)
        with pytest.raises(ZeroDivisionError):
            async with serving() as server:
                raise ZeroDivisionError
        assert not os.path.lexists(os.path.dirname(server.path))

    on_loop(main)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077], ids=oct)
def test_the_umask_opens_nothing(umask: int) -> None:
    async def main() -> None:
        async with serving() as server:
            assert mode_of(server.path) == 0o600
            assert mode_of(os.path.dirname(server.path)) == 0o700

    before = os.umask(umask)
    try:
        run(main)
    finally:
        os.umask(before)


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_a_path_of_ones_own(folder: Path, kind: Any) -> None:
    async def main() -> None:
        path = str(folder / "the server's")
        async with serving(path=kind(path)) as server:
            assert server.path == path
            assert mode_of(path) == 0o600
            async with connecting(server.key) as client:
                assert await client.send(Number(n=1)) == Number(n=1)
        assert not os.path.lexists(path)
        assert folder.exists()

    run(main)


def test_a_path_longer_than_a_sockets_name(folder: Path) -> None:
    async def main() -> None:
        deep = folder / ("d" * 100) / ("e" * 100)
        deep.mkdir(parents=True)
        async with serving(path=deep / "s") as server, connecting(server.key) as client:
            assert await client.send(Number(n=1)) == Number(n=1)

    run(main)


def test_a_path_in_use_and_one_that_is_something_else(path: str) -> None:
    async def main() -> None:
        async with serving(path=path):
            with pytest.raises(SocketInUse):
                async with serving(path=path):
                    pass
        with IpcServer(path, Job), pytest.raises(SocketInUse):
            async with serving(path=path):
                pass
        Path(path).write_text("precious")
        with pytest.raises(SocketRefused):
            async with serving(path=path):
                pass
        assert Path(path).read_text() == "precious"

    run(main)


def test_a_dead_servers_path_is_taken_over(path: str) -> None:
    async def serve_for_ever(line: Line) -> None:
        async with serving(path=path):
            line.say("there")
            await asyncio.Event().wait()

    async def main() -> None:
        async with serving(path=path) as server, connecting(server.key) as client:
            assert await client.send(Number(n=1)) == Number(n=1)

    with forked(lambda line: asyncio.run(serve_for_ever(line))) as child:
        assert child.hear() == "there"
        child.kill()
        child.finish()
        run(main)


# The key ------------------------------------------------------------------------------------------


def test_a_key_is_a_string_safe_for_argv_and_environment() -> None:
    async def main() -> None:
        async with serving() as one, serving() as other:
            assert one.key != other.key
            for key in (one.key, other.key):
                assert isinstance(key, ConnectionKey)
                assert shlex.quote(str(key)) == str(key)
                assert re.fullmatch(r"[A-Za-z][!-~]*", str(key))
                assert ConnectionKey(str(key)) == key
                assert key.token not in repr(key)
                assert key.token not in repr(one) + repr(other)

    run(main)


def test_a_key_is_taken_as_plain_text() -> None:
    async def main() -> None:
        async with serving() as server, connecting(str(server.key)) as client:
            assert await client.send(Number(n=1)) == Number(n=1)

    run(main)


def test_a_wrong_key_is_refused(on_loop: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving() as server, serving() as other:
            wrong = ConnectionKey(str(server.key).replace(server.key.token, other.key.token))
            with raised_in_time(SECONDS), pytest.raises(NotPermitted, match="key"):
                await connecting(wrong)
            assert server.peers == ()
            assert other.key.token not in caplog.text
            assert server.key.token not in caplog.text
            async with connecting(server.key) as client:
                assert await client.send(Number(n=1)) == Number(n=1)

    on_loop(main)
    assert caplog.records


@pytest.mark.parametrize("key", [None, "", 5, [], "lazyipc-rpc:", "ключ"], ids=repr)
def test_an_absent_key_is_refused(key: Any) -> None:
    async def main() -> None:
        async with serving() as server:
            async with raw_client(server.path) as raw:
                raw.write(hello() if key is None else hello(key=key), accept())
                frames = await raw.rest()
                assert all(kind == 3 and call == 0 for kind, call, _ in frames), frames
            assert server.peers == ()

    run(main)


@pytest.mark.parametrize("text", ["", "nonsense", "lazyipc-rpc:short:/x", "/run/app.sock"])
def test_a_text_that_is_no_key(text: str) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="key"):
            await connecting(text)

    run(main)


def test_a_key_to_a_server_that_is_gone() -> None:
    async def main() -> None:
        async with serving() as server:
            key = server.key
        with pytest.raises(ServerNotRunning):
            await connecting(key)

    run(main)


# Another user -------------------------------------------------------------------------------------


def test_another_user_is_refused(folder: Path) -> None:
    """By the mode of directory and socket; and where those were widened, by the server."""
    need_root()
    folder.chmod(0o755)
    path = str(folder / "s")
    told: list[str] = []

    def knock(line: Line) -> None:
        become_nobody()
        for _ in range(2):
            line.hear()
            try:
                with connect(path) as connected:
                    line.say(repr(connected.recv(100)))
            except OSError as error:
                line.say(type(error).__name__)

    async def main(child: Any) -> None:
        async with serving(path=path) as server:
            child.say("now")
            told.append(await asyncio.to_thread(child.hear))
            os.chmod(path, 0o666)
            child.say("now")
            told.append(await asyncio.to_thread(child.hear))
            assert server.peers == ()
            async with connecting(server.key) as client:
                assert await client.send(Number(n=1)) == Number(n=1)

    with forked(knock) as child:
        run(lambda: main(child))
        assert told == ["PermissionError", "b''"]


def test_a_server_of_another_user_is_refused(folder: Path) -> None:
    need_root()
    folder.chmod(0o777)
    path = str(folder / "s")

    async def serve(line: Line) -> None:
        async with serving(path=path) as server:
            line.say(server.key)
            await asyncio.to_thread(line.hear)

    def live(line: Line) -> None:
        become_nobody()
        asyncio.run(serve(line))

    async def main(key: str) -> None:
        with pytest.raises(SocketRefused, match=str(NOBODY)):
            await connecting(key)
        async with connecting(key, server_uids=[NOBODY]) as client:  # root may come to anybody
            assert client.credentials.uid == NOBODY
            assert await client.send(Number(n=1)) == Number(n=1)

    with forked(live) as child:
        key = child.hear()
        run(lambda: main(key))
        child.say("over")
        assert child.finish() == 0


def test_a_server_of_a_user_who_is_not_named() -> None:
    async def main() -> None:
        async with serving() as server:
            with pytest.raises(SocketRefused):
                await connecting(server.key, server_uids=[os.getuid() + 12345])
            async with connecting(server.key, server_uids=[os.getuid()]) as client:
                assert client.status.kind == "connected"

    run(main)


# Peers --------------------------------------------------------------------------------------------


def test_many_peers(on_loop: Run) -> None:
    async def main() -> None:
        async with serving() as server, contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connecting(server.key)) for _ in range(50)]
            peers = [await server.wait_for_client(SECONDS) for _ in clients]
            assert len({id(peer) for peer in peers}) == 50
            assert set(map(id, server.peers)) == set(map(id, peers))
            ends = [*clients, *peers]
            replies = await asyncio.gather(
                *(end.send(Number(n=n)) for n, end in enumerate(ends) for _ in range(3))
            )
            assert [reply.n for reply in replies] == [n for n in range(100) for _ in range(3)]
            clients[7].close()
            await until(lambda: len(server.peers) == 49)
            assert sum(peer.status.kind == "closed" for peer in peers) == 1

    on_loop(main)


def test_one_peer_cannot_keep_the_others_from_their_turn() -> None:
    async def main() -> None:
        stage = Stage()
        async with (
            serving(stage.handle, limits=RpcLimits(running=1)) as server,
            connecting(server.key) as greedy,
            connecting(server.key) as modest,
        ):
            many = [greedy.send(Number(n=n)) for n in range(50)]
            await stage.reaches(began=1)
            one = modest.send(Number(n=1000))
            await settle()
            stage.gate.set()
            assert await one == Number(n=1000)
            await asyncio.gather(*many)
            assert stage.began.index(Number(n=1000)) <= 3

    run(main)


def test_the_running_limit_is_that_of_the_whole_server() -> None:
    async def main() -> None:
        stage = Stage()
        async with (
            serving(stage.handle, limits=RpcLimits(running=3)) as server,
            connecting(server.key) as one,
            connecting(server.key) as other,
        ):
            sends = [end.send(Number(n=n)) for n in range(5) for end in (one, other)]
            await until(lambda: stage.running == 3)
            await settle()
            stage.gate.set()
            await asyncio.gather(*sends)
            assert stage.most_running == 3

    run(main)


def test_wait_for_client_hands_each_peer_out_once(on_loop: Run) -> None:
    async def main() -> None:
        async with serving() as server:
            with raised_in_time(SECONDS), pytest.raises(TimeoutError) as raised:
                await server.wait_for_client(0.02)
            assert isinstance(raised.value, ReplyTimeout | TimeoutError)
            waiting = [asyncio.create_task(server.wait_for_client()) for _ in range(3)]
            await settle()
            waiting[0].cancel()
            await settle()
            async with connecting(server.key) as one, connecting(server.key) as other:
                peers = [await waiting[1], await waiting[2]]
                assert peers[0] is not peers[1]
                assert all(peer.status.kind == "connected" for peer in peers)
                replies = [await peer.send(Number(n=n)) for n, peer in enumerate(peers)]
                assert replies == [Number(n=0), Number(n=1)]
                assert one.status.kind == other.status.kind == "connected"
                with pytest.raises(TimeoutError):
                    await server.wait_for_client(0)

    on_loop(main)


def test_a_cancelled_wait_loses_no_peer() -> None:
    async def main() -> None:
        async with serving() as server:
            waiting = asyncio.create_task(server.wait_for_client())
            await settle()
            async with connecting(server.key):
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await waiting
                peer = waiting.result() if not waiting.cancelled() else None
                peer = peer or await server.wait_for_client(SECONDS)
                assert await peer.send(Number(n=1)) == Number(n=1)

    run(main)


def test_peers_as_they_come(on_loop: Run) -> None:
    async def main() -> None:
        met: list[RpcPeer[Note]] = []

        async def greet(server: RpcServer[Note]) -> None:
            async for peer in server:
                met.append(peer)
                await peer.send(Number(n=len(met)))

        greeted: list[int] = []

        async def note(message: Number, peer: RpcPeer[Note]) -> Note:
            greeted.append(message.n)
            return message

        async with serving() as server:
            greeting = asyncio.create_task(greet(server))
            async with connecting(server.key, note), connecting(server.key, note):
                await until(lambda: len(greeted) == 2)
            async with connecting(server.key, note):
                await until(lambda: len(greeted) == 3)
            assert not greeting.done()
            server.close()
            await asyncio.wait_for(greeting, SECONDS)
        assert greeted == [1, 2, 3]
        assert len(set(map(id, met))) == 3

    on_loop(main)


def test_peers_that_came_before_anybody_asked_are_kept() -> None:
    async def main() -> None:
        async with serving() as server, connecting(server.key), connecting(server.key):
            await until(lambda: len(server.peers) == 2)
            first = await server.wait_for_client(0)
            async for peer in server:
                assert peer is not first
                break
            assert {id(peer) for peer in server.peers} == {id(first), id(peer)}

    run(main)


def test_two_who_iterate_share_the_peers() -> None:
    async def main() -> None:
        async with serving() as server:
            met: list[RpcPeer[Note]] = []

            async def meet() -> None:
                async for peer in server:
                    met.append(peer)

            meeting = [asyncio.create_task(meet()) for _ in range(2)]
            clients = [await connecting(server.key) for _ in range(6)]
            await until(lambda: len(met) == 6)
            assert len(set(map(id, met))) == 6
            server.close()
            await asyncio.gather(*meeting)
            for client in clients:
                await client.wait_closed()

    run(main)


async def come_and_go(server: RpcServer[Note], *data: bytes) -> None:
    """Agree, say something and leave, all in one piece."""
    async with raw_client(server.path) as raw:
        raw.write(hello(server.key))
        await raw.expect(Kind.HELLO)
        await raw.expect(ACCEPT)
        raw.write(accept(), *data, goodbye())
        await raw.rest()


def test_one_that_came_and_left_in_one_turn_did_come(
    on_loop: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        stage = Stage(is_open=True)
        async with serving(stage.handle) as server:
            await come_and_go(server, notify(Number(n=1), 1))
            await stage.reaches(ended=1)
            assert server.peers == ()
            async for peer in server:
                assert peer.status.kind == "closed"
                assert peer is stage.peers[0]
                break

    on_loop(main)
    assert "did not come in" not in caplog.text


def test_who_waits_for_a_client_is_given_none_that_has_left() -> None:
    async def main() -> None:
        async with serving() as server:
            await come_and_go(server)
            with pytest.raises(ReplyTimeout):
                await server.wait_for_client(0.01)
            async with connecting(server.key) as client:
                peer = await server.wait_for_client(SECONDS)
                assert await peer.send(Number(n=1)) == Number(n=1)
                assert client.status.kind == "connected"

    run(main)


def test_only_the_last_few_that_have_left_are_kept() -> None:
    async def main() -> None:
        async with serving() as server:
            for _ in range(LEFT_COUNT + 4):
                await come_and_go(server)
            await settle()
            server.close()
            assert len([peer async for peer in server]) == LEFT_COUNT

    run(main)


def test_who_waits_for_the_end_of_a_server_waits_until_it_is_closed() -> None:
    """With peers or without."""

    async def main() -> None:
        async with serving() as server:
            waiting = asyncio.create_task(server.wait_closed())
            await settle()
            assert not waiting.done()
            async with connecting(server.key):
                pass
            await settle()
            assert not waiting.done()
            server.close()
            await asyncio.wait_for(waiting, SECONDS)

    run(main)


def test_who_waits_for_a_client_when_the_server_closes() -> None:
    async def main() -> None:
        async with serving() as server:
            waiting = [asyncio.create_task(server.wait_for_client()) for _ in range(2)]
            await settle()
            server.close()
            for one in waiting:
                with raised_in_time(SECONDS), pytest.raises(IpcError):
                    await one
        with pytest.raises(IpcError):
            await server.wait_for_client()
        assert [peer async for peer in server] == []

    run(main)


def test_no_more_peers_than_the_limit() -> None:
    async def main() -> None:
        async with serving(limits=RpcLimits(peers=2)) as server:
            clients = [await connecting(server.key) for _ in range(2)]
            third = asyncio.create_task(_opened(connecting(server.key, timeout=SECONDS)))
            await asyncio.sleep(0.03)
            assert len(server.peers) == 2
            assert not third.done()
            clients[0].close()
            client = await third
            assert await client.send(Number(n=1)) == Number(n=1)
            for one in (clients[1], client):
                one.close()
                await one.wait_closed()
            await clients[0].wait_closed()

    run(main)


async def _opened(opening: Any) -> RpcClient[Note]:
    client: RpcClient[Note] = await opening
    return client


# Who does not shake hands -------------------------------------------------------------------------


def test_a_silent_client_is_dropped_in_time(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with serving(limits=RpcLimits(handshake_seconds=0.05)) as server:
            starts = (b"", hello(server.key)[:20], hello(server.key))
            async with contextlib.AsyncExitStack() as stack:
                raws = [await stack.enter_async_context(raw_client(server.path)) for _ in starts]
                for raw, start in zip(raws, starts, strict=True):
                    raw.write(start)
                async with connecting(server.key) as client:
                    assert await client.send(Number(n=1)) == Number(n=1)
                    assert len(server.peers) == 1
                    for raw in raws:
                        await raw.rest()
                    assert await client.send(Number(n=2)) == Number(n=2)

    run(main)
    assert caplog.records


async def _read_and_close(raw: Raw) -> None:
    await raw.rest()
    await raw.close()


def test_silent_clients_count_among_the_peers_that_a_server_keeps() -> None:
    """A hundred connections that say nothing cost a bounded number of descriptors."""

    async def main() -> None:
        limits = RpcLimits(peers=4, handshake_seconds=0.05)
        async with serving(limits=limits) as server, contextlib.AsyncExitStack() as stack:
            before = len(os.listdir("/proc/self/fd"))
            raws = [await stack.enter_async_context(raw_client(server.path)) for _ in range(20)]
            await asyncio.sleep(0.02)
            assert len(os.listdir("/proc/self/fd")) - before <= 20 + 4 + 1
            await asyncio.gather(*map(_read_and_close, raws))
            async with connecting(server.key) as client:
                assert await client.send(Number(n=1)) == Number(n=1)

    run(main)


# Its end ------------------------------------------------------------------------------------------


def test_statuses_of_a_server() -> None:
    async def main() -> None:
        server = serving()
        async with server as entered:
            assert entered is server
            assert server.status.kind == "waiting"
            async with connecting(server.key):
                await server.wait_for_client(SECONDS)
                assert server.status.kind == "connected"
        assert server.status.kind == "closed"
        assert server.peers == ()

    run(main)


def test_closing_ends_all_conversations(on_loop: Run) -> None:
    async def main() -> None:
        stage = Stage()
        async with serving(stage.handle) as server:
            clients = [await connecting(server.key) for _ in range(5)]
            sends = [client.send(Number(n=n), 60) for n, client in enumerate(clients)]
            await stage.reaches(began=5)
            server.close()
            server.close()
            outcomes = await asyncio.gather(*sends, return_exceptions=True)
            assert [type(outcome).__name__ for outcome in outcomes] == ["Disconnected"] * 5
            assert [(await c.wait_closed()).kind for c in clients] == ["closed"] * 5
            await server.wait_closed()
            assert len(stage.cancelled) == 5
            assert not os.path.lexists(server.path)
            with pytest.raises(ServerNotRunning):
                await connecting(server.key)

    on_loop(main)


def test_closing_while_a_client_shakes_hands(on_loop: Run) -> None:
    async def main() -> None:
        async with serving() as server, raw_client(server.path) as raw:
            raw.write(hello(server.key)[:50])
            connected = asyncio.create_task(_opened(connecting(server.key)))
            await settle(3)
            server.close()
            with raised_in_time(SECONDS):
                await asyncio.gather(server.wait_closed(), _read_and_close(raw))
                with contextlib.suppress(IpcError):
                    await (await connected).wait_closed()

    on_loop(main)


@pytest.mark.parametrize("turns", range(6))
def test_closing_while_somebody_connects(on_loop: Run, turns: int) -> None:
    async def main() -> None:
        async with serving() as server:
            with connect(server.path) as connected:
                connected.setblocking(False)
                await settle(turns)
                server.close()
            await server.wait_closed()

    on_loop(main)


def test_a_handler_closes_the_server() -> None:
    async def main() -> None:
        async def closes(message: Note, peer: RpcPeer[Note]) -> Note:
            server.close()
            return message

        async with serving(closes) as server, connecting(server.key) as client:
            with raised_in_time(SECONDS), pytest.raises(IpcError):
                await client.send(Number(n=1))
            assert (await client.wait_closed()).kind == "closed"

    run(main)


def test_a_server_is_used_within_its_block_once() -> None:
    async def main() -> None:
        server = serving()
        with pytest.raises(LocalProtocolError):
            await server.wait_for_client(0)
        async with server:
            with pytest.raises(LocalProtocolError):
                await server.__aenter__()
        with pytest.raises(LocalProtocolError):
            await server.__aenter__()
        server.close()
        await server.wait_closed()

    run(main)


def test_settings_that_are_none() -> None:
    with pytest.raises((ValueError, TypeError), match="enforce"):
        serving(schema_check="strict")
    with pytest.raises(TypeError, match="handler"):
        serving(handler=5)


def test_a_server_of_commands() -> None:
    async def main() -> None:
        async with joined(None, None, Order, server={"context": Place("here")}) as both:
            assert await both.client.send(Where()) == "here"

    run(main)
