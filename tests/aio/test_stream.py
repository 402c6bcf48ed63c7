"""One socket's bytes in a loop: what is written when, when it is full, and each way it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from lazyipc._aio.stream import RECEIVE_BYTES, SLICE_BYTES, Stream
from lazyipc._core.parts import Parts
from tests.aio.fakes import FakeLoop, FakeSocket, Joined, Seen, adopted, stream_in
from tests.rpc.loops import run, settle

LARGE = bytes(range(251)) * (3 * SLICE_BYTES // 251)
"""Some slices, and the last one not whole."""

# Few writes ---------------------------------------------------------------------------------------


def test_what_is_small_is_written_at_once() -> None:
    async def main() -> None:
        one = await adopted()
        one.stream.write(b"ab")
        one.stream.write(b"c")
        assert one.transport.writes == [2, 1]

    run(main)


def test_what_is_written_soon_goes_together_at_the_end_of_the_turn() -> None:
    async def main() -> None:
        one = await adopted()
        for piece in (b"a", Parts([b"b", b"c"]), b"d"):
            one.stream.write_soon(piece)
        assert one.transport.writes == []
        await asyncio.sleep(0)
        assert one.transport.writes == [4]
        one.stream.write_soon(b"e")
        await asyncio.sleep(0)
        assert one.transport.sent == b"abcde"

    run(main)


def test_what_is_written_at_once_does_not_overtake_what_is_written_soon() -> None:
    async def main() -> None:
        one = await adopted()
        one.stream.write_soon(b"first ")
        one.stream.write(b"second")
        await asyncio.sleep(0)
        assert one.transport.sent == b"first second"
        assert one.transport.writes == [12]

    run(main)


def test_a_cork_makes_one_write_of_many() -> None:
    async def main() -> None:
        one = await adopted()
        one.stream.cork()
        one.stream.write(b"a")
        one.stream.write_soon(b"b")
        await settle()
        assert one.transport.writes == []
        one.stream.uncork()
        assert one.transport.writes == [2]
        one.stream.cork()
        one.stream.uncork()
        await settle()
        assert one.transport.writes == [2]

    run(main)


def test_what_a_cork_gathers_is_bounded() -> None:
    async def main() -> None:
        one = await adopted(out_bytes=1000)
        one.stream.cork()
        for _ in range(11):
            one.stream.write(bytes(100))
        assert one.transport.writes == [1100]

    run(main)


@pytest.mark.parametrize(
    "write",
    [
        lambda stream: stream.write(LARGE),
        lambda stream: stream.write(Parts([b"head", LARGE])),
        lambda stream: stream.write_soon(LARGE),
    ],
    ids=["bytes", "parts", "soon"],
)
def test_what_is_large_goes_in_slices_and_no_further_than_the_transport_takes(
    write: Callable[[Stream], None],
) -> None:
    async def main() -> None:
        one = await adopted(out_bytes=1000, room_bytes=SLICE_BYTES // 2)
        write(one.stream)
        await asyncio.sleep(0)
        assert len(one.transport.sent) == SLICE_BYTES // 2
        assert max(one.transport.writes) <= SLICE_BYTES
        assert one.transport.get_write_buffer_size() <= SLICE_BYTES  # the others wait with us
        assert one.stream.is_full
        for _ in range(20):
            one.transport.drain(SLICE_BYTES // 2)
            assert one.transport.get_write_buffer_size() <= SLICE_BYTES + 1000
        assert one.transport.sent.endswith(LARGE)
        assert len(one.transport.sent) in (len(LARGE), len(LARGE) + 4)
        assert not one.stream.is_full

    run(main)


def test_the_small_does_not_overtake_the_slices_of_the_large() -> None:
    async def main() -> None:
        one = await adopted(room_bytes=10)
        one.stream.write(LARGE)
        one.stream.write(b"behind it")
        one.stream.write_soon(b", and soon")
        await asyncio.sleep(0)
        one.transport.drain()
        assert one.transport.sent == LARGE + b"behind it, and soon"

    run(main)


def test_slices_stop_where_a_write_fails() -> None:
    """asyncio logs a warning for each write behind one that failed."""

    async def main() -> None:
        one = await adopted()
        one.transport.fails_by = error = BrokenPipeError()
        one.stream.write(LARGE)
        assert one.transport.writes == [SLICE_BYTES]
        await settle()
        assert one.seen.told == [("end", error)]

    run(main)


# Room ---------------------------------------------------------------------------------------------


def test_it_is_full_from_its_limit_on_however_it_was_written() -> None:
    """With `writelines` it would not be, in 3.12.1 and 3.13.0."""

    async def main() -> None:
        one = await adopted(out_bytes=1000, room_bytes=0)
        for _ in range(9):
            one.stream.write_soon(bytes(100))
        await asyncio.sleep(0)
        assert not one.stream.is_full
        for _ in range(2):
            one.stream.write_soon(bytes(100))
        await asyncio.sleep(0)
        assert one.stream.is_full

    run(main)


def test_room_is_awaited_and_told() -> None:
    async def main() -> None:
        one = await adopted(out_bytes=1000, room_bytes=0)
        async with asyncio.timeout(1):
            await one.stream.room()
        one.stream.write(bytes(2000))
        waiting = [asyncio.create_task(one.stream.room()) for _ in range(2)]
        await settle()
        assert not any(task.done() for task in waiting)
        assert one.seen.told == []
        one.transport.drain()
        await asyncio.gather(*waiting)
        assert one.seen.told == ["room"]

    run(main)


def test_no_room_is_told_while_slices_fill_it_again() -> None:
    async def main() -> None:
        one = await adopted(out_bytes=1000, room_bytes=0)
        one.stream.write(LARGE)
        waiting = asyncio.create_task(one.stream.room())
        await settle()
        one.transport.drain(SLICE_BYTES)
        await settle()
        assert one.seen.told == []
        assert not waiting.done()
        one.transport.drain()
        await waiting
        assert one.seen.told == ["room"]

    run(main)


def test_who_waits_for_room_is_let_go_at_the_end() -> None:
    async def main() -> None:
        one = await adopted(out_bytes=1000, room_bytes=0)
        one.stream.write(bytes(2000))
        waiting = asyncio.create_task(one.stream.room())
        await settle()
        one.transport.lose(ConnectionResetError())
        async with asyncio.timeout(1):
            await waiting
            await one.stream.room()

    run(main)


# What comes ---------------------------------------------------------------------------------------


def test_pieces_are_the_owners_to_keep() -> None:
    """The space they come in is used again."""

    async def main() -> None:
        kept: list[bytes] = []
        one = await adopted()
        one.stream._on_data = kept.append
        for piece in (b"first", b"2nd", bytes(RECEIVE_BYTES)):
            one.transport.receive(piece)
        assert kept == [b"first", b"2nd", bytes(RECEIVE_BYTES)]
        assert {type(piece) for piece in kept} == {bytes}

    run(main)


def test_a_half_close_is_told_before_the_end() -> None:
    async def main() -> None:
        one = await adopted()
        goes_on = one.stream.eof_received()  # type: ignore[func-returns-value]
        assert not goes_on, "the loop closes the socket once all is written"
        assert one.seen.told == ["eof"]
        assert not one.stream.has_ended
        one.transport.lose()
        assert one.seen.told == ["eof", ("end", None)]

    run(main)


# Its ends -----------------------------------------------------------------------------------------

Ending = Callable[[Stream], None]
GENTLE: dict[str, Ending] = {
    "close": Stream.close,
    "finish": Stream.finish,
    "hang_up": Stream.hang_up,
}
ENDINGS: dict[str, Ending] = {**GENTLE, "abort": Stream.abort}
LAST = {"close": ["close"], "finish": ["write_eof"], "hang_up": ["write_eof", "close"]}


@pytest.mark.parametrize("name", GENTLE)
def test_what_was_written_goes_before_the_end(name: str) -> None:
    async def main() -> None:
        one = await adopted(room_bytes=10)
        one.stream.write(LARGE)
        one.stream.write_soon(b"the last")
        GENTLE[name](one.stream)
        assert one.transport.ends == []
        assert one.stream.is_closed
        one.transport.drain()
        assert one.transport.sent == LARGE + b"the last"
        assert one.transport.ends == LAST[name][-1:]
        await settle()

    run(main)


@pytest.mark.parametrize("name", GENTLE)
def test_what_a_cork_holds_goes_before_the_end(name: str) -> None:
    async def main() -> None:
        one = await adopted()
        one.stream.cork()
        one.stream.write(b"goodbye")
        GENTLE[name](one.stream)
        one.stream.uncork()
        assert one.transport.sent == b"goodbye"
        assert one.transport.ends == LAST[name]
        await settle()

    run(main)


@pytest.mark.parametrize("name", ENDINGS)
def test_what_is_written_behind_the_end_is_dropped(name: str) -> None:
    async def main() -> None:
        one = await adopted(room_bytes=10)
        ENDINGS[name](one.stream)
        for write in (one.stream.write, one.stream.write_soon):
            write(b"late")
            write(LARGE)
            write(Parts([b"late"]))
        await settle()
        assert one.transport.sent == b""
        assert one.transport.writes == []

    run(main)


@pytest.mark.parametrize("name", ENDINGS)
def test_to_end_it_twice_is_to_end_it_once(name: str) -> None:
    async def main() -> None:
        one = await adopted()
        ENDINGS[name](one.stream)
        ends = list(one.transport.ends)
        ENDINGS[name](one.stream)
        assert set(one.transport.ends) == set(ends)
        await settle()
        one.stream.close()
        one.stream.finish()

    run(main)


def test_finish_goes_on_taking_what_comes_until_the_other_side_ends() -> None:
    async def main() -> None:
        one = await adopted()
        one.stream.finish()
        one.transport.receive(b"they go on")
        await settle()
        assert one.seen.data == b"they go on"
        assert not one.stream.has_ended
        one.transport.lose()
        async with asyncio.timeout(1):
            await one.stream.wait_closed()
        assert one.seen.told == [("end", None)]

    run(main)


def test_hang_up_behind_finish_closes_as_soon_as_all_is_written() -> None:
    async def main() -> None:
        one = await adopted(room_bytes=10)
        one.stream.write(LARGE)
        one.stream.finish()
        one.stream.hang_up()
        assert one.transport.ends == []
        one.transport.drain()
        assert one.transport.sent == LARGE
        assert one.transport.ends == ["close"]
        async with asyncio.timeout(1):
            await one.stream.wait_closed()

    run(main)


def test_abort_loses_what_was_not_written() -> None:
    async def main() -> None:
        one = await adopted(room_bytes=10)
        one.stream.write(LARGE)
        one.stream.finish()
        one.stream.abort()
        async with asyncio.timeout(1):
            await one.stream.wait_closed()
        assert len(one.transport.sent) == 10
        assert one.transport.ends == ["abort"]
        assert one.seen.told == [("end", None)]

    run(main)


def test_the_end_is_told_with_the_error_that_made_it() -> None:
    async def main() -> None:
        error = ConnectionResetError()
        one = await adopted()
        one.transport.lose(error)
        assert one.seen.told == [("end", error)]
        assert one.stream.is_closed
        assert one.stream.has_ended

    run(main)


# Before the loop has taken it, and behind the loop's end ------------------------------------------


async def while_adopting(step: Callable[[Stream], None], *, is_made: bool) -> Joined:
    """A stream to which something happens before `adopt` comes back.

    Args:
        is_made: the loop has told it of its transport by then.
    """
    loop, seen = FakeLoop(), Seen()
    loop.adopts.clear()
    stream = stream_in(loop, seen, out_bytes=1000)
    connected: Any = FakeSocket()
    adopting = asyncio.create_task(stream.adopt(connected))
    if is_made:
        await loop.made.wait()
    step(stream)
    loop.adopts.set()
    assert await adopting is stream
    return Joined(loop, stream, seen)


@pytest.mark.parametrize("is_made", [False, True])
@pytest.mark.parametrize("name", ENDINGS)
def test_ended_while_the_loop_takes_it_the_socket_is_closed(name: str, is_made: bool) -> None:
    async def main() -> None:
        one = await while_adopting(ENDINGS[name], is_made=is_made)
        async with asyncio.timeout(1):
            await one.stream.wait_closed()
        assert one.transport.ends[-1] == "abort"
        assert {told for told, _ in one.seen.told} == {"end"}

    run(main)


def test_what_is_written_before_the_loop_has_taken_it_goes_when_it_has() -> None:
    async def main() -> None:
        loop, seen = FakeLoop(), Seen()
        stream = stream_in(loop, seen, out_bytes=1000)
        connected: Any = FakeSocket()
        stream.write(b"hello, ")
        stream.write_soon(b"you")
        await settle()
        await stream.adopt(connected)
        assert loop.transport is not None
        assert loop.transport.sent == b"hello, you"

    run(main)


@pytest.mark.parametrize("name", ENDINGS)
def test_a_word_and_the_end_before_the_loop_has_taken_it_fail_nobody(name: str) -> None:
    """As a server that closes while somebody connects: it says goodbye to one it has not met."""

    async def main() -> None:
        def leave(stream: Stream) -> None:
            stream.write(b"goodbye")
            stream.write_soon(b"!")
            ENDINGS[name](stream)

        one = await while_adopting(leave, is_made=False)
        async with asyncio.timeout(1):
            await one.stream.wait_closed()
        assert one.transport.writes == []

    run(main)


def test_a_socket_that_the_loop_does_not_take_is_closed() -> None:
    async def main() -> None:
        loop, seen = FakeLoop(), Seen()
        loop.refuses_by = OSError("no room")
        stream = stream_in(loop, seen, out_bytes=1000)
        connected: Any = FakeSocket()
        with pytest.raises(OSError, match="no room"):
            await stream.adopt(connected)
        assert connected.is_closed
        stream.write_soon(b"late")
        stream.abort()
        async with asyncio.timeout(1):
            await stream.wait_closed()
            await stream.room()

    run(main)


def test_adopting_that_is_cancelled_closes_the_socket() -> None:
    async def main() -> None:
        loop, seen = FakeLoop(), Seen()
        loop.adopts.clear()
        stream = stream_in(loop, seen, out_bytes=1000)
        connected: Any = FakeSocket()
        adopting = asyncio.create_task(stream.adopt(connected))
        await loop.made.wait()
        adopting.cancel()
        await asyncio.wait([adopting])
        assert adopting.cancelled()
        assert connected.is_closed
        async with asyncio.timeout(1):
            await stream.wait_closed()

    run(main)


@pytest.mark.parametrize("name", ENDINGS)
def test_a_closed_loop_is_asked_for_nothing(name: str) -> None:
    async def main() -> None:
        one = await adopted()
        one.loop.is_ended = True
        ENDINGS[name](one.stream)
        assert one.transport.ends == []
        one.stream.abandon()
        one.stream.abandon()
        connected: Any = one.stream.socket
        assert connected.is_closed
        assert one.stream.has_ended

    run(main)
