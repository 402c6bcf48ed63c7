"""Two asyncio programs that talk in typed messages, either way: behaviour after the crate ipc-rpc.

A server gives a key; whoever has it connects, and both sides are peers then: each sends messages,
and handles those of the other. The two see first that they mean the same by their messages.

>>> import asyncio
>>> from lazyipc import TaggedUnion
>>> class Message(TaggedUnion): "What two programs say to each other."
>>> class Add(Message):
...     a: int
...     b: int
>>> class Sum(Message):
...     c: int
>>> async def handler(message: Message, peer: RpcPeer[Message]) -> Message | None:
...     match message:
...         case Add(a=a, b=b):
...             return Sum(c=a + b)
...     return None
>>> async def main() -> None:
...     async with RpcServer(Message, handler) as server:
...         async with RpcClient.connect(server.key, Message) as client:
...             match await client.send(Add(a=1, b=2)):
...                 case Sum(c=c):
...                     print(c)
>>> asyncio.run(main())
3
"""

from __future__ import annotations

from lazyipc._core.connection.hello import SchemaStatus
from lazyipc.rpc._client import RpcClient
from lazyipc.rpc._key import ConnectionKey
from lazyipc.rpc._limits import RpcLimits
from lazyipc.rpc._peer import Handler, RpcPeer, current_peer
from lazyipc.rpc._process import RpcProcess
from lazyipc.rpc._reply import Reply
from lazyipc.rpc._server import RpcServer
from lazyipc.rpc._status import ConnectionStatus

__all__ = [
    "ConnectionKey",
    "ConnectionStatus",
    "Handler",
    "Reply",
    "RpcClient",
    "RpcLimits",
    "RpcPeer",
    "RpcProcess",
    "RpcServer",
    "SchemaStatus",
    "current_peer",
]
