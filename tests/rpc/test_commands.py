"""Messages that answer for themselves: `process`, plain or async, with their side's context."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Any

import pytest
from pydantic import BaseModel

from lazyipc import Command, CommandFailed, RemoteError, ReplyTimeout, SchemaError, UnexpectedReply
from lazyipc.rpc import RpcLimits, RpcServer
from tests.rpc.loops import Run, raised_in_time, run, until
from tests.rpc.messages import (
    SECONDS,
    Add,
    Divide,
    Forget,
    Joined,
    Order,
    Place,
    Said,
    Sum,
    Wait,
    Where,
    joined,
    silent,
)


def ordered(server: Place, client: Place | None = None, **more: Any) -> Any:
    """A dialogue in commands; each side has a context."""
    at_client = {} if client is None else {"context": client}
    return joined(None, None, Order, server={"context": server, **more}, client=at_client)


def test_each_side_processes_what_the_other_sends(on_loop: Run) -> None:
    async def main() -> None:
        server, client = Place("server"), Place("client")
        async with ordered(server, client) as both:
            assert await both.client.send(Where()) == "server"
            assert await both.peer.send(Where()) == "client"
            assert await both.client.send(Add(a=1, b=2)) == Sum(c=3)
            assert await both.peer.send(Add(a=3, b=4)) == Sum(c=7)
        assert server.ran == ["Where", "Add 1 2"]
        assert client.ran == ["Where", "Add 3 4"]

    on_loop(main)


def test_none_is_an_answer_where_process_declares_it() -> None:
    async def main() -> None:
        server = Place()
        async with ordered(server) as both:
            with raised_in_time(SECONDS):
                assert await both.client.send(Forget()) is None
            assert server.ran == ["Forget"]

    run(main)


def test_alternatives_and_failures(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with ordered(Place()) as both:
            send = both.client.send
            assert await send(Divide(a=6, b=2)) == Sum(c=3)
            assert await send(Divide(a=1, b=2)) == Said(words="one is one")
            assert await send(Divide(a=6, b=2), expect=Sum) == Sum(c=3)
            with pytest.raises(UnexpectedReply, match=r"(?s)Sum.*Said|Said.*Sum"):
                await send(Divide(a=1, b=2), expect=Sum)
            with pytest.raises(CommandFailed, match="nothing to divide"):
                await send(Divide(a=0, b=2))
            assert not caplog.records
            with pytest.raises(RemoteError) as raised:
                await send(Divide(a=6, b=0))
            assert raised.value.kind == "ZeroDivisionError"

    with caplog.at_level(logging.WARNING):
        run(main)
    (record,) = caplog.records
    assert record.exc_info is not None


def test_plain_and_async_ones_many_at_once() -> None:
    async def main() -> None:
        async with ordered(Place("s"), Place("c")) as both:
            for end, name in ((both.client, "s"), (both.peer, "c")):
                sums = [end.send(Add(a=n, b=n)) for n in range(100)]
                names = [end.send(Where()) for _ in range(100)]
                assert await asyncio.gather(*sums) == [Sum(c=2 * n) for n in range(100)]
                assert await asyncio.gather(*names) == [name] * 100

    run(main)


def test_a_notified_command_runs_and_answers_nobody() -> None:
    async def main() -> None:
        server = Place()
        async with ordered(server) as both:
            for command in (Where(), Add(a=1, b=1), Divide(a=0, b=1)):
                await both.client.notify(command)
            assert await both.client.send(Where()) == ""
            await until(lambda: len(server.ran) == 3)
            assert sorted(server.ran) == ["Add 1 1", "Where", "Where"]

    run(main)


def test_cancelling_ends_an_async_process(on_loop: Run) -> None:
    async def main() -> None:
        server = Place()
        async with ordered(server) as both:
            with pytest.raises(ReplyTimeout):
                await both.client.send(Wait(), 0.06)
            timed_out = len(server.ran)
            send = asyncio.create_task(both.client.send(Wait(), math.inf))
            await until(lambda: len(server.ran) > timed_out)
            send.cancel()
            await until(lambda: server.ran.count("Wait is over") == server.ran.count("Wait"))
            server.gate.set()
            assert await both.client.send(Wait()) == Said(words="let go")

    on_loop(main)


def test_the_running_limit_holds_for_commands() -> None:
    async def main() -> None:
        server = Place()
        async with ordered(server, limits=RpcLimits(running=2)) as both:
            sends = [both.client.send(Wait(), math.inf) for _ in range(5)]
            server.gate.set()
            assert await asyncio.gather(*sends) == [Said(words="let go")] * 5

    run(main)


def test_a_side_without_a_context_runs_no_commands() -> None:
    """Who did not ask to run commands does not run them, and says so at once."""

    async def main() -> None:
        async with ordered(Place()) as both:
            assert isinstance(both, Joined)
            with raised_in_time(SECONDS), pytest.raises(RemoteError) as raised:
                await both.peer.send(Where())
            assert not isinstance(raised.value, CommandFailed)
            assert await both.client.send(Where()) == ""

    run(main)


# Sets of one, and sets that are none --------------------------------------------------------------


class Lone(BaseModel, frozen=True):
    x: int

    async def process(self, context: list[int]) -> list[int]:
        context.append(self.x)
        return list(context)


class Silent(BaseModel, frozen=True):
    x: int


def test_a_set_of_one() -> None:
    async def doubles(message: Silent, peer: Any) -> Silent:
        return Silent(x=2 * message.x)

    async def main() -> None:
        contexts = {"server": {"context": [1]}, "client": {"context": [2]}}
        async with joined(None, None, Lone, **contexts) as both:
            assert await both.client.send(Lone(x=5)) == [1, 5]
            assert await both.peer.send(Lone(x=5)) == [2, 5]
        async with joined(doubles, doubles, Silent) as both:
            assert await both.client.send(Silent(x=5)) == Silent(x=10)
            assert await both.peer.send(Silent(x=6), expect=Silent) == Silent(x=12)

    run(main)


def test_a_handler_and_process_are_one_too_many() -> None:
    with pytest.raises(SchemaError, match=r"Order.*handler|handler.*Order"):
        RpcServer(Order, silent)


def test_some_with_process_and_some_without() -> None:
    class Half(Command[None]):
        pass

    class With(Half):
        def process(self, context: None) -> None: ...

    class Without(Half):
        pass

    assert {With, Without}
    with pytest.raises(SchemaError, match="Without"):
        RpcServer(Half)


@pytest.mark.parametrize("message", [int, "Order", Add, None], ids=repr)
def test_what_is_no_set_of_messages(message: Any) -> None:
    with pytest.raises(SchemaError):
        RpcServer(message, silent)
