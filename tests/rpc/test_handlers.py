"""What handlers run in and how they end: contexts, eager tasks, the end of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from lazyipc import Command, LocalProtocolError
from lazyipc.rpc import RpcClient, RpcLimits, RpcPeer, RpcServer, current_peer
from tests.rpc.loops import LOOPS, NewLoop, Run, run, settle, until
from tests.rpc.messages import (
    SECONDS,
    Blob,
    Handler,
    Note,
    Number,
    Order,
    Place,
    Said,
    Stage,
    Wait,
    Where,
    echo,
    joined,
)

ONE_AT_ONCE = {"limits": RpcLimits(running=1)}

# Contexts -----------------------------------------------------------------------------------------

user: ContextVar[str] = ContextVar("user", default="nobody")


def test_what_a_handler_sets_in_its_context_is_no_other_handlers(on_loop: Run) -> None:
    """Not even where it ends, and so makes another one begin."""

    async def main() -> None:
        seen: list[str] = []

        async def handler(message: Any, peer: Any) -> Note:
            seen.append(user.get())
            user.set(f"user {message.n}")
            await asyncio.sleep(0)
            return Number(n=message.n)

        async with (
            RpcServer(Note, handler, **ONE_AT_ONCE) as server,  # type: ignore[arg-type]
            RpcClient.connect(server.key, Note) as one,
            RpcClient.connect(server.key, Note) as other,
        ):
            ends = (one, other, one, other)
            await asyncio.gather(*(end.send(Number(n=n)) for n, end in enumerate(ends)))
        assert seen == ["nobody"] * 4

    on_loop(main)


class Errand(Command[Place]):
    """Commands that look around where they run."""


class Visit(Errand):
    """Plain, and sets something in the context it runs in."""

    def process(self, context: Place) -> Said:
        seen = user.get()
        user.set("a visitor")
        return Said(words=seen)


class Stay(Errand):
    async def process(self, context: Place) -> Said:
        seen = user.get()
        user.set("a guest")
        await asyncio.sleep(0)
        return Said(words=seen)


def test_what_process_sets_in_its_context_is_nobody_elses() -> None:
    async def main() -> None:
        async with joined(None, None, Errand, server={"context": Place()}) as both:
            orders = (Visit(), Stay(), Visit(), Stay())
            replies = [await both.client.send(order) for order in orders]
            assert replies == [Said(words="nobody")] * 4
            assert user.get() == "nobody"

    run(main)


class Which(Errand):
    def process(self, context: Place) -> Said:
        return Said(words=str(id(current_peer())))


class WhichLater(Errand):
    async def process(self, context: Place) -> Said:
        await asyncio.sleep(0)
        return Said(words=str(await asyncio.create_task(ask_in_a_task())))


async def ask_in_a_task() -> int:
    return id(current_peer())


@pytest.mark.parametrize("order", [Which(), WhichLater()], ids=lambda order: type(order).__name__)
def test_process_learns_which_peer_asked(order: Errand) -> None:
    async def main() -> None:
        async with (
            RpcServer(Errand, context=Place()) as server,
            RpcClient.connect(server.key, Errand) as one,
        ):
            of_one = await server.wait_for_client(SECONDS)
            async with RpcClient.connect(server.key, Errand) as other:
                of_other = await server.wait_for_client(SECONDS)
                asked = await asyncio.gather(*(end.send(order) for end in (one, other, one)))
                expected = [of_one, of_other, of_one]
                assert asked == [Said(words=str(id(peer))) for peer in expected]
        with pytest.raises(LocalProtocolError, match="no message is being handled"):
            current_peer()

    run(main)


# Turns --------------------------------------------------------------------------------------------


def test_a_plain_process_does_not_wait_behind_others_for_a_place(on_loop: Run) -> None:
    async def main() -> None:
        context = Place(name="here")
        async with joined(None, None, Order, server={"context": context, **ONE_AT_ONCE}) as both:
            waiting = [both.client.send(Wait()) for _ in range(3)]
            assert await both.client.send(Where()) == "here"
            assert "Wait is over" not in context.ran
            context.gate.set()
            assert await asyncio.gather(*waiting) == [Said(words="let go")] * 3

    on_loop(main)


# Tasks that take their first step at once ---------------------------------------------------------


class _FirstStep(Coroutine[Any, Any, Any]):
    """A coroutine that took its first step, and awaits what that step awaited."""

    def __init__(self, steps: Any, first: Any) -> None:
        self._steps = steps
        self._first = first
        self._is_told = False
        self.__name__ = self.__qualname__ = "eager"

    def send(self, value: Any) -> Any:
        if not self._is_told:
            self._is_told = True
            return self._first
        return self._steps.send(value)

    def throw(self, *raised: Any) -> Any:
        return self._steps.throw(*raised)

    def close(self) -> None:
        self._steps.close()

    def __await__(self) -> Any:
        raise NotImplementedError


def _eager_by_hand(
    loop: asyncio.AbstractEventLoop, steps: Any, *, context: Any = None
) -> asyncio.Future[Any]:
    """As asyncio's, of 3.12: but its first step has no current task."""
    try:
        first = steps.send(None) if context is None else context.run(steps.send, None)
    except StopIteration as over:
        done = loop.create_future()
        done.set_result(over.value)
        return done
    return asyncio.Task(_FirstStep(steps, first), loop=loop, context=context)


@contextlib.contextmanager
def eager_tasks() -> Iterator[None]:
    """Tasks take their first step as they are made, within the block."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory", _eager_by_hand))
    try:
        yield
    finally:
        loop.set_task_factory(None)


def test_handlers_that_end_in_their_first_step_are_answered_and_over() -> None:
    async def main() -> None:
        async def handler(message: Any, peer: Any) -> Note:
            if message.n % 2:
                await asyncio.sleep(0)
            return Number(n=message.n)

        async with joined(handler, server=ONE_AT_ONCE) as both:
            with eager_tasks():
                for n in range(4):
                    assert await both.client.send(Number(n=n), SECONDS) == Number(n=n)
                replies = [both.client.send(Number(n=n), SECONDS) for n in range(20)]
                assert [(await reply).n for reply in replies] == [*range(20)]
                await settle()
            assert both.peer._conversation._inbox.count == 0, "a handler that is over still counts"
            both.server.close()
            async with asyncio.timeout(SECONDS):
                await both.server.wait_closed()

    run(main)


def test_a_handler_that_closes_its_peer_in_its_first_step_is_cancelled() -> None:
    async def main() -> None:
        ended: list[str] = []

        async def handler(message: Note, peer: RpcPeer[Note]) -> Note:
            peer.close()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("cancelled")
            return message

        async with joined(handler) as both:
            with eager_tasks():
                await both.client.notify(Number(n=1))
                await until(lambda: ended == ["cancelled"])
            async with asyncio.timeout(SECONDS):
                await both.client.wait_closed()
                await both.peer.wait_closed()

    run(main)


def test_many_peers_queued_behind_one_place_are_served_in_a_loop() -> None:
    """Each handler that ends in its first step makes the next begin: not within itself."""

    async def main() -> None:
        gate = asyncio.Event()

        async def handler(message: Any, peer: Any) -> Note:
            if message.n == 0:
                await gate.wait()
            return Number(n=message.n)

        count = 60
        async with RpcServer(Note, handler, **ONE_AT_ONCE) as server:  # type: ignore[arg-type]
            clients = [await RpcClient.connect(server.key, Note) for _ in range(count)]
            limit = sys.getrecursionlimit()
            with eager_tasks():
                first = clients[0].send(Number(n=0))
                replies = [client.send(Number(n=n + 1)) for n, client in enumerate(clients)]
                await settle()
                sys.setrecursionlimit(_depth() + 5 * count)
                try:
                    gate.set()
                    assert await first == Number(n=0)
                    assert [(await reply).n for reply in replies] == [*range(1, count + 1)]
                finally:
                    sys.setrecursionlimit(limit)
            for client in clients:
                client.close()

    run(main)


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


# The connection's end -----------------------------------------------------------------------------


async def waits_for_its_peer(message: Note, peer: RpcPeer[Note]) -> None:
    await peer.wait_closed()


async def never_ends(message: Note, peer: RpcPeer[Note]) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("handler", [waits_for_its_peer, never_ends])
def test_a_handler_of_a_notification_keeps_no_server_from_closing(
    on_loop: Run, handler: Handler
) -> None:
    async def main() -> None:
        async with RpcServer(Note, handler) as server:
            async with RpcClient.connect(server.key, Note) as client:
                await client.notify(Number(n=1))
                await settle()
            server.close()
            async with asyncio.timeout(SECONDS):
                await server.wait_closed()

    on_loop(main)


@pytest.mark.parametrize("closes", [False, True])
def test_a_handler_may_wait_for_the_end_of_its_own_peer(closes: bool) -> None:
    """Whoever closes, the peer or the handler itself."""

    async def main() -> None:
        seen: list[str] = []

        async def handler(message: Note, peer: RpcPeer[Note]) -> None:
            if closes:
                peer.close()
            try:
                seen.append((await peer.wait_closed()).kind)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        async with RpcServer(Note, handler) as server:
            async with RpcClient.connect(server.key, Note) as client:
                await client.notify(Number(n=1))
                await settle()
            await until(lambda: bool(seen))
            assert seen == ["cancelled" if closes else "closed"]

    run(main)


def test_the_end_of_a_notifications_handler_is_not_waited_for_until_close() -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle) as both:
            await both.client.notify(Number(n=1))
            await stage.reaches(began=1)
            both.client.close()
            async with asyncio.timeout(SECONDS):
                assert (await both.peer.wait_closed()).kind == "closed"
            assert stage.cancelled == []
            both.peer.close()
            await stage.reaches(cancelled=1)

    run(main)


class Careful:
    """A handler that takes some turns to tidy up; what became of it is written down."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.told: list[str] = []

    async def handle(self, message: Note, peer: RpcPeer[Note]) -> Note:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            try:
                await asyncio.sleep(0.02)
                self.told.append("tidied up")
            except asyncio.CancelledError:
                self.told.append("interrupted")
                raise
        return message


def test_closing_twice_does_not_interrupt_a_handler_that_tidies_up(on_loop: Run) -> None:
    async def main() -> None:
        careful = Careful()
        async with joined(careful.handle) as both:
            reply = asyncio.create_task(awaited(both.client.send(Number(n=1))))
            await careful.began.wait()
            for _ in range(3):
                both.peer.close()
                await asyncio.sleep(0)
            both.server.close()
            await asyncio.wait([reply])
            await until(lambda: bool(careful.told))
            assert careful.told == ["tidied up"]
            assert isinstance(reply.exception(), Exception)

    on_loop(main)


def test_a_cancel_and_then_a_goodbye_do_not_interrupt_a_handler_that_tidies_up() -> None:
    async def main() -> None:
        careful = Careful()
        async with joined(careful.handle) as both:
            reply = asyncio.create_task(awaited(both.client.send(Number(n=1))))
            await careful.began.wait()
            reply.cancel()
            await settle(3)
            both.client.close()
            await until(lambda: bool(careful.told))
            assert careful.told == ["tidied up"]

    run(main)


async def awaited(reply: Any) -> Any:
    return await reply


def test_a_loop_that_ends_cancels_handlers_and_logs_no_failure_of_theirs(
    on_loop: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """As asyncio.run does with all that runs."""
    stage = Stage()

    async def main() -> None:
        async with joined(stage.handle) as both:
            await both.client.send(Number(n=1))

    async def begin() -> None:
        asyncio.create_task(main())  # noqa: RUF006 the loop is to end over it
        await stage.reaches(began=1)

    on_loop(begin, leaves_tasks=True)
    assert stage.cancelled == [Number(n=1)]
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


# A loop that is closed under all that runs in it --------------------------------------------------


def close_a_loop_over(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Close a loop without a word to what waits in it, and collect all that is left."""
    loop = asyncio.new_event_loop()
    task: Any = loop.create_task(main())
    until_waiting = loop.create_task(asyncio.sleep(0.01))
    loop.run_until_complete(until_waiting)
    loop.close()
    del task, until_waiting, loop


async def in_blocks() -> None:
    async with (
        RpcServer(Note, never_ends, **ONE_AT_ONCE) as server,  # type: ignore[arg-type]
        RpcClient.connect(server.key, Note, never_ends) as client,
    ):
        peer = await server.wait_for_client()
        await asyncio.gather(*(end.send(Number(n=n)) for n in range(3) for end in (client, peer)))


async def in_no_block() -> None:
    async def handler(message: Note, peer: RpcPeer[Note]) -> None:
        """Leads to its server, as handlers do."""
        await server.wait_closed()

    server = RpcServer(Note, handler, **ONE_AT_ONCE)  # type: ignore[arg-type]
    await server.__aenter__()
    client = await RpcClient.connect(server.key, Note)
    await asyncio.gather(*(client.send(Number(n=n)) for n in range(3)))


@pytest.mark.parametrize("main", [in_blocks, in_no_block])
def test_a_loop_closed_over_handlers_leaves_no_descriptor_and_complains_of_none(
    main: Callable[[], Coroutine[Any, Any, None]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    complaints: list[str] = []
    gc.collect()
    monkeypatch.setattr(sys, "unraisablehook", lambda told: complaints.append(repr(told)))
    before = len(os.listdir("/proc/self/fd"))
    with warnings.catch_warnings():  # of what was not closed
        warnings.simplefilter("ignore", ResourceWarning)
        for _ in range(3):
            close_a_loop_over(main)
        gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
    assert complaints == []
    told = [record for record in caplog.records if record.name.startswith("lazyipc")]
    assert not told, [record.getMessage() for record in told]


# What is left of a message ------------------------------------------------------------------------


def test_a_message_is_gone_as_soon_as_it_is_handled() -> None:
    """Not when a collector finds the time: it may be large."""

    async def main() -> None:
        handled: list[weakref.ref[Note]] = []

        async def handler(message: Note, peer: RpcPeer[Note]) -> Note:
            handled.append(weakref.ref(message))
            await asyncio.sleep(0)
            return Number(n=1)

        async with joined(handler) as both:
            await both.client.send(Number(n=0))
            gc.collect()
            gc.disable()
            try:
                for _ in range(10):
                    await both.client.send(Blob(data=b"large"))
                    await both.client.notify(Blob(data=b"large"))
                await until(lambda: len(handled) == 21)
                await settle()
                assert [ref() for ref in handled] == [None] * 21
            finally:
                gc.enable()

    run(main)


def test_serving_does_not_look_round_at_all_peers_for_each_message() -> None:
    async def main() -> None:
        async with joined(echo) as both:
            looks: list[None] = []
            conversation = both.peer._conversation
            look_round = conversation.on_change
            assert look_round is not None

            def counted() -> None:
                looks.append(None)
                look_round()

            conversation.on_change = counted
            for n in range(10):
                await both.client.send(Number(n=n))
                await both.client.notify(Number(n=n))
            await settle()
            assert looks == []
            both.client.close()
            await both.peer.wait_closed()
            assert looks

    run(main)


# What ends the program ----------------------------------------------------------------------------


class Interrupt(Errand):
    def process(self, context: Place) -> Said:
        raise KeyboardInterrupt


@pytest.mark.parametrize("new_loop", LOOPS.values(), ids=LOOPS)
def test_an_interrupt_within_a_plain_process_reaches_the_program_and_harms_no_peer(
    new_loop: NewLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """What came behind it, in the same piece, is answered when the loop goes on."""
    loop = new_loop()
    asyncio.set_event_loop(loop)

    async def connect() -> tuple[RpcServer[Errand], RpcClient[Errand]]:
        server = await RpcServer(Errand, context=Place()).__aenter__()
        return server, await RpcClient.connect(server.key, Errand)

    server, client = loop.run_until_complete(connect())
    replies: list[Any] = []

    async def ask() -> None:
        orders = (Visit(), Interrupt(), Visit(), Stay())
        replies.extend(client.send(order, SECONDS) for order in orders)
        await asyncio.sleep(SECONDS)

    async def see() -> list[Any]:
        outcomes = await asyncio.gather(*map(awaited, replies), return_exceptions=True)
        assert client.status.kind == "connected"
        client.close()
        server.close()
        await server.wait_closed()
        return outcomes

    async def cancel_all() -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.wait(rest)

    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(ask())
        outcomes = loop.run_until_complete(see())
        assert [outcomes[0], *outcomes[2:]] == [Said(words="nobody")] * 3
        assert isinstance(outcomes[1], Exception)
        loop.run_until_complete(cancel_all())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert "Fatal error" not in caplog.text
