"""`RpcPeer`: the other side of a connection, as users hold it.

Knows the public verbs. What they set going is the conversation's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, Protocol, Self, TypeVar, overload

from pydantic import BaseModel

from lazyipc._core.command import Processes
from lazyipc._core.connection.hello import SchemaStatus
from lazyipc._peer import Peer
from lazyipc.errors import LocalProtocolError
from lazyipc.rpc._conversation import Conversation
from lazyipc.rpc._crew import HANDLING
from lazyipc.rpc._reply import Reply
from lazyipc.rpc._status import ConnectionStatus

M = TypeVar("M", bound=BaseModel)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class ProcessesLater(Protocol[R_co]):
    """Whatever has an `async def process`."""

    def process(self, context: Any, /) -> Coroutine[Any, Any, R_co]: ...


class RpcPeer(Generic[M]):
    """The other side of a connection: send it messages, see how it fares, close it.

    It is made by RpcServer, RpcClient or RpcProcess, and given to each handler. Whoever forgets it
    closes it, with a ResourceWarning. It belongs to one event loop.
    """

    def __init__(self, conversation: Conversation, credentials: Peer) -> None:
        self._conversation = conversation
        self._credentials = credentials
        conversation.serve(self)

    @overload
    def send(self, message: ProcessesLater[R], timeout: float | None = None) -> Reply[R]: ...
    @overload
    def send(self, message: Processes[R], timeout: float | None = None) -> Reply[R]: ...
    @overload
    def send(self, message: M, timeout: float | None = None, *, expect: type[R]) -> Reply[R]: ...
    @overload
    def send(self, message: M, timeout: float | None = None) -> Reply[M]: ...
    def send(
        self, message: Any, timeout: float | None = None, *, expect: type | None = None
    ) -> Reply[Any]:
        """Send a message, and await its reply.

        The message goes at once, awaited or not, while the other side has room; then awaiting
        waits for that, too. A task that is cancelled while it awaits cancels the handler over
        there.

        Args:
            message: the message.
            timeout: seconds for all of it; None is the message's own, else 5; math.inf: for ever.
            expect: the type that the reply must have.

        Raises:
            ReplyTimeout: no reply in time; `started` says whether the handler ran, if it is known.
            Disconnected: the connection ended before the reply.
            RemoteError: the handler failed; CommandFailed where it said so itself.
            UnexpectedReply: the reply has another type than `expect`, or is no message known here.
            SchemaMismatch: the other side does not know this message, or we do not know its reply.
            EncodeError, SchemaError, MessageTooLarge: the message cannot be sent.
            LocalProtocolError: the connection was closed here.

        What is known when `send` is called is raised then; the rest when it is awaited.
        """
        reply = self._conversation.send(message, timeout, expect)
        reply.keep(self)
        return reply

    def notify(self, message: M | Processes[Any]) -> Reply[None]:
        """Send a message that is not answered; await that there is room for it.

        It is not lost by `close`. What its handler raises is logged over there.

        Raises: as `send`, but for what is about replies.
        """
        reply = self._conversation.notify(message)
        reply.keep(self)
        return reply

    @property
    def status(self) -> ConnectionStatus:
        """Where the connection stands."""
        return self._conversation.status

    @property
    def credentials(self) -> Peer:
        """Process, user and group of the other side, as the kernel recorded them."""
        return self._credentials

    async def schema_validated(self) -> SchemaStatus:
        """How the messages of both sides compare.

        >>> from lazyipc.rpc import SchemaStatus
        >>> SchemaStatus("matched").assert_success()
        """
        return await self._conversation.wait_schema()

    def close(self) -> None:
        """Say goodbye; what waits for a reply, here and there, is Disconnected.

        Calling it twice is fine. Use `wait_closed` to see it through.
        """
        self._conversation.close()

    async def wait_closed(self) -> ConnectionStatus:
        """Wait until the connection has ended, whoever ends it, and its socket is closed.

        Handlers here that served it are cancelled then, but for those of notifications, which go on
        when the other side leaves, until they end or `close` is called here.

        Returns:
            How it ended: "closed", or "failed" with its reason.
        """
        return await self._conversation.wait_end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object = None, *exc_info: object) -> None:
        self.close()
        if kind is GeneratorExit:  # the loop was closed under it, and nothing can be awaited
            return
        await self._conversation.wait_over()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of pid {self._credentials.pid}, {self.status}>"


Handler = Callable[[M, RpcPeer[M]], Awaitable[M | None]]
"""What handles messages: takes one and its peer, gives the reply, or None for no reply."""


def current_peer() -> RpcPeer[Any]:
    """Who sent the message whose `process`, or handler, runs.

    A handler is given its peer; `process` is given the context alone, which all peers share.

    Raises:
        LocalProtocolError: none runs.

    >>> current_peer()
    Traceback (most recent call last):
    lazyipc.errors.LocalProtocolError: no message is being handled here
    """
    handling = HANDLING.get()
    if handling is None:
        raise LocalProtocolError("no message is being handled here")
    peer: RpcPeer[Any] = handling.peer
    return peer
