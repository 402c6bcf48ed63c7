"""Loops: asyncio's and uvloop's, several in threads, forked; what idle peers cost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import threading
from collections.abc import Callable
from typing import Any

import pytest

from lazyipc import IpcError
from lazyipc.rpc import RpcClient, RpcServer
from tests.harness import DEADLINE_SECONDS
from tests.rpc.loops import LOOPS, NewLoop, Run, Watch, new_uvloop, run, until, uvloop
from tests.rpc.messages import SECONDS, Note, Number, echo, joined
from tests.rpc.test_peer import ping_pong


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS.keys())
def test_one_loop_each_in_several_threads(new_loop: NewLoop) -> None:
    if new_loop is new_uvloop:
        uvloop()
    failures: list[BaseException] = []

    async def main() -> None:
        async with joined(ping_pong, ping_pong) as both:
            for _ in range(5):
                sends = [
                    end.send(Number(n=n)) for n in range(10) for end in (both.client, both.peer)
                ]
                replies = await asyncio.gather(*sends)
                assert [reply.n for reply in replies] == [n for n in range(10) for _ in "ab"]

    def live(watch: Watch) -> None:
        try:
            watch.run(main, new_loop=new_loop)
        except BaseException as error:
            failures.append(error)

    with Watch() as watch:
        threads = [threading.Thread(target=live, args=(watch,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_SECONDS)
            assert not thread.is_alive()
        assert not failures, failures


def test_a_server_in_one_thread_and_clients_in_others(path: str) -> None:
    failures: list[BaseException] = []

    def live(watch: Watch, main: Any) -> None:
        try:
            watch.run(main)
        except BaseException as error:
            failures.append(error)

    with Watch() as watch:
        keys: list[str] = []
        there, over = threading.Event(), threading.Event()

        async def serve() -> None:
            async with RpcServer(Note, ping_pong, path) as server:
                keys.append(server.key)
                there.set()
                await until(over.is_set)

        async def ask() -> None:
            async with RpcClient.connect(keys[0], Note, ping_pong) as client:
                for n in range(20):
                    assert await client.send(Number(n=n)) == Number(n=n)

        server = threading.Thread(target=live, args=(watch, serve))
        server.start()
        assert there.wait(DEADLINE_SECONDS)
        clients = [threading.Thread(target=live, args=(watch, ask)) for _ in range(3)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join(DEADLINE_SECONDS)
        over.set()
        server.join(DEADLINE_SECONDS)
        assert not failures, failures


def test_no_thread_is_started(on_loop: Run) -> None:
    async def main() -> None:
        before = threading.active_count()
        async with joined() as both:
            assert await both.client.send(Number(n=1)) == Number(n=1)
            assert await both.peer.send(Number(n=1)) == Number(n=1)
            assert threading.active_count() == before

    on_loop(main)


class CountingSelector(selectors.DefaultSelector):
    """Counts how often a loop was awake."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def select(self, timeout: float | None = None) -> Any:
        self.count += 1
        return super().select(timeout)


def test_idle_peers_wake_nobody() -> None:
    selector = CountingSelector()

    async def main() -> None:
        async with RpcServer(Note, echo) as server, contextlib.AsyncExitStack() as stack:
            for _ in range(200):
                opening = RpcClient.connect(server.key, Note, echo)
                client = await stack.enter_async_context(opening)
                await client.send(Number(n=1))
            await until(lambda: len(server.peers) == 200)
            await asyncio.sleep(0.05)
            before = selector.count
            await asyncio.sleep(0.3)
            assert selector.count - before <= 3, "the loop woke for more than this test's own timer"

    run(main, new_loop=lambda: asyncio.SelectorEventLoop(selector), timeout=30)


def test_two_servers_and_clients_of_both_in_one_loop(on_loop: Run) -> None:
    async def main() -> None:
        async with joined() as one, joined() as other:
            ends = [one.peer, one.client, other.peer, other.client]
            replies = await asyncio.gather(*(end.send(Number(n=n)) for n, end in enumerate(ends)))
            assert [reply.n for reply in replies] == [0, 1, 2, 3]

    on_loop(main)


def test_asyncio_run_again_and_again() -> None:
    async def main() -> int:
        async with joined() as both:
            return (await both.client.send(Number(n=1))).n

    assert [run(main) for _ in range(3)] == [1, 1, 1]


# Forks --------------------------------------------------------------------------------------------


async def in_child(check: Callable[[], object]) -> None:
    """Fork within the running loop, and fail where the child's check does; it touches no loop."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            check()
            status = 0
        except BaseException as error:
            os.write(2, f"in the child: {error!r}\n".encode())
        finally:
            os._exit(status)
    ended: list[int] = []

    def has_ended() -> bool:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            ended.append(status)
        return bool(gone)

    await until(has_ended)
    assert ended == [0], "the child failed; what it says is on stderr"


def test_a_forked_child_has_no_part_in_its_parents_conversations(on_loop: Run) -> None:
    async def main() -> None:
        async with joined() as both:
            waiting = both.client.send(Number(n=0))

            def check() -> None:
                for end in (both.client, both.peer):
                    with pytest.raises(IpcError, match="fork"):
                        end.send(Number(n=1))
                    end.close()
                both.server.close()
                assert os.path.exists(both.server.path)

            await in_child(check)
            assert await waiting == Number(n=0)
            for end in (both.client, both.peer):
                assert await end.send(Number(n=2)) == Number(n=2)
            assert both.client.status.kind == both.peer.status.kind == "connected"
            async with RpcClient.connect(both.server.key, Note, echo) as another:
                assert await another.send(Number(n=3)) == Number(n=3)

    on_loop(main)


def test_a_forked_child_that_ends_removes_nothing_of_its_parents() -> None:
    """What Python calls at a process's end is called in a child, too."""

    async def main() -> None:
        async with joined() as both:
            folder = os.path.dirname(both.server.path)
            before = sorted(os.listdir(folder))
            reception: Any = both.server._reception
            await in_child(reception._closers._finalizer)
            assert sorted(os.listdir(folder)) == before

    run(main)


def test_a_forked_child_has_a_conversation_of_its_own() -> None:
    async def main() -> None:
        async with joined() as both:
            key = both.server.key

            def child() -> None:
                async def ask() -> None:
                    async with RpcClient.connect(key, Note, echo) as client:
                        assert await client.send(Number(n=5)) == Number(n=5)

                asyncio._set_running_loop(None)  # that of the parent, which does not run here
                asyncio.set_event_loop(None)
                asyncio.run(ask())

            await in_child(child)
            assert await both.client.send(Number(n=6), SECONDS) == Number(n=6)

    run(main)
