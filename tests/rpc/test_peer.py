"""A peer's verbs: send, notify, status, close; and what its handler may do."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import os
from typing import Any

import pytest

from lazyipc import (
    CommandFailed,
    Disconnected,
    EncodeError,
    IpcError,
    MessageTooLarge,
    RemoteError,
    ReplyTimeout,
    SchemaError,
    TaggedUnion,
    UnexpectedReply,
)
from lazyipc.rpc import RpcLimits, RpcPeer
from tests.rpc.loops import Run, raised_in_time, run, until
from tests.rpc.messages import (
    SECONDS,
    Blob,
    Empty,
    Note,
    Number,
    Slow,
    Stage,
    Text,
    echo,
    joined,
    silent,
)
from tests.rpc.virtual import VirtualClock

SHORT = 0.06
"""Of a timeout that is meant to pass."""


# Replies ------------------------------------------------------------------------------------------


def test_each_send_gets_its_own_reply_in_whatever_order(on_loop: Run) -> None:
    async def later(message: Number, peer: RpcPeer[Note]) -> Note:
        await asyncio.sleep((message.n * 7 % 10) / 1000)
        return Number(n=message.n + 1000)

    async def main() -> None:
        async with joined(later, later) as both:
            for end in (both.peer, both.client):
                replies = await asyncio.gather(*(end.send(Number(n=n)) for n in range(100)))
                assert [reply.n for reply in replies] == list(range(1000, 1100))

    on_loop(main)


def test_both_directions_at_once(on_loop: Run) -> None:
    async def main() -> None:
        async with joined() as both:
            ends = (both.peer, both.client)
            sends = [end.send(Text(text=f"{n}")) for n in range(200) for end in ends]
            assert [r.text for r in await asyncio.gather(*sends)] == [
                f"{n}" for n in range(200) for _ in ends
            ]

    on_loop(main)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1_000_000, 16_000_000])
def test_messages_of_any_size(size: int) -> None:
    async def main() -> None:
        async with joined() as both:
            for end in (both.peer, both.client):
                assert await end.send(Blob(data=bytes(size))) == Blob(data=bytes(size))

    run(main)


def test_a_send_begins_without_being_awaited(on_loop: Run) -> None:
    async def main() -> None:
        stage = Stage(is_open=True)
        async with joined(stage.handle) as both:
            both.client.send(Text(text="dropped"))
            reply = both.client.send(Text(text="kept"))
            await stage.reaches(ended=2)
            assert await reply == Text(text="kept")

    on_loop(main)


def test_sends_that_begin_in_order_are_handled_in_order() -> None:
    async def main() -> None:
        stage = Stage(is_open=True)
        async with joined(stage.handle) as both:
            replies = [both.client.send(Number(n=n)) for n in range(100)]
            await both.client.notify(Number(n=100))
            await asyncio.gather(*replies)
            await stage.reaches(began=101)
            assert [message.n for message in stage.began] == list(range(101))

    run(main)


def test_a_reply_is_awaited_as_often_as_one_likes() -> None:
    async def main() -> None:
        async with joined() as both:
            reply = both.client.send(Number(n=1))
            first = asyncio.create_task(_await(reply))
            second = asyncio.create_task(_await(reply))
            assert [await first, await second, await reply] == [Number(n=1)] * 3

    run(main)


async def _await(reply: Any) -> Any:
    return await reply


def test_what_asyncio_does_with_coroutines_it_does_with_a_send(on_loop: Run) -> None:
    async def main() -> None:
        async with joined() as both:
            send = both.client.send
            assert await asyncio.create_task(send(Number(n=1))) == Number(n=1)
            assert await asyncio.wait_for(send(Number(n=2)), SECONDS) == Number(n=2)
            assert await asyncio.shield(send(Number(n=3))) == Number(n=3)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(send(Number(n=n))) for n in range(10)]
            assert [task.result().n for task in tasks] == list(range(10))
            async with asyncio.timeout(SECONDS):
                assert await send(Number(n=4)) == Number(n=4)
            done, pending = await asyncio.wait([asyncio.ensure_future(send(Number(n=5)))])
            assert not pending
            assert [task.result() for task in done] == [Number(n=5)]
            for earliest in asyncio.as_completed([send(Number(n=6))]):
                assert await earliest == Number(n=6)
            assert asyncio.iscoroutine(reply := send(Number(n=7)))
            assert await reply == Number(n=7)

    on_loop(main)


def test_a_task_group_ends_all_its_sends_when_one_fails() -> None:
    async def one_fails(message: Number, peer: RpcPeer[Note]) -> Note:
        if message.n == 3:
            raise CommandFailed("three")
        return await stage.handle(message, peer) or message

    async def main() -> None:
        async with joined(one_fails) as both:
            with pytest.raises(ExceptionGroup) as raised:
                await _together([both.client.send(Number(n=n)) for n in range(5)])
            assert [type(error) for error in raised.value.exceptions] == [CommandFailed]
            await stage.reaches(cancelled=4)

    stage = Stage()
    run(main)


async def _together(sends: list[Any]) -> None:
    async with asyncio.TaskGroup() as group:
        for send in sends:
            group.create_task(send)


def test_match_on_the_reply() -> None:
    async def main() -> None:
        async with joined() as both:
            match await both.client.send(Text(text="hello")):
                case Number():
                    raise AssertionError("another variant")
                case Text(text=text):
                    assert text == "hello"
                case other:
                    raise AssertionError(other)

    run(main)


def test_expect(on_loop: Run) -> None:
    async def main() -> None:
        async with joined() as both:
            for end in (both.peer, both.client):
                assert await end.send(Number(n=1), expect=Number) == Number(n=1)
                with pytest.raises(UnexpectedReply, match=r"(?s)Number.*Text|Text.*Number"):
                    await end.send(Text(text="?"), expect=Number)
                assert await end.send(Number(n=2)) == Number(n=2)

    on_loop(main)


def test_expect_one_of_several() -> None:
    async def main() -> None:
        async with joined() as both:
            assert await both.client.send(Number(n=1), expect=Number | Text) == Number(n=1)
            with pytest.raises(UnexpectedReply, match=r"Number \| Text.*Empty"):
                await both.client.send(Empty(), expect=Number | Text)

    run(main)


# What is known at the call ------------------------------------------------------------------------


class Foreign(TaggedUnion):
    """Another family."""


class Stranger(Foreign):
    pass


@pytest.mark.parametrize("message", [Stranger(), 5, "text", None, Number], ids=repr)
def test_what_is_no_message_is_refused_at_the_call(message: Any) -> None:
    async def main() -> None:
        async with joined() as both:
            for end in (both.peer, both.client):
                with pytest.raises(SchemaError, match="Note"):
                    end.send(message)
                with pytest.raises(SchemaError, match="Note"):
                    await end.notify(message)
                assert await end.send(Number(n=1)) == Number(n=1)

    run(main)


def test_what_is_larger_than_the_other_side_takes_is_refused_at_the_call() -> None:
    async def main() -> None:
        small = {"limits": RpcLimits(message_bytes=1000)}
        async with joined(server=small) as both:
            with pytest.raises(MessageTooLarge) as raised:
                both.client.send(Blob(data=bytes(1001)))
            assert raised.value.limit_bytes == 1000
            assert raised.value.size_bytes >= 1001
            with pytest.raises(MessageTooLarge):
                await both.client.notify(Blob(data=bytes(1001)))
            assert len((await both.client.send(Blob(data=bytes(900)))).data) == 900

    run(main)


def test_a_value_that_cannot_be_encoded_is_refused_at_the_call() -> None:
    async def main() -> None:
        async with joined() as both:
            with pytest.raises(EncodeError, match="n"):
                both.client.send(Number.model_construct(n=-1))
            assert await both.client.send(Number(n=1)) == Number(n=1)

    run(main)


@pytest.mark.parametrize("timeout", [-1, -math.inf, math.nan, "5", [1]], ids=repr)
def test_a_timeout_that_is_none_is_refused_at_the_call(timeout: Any) -> None:
    async def main() -> None:
        async with joined() as both:
            with pytest.raises((ValueError, TypeError)):
                both.client.send(Number(n=1), timeout)

    run(main)


@pytest.mark.parametrize("timeout", [math.inf, 1e300, 1e17, 1e9])
def test_a_timeout_of_any_length(on_loop: Run, timeout: float) -> None:
    async def main() -> None:
        limits = {"limits": RpcLimits(handshake_seconds=timeout)}
        async with joined(server=limits, client={"timeout": timeout, **limits}) as both:
            assert await both.client.send(Number(n=1), timeout) == Number(n=1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(both.server.wait_for_client(timeout), 0.01)

    on_loop(main)


# Timeouts -----------------------------------------------------------------------------------------


def test_a_timeout_ends_the_send_and_the_handler(on_loop: Run) -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle, stage.handle) as both:
            for end in (both.peer, both.client):
                with pytest.raises(ReplyTimeout) as raised:
                    await end.send(Number(n=1), SHORT)
                assert isinstance(raised.value, TimeoutError)
                assert raised.value.started in ("unknown", "yes")
            await until(lambda: len(stage.cancelled) == len(stage.began))
            assert both.client.status.kind == both.peer.status.kind == "connected"

    on_loop(main)


def test_the_timeout_of_a_message_class() -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle) as both:
            with raised_in_time(SECONDS), pytest.raises(ReplyTimeout, match=r"0\.05"):
                await both.client.send(Slow())
            send = asyncio.create_task(both.client.send(Slow(), SECONDS))
            await stage.reaches(began=2)
            stage.gate.set()
            assert await send == Slow()

    run(main)


def test_many_timeouts_in_any_order() -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle) as both:
            seconds = [5, 1, 3, math.inf, 2, 4]
            tasks = [asyncio.create_task(both.client.send(Number(n=n), wait))
                     for n, wait in enumerate(seconds)]  # fmt: skip
            ended: list[int] = []
            for n, task in enumerate(tasks):
                task.add_done_callback(functools.partial(_note_end, ended, n))
            await until(lambda: len(ended) == 5, seconds=50)
            assert ended == [1, 4, 2, 5, 0]
            assert all(isinstance(tasks[n].exception(), ReplyTimeout) for n in ended)
            stage.gate.set()
            assert await tasks[3] == Number(n=3)

    with VirtualClock() as clock:
        run(main, timeout=60, new_loop=clock.new_loop)


def _note_end(ended: list[int], n: int, task: asyncio.Task[Any]) -> None:
    ended.append(n)


def test_without_time_nothing_runs() -> None:
    async def main() -> None:
        stage = Stage(is_open=True)
        async with joined(stage.handle) as both:
            with pytest.raises(ReplyTimeout) as raised:
                await both.client.send(Number(n=1), 0)
            assert await both.client.send(Number(n=2)) == Number(n=2)
            if raised.value.started == "no":
                assert stage.began == [Number(n=2)]

    run(main)


def test_who_waits_in_the_queue_past_its_deadline_is_not_run() -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle, server={"limits": RpcLimits(running=1)}) as both:
            first = asyncio.create_task(both.client.send(Number(n=1), math.inf))
            await until(lambda: bool(stage.began))
            with pytest.raises(ReplyTimeout):
                await both.client.send(Number(n=2), SHORT)
            stage.gate.set()
            assert await first == Number(n=1)
            assert await both.client.send(Number(n=3)) == Number(n=3)
            assert stage.began == [Number(n=1), Number(n=3)]

    run(main)


def test_a_handler_that_does_not_reply(on_loop: Run) -> None:
    """As in the crate, the send runs into its timeout; the error says why."""

    async def main() -> None:
        async with joined(silent, silent) as both:
            for end in (both.peer, both.client):
                with pytest.raises(ReplyTimeout, match="handler") as raised:
                    await end.send(Number(n=1), SHORT)
                assert raised.value.started == "yes"

    on_loop(main)


# Handlers -----------------------------------------------------------------------------------------


def test_an_expected_failure_arrives_and_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def refuses(message: Note, peer: RpcPeer[Note]) -> Note:
        raise CommandFailed("no such player")

    async def main() -> None:
        async with joined(refuses, refuses) as both:
            for end in (both.peer, both.client):
                with pytest.raises(CommandFailed, match="no such player"):
                    await end.send(Number(n=1))

    with caplog.at_level(logging.WARNING, "lazyipc"):
        run(main)
    assert not caplog.records


def test_any_other_failure_arrives_and_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def breaks(message: Note, peer: RpcPeer[Note]) -> Note:
        await asyncio.sleep(0)
        raise LookupError("gone astray")

    async def main() -> None:
        async with joined(breaks, breaks) as both:
            for end in (both.peer, both.client):
                with pytest.raises(RemoteError, match="gone astray") as raised:
                    await end.send(Number(n=1))
                assert raised.value.kind == "LookupError"
                assert type(raised.value) is RemoteError
                assert end.status.kind == "connected"

    with caplog.at_level(logging.DEBUG, "lazyipc"):
        run(main)
    told = [record for record in caplog.records if record.exc_info]
    assert len(told) == 2
    for record in told:
        assert record.name == "lazyipc"
        assert record.levelno >= logging.ERROR
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], LookupError)
        assert "breaks" in caplog.text
        assert "Number" in record.getMessage()


def test_a_handler_of_a_notification_that_fails_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def breaks(message: Note, peer: RpcPeer[Note]) -> Note:
        raise LookupError("gone astray") if message == Number(n=1) else CommandFailed("no")

    async def main() -> None:
        async with joined(breaks) as both:
            await both.client.notify(Number(n=1))
            await both.client.notify(Number(n=2))
            with pytest.raises(CommandFailed):
                await both.client.send(Number(n=3))

    run(main)
    assert [record.exc_info is not None for record in caplog.records].count(True) == 1


@pytest.mark.parametrize(
    "reply", [Stranger(), 5, Number, Blob(data=bytes(2000))], ids=lambda r: str(r)[:20]
)
def test_a_reply_that_cannot_be_sent(reply: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def answers(message: Note, peer: RpcPeer[Note]) -> Any:
        return reply

    async def main() -> None:
        small = {"limits": RpcLimits(message_bytes=1000)}
        async with joined(answers, client=small) as both:
            with raised_in_time(SECONDS), pytest.raises((UnexpectedReply, MessageTooLarge)):
                await both.client.send(Number(n=1))
            assert await both.peer.send(Number(n=1)) == Number(n=1)

    run(main)
    assert "Number" in caplog.text


def test_a_handler_that_cancels_itself_ends_the_send(caplog: pytest.LogCaptureFixture) -> None:
    async def gives_up(message: Note, peer: RpcPeer[Note]) -> Note:
        raise asyncio.CancelledError

    async def main() -> None:
        async with joined(gives_up) as both:
            with raised_in_time(SECONDS), pytest.raises(RemoteError):
                await both.client.send(Number(n=1))
            with raised_in_time(SECONDS), pytest.raises(RemoteError):
                await both.client.send(Number(n=2))

    run(main)


def test_a_handler_of_any_callable_kind() -> None:
    class Object:
        async def __call__(self, message: Note, peer: RpcPeer[Note]) -> Note:
            return message

    async def three(more: int, message: Number, peer: RpcPeer[Note]) -> Note:
        return Number(n=message.n + more)

    async def main() -> None:
        async with joined(Object(), functools.partial(three, 5)) as both:
            assert await both.client.send(Number(n=1)) == Number(n=1)
            assert await both.peer.send(Number(n=1)) == Number(n=6)

    run(main)


def test_a_handler_that_is_not_async_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    def plain(message: Note, peer: RpcPeer[Note]) -> Note:
        return message

    async def main() -> None:
        handler: Any = plain
        async with joined(handler) as both:
            with raised_in_time(SECONDS), pytest.raises(RemoteError, match="async def"):
                await both.client.send(Number(n=1))

    run(main)
    assert "async def" in caplog.text


def test_nobody_handles_what_is_sent() -> None:
    """A side without a handler says so; the sender does not wait for its timeout."""

    async def main() -> None:
        async with joined(at_client=None) as both:
            with raised_in_time(SECONDS), pytest.raises(IpcError) as raised:
                await both.peer.send(Number(n=1))
            assert not isinstance(raised.value, ReplyTimeout)
            assert "handle" in str(raised.value)
            await both.peer.notify(Number(n=1))
            assert await both.client.send(Number(n=2)) == Number(n=2)

    run(main)


def test_a_notification_that_nobody_handles_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with joined(at_client=None) as both:
            await both.peer.notify(Number(n=1))
            assert await both.client.send(Number(n=2)) == Number(n=2)

    run(main)
    (told,) = (record.getMessage() for record in caplog.records)
    assert "nobody handles messages: Number was dropped" in told


@pytest.mark.parametrize("side", ["server", "client"])
def test_records_that_were_held_back_are_counted_at_the_end(
    side: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with joined(None, None) as both:
            end = both.client if side == "server" else both.peer
            for n in range(30):
                await end.notify(Number(n=n))
            with pytest.raises(RemoteError):
                await end.send(Number(n=30))

    run(main)
    assert "20 records about clients were not logged" in caplog.text


def test_a_handler_is_given_the_peer_that_sent() -> None:
    async def main() -> None:
        stage = Stage(is_open=True)
        async with joined(stage.handle, stage.handle) as both:
            await both.client.send(Number(n=1))
            await both.peer.send(Number(n=2))
            assert stage.peers == [both.peer, both.client]

    run(main)


def test_handlers_run_concurrently_up_to_their_limit(on_loop: Run) -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle, server={"limits": RpcLimits(running=3)}) as both:
            sends = asyncio.gather(*(both.client.send(Number(n=n)) for n in range(10)))
            await until(lambda: stage.running == 3)
            await both.peer.send(Number(n=0))  # the other direction is free meanwhile
            assert stage.running == stage.most_running == 3
            stage.gate.set()
            assert [reply.n for reply in await sends] == list(range(10))
            assert stage.most_running == 3

    on_loop(main)


def test_timeouts_inside_a_handler() -> None:
    async def careful(message: Note, peer: RpcPeer[Note]) -> Note:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(peer.send(message, math.inf), 0.01)
        with contextlib.suppress(ReplyTimeout):
            await peer.send(message, 0.01)
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
        return message

    async def main() -> None:
        stage = Stage()
        async with joined(careful, stage.handle) as both:
            assert await both.client.send(Number(n=1)) == Number(n=1)
            await until(lambda: len(stage.cancelled) == len(stage.began))

    run(main)


# Handlers that send -------------------------------------------------------------------------------


async def ping_pong(message: Number, peer: RpcPeer[Note]) -> Note:
    """Asks the other side for what is one less, down to nothing."""
    if message.n == 0:
        return Number(n=0)
    reply = await peer.send(Number(n=message.n - 1), expect=Number)
    return Number(n=reply.n + 1)


def test_handlers_send_on_the_same_peer(on_loop: Run) -> None:
    async def main() -> None:
        async with joined(ping_pong, ping_pong) as both:
            for depth in (1, 2, 3, 50):
                replies = (both.peer.send(Number(n=depth)), both.client.send(Number(n=depth)))
                assert await asyncio.gather(*replies) == [Number(n=depth)] * 2

    on_loop(main)


@pytest.mark.parametrize("running", [1, 2, 256])
def test_handlers_that_wait_for_each_other_do_not_use_up_their_limit(running: int) -> None:
    async def main() -> None:
        limits = {"limits": RpcLimits(running=running)}
        depth = 2 * running + 10
        async with joined(ping_pong, ping_pong, server=limits, client=limits) as both:
            with raised_in_time(SECONDS):
                assert await both.client.send(Number(n=depth)) == Number(n=depth)

    run(main)


def test_many_handlers_send_back_at_once() -> None:
    async def main() -> None:
        limits = {"limits": RpcLimits(running=4, calls_per_peer=64)}
        async with joined(ping_pong, ping_pong, server=limits, client=limits) as both:
            sends = [end.send(Number(n=3)) for _ in range(10) for end in (both.peer, both.client)]
            assert await asyncio.gather(*sends) == [Number(n=3)] * 20

    run(main)


# Cancelling ---------------------------------------------------------------------------------------


def test_cancelling_a_send_cancels_the_handler(on_loop: Run) -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle, stage.handle) as both:
            for n, end in enumerate((both.peer, both.client), 1):
                send = asyncio.create_task(end.send(Number(n=n), math.inf))
                await stage.reaches(began=n)
                send.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await send
                await stage.reaches(cancelled=n)
            assert stage.ended == stage.cancelled == [Number(n=1), Number(n=2)]
            stage.gate.set()
            assert await both.client.send(Number(n=3)) == Number(n=3)

    on_loop(main)


def test_a_send_cancelled_before_its_first_step() -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle) as both:
            send = asyncio.create_task(both.client.send(Number(n=1), math.inf))
            send.cancel()
            with pytest.raises(asyncio.CancelledError):
                await send
            stage.gate.set()
            assert await both.client.send(Number(n=2)) == Number(n=2)
            assert Number(n=1) not in [m for m in stage.ended if m not in stage.cancelled]

    run(main)


async def _limited(send: Any) -> None:
    async with asyncio.timeout(SHORT):
        await send


@pytest.mark.parametrize("how", ["wait_for", "timeout"])
def test_time_limits_of_asyncio_cancel_the_handler(how: str) -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle) as both:
            send = both.client.send(Number(n=1), math.inf)
            with pytest.raises(TimeoutError) as raised:
                await (asyncio.wait_for(send, SHORT) if how == "wait_for" else _limited(send))
            assert not isinstance(raised.value, IpcError)
            await until(lambda: len(stage.cancelled) == len(stage.began))

    run(main)


def test_the_end_of_a_cancelled_handler_frees_its_place() -> None:
    async def main() -> None:
        stage = Stage()
        limits = RpcLimits(running=1, calls_per_peer=1)
        async with joined(stage.handle, server={"limits": limits}) as both:
            for n in range(1, 6):
                send = asyncio.create_task(both.client.send(Number(n=n), math.inf))
                await stage.reaches(began=n)
                send.cancel()
                await stage.reaches(ended=n)
            stage.gate.set()
            assert await both.client.send(Number(n=6)) == Number(n=6)

    run(main)


def test_a_late_reply_is_dropped(on_loop: Run) -> None:
    """A handler that will not be cancelled replies when nobody waits any more."""
    gate = asyncio.Event()
    began: list[Note] = []
    replied: list[Note] = []

    async def stubborn(message: Number, peer: RpcPeer[Note]) -> Note:
        if message.n < 10:
            began.append(message)
            while not gate.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await gate.wait()
            replied.append(message)
        return Number(n=message.n + 100)

    async def main() -> None:
        async with joined(stubborn) as both:
            for n in range(5):
                with pytest.raises(ReplyTimeout):
                    await both.client.send(Number(n=n), 0.005)
            cancelled = [asyncio.create_task(both.client.send(Number(n=n))) for n in range(5, 10)]
            await until(lambda: Number(n=9) in began)
            for send in cancelled:
                send.cancel()
            others = [both.client.send(Number(n=n)) for n in range(10, 20)]
            gate.set()
            assert await asyncio.gather(*others) == [Number(n=n + 100) for n in range(10, 20)]
            await until(lambda: len(replied) == len(began))
            assert await both.client.send(Number(n=20)) == Number(n=120)
            assert both.client.status.kind == "connected"

    on_loop(main)


# Notifications ------------------------------------------------------------------------------------


def test_notify(on_loop: Run) -> None:
    async def main() -> None:
        stage = Stage(is_open=True)
        async with joined(stage.handle, stage.handle) as both:
            for end in (both.peer, both.client):
                assert await end.notify(Number(n=1)) is None
            await stage.reaches(ended=2)
            assert await both.client.send(Number(n=2)) == Number(n=2)

    on_loop(main)


@pytest.mark.parametrize("size", [0, 100_000])
def test_what_was_notified_is_not_lost_by_closing(on_loop: Run, size: int) -> None:
    async def main() -> None:
        stage = Stage(is_open=True)
        async with joined(stage.handle, stage.handle) as both:
            for _ in range(50):
                await both.client.notify(Blob(data=bytes(size)))
            both.client.close()
            await both.client.wait_closed()
            await stage.reaches(ended=50)
            assert (await both.peer.wait_closed()).kind == "closed"

    on_loop(main)


# Status and the end -------------------------------------------------------------------------------


def test_statuses_of_a_peer_that_closes_and_of_the_other(on_loop: Run) -> None:
    async def main() -> None:
        for who in ("peer", "client"):
            async with joined() as both:
                ends = (both.peer, both.client)
                assert [end.status.kind for end in ends] == ["connected"] * 2
                waiting = [asyncio.create_task(end.wait_closed()) for end in ends for _ in "ab"]
                getattr(both, who).close()
                statuses = [await task for task in waiting]
                assert [(s.kind, s.reason) for s in statuses] == [("closed", None)] * 4
                assert [end.status.kind for end in ends] == ["closed"] * 2
                assert [(await end.wait_closed()).kind for end in ends] == ["closed"] * 2

    on_loop(main)


def test_after_its_end_a_peer_sends_no_more(on_loop: Run) -> None:
    async def main() -> None:
        async with joined() as both:
            both.client.close()
            both.client.close()
            with pytest.raises(IpcError):
                both.client.send(Number(n=1))
            await both.peer.wait_closed()
            for end in (both.peer, both.client):
                with pytest.raises(IpcError):
                    end.send(Number(n=1))
                with pytest.raises(IpcError):
                    await end.notify(Number(n=1))
                end.close()
                await end.wait_closed()

    on_loop(main)


def test_closing_ends_each_open_send_here_and_there(on_loop: Run) -> None:
    async def main() -> None:
        for who in ("peer", "client"):
            stage = Stage()
            async with joined(stage.handle, stage.handle) as both:
                sends = [end.send(Number(n=n), math.inf)
                         for n in range(5) for end in (both.peer, both.client)]  # fmt: skip
                await stage.reaches(began=10)
                getattr(both, who).close()
                outcomes = await asyncio.gather(*sends, return_exceptions=True)
                assert [type(outcome) for outcome in outcomes] == [Disconnected] * 10
                await stage.reaches(cancelled=10)

    on_loop(main)


def test_a_peer_as_a_context_manager(on_loop: Run) -> None:
    async def main() -> None:
        async with joined() as both:
            async with both.peer as same:
                assert same is both.peer
            assert both.peer.status.kind == "closed"
            assert (await both.client.wait_closed()).kind == "closed"

    on_loop(main)


def test_a_handler_closes_its_own_peer() -> None:
    async def hangs_up(message: Note, peer: RpcPeer[Note]) -> Note:
        peer.close()
        return message

    async def main() -> None:
        async with joined(hangs_up, hangs_up) as both:
            with raised_in_time(SECONDS), pytest.raises(Disconnected):
                await both.client.send(Number(n=1))
            assert (await both.client.wait_closed()).kind == "closed"
            assert (await both.peer.wait_closed()).kind == "closed"

    run(main)


def test_a_handler_leaves_its_own_peers_block() -> None:
    """It waits for the end of a connection that waits for its handlers: for itself."""

    async def hangs_up(message: Note, peer: RpcPeer[Note]) -> Note:
        async with peer:
            pass
        return message

    async def main() -> None:
        async with joined(hangs_up) as both:
            with raised_in_time(SECONDS), pytest.raises(Disconnected):
                await both.client.send(Number(n=1))
            await both.peer.wait_closed()

    run(main)


def test_handlers_of_a_closed_peer_run_their_finally() -> None:
    began = asyncio.Event()
    tidied: list[str] = []

    async def tidy(message: Note, peer: RpcPeer[Note]) -> Note:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            tidied.append("tidied")
        return message

    async def main() -> None:
        async with joined(tidy) as both:
            send = both.client.send(Empty(), math.inf)
            await began.wait()
            both.client.close()
            with pytest.raises(Disconnected):
                await send
            await both.peer.wait_closed()
            assert tidied == ["tidied"]

    run(main)


def test_credentials() -> None:
    async def main() -> None:
        async with joined() as both:
            for end in (both.peer, both.client):
                told = end.credentials
                assert (told.pid, told.uid, told.gid) == (os.getpid(), os.getuid(), os.getgid())

    run(main)


def test_schema_validated_is_known_on_both_sides(on_loop: Run) -> None:
    async def main() -> None:
        async with joined(echo) as both:
            for end in (both.peer, both.client):
                status = await end.schema_validated()
                assert (status.kind, status.is_success) == ("matched", True)
                assert status.assert_success() is None

    on_loop(main)
