"""What the rpc tests say to each other, handlers that a test can watch and hold, joined peers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from lazyipc import U64, Command, CommandFailed, Response, TaggedUnion
from lazyipc.rpc import RpcClient, RpcPeer, RpcServer
from tests.rpc.loops import until

SECONDS = 5.0
"""How long a test waits for what must come."""


class Note(TaggedUnion):
    """Messages without `process`: any of them may be sent, and be a reply."""


class Text(Note):
    text: str


class Number(Note):
    n: U64


class Blob(Note):
    data: bytes


class Empty(Note):
    """Nothing in it."""


class Slow(Note, timeout=0.05):
    """Has a timeout of its own."""


Handler = Callable[[Any, RpcPeer[Any]], Awaitable[Any]]


async def silent(message: Note, peer: RpcPeer[Note]) -> None:
    """A handler that never replies."""


async def echo(message: Note, peer: RpcPeer[Note]) -> Note:
    """A handler that replies with what it got."""
    return message


class Stage:
    """A handler whose every run waits until the test lets it go; what happened to each is kept.

    Args:
        reply: what a run that was let go replies with; the message itself unless given.
    """

    def __init__(self, reply: Note | None = None, *, is_open: bool = False) -> None:
        self.reply = reply
        self.began: list[Note] = []
        self.cancelled: list[Note] = []
        self.ended: list[Note] = []
        self.running = 0
        self.most_running = 0
        self.peers: list[RpcPeer[Note]] = []
        self.gate = asyncio.Event()
        if is_open:
            self.gate.set()

    async def handle(self, message: Note, peer: RpcPeer[Note]) -> Note | None:
        self.began.append(message)
        self.peers.append(peer)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(message)
            raise
        finally:
            self.running -= 1
            self.ended.append(message)
        return self.reply or message

    async def reaches(self, **counts: int) -> None:
        """Wait until so many began, were cancelled, ended."""

        def so_many() -> bool:
            return all(len(getattr(self, name)) == count for name, count in counts.items())

        await until(so_many, what=f"{counts} not reached: {vars(self)}")


@dataclass
class Joined:
    """A server, its peer and the client at the other end."""

    server: RpcServer[Any]
    peer: RpcPeer[Any]
    client: RpcClient[Any]


@contextlib.asynccontextmanager
async def joined(
    at_server: Handler | None = echo,
    at_client: Handler | None = echo,
    message: type[Any] = Note,
    *,
    server: dict[str, Any] | None = None,
    client: dict[str, Any] | None = None,
) -> AsyncIterator[Joined]:
    """One client connected to a server of its own.

    Args:
        server: more arguments of the server.
        client: more arguments of the client.
    """
    async with (
        RpcServer(message, at_server, **(server or {})) as opened,
        RpcClient.connect(opened.key, message, at_client, **(client or {})) as end,
    ):
        yield Joined(opened, await opened.wait_for_client(SECONDS), end)


# Commands -----------------------------------------------------------------------------------------


class Answer(Response):
    """What commands are answered with."""


class Sum(Answer):
    c: U64


class Said(Answer):
    words: str


@dataclass
class Place:
    """The context of commands: which side ran them, and what it did."""

    name: str = ""
    ran: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)


class Order(Command[Place]):
    """Messages with `process`."""


class Add(Order):
    a: U64
    b: U64

    async def process(self, context: Place) -> Sum:
        await asyncio.sleep(0)
        context.ran.append(f"Add {self.a} {self.b}")
        return Sum(c=self.a + self.b)


class Where(Order):
    """Plain, not async."""

    def process(self, context: Place) -> str:
        context.ran.append("Where")
        return context.name


class Forget(Order):
    """Answered with nothing, which is an answer."""

    def process(self, context: Place) -> None:
        context.ran.append("Forget")


class Divide(Order):
    a: U64
    b: U64

    async def process(self, context: Place) -> Sum | Said:
        if self.a == 0:
            raise CommandFailed("nothing to divide")
        if self.a == 1:
            return Said(words="one is one")
        return Sum(c=self.a // self.b)


class Wait(Order):
    async def process(self, context: Place) -> Said:
        context.ran.append("Wait")
        try:
            await context.gate.wait()
        finally:
            context.ran.append("Wait is over")
        return Said(words="let go")
