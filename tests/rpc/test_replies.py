"""What `send` gives: awaited by one or many, now or later, cancelled, thrown away, not held."""

from __future__ import annotations

import asyncio
import gc
import math
from typing import Any

import pytest

from lazyipc import Disconnected, LocalProtocolError, UnexpectedReply
from lazyipc.rpc import RpcClient, RpcLimits, RpcServer
from lazyipc.rpc._reply import Reply
from tests.rpc.loops import Run, run, settle
from tests.rpc.messages import SECONDS, Blob, Note, Number, Stage, Text, echo, joined


class Post:
    """In place of an outbox: what replies ask of it."""

    def __init__(self) -> None:
        self.held: list[Reply[Any]] = []
        self.given_up: list[Reply[Any]] = []

    def hold(self, reply: Reply[Any]) -> None:
        self.held.append(reply)

    def give_up(self, reply: Reply[Any]) -> None:
        self.given_up.append(reply)
        reply.end(None, LocalProtocolError("given up"))

    def reply(self, *, is_sent: bool = True) -> Reply[Any]:
        """One that is on its way, or waits for room."""
        loop = asyncio.get_running_loop()
        reply: Reply[Any] = Reply(self, loop, None, math.inf, math.inf, None)
        reply.call = int(is_sent)
        return reply


async def awaited(reply: Reply[Any]) -> Any:
    return await reply


# Awaited by one or many ---------------------------------------------------------------------------


def test_it_may_be_awaited_before_and_after_it_came_and_again() -> None:
    async def main() -> None:
        reply = Post().reply()
        waiting = [asyncio.create_task(awaited(reply)) for _ in range(3)]
        await settle()
        reply.end(7)
        assert await asyncio.gather(*waiting) == [7, 7, 7]
        assert [await reply, await reply] == [7, 7]

    run(main)


def test_only_its_first_end_counts() -> None:
    async def main() -> None:
        reply = Post().reply()
        reply.end(7)
        reply.end(None, LocalProtocolError("late"))
        assert await reply == 7

    run(main)


def test_one_of_two_who_wait_may_be_cancelled_without_harm_to_the_other() -> None:
    async def main() -> None:
        post = Post()
        reply = post.reply()
        first, second = [asyncio.create_task(awaited(reply)) for _ in range(2)]
        await settle()
        first.cancel()
        await settle()
        assert first.cancelled()
        assert not second.done()
        assert post.given_up == []
        reply.end(7)
        assert await second == 7

    run(main)


def test_it_is_given_up_when_the_last_who_waits_is_cancelled() -> None:
    async def main() -> None:
        post = Post()
        reply = post.reply()
        waiting = [asyncio.create_task(awaited(reply)) for _ in range(2)]
        await settle()
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert all(task.cancelled() for task in waiting)
        assert post.given_up == [reply]

    run(main)


def test_a_task_that_is_cancelled_before_its_first_step_gives_up_for_nobody_else() -> None:
    async def main() -> None:
        post = Post()
        reply = post.reply()
        waiting = asyncio.create_task(awaited(reply))
        await settle()
        late = asyncio.create_task(reply)
        late.cancel()
        await asyncio.wait([late])
        assert late.cancelled()
        assert post.given_up == []
        reply.end(7)
        assert await waiting == 7

    run(main)


def test_a_task_that_is_cancelled_before_its_first_step_gives_up_for_itself() -> None:
    async def main() -> None:
        post = Post()
        reply = post.reply()
        only = asyncio.create_task(reply)
        only.cancel()
        await asyncio.wait([only])
        assert only.cancelled()
        assert post.given_up == [reply]

    run(main)


def test_closed_before_anybody_waits_it_is_given_up() -> None:
    """A task group that is ending closes what it does not take, from 3.13 on."""

    async def main() -> None:
        post = Post()
        reply = post.reply()
        reply.close()
        assert post.given_up == [reply]
        reply = post.reply()
        waiting = asyncio.create_task(awaited(reply))
        await settle()
        reply.close()
        assert len(post.given_up) == 1, "somebody else waits for it"
        reply.end(7)
        assert await waiting == 7

    run(main)


def test_a_coroutine_that_is_closed_while_it_waits_gives_up() -> None:
    async def main() -> None:
        post = Post()
        reply = post.reply()
        steps = awaited(reply)
        steps.send(None)
        steps.close()
        assert post.given_up == [reply]

    run(main)


def test_it_has_a_name_as_coroutines_have() -> None:
    async def main() -> None:
        reply = Post().reply()
        task = asyncio.create_task(reply)
        assert "Reply without" not in repr(task)
        assert reply.__name__ in repr(task)
        reply.end(None)
        await task

    run(main)


# Who holds it -------------------------------------------------------------------------------------


def test_who_waits_for_room_is_held_and_who_was_sent_is_not() -> None:
    async def main() -> None:
        post = Post()
        unsent, sent = post.reply(is_sent=False), post.reply()
        waiting = [asyncio.create_task(awaited(reply)) for reply in (unsent, sent)]
        await settle()
        assert post.held == [unsent]
        for reply in (unsent, sent):
            reply.end(1)
        await asyncio.gather(*waiting)

    run(main)


def test_tasks_that_nobody_holds_wait_for_room_and_are_not_collected(on_loop: Run) -> None:
    async def main() -> None:
        stage = Stage()
        done: list[Any] = []

        async def ask(n: int, client: RpcClient[Note]) -> None:
            done.append(await client.send(Number(n=n), math.inf))

        async with joined(stage.handle, server={"limits": RpcLimits(calls_per_peer=1)}) as both:
            for n in range(4):
                asyncio.create_task(ask(n, both.client))  # noqa: RUF006 what is tested
            await stage.reaches(began=1)
            gc.collect()
            stage.gate.set()
            await stage.reaches(ended=4)
            await settle()
            assert done == [Number(n=n) for n in range(4)]

    on_loop(main)


def test_it_holds_its_peer_until_it_has_come(on_loop: Run) -> None:
    async def main() -> None:
        stage = Stage(is_open=True)
        async with RpcServer(Note, stage.handle) as server:

            async def ask() -> Any:
                """The client is nobody's but the reply's."""
                return (await RpcClient.connect(server.key, Note)).send(Number(n=1))

            async def see_it_close() -> None:
                reply = await ask()
                gc.collect()
                assert await reply == Number(n=1)
                gc.collect()
                peer = await server.wait_for_client(SECONDS)
                async with asyncio.timeout(SECONDS):
                    assert (await peer.wait_closed()).kind == "closed"

            with pytest.warns(ResourceWarning, match="forgotten"):
                await see_it_close()

    on_loop(main)


def test_a_notification_that_waits_for_room_holds_its_peer() -> None:
    async def main() -> None:
        stage = Stage()
        limits = {"limits": RpcLimits(calls_per_peer=1)}
        async with RpcServer(Note, stage.handle, **limits) as server:  # type: ignore[arg-type]

            async def tell() -> None:
                client = await RpcClient.connect(server.key, Note)
                client.notify(Number(n=1))
                last = client.notify(Number(n=2))
                del client
                await last

            async def see_it_told() -> None:
                telling = asyncio.create_task(tell())
                await stage.reaches(began=1)
                gc.collect()
                stage.gate.set()
                await telling
                await stage.reaches(ended=2)
                gc.collect()
                await settle()

            with pytest.warns(ResourceWarning, match="forgotten"):
                await see_it_told()

    run(main)


# Over a connection --------------------------------------------------------------------------------


def test_awaited_again_after_a_time_limit_it_says_that_it_was_given_up(on_loop: Run) -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle) as both:
            reply = both.client.send(Number(n=1), math.inf)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reply, 0.01)
            await stage.reaches(cancelled=1)
            for _ in range(2):
                with pytest.raises(LocalProtocolError, match="send again"):
                    await reply

    on_loop(main)


def test_a_reply_that_is_closed_unawaited_stops_its_handler() -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle) as both:
            reply = both.client.send(Number(n=1), math.inf)
            await stage.reaches(began=1)
            reply.close()
            await stage.reaches(cancelled=1)

    run(main)


def test_a_handler_runs_on_while_anybody_waits_for_its_reply() -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle) as both:
            reply = both.client.send(Number(n=1), math.inf)
            first, second = [asyncio.create_task(awaited(reply)) for _ in range(2)]
            await stage.reaches(began=1)
            first.cancel()
            late = asyncio.create_task(reply)
            late.cancel()
            await asyncio.sleep(0.01)
            assert stage.cancelled == []
            stage.gate.set()
            assert await second == Number(n=1)
            await asyncio.wait([first, late])

    run(main)


def test_all_who_wait_are_told_of_the_end() -> None:
    async def main() -> None:
        stage = Stage()
        async with joined(stage.handle) as both:
            reply = both.client.send(Number(n=1), math.inf)
            waiting = [asyncio.create_task(awaited(reply)) for _ in range(3)]
            await stage.reaches(began=1)
            both.peer.close()
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Disconnected] * 3

    run(main)


@pytest.mark.parametrize("expected", ["Number", 5, list[int], [Number], (Number, 5)], ids=repr)
def test_what_is_no_type_is_not_expected_and_refused_at_the_call(expected: Any) -> None:
    async def main() -> None:
        stage = Stage(is_open=True)
        async with joined(stage.handle) as both:
            with pytest.raises(TypeError):
                both.client.send(Number(n=1), expect=expected)
            await both.client.send(Number(n=2))
            assert stage.began == [Number(n=2)]

    run(main)


@pytest.mark.parametrize("expected", [Text | Blob, (Text, Blob)], ids=["union", "tuple"])
def test_a_reply_of_none_of_several_types_is_named_with_them(expected: Any) -> None:
    async def main() -> None:
        async with joined(echo) as both:
            reply = both.client.send(Number(n=1), expect=expected)
            with pytest.raises(UnexpectedReply, match=r"Text \| Blob was expected, Number came"):
                await reply
            assert await both.client.send(Text(text=""), expect=expected) == Text(text="")

    run(main)
