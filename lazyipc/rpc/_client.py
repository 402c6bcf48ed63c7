"""`RpcClient`: connect to an RpcServer by its key, or to the program that started this one.

Knows how a connection is come by. What it can do then is the peer's business.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from time import monotonic
from typing import Any, TypeVar

from pydantic import BaseModel

from lazyipc._aio.connecting import connect
from lazyipc._calls import checked_seconds, trusted_uids
from lazyipc._core.connection.hello import SchemaCheck
from lazyipc._io import sockets
from lazyipc._peer import Peer
from lazyipc.rpc._crew import NO_CONTEXT
from lazyipc.rpc._key import ConnectionKey
from lazyipc.rpc._limits import RpcLimits
from lazyipc.rpc._opening import Opening
from lazyipc.rpc._parent import take_parent
from lazyipc.rpc._peer import Handler, RpcPeer
from lazyipc.rpc._side import Side

M = TypeVar("M", bound=BaseModel)
N = TypeVar("N", bound=BaseModel)
"""The same, of a class method: the class it is reached through says nothing of it."""

CONNECT_SECONDS = 5.0
"""How long connecting may take, when the call does not say."""


class RpcClient(RpcPeer[M]):
    """A connection to an RpcServer, and all that an RpcPeer can do; both sides are alike from here.

    Made by `connect` and `from_parent`, which are awaited, or entered for as long as it lasts:

    >>> import asyncio
    >>> from lazyipc import TaggedUnion
    >>> from lazyipc.rpc import RpcClient, RpcServer
    >>> class Word(TaggedUnion): "What is said."
    >>> class Ping(Word): "Are you there?"
    >>> class Pong(Word): "I am."
    >>> async def answer(word: Word, peer: object) -> Word | None:
    ...     return Pong() if isinstance(word, Ping) else None
    >>> async def main() -> None:
    ...     async with RpcServer(Word, answer) as server:
    ...         async with RpcClient.connect(server.key, Word) as client:
    ...             print(repr(await client.send(Ping())))
    >>> asyncio.run(main())
    Pong()
    """

    @classmethod
    def connect(
        cls,
        key: ConnectionKey | str,
        message: type[N],
        handler: Handler[N] | None = None,
        *,
        context: Any = NO_CONTEXT,
        timeout: float = CONNECT_SECONDS,
        schema_check: SchemaCheck = "enforce",
        limits: RpcLimits | None = None,
        server_uids: Iterable[int] | None = None,
    ) -> Opening[RpcClient[N]]:
        """Connect to a server.

        Args:
            key: the server's.
            message: the root of the messages' family, or one model.
            handler: handles what the server sends; without one the server is told so.
            context: what `process` of the server's messages is called with, where they have it;
                without one they are not processed.
            timeout: seconds for connecting and agreeing; math.inf is for ever.
            schema_check: what is done where the server's messages differ: "enforce" raises
                SchemaMismatch, "warn" logs it, "off" does not look.
            limits: what the server may take of this side.
            server_uids: the users the server may run as; None is one's own and root.

        Raises (when awaited):
            ServerNotRunning, SocketRefused, TransportError: no server that can be reached.
            NotPermitted: the key is not, or no longer, the server's.
            SchemaMismatch: the two sides' messages differ.
            ReplyTimeout: connecting took too long.
            Disconnected, RemoteProtocolError: the server went away, or is none.
            SchemaError: the messages cannot travel.
            ValueError: the key is none.
        """
        to = key if isinstance(key, ConnectionKey) else ConnectionKey(key)
        side = Side(message, handler, context, schema_check, limits)
        checked_seconds(timeout)
        return Opening(cls._connect(side, to, timeout, trusted_uids(server_uids)))

    @classmethod
    def from_parent(
        cls,
        message: type[N],
        handler: Handler[N] | None = None,
        *,
        context: Any = NO_CONTEXT,
        timeout: float = CONNECT_SECONDS,
        schema_check: SchemaCheck = "enforce",
        limits: RpcLimits | None = None,
    ) -> Opening[RpcClient[N]]:
        """Connect to the program that started this one by `RpcProcess.spawn`.

        Args: as for `connect`.

        Raises (when awaited): as `connect`; ServerNotRunning where this program was not started so.
        """
        side = Side(message, handler, context, schema_check, limits)
        checked_seconds(timeout)
        return Opening(cls._join(side, timeout))

    @classmethod
    async def _join(cls, side: Side, timeout: float) -> RpcClient[Any]:
        found = take_parent()
        if isinstance(found, ConnectionKey):
            return await cls._connect(side, found, timeout, trusted_uids(None))
        return await cls._begin(
            side, found, "the parent's socket", "", monotonic() + timeout, timeout
        )

    @classmethod
    async def _connect(
        cls, side: Side, key: ConnectionKey, timeout: float, server_uids: frozenset[int]
    ) -> RpcClient[Any]:
        deadline = monotonic() + timeout
        connected = await connect(key.path, deadline, server_uids)
        return await cls._begin(side, connected, key.path, key.token, deadline, timeout)

    @classmethod
    async def _begin(
        cls,
        side: Side,
        connected: socket.socket,
        name: str,
        token: str,
        deadline: float,
        timeout: float,
    ) -> RpcClient[Any]:
        """Agree with the server at the other end of a socket, which is ours to close."""
        try:
            credentials = Peer(*sockets.credentials_of(connected))
            conversation = side.conversation(name, token, opens=True)
        except BaseException:
            connected.close()
            raise
        client: RpcClient[Any] = cls(conversation, credentials)
        await conversation.begin(connected, deadline, timeout, opens=True)
        return client
