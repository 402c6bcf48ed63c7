"""A reply has the type that `process` declares, that `expect` names, or the family's."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import asyncio
from typing import assert_type

from pydantic import BaseModel

from lazyipc import U64, Command, IpcError, Peer, Response, TaggedUnion
from lazyipc.rpc import (
    ConnectionKey,
    ConnectionStatus,
    RpcClient,
    RpcLimits,
    RpcPeer,
    RpcServer,
    SchemaStatus,
)


class Note(TaggedUnion):
    """Messages without `process`."""


class Text(Note):
    """Some text."""

    text: str


class Number(Note):
    """A number."""

    n: U64


class Foreign(TaggedUnion):
    """Another family."""


class Stranger(Foreign):
    """Of the other family."""


class Answer(Response):
    """Answers."""


class Sum(Answer):
    """A sum."""

    c: U64


class Nothing(Answer):
    """No sum."""


class Order(Command[list[int]]):
    """Messages with `process`."""


class Add(Order):
    """Async."""

    a: U64
    b: U64

    async def process(self, context: list[int]) -> Sum:
        """Add."""
        return Sum(c=self.a + self.b)


class Count(Order):
    """Plain."""

    def process(self, context: list[int]) -> int:
        """Count."""
        return len(context)


class Either(Order):
    """One of two."""

    async def process(self, context: list[int]) -> Sum | Nothing:
        """Choose."""
        return Nothing()


class Forget(Order):
    """Answered with nothing."""

    async def process(self, context: list[int]) -> None:
        """Forget."""


class Lone(BaseModel):
    """A plain model, which is a set of one."""

    x: int


# Handlers


async def handler(message: Note, peer: RpcPeer[Note]) -> Note | None:
    """Echo."""
    return message


async def always(message: Note, peer: RpcPeer[Note]) -> Text:
    """One reply for all."""
    return Text(text="yes")


async def silent(message: Note, peer: RpcPeer[Note]) -> None:
    """No reply."""


async def wrong_reply(message: Note, peer: RpcPeer[Note]) -> int:
    """Reply with what is no message."""
    return 5


async def wrong_message(message: Foreign, peer: RpcPeer[Foreign]) -> None:
    """Handle another family."""


async def too_few(message: Note) -> None:
    """Take no peer."""


def plain(message: Note, peer: RpcPeer[Note]) -> Note:
    """Not async."""
    return message


RpcServer(Note, handler)
RpcServer(Note, always)
RpcServer(Note, silent)
RpcServer(Note)
RpcServer(Note, wrong_reply)  # type: ignore[arg-type]
RpcServer(Note, wrong_message)  # type: ignore[arg-type]
RpcServer(Note, too_few)  # type: ignore[arg-type]
RpcServer(Note, plain)  # type: ignore[arg-type]
RpcServer(5, handler)  # type: ignore[arg-type]
RpcServer(Note, handler, schema_check="strict")  # type: ignore[arg-type]
RpcServer(Note, handler, limits=5)  # type: ignore[arg-type]
RpcServer(Note, handler, "/run/app.sock", schema_check="warn", limits=RpcLimits(running=5))
RpcServer(Order, context=[1])


# The server


async def serve() -> None:
    """What a server tells."""
    async with RpcServer(Note, handler) as server:
        assert_type(server, RpcServer[Note])
        assert_type(server.key, ConnectionKey)
        assert_type(server.path, str)
        assert_type(server.peers, tuple[RpcPeer[Note], ...])
        assert_type(server.status, ConnectionStatus)
        assert_type(await server.wait_for_client(), RpcPeer[Note])
        assert_type(await server.wait_for_client(timeout=5), RpcPeer[Note])
        async for peer in server:
            assert_type(peer, RpcPeer[Note])
        server.close()
        await server.wait_closed()


# Clients


async def connect(key: str) -> None:
    """Awaited or entered."""
    client = await RpcClient.connect(key, Note, handler, timeout=5.0, server_uids=[0])
    assert_type(client, RpcClient[Note])
    async with client as same:
        assert_type(same, RpcClient[Note])
    async with RpcClient.connect(key, Note, always) as entered:
        assert_type(entered, RpcClient[Note])
    async with RpcClient.from_parent(Order, context=[1]) as child:
        assert_type(child, RpcClient[Order])
    await RpcClient.connect(key, Note, wrong_message)  # type: ignore[arg-type]
    await RpcClient.connect(key, Note, wrong_reply)  # type: ignore[arg-type]
    await RpcClient.connect(5, Note, handler)  # type: ignore[arg-type]


# Messages


async def talk(peer: RpcPeer[Note]) -> None:
    """Without `process` a reply is of the family, or what is expected."""
    assert_type(await peer.send(Text(text="hello")), Note)
    assert_type(await peer.send(Text(text="hello"), 2.5), Note)
    assert_type(await peer.send(Text(text="hello"), timeout=None), Note)
    assert_type(await peer.send(Text(text="hello"), expect=Number), Number)
    assert_type((await peer.send(Number(n=1), 1, expect=Number)).n, int)
    match await peer.send(Number(n=1)):
        case Text(text=text):
            assert_type(text, str)
        case Number(n=n):
            assert_type(n, int)
        case _:
            raise IpcError
    task = asyncio.create_task(peer.send(Number(n=1), expect=Number))
    assert_type(await task, Number)
    async with asyncio.TaskGroup() as group:
        grouped = group.create_task(peer.send(Number(n=1)))
    assert_type(grouped.result(), Note)
    one, other = peer.send(Number(n=1), expect=Number), peer.send(Text(text=""))
    both = await asyncio.gather(one, other)
    assert_type(both, tuple[Number, Note])
    assert_type(await asyncio.wait_for(peer.send(Number(n=1), expect=Number), 5), Number)
    await peer.notify(Text(text="hello"))
    await peer.send(Stranger())  # type: ignore[call-overload]
    await peer.send(5)  # type: ignore[call-overload]
    await peer.send(Text)  # type: ignore[call-overload]
    await peer.send(Text(text="hello"), "5")  # type: ignore[call-overload]
    await peer.notify(Stranger())  # type: ignore[arg-type]
    _ = (await peer.send(Text(text="hello"))).text  # type: ignore[attr-defined]


async def order(peer: RpcPeer[Order]) -> None:
    """With `process` it is what that declares, async or not."""
    assert_type(await peer.send(Add(a=1, b=2)), Sum)
    assert_type(await peer.send(Count()), int)
    assert_type(await peer.send(Either(), 5.0), Sum | Nothing)
    assert_type(await peer.send(Forget()), None)
    task = asyncio.create_task(peer.send(Add(a=1, b=2)))
    assert_type(await task, Sum)
    one, other = peer.send(Add(a=1, b=2)), peer.send(Count())
    both = await asyncio.gather(one, other)
    assert_type(both, tuple[Sum, int])
    await peer.notify(Add(a=1, b=2))
    _ = (await peer.send(Add(a=1, b=2))).d  # type: ignore[attr-defined]


async def lone(peer: RpcPeer[Lone]) -> None:
    """A set of one."""
    assert_type(await peer.send(Lone(x=1)), Lone)


async def look(peer: RpcPeer[Note]) -> None:
    """What a peer tells of itself."""
    assert_type(peer.status, ConnectionStatus)
    assert_type(peer.status.reason, IpcError | None)
    assert_type(await peer.wait_closed(), ConnectionStatus)
    assert_type(await peer.schema_validated(), SchemaStatus)
    assert_type((await peer.schema_validated()).is_success, bool)
    (await peer.schema_validated()).assert_success()
    assert_type(peer.credentials, Peer)
    match peer.status:
        case ConnectionStatus(kind="failed", reason=reason):
            assert_type(reason, IpcError | None)
        case ConnectionStatus(kind="lost"):
            pass
        case _:
            pass
