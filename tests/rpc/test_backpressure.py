"""Outbound room is awaited, inbound is bounded: windows, slow readers, floods."""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
from typing import Any

import pytest

from lazyipc import U64, Command, ReplyTimeout
from lazyipc._aio.stream import OUT_BYTES
from lazyipc._core.framing import Kind
from lazyipc._core.messages import MessageSet
from lazyipc.rpc import RpcClient, RpcLimits, RpcServer
from tests.harness import REQUEST_EXTRA
from tests.rpc.loops import Run, run, settle, until
from tests.rpc.messages import SECONDS, Blob, Note, Number, Stage, echo, joined
from tests.rpc.raw import (
    FINISHED,
    Raw,
    RawServer,
    frame,
    notify,
    raw_client,
    request,
    response,
    told,
)

KERNEL_BYTES = 2_000_000
"""More than a Unix socket's buffers hold, both of them, with whatever the default size is here."""


@contextlib.asynccontextmanager
async def client_of_raw(path: str, **hello: Any) -> Any:
    """A client, and by hand the server it is connected to."""
    async with RawServer(path) as raw:
        opening = asyncio.create_task(_opened(raw.key))
        connection = await raw.client()
        await connection.shake_hands_as_server(**hello)
        async with await opening as client:
            yield client, connection
            await connection.close()


async def _opened(key: Any) -> RpcClient[Note]:
    return await RpcClient.connect(key, Note, echo)


async def next_calls(raw: Raw, count: int) -> list[int]:
    """The numbers of so many requests or notifications."""
    calls = []
    for _ in range(count):
        one = await raw.frame()
        assert one is not None
        kind, call, _ = one
        assert kind in (Kind.REQUEST, Kind.NOTIFY)
        calls.append(call)
    return calls


async def is_silent(raw: Raw) -> bool:
    """Whether nothing comes while the loop has nothing else to do."""
    try:
        async with asyncio.timeout(0.02):
            return not await raw.reader.read(1)
    except TimeoutError:
        return True


# The other side's window --------------------------------------------------------------------------


def test_no_more_messages_at_once_than_the_other_side_takes(on_loop: Run, path: str) -> None:
    async def main() -> None:
        async with client_of_raw(path, calls=2) as (client, raw):
            sends = [asyncio.create_task(client.send(Number(n=n), math.inf)) for n in range(5)]
            calls = await next_calls(raw, 2)
            assert await is_silent(raw)
            raw.write(response(Number(n=100), calls[0]))
            calls += await next_calls(raw, 1)
            assert await is_silent(raw)
            raw.write(response(Number(n=101), calls[1]), response(Number(n=102), calls[2]))
            calls += await next_calls(raw, 2)
            raw.write(response(Number(n=104), calls[4]), response(Number(n=103), calls[3]))
            assert [await send for send in sends] == [Number(n=100 + n) for n in range(5)]
            assert len(set(calls)) == 5

    on_loop(main)


def test_no_more_bytes_at_once_than_the_other_side_takes(path: str) -> None:
    async def main() -> None:
        async with client_of_raw(path, in_bytes=1000) as (client, raw):
            sizes = [400, 400, 400, 100, 3000, 10]
            sends = [asyncio.create_task(client.send(Blob(data=bytes(size)), math.inf))
                     for size in sizes]  # fmt: skip
            open_calls: dict[int, int] = {}
            for _ in sizes:
                open_calls |= await _come_now(raw, 0.05 if open_calls else 1.0)
                sum_bytes = sum(open_calls.values())
                assert sum_bytes <= 1000 or len(open_calls) == 1, open_calls
                call = min(open_calls)
                del open_calls[call]
                raw.write(response(Number(n=1), call))
            assert await asyncio.gather(*sends) == [Number(n=1)] * 6

    run(main)


async def _come_now(raw: Raw, seconds: float) -> dict[int, int]:
    """The requests that come while nothing is answered: bytes of the fields of each."""
    calls = {}
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.03 if calls else seconds):
                one = await raw.frame()
            assert one is not None
            calls[one[1]] = len(one[2]) - REQUEST_EXTRA.size
    return calls


def test_what_had_no_room_in_time_never_ran(path: str) -> None:
    async def main() -> None:
        async with client_of_raw(path, calls=1) as (client, raw):
            first = asyncio.create_task(client.send(Number(n=1), math.inf))
            (call,) = await next_calls(raw, 1)
            with pytest.raises(ReplyTimeout) as raised:
                await client.send(Number(n=2), 0.02)
            assert raised.value.started == "no"
            third = asyncio.create_task(client.send(Number(n=3), math.inf))
            await settle()
            third.cancel()
            raw.write(response(Number(n=1), call))
            assert await first == Number(n=1)
            assert await is_silent(raw)
            fourth = asyncio.create_task(client.send(Number(n=4), math.inf))
            (call,) = await next_calls(raw, 1)
            raw.write(response(Number(n=4), call))
            assert await fourth == Number(n=4)

    run(main)


def test_a_cancelled_call_keeps_its_room_until_it_has_ended(path: str) -> None:
    async def main() -> None:
        async with client_of_raw(path, calls=1) as (client, raw):
            first = asyncio.create_task(client.send(Number(n=1), math.inf))
            (call,) = await next_calls(raw, 1)
            first.cancel()
            await raw.expect(Kind.CANCEL, call)
            second = asyncio.create_task(client.send(Number(n=2), math.inf))
            assert await is_silent(raw)
            raw.write(response(Number(n=1), call))  # it was too late to stop it
            (other,) = await next_calls(raw, 1)
            assert other != call
            raw.write(response(Number(n=2), other))
            assert await second == Number(n=2)

    run(main)


def test_notify_awaits_room(on_loop: Run, path: str) -> None:
    async def main() -> None:
        async with client_of_raw(path, calls=2) as (client, raw):
            done: list[int] = []

            async def flood() -> None:
                for n in range(5):
                    await client.notify(Number(n=n))
                    done.append(n)

            flooding = asyncio.create_task(flood())
            calls = await next_calls(raw, 2)
            assert await is_silent(raw)
            assert done == [0, 1]
            for _ in range(3):
                raw.write(frame(FINISHED, calls.pop(0), b""))
                calls += await next_calls(raw, 1)
            await flooding
            assert await is_silent(raw)

    on_loop(main)


def test_what_waits_goes_in_order_and_past_nobody(path: str) -> None:
    async def main() -> None:
        async with client_of_raw(path, calls=1) as (client, raw):
            messages = [Number(n=n) for n in range(20)]
            tasks = [asyncio.create_task(client.send(m, math.inf) if m.n % 3 else
                                          client.notify(m)) for m in messages]  # fmt: skip
            seen = []
            for _ in messages:
                one = await raw.frame()
                assert one is not None
                kind, call, payload = one
                seen.append(struct.unpack("<Q", payload[-8:])[0])
                raw.write(frame(FINISHED, call, b"") if kind == Kind.NOTIFY
                          else response(Number(n=0), call))  # fmt: skip
            await asyncio.gather(*tasks)
            assert seen == list(range(20))

    run(main)


def test_a_reply_that_is_dropped_before_it_had_room_warns() -> None:
    """It was not sent and never will be, which nobody else would be told."""

    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle, server={"limits": RpcLimits(calls_per_peer=1)}) as both:
            kept = both.client.send(Number(n=1))
            both.client.send(Number(n=2))
            stage.gate.set()
            assert await kept == Number(n=1)

    with pytest.raises(AssertionError, match="not sent"):
        run(main)


# Our own window -----------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [request, notify])
def test_who_breaks_our_window_of_messages_is_cut_off(
    on_loop: Run, caplog: pytest.LogCaptureFixture, early: Any
) -> None:
    async def main() -> None:
        stage = Stage()
        limits = RpcLimits(calls_per_peer=3)
        async with RpcServer(Note, stage.handle, limits=limits) as server:
            async with raw_client(server.path) as raw:
                theirs = await raw.shake_hands_as_client(server.key)
                assert theirs["calls"] == 3
                raw.write(*(early(Number(n=n), n) for n in range(1, 5)))
                *_, last = await raw.rest()
                assert last[:2] == (Kind.ERROR, 0), told(last)
            await until(lambda: not server.peers)
            assert len(stage.began) <= 3
            await until(lambda: len(stage.ended) == len(stage.began))

    on_loop(main)
    assert caplog.records


def test_who_breaks_our_window_of_bytes_is_cut_off() -> None:
    async def main() -> None:
        stage = Stage()
        limits = RpcLimits(message_bytes=1000, in_bytes=2000)
        async with RpcServer(Note, stage.handle, limits=limits) as server:
            async with raw_client(server.path) as raw:
                theirs = await raw.shake_hands_as_client(server.key)
                assert (theirs["message_bytes"], theirs["in_bytes"]) == (1000, 2000)
                raw.write(*(request(Blob(data=bytes(900)), n) for n in range(1, 4)))
                *_, last = await raw.rest()
                assert last[:2] == (Kind.ERROR, 0), told(last)
            await until(lambda: not server.peers)
            await until(lambda: len(stage.ended) == len(stage.began))

    run(main)


def test_who_keeps_to_our_window_is_served_for_ever() -> None:
    async def main() -> None:
        limits = RpcLimits(calls_per_peer=3, message_bytes=1000, in_bytes=1000)
        async with RpcServer(Note, echo, limits=limits) as server, raw_client(server.path) as raw:
            await raw.shake_hands_as_client(server.key)
            for n in range(1, 50):
                raw.write(request(Blob(data=bytes(980)), n))
                await raw.expect(Kind.RESPONSE, n)

    run(main)


# Slow readers -------------------------------------------------------------------------------------


def test_notifications_to_a_slow_reader_wait(on_loop: Run, path: str) -> None:
    async def main() -> None:
        async with client_of_raw(path) as (client, raw):
            raw.writer.transport.pause_reading()
            size, sent = 50_000, 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    for _ in range(1000):
                        await client.notify(Blob(data=bytes(size)))
                        sent += size
            assert 0 < sent < KERNEL_BYTES, "it is the kernel and out_bytes that hold them"
            raw.abort()

    on_loop(main)


def test_sends_to_a_slow_reader_wait(path: str) -> None:
    async def main() -> None:
        async with client_of_raw(path) as (client, raw):
            raw.writer.transport.pause_reading()
            sends = [asyncio.create_task(client.send(Blob(data=bytes(50_000)), 0.2))
                     for _ in range(200)]  # fmt: skip
            outcomes = await asyncio.gather(*sends, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {ReplyTimeout}
            unsent = sum(outcome.started == "no" for outcome in outcomes)
            assert unsent * 50_000 > 200 * 50_000 - KERNEL_BYTES
            raw.abort()

    run(main)


def test_replies_to_one_who_does_not_read_them_are_bounded(on_loop: Run) -> None:
    """It asks for ever and reads nothing: replies that do not leave keep its calls open, and when
    those pass the window it is cut off."""

    async def main() -> None:
        stage = Stage(is_open=True)
        limits = RpcLimits(calls_per_peer=20)
        async with RpcServer(Note, stage.handle, limits=limits) as server:
            async with raw_client(server.path) as raw:
                await raw.shake_hands_as_client(server.key)
                raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
                for call in range(1, 1000):
                    raw.write(request(Blob(data=bytes(50_000)), call))
                    await settle(2)
                    if not server.peers:
                        break
                assert not server.peers
                assert len(stage.began) * 50_000 < KERNEL_BYTES + 20 * 50_000
                raw.abort()
            async with RpcClient.connect(server.key, Note, echo) as client:
                assert await client.send(Number(n=1)) == Number(n=1)

    on_loop(main)


class Fetch(Command[list[int]]):
    """Asks for more than it is itself."""


class FetchSoon(Fetch):
    n: U64

    def process(self, context: list[int]) -> bytes:
        context.append(self.n)
        return bytes(50_000)


class FetchLater(Fetch):
    n: U64

    async def process(self, context: list[int]) -> bytes:
        context.append(self.n)
        await asyncio.sleep(0)
        return bytes(50_000)


@pytest.mark.parametrize("model", [FetchSoon, FetchLater], ids=lambda model: model.__name__)
def test_who_does_not_read_is_not_served_until_it_does(
    on_loop: Run, model: type[FetchSoon | FetchLater]
) -> None:
    """Small messages may have large replies: those to come are made when there is room."""
    messages, count = MessageSet(Fetch), 120

    async def main() -> None:
        ran: list[int] = []
        limits = RpcLimits(running=4)
        async with (
            RpcServer(Fetch, context=ran, limits=limits) as server,
            raw_client(server.path) as raw,
        ):
            await raw.shake_hands_as_client(server.key, schema=messages.description)
            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
            calls = range(1, count + 1)
            raw.write(*(request(model(n=call), call, messages) for call in calls))
            await settle(200)
            served = len(ran)
            assert served * 50_000 < KERNEL_BYTES + OUT_BYTES + 6 * 50_000
            await settle()
            assert len(ran) == served
            raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
            answered = [await raw.frame() for _ in calls]
            assert [one and one[:2] for one in answered] == [
                (Kind.RESPONSE, call) for call in calls
            ]
            assert ran == [*calls]

    on_loop(main)


def test_who_reads_again_gets_all_its_replies() -> None:
    async def main() -> None:
        async with RpcServer(Note, echo) as server, raw_client(server.path) as raw:
            await raw.shake_hands_as_client(server.key)
            count = 100

            async def ask() -> None:
                for call in range(1, count + 1):
                    raw.write(request(Blob(data=bytes([call % 256]) * 50_000), call))
                    await raw.writer.drain()

            raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
            asking = asyncio.create_task(ask())
            await asyncio.sleep(0.05)
            raw.writer.transport.resume_reading()  # type: ignore[attr-defined]
            answered = {}
            for _ in range(count):
                one = await raw.frame()
                assert one is not None
                kind, call, payload = one
                assert kind == Kind.RESPONSE
                answered[call] = payload[-1]
            await asking
            assert answered == {call: call % 256 for call in range(1, count + 1)}

    run(main)


def test_a_flood_to_slow_handlers_is_bounded(on_loop: Run) -> None:
    async def main() -> None:
        stage = Stage()
        limits = RpcLimits(running=2, calls_per_peer=8)
        async with joined(stage.handle, server={"limits": limits}) as both:
            done = 0

            async def flood() -> None:
                nonlocal done
                for n in range(100):
                    await both.client.notify(Number(n=n))
                    done += 1

            flooding = asyncio.create_task(flood())
            await stage.reaches(began=2)
            await asyncio.sleep(0.02)
            assert done == 8
            assert stage.running == 2
            stage.gate.set()
            await flooding
            await stage.reaches(ended=100)
            assert [message.n for message in stage.began] == list(range(100))

    on_loop(main)


def test_a_flood_of_sends_waits_its_turn() -> None:
    async def main() -> None:
        limits = {"limits": RpcLimits(running=3, calls_per_peer=5)}
        async with joined(server=limits, client=limits) as both:
            async with asyncio.timeout(SECONDS):
                replies = await asyncio.gather(
                    *(end.send(Number(n=n)) for n in range(500) for end in (both.client, both.peer))
                )
            assert [reply.n for reply in replies] == [n for n in range(500) for _ in "ab"]

    run(main)


def test_a_slow_peer_delays_nobody_else() -> None:
    async def main() -> None:
        async with RpcServer(Note, echo) as server:
            async with raw_client(server.path) as raw:
                await raw.shake_hands_as_client(server.key)
                raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
                slow = await server.wait_for_client(SECONDS)
                floods = [asyncio.create_task(slow.notify(Blob(data=bytes(100_000))))
                          for _ in range(100)]  # fmt: skip
                async with RpcClient.connect(server.key, Note, echo) as client:
                    peer = await server.wait_for_client(SECONDS)
                    for n in range(20):
                        assert await client.send(Number(n=n)) == Number(n=n)
                        assert await peer.send(Number(n=n)) == Number(n=n)
                raw.abort()
            outcomes = await asyncio.gather(*floods, return_exceptions=True)
            assert {type(outcome).__name__ for outcome in outcomes} <= {"NoneType", "Disconnected"}
            assert "Disconnected" in {type(outcome).__name__ for outcome in outcomes}

    run(main)
