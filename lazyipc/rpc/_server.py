"""`RpcServer`: what peers connect to, as users hold it.

Knows the public verbs. Who comes in, and how, is the reception's business.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel

from lazyipc._calls import checked_timeout
from lazyipc._core.connection.hello import SchemaCheck
from lazyipc.errors import LocalProtocolError, ReplyTimeout
from lazyipc.rpc._key import ConnectionKey
from lazyipc.rpc._limits import RpcLimits
from lazyipc.rpc._peer import Handler, RpcPeer
from lazyipc.rpc._reception import Reception
from lazyipc.rpc._side import Side
from lazyipc.rpc._status import CLOSED, CONNECTED, WAITING, ConnectionStatus

M = TypeVar("M", bound=BaseModel)


class RpcServer(Generic[M]):
    """A server that peers connect to by its key.

    Entered with `async with`, it listens; left, it says goodbye to each peer and waits for them and
    for its handlers. Its path belongs to it as an IpcServer's does; its socket has mode 0600.

    Args:
        message: the root of the messages' family, or one model.
        handler: `async def handler(message, peer)`, which returns the reply, or None for no reply;
            not for messages that have `process`.
        path: the socket's path; None makes a private directory, and removes it at the end.
        context: what `process` of the messages is called with, where they have it.
        schema_check: what is done where a peer's messages differ: "enforce" refuses it, on both
            sides and with the difference; "warn" logs it and goes on; "off" does not look.
        limits: what peers may take.

    Raises:
        SchemaError: the messages cannot travel, or have `process` and a handler.

    >>> from lazyipc import TaggedUnion
    >>> class Word(TaggedUnion): "What is said."
    >>> class Ping(Word): "Are you there?"
    >>> class Pong(Word): "I am."
    >>> async def answer(word: Word, peer: object) -> Word | None:
    ...     return Pong() if isinstance(word, Ping) else None
    >>> async def main() -> None:
    ...     async with RpcServer(Word, answer) as server:
    ...         print(server.status, repr(server.key)[:30])
    >>> asyncio.run(main())
    waiting ConnectionKey('lazyipc-rpc:...
    """

    def __init__(
        self,
        message: type[M],
        handler: Handler[M] | None = None,
        path: str | os.PathLike[str] | None = None,
        *,
        context: Any = None,
        schema_check: SchemaCheck = "enforce",
        limits: RpcLimits | None = None,
    ) -> None:
        self._side = Side(message, handler, context, schema_check, limits)
        self._asked_path = None if path is None else os.fsdecode(path)
        self._reception: Reception[M] | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        if self._reception is not None or self._is_closed:
            raise LocalProtocolError("a server is entered once; make another one")
        self._reception = Reception(self._side, self._asked_path)
        # Not the method itself: the finalizer would keep what may lead to the server.
        weakref.finalize(self, _let_go, weakref.ref(self._reception)).atexit = False
        return self

    async def __aexit__(self, kind: object = None, *exc_info: object) -> None:
        self.close()
        if kind is GeneratorExit:  # the loop was closed under it, and nothing can be awaited
            return
        await self.wait_closed()

    def _open_reception(self) -> Reception[M]:
        if self._reception is None:
            raise LocalProtocolError("the server was not entered yet; use `async with`")
        return self._reception

    @property
    def key(self) -> ConnectionKey:
        """What a client connects with; a string that is safe in a command line."""
        return self._open_reception().key

    @property
    def path(self) -> str:
        """Where the socket is."""
        return self._open_reception().key.path

    @property
    def peers(self) -> tuple[RpcPeer[M], ...]:
        """Those connected now, who agreed with this side on what is spoken."""
        return tuple(self._open_reception().peers)

    @property
    def status(self) -> ConnectionStatus:
        """Whether it waits for a first peer, is connected to any, or was closed."""
        if self._is_closed:
            return CLOSED
        return CONNECTED if self._reception is not None and self._reception.peers else WAITING

    async def wait_for_client(self, timeout: float | None = None) -> RpcPeer[M]:
        """Wait for the next peer; each is given out once, to this or to `async for`.

        Args:
            timeout: seconds; None is for ever.

        Raises:
            ReplyTimeout: nobody came.
            LocalProtocolError: the server was closed.
        """
        reception = self._open_reception()
        checked_timeout(timeout)
        try:
            async with asyncio.timeout(timeout):
                peer = await reception.next_peer()
                while peer is not None and peer.status.has_ended:
                    peer = await reception.next_peer()
        except TimeoutError as error:
            raise ReplyTimeout(
                f"{reception.key.path}: no client within {timeout:g} s", started="no"
            ) from error
        if peer is None:
            raise LocalProtocolError(f"{reception.key.path}: the server was closed")
        return peer

    async def __aiter__(self) -> AsyncIterator[RpcPeer[M]]:
        """Each peer as it comes, until the server is closed.

        One that has left again meanwhile is among them, of the last few: see its status.
        """
        reception = self._open_reception()
        while (peer := await reception.next_peer()) is not None:
            yield peer

    def __repr__(self) -> str:
        where = "" if self._reception is None else f" at {self._reception.key.path}"
        return f"<RpcServer of {self._side.messages.name}{where}, {self.status}>"

    def close(self) -> None:
        """Stop listening, and say goodbye to each peer. Calling it twice is fine."""
        self._is_closed = True
        if self._reception is not None:
            self._reception.close()

    async def wait_closed(self) -> None:
        """Wait until the server is closed, and all connections have ended, and their handlers."""
        if self._reception is not None:
            await self._reception.wait_closed()


def _let_go(reception: Callable[[], Reception[Any] | None]) -> None:
    held = reception()
    if held is not None:
        held.let_go()
