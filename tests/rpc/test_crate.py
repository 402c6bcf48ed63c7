"""The tests of the Rust crate `ipc-rpc`, by their names and with what they assert.

Source: `ipc-rpc` 2.0, src/lib.rs. What is dropped there is closed here; what its threads take part
in happens in one loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator

import pytest

from lazyipc import ReplyTimeout, TaggedUnion
from lazyipc.rpc import RpcClient, RpcPeer, RpcServer
from tests.rpc.loops import LOOPS, NewLoop, Run, run
from tests.rpc.messages import Joined, joined, silent
from tests.rpc.virtual import VirtualClock

DEFAULT_REPLY_TIMEOUT = 5.0


class IpcProtocolMessage(TaggedUnion):
    """The messages of the crate's tests."""


class TestMessage(IpcProtocolMessage):
    __test__ = False


class ClientTestReply(IpcProtocolMessage):
    pass


class ServerTestReply(IpcProtocolMessage):
    pass


Peer = RpcPeer[IpcProtocolMessage]


def replies(reply: IpcProtocolMessage) -> Callable[..., object]:
    """A handler that replies so to the test's message, and to no other."""

    async def handler(message: IpcProtocolMessage, peer: Peer) -> IpcProtocolMessage | None:
        return reply if isinstance(message, TestMessage) else None

    return handler


def dialogue(
    at_server: Callable[..., object] = silent, at_client: Callable[..., object] = silent
) -> contextlib.AbstractAsyncContextManager[Joined]:
    return joined(at_server, at_client, IpcProtocolMessage)


async def validate(both: Joined) -> None:
    (await both.peer.schema_validated()).assert_success()
    (await both.client.schema_validated()).assert_success()


def test_basic_dialogue(on_loop: Run) -> None:
    async def main() -> None:
        handlers = replies(ServerTestReply()), replies(ClientTestReply())
        async with dialogue(*handlers) as both:
            await validate(both)
            assert await both.peer.send(TestMessage()) == ClientTestReply()
            assert await both.client.send(TestMessage()) == ServerTestReply()

    on_loop(main)


def test_send_without_await(on_loop: Run) -> None:
    async def main() -> None:
        server_success: asyncio.Queue[None] = asyncio.Queue()
        client_success: asyncio.Queue[None] = asyncio.Queue()

        async def at_server(message: IpcProtocolMessage, peer: Peer) -> None:
            server_success.put_nowait(None)

        async def at_client(message: IpcProtocolMessage, peer: Peer) -> None:
            client_success.put_nowait(None)

        async with dialogue(at_server, at_client) as both:
            await validate(both)
            both.peer.send(TestMessage())
            both.client.send(TestMessage())
            async with asyncio.timeout(3):
                await server_success.get()
                await client_success.get()

    on_loop(main)


@contextlib.contextmanager
def measured(least: float, most: float | None = None) -> Iterator[None]:
    """The block takes so many seconds at least; and fewer than `most`."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took >= least
    assert most is None or took < most


def test_timeout() -> None:
    """With the crate's five seconds, which a virtual clock makes short."""

    async def main() -> None:
        async with dialogue() as both:
            await validate(both)
            for end in (both.peer, both.client):
                with measured(DEFAULT_REPLY_TIMEOUT), pytest.raises(ReplyTimeout):
                    await end.send(TestMessage())

    with VirtualClock() as clock:
        run(main, timeout=60, new_loop=clock.new_loop)


def test_custom_timeout(on_loop: Run) -> None:
    async def main() -> None:
        custom = 0.1
        async with dialogue() as both:
            await validate(both)
            for end in (both.peer, both.client):
                with measured(custom, DEFAULT_REPLY_TIMEOUT), pytest.raises(ReplyTimeout):
                    await end.send(TestMessage(), custom)

    on_loop(main)


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS.keys())
def test_server_drop_does_not_hang(new_loop: NewLoop) -> None:
    """A loop ends while a server is there that nobody closed."""
    paths: list[str] = []

    async def main() -> None:
        server = RpcServer(IpcProtocolMessage, silent)
        await server.__aenter__()
        paths.append(server.path)

    ended: list[BaseException | None] = []

    def live() -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(main())
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=live, daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of what was not closed, and should be
        thread.start()
        thread.join(DEFAULT_REPLY_TIMEOUT)
        gc.collect()
    assert not thread.is_alive()
    assert ended == [None]
    assert not os.path.lexists(os.path.dirname(paths[0]))


class DropDetector:
    """What a handler holds on to, so that its end is seen."""


def detecting(detector: DropDetector) -> Callable[..., object]:
    async def handler(message: IpcProtocolMessage, peer: Peer) -> None:
        raise AssertionError(f"nobody calls the handler that holds {detector}")

    return handler


def test_server_disconnect(on_loop: Run) -> None:
    """The server goes, the client sees it; nothing keeps the server's handler."""
    detector = DropDetector()
    drop_detector = weakref.ref(detector)

    async def main(handler: Callable[..., object]) -> None:
        async with RpcServer(IpcProtocolMessage, handler) as server:
            client = await RpcClient.connect(server.key, IpcProtocolMessage, silent)
        assert (await client.wait_closed()).kind == "closed"

    handler = detecting(detector)
    del detector
    assert drop_detector() is not None
    on_loop(functools.partial(main, handler), timeout=3)
    del handler
    gc.collect()
    assert drop_detector() is None


def test_client_disconnect(on_loop: Run) -> None:
    """The client goes, the server sees it; nothing keeps the client's handler."""
    detector = DropDetector()
    drop_detector = weakref.ref(detector)

    async def main(handler: Callable[..., object]) -> None:
        async with RpcServer(IpcProtocolMessage, silent) as server:
            client = await RpcClient.connect(server.key, IpcProtocolMessage, handler)
            peer = await server.wait_for_client()
            client.close()
            assert (await peer.wait_closed()).kind == "closed"

    handler = detecting(detector)
    del detector
    assert drop_detector() is not None
    on_loop(functools.partial(main, handler), timeout=3)
    del handler
    gc.collect()
    assert drop_detector() is None


def test_rpc_call(on_loop: Run) -> None:
    """The crate's macro `rpc_call!` is a `match` on the reply."""

    async def main() -> None:
        handlers = replies(ServerTestReply()), replies(ClientTestReply())
        async with dialogue(*handlers) as both:
            await validate(both)
            received = []
            match await both.peer.send(TestMessage()):
                case ClientTestReply() as reply:
                    received.append(reply)
            match await both.client.send(TestMessage()):
                case ServerTestReply() as reply:
                    received.append(reply)
            assert received == [ClientTestReply(), ServerTestReply()]

    on_loop(main)
