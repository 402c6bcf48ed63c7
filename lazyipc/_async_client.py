"""`AsyncIpcClient`: typed calls from an event loop, many at once over one connection.

One deadline covers connecting, waiting in the server's queue, running and the reply. Says when to
connect again and what a caller is given; bytes are the link's business. No thread, no executor.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import warnings
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from time import monotonic
from typing import Any, Literal, Self, TypeVar, overload

from lazyipc._async_calls import Call
from lazyipc._async_link import AsyncLink
from lazyipc._calls import (
    BARE_QUICK_ATTEMPTS,
    BARE_REST_SECONDS,
    checked_timeout,
    is_made_again,
    trusted_uids,
)
from lazyipc._core.command import Processes
from lazyipc._core.events import Failed, Responded
from lazyipc._core.framing import BARE, Wire
from lazyipc._io.fds import abandon_in_child
from lazyipc._patience import seconds_for
from lazyipc.errors import Disconnected, IpcError, LocalProtocolError

R = TypeVar("R")
P = TypeVar("P")

AHEAD_COUNT = 256
"""How many commands `send_each` sends before the first response is taken: enough for a host that
polls sixty times a second to be asked ten thousand times, and few enough to be kept."""


class AsyncIpcClient:
    """A connection that is kept between calls, for the tasks of one event loop.

    Any number of tasks may call at once: their requests go over one connection, told apart by
    number (`Wire.BARE`: over one each). A task that is cancelled gives up its call; no other is
    touched, and where nobody else waits for an answer the server is hung up on, so that what it
    has not begun is not run.

    It connects when first used, and again by itself when the connection ended while no call was
    under way. It belongs to the loop it connected in: in another it connects again once the first
    is closed (one `asyncio.run` after the other), and refuses while that is open.

    Args:
        path: the server's socket.
        timeout: seconds for each call; None is the command's own, else 5; math.inf is for ever.
        wire: `Wire.BARE` talks to a server made with the Rust crate ipc-server, one connection
            for each call; `Wire.JSON` in lines of JSON.
        server_uids: the users the server may run as; None is one's own and root.

    >>> async def main() -> None:
    ...     async with AsyncIpcClient("/nowhere/app.sock") as client:
    ...         print(client.is_connected)
    >>> asyncio.run(main())
    False
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        timeout: float | None = None,
        wire: Wire = Wire.FRAMED,
        server_uids: Iterable[int] | None = None,
    ) -> None:
        self._links: set[AsyncLink] = set()
        """Those whose sockets are not closed yet."""
        self._path = os.fsdecode(path)
        self._timeout = checked_timeout(timeout)
        self._wire = wire
        self._server_uids = trusted_uids(server_uids)
        self._link: AsyncLink | None = None
        self._is_closed = False
        abandon_in_child(self, type(self)._abandon)

    @property
    def is_connected(self) -> bool:
        """Whether a connection is kept."""
        return self._link is not None and self._link.is_connected

    def close(self) -> None:
        """Close the connection; calls that are under way fail. Calling it twice is fine."""
        self._is_closed = True
        for link in list(self._links):
            if link.loop.is_closed():  # nobody waits there any more
                self._let_go(link)
            else:
                link.close()

    async def wait_closed(self) -> None:
        """Wait, after `close`, until the socket is closed, too."""
        for link in list(self._links):
            await link.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()
        await self.wait_closed()

    async def send(self, command: Processes[R]) -> R:
        """Send one command and return its response.

        Raises: as `client_send`; LocalProtocolError after `close`, and in the loop of another
            thread.
        """
        seconds = seconds_for(command, self._timeout)
        answer = await self._over_link(AsyncLink.call, command, seconds, monotonic() + seconds)
        if isinstance(answer, Failed):
            raise answer.error
        value: R = answer.value
        return value

    @overload
    async def send_many(
        self, commands: Iterable[Processes[R]], *, return_exceptions: Literal[False] = False
    ) -> list[R]: ...
    @overload
    async def send_many(
        self, commands: Iterable[Processes[R]], *, return_exceptions: bool
    ) -> list[R | IpcError]: ...
    async def send_many(
        self, commands: Iterable[Processes[R]], *, return_exceptions: bool = False
    ) -> list[Any]:
        """Send many commands, reading replies while writing, and return the responses in order.

        All are sent, whatever becomes of each. One deadline covers them together: the longest of
        theirs.

        Args:
            return_exceptions: put a failed command's error in its place, the one that ended the
                connection or the time in each that was not answered; else the first is raised.

        Raises: as `send`.
        """
        if hasattr(commands, "process"):
            raise TypeError("send_many takes several commands; use send for one")
        batch = list(commands)
        if not batch:
            return []
        seconds = max(seconds_for(command, self._timeout) for command in batch)
        deadline = monotonic() + seconds
        if self._wire is BARE:
            responses, failures = await self._batch_alone(batch, seconds, deadline)
        else:
            responses, failures = await self._over_link(AsyncLink.batch, batch, seconds, deadline)
        if failures and not return_exceptions:
            raise failures[min(failures)]
        for position, error in failures.items():
            responses[position] = error
        return responses

    @overload
    def send_each(
        self,
        commands: Iterable[Processes[R]] | AsyncIterable[Processes[R]],
        *,
        return_exceptions: Literal[False] = False,
    ) -> AsyncGenerator[R, None]: ...
    @overload
    def send_each(
        self,
        commands: Iterable[Processes[R]] | AsyncIterable[Processes[R]],
        *,
        return_exceptions: bool,
    ) -> AsyncGenerator[R | IpcError, None]: ...
    def send_each(
        self,
        commands: Iterable[Processes[R]] | AsyncIterable[Processes[R]],
        *,
        return_exceptions: bool = False,
    ) -> AsyncGenerator[Any, None]:
        """Send commands as they come, and give their responses, in order, as those come.

        Sending goes on, some hundred commands ahead, while the first responses are used. Each
        command has its own deadline, from when it is its turn. Who stops before the end gives up
        what is under way; `contextlib.aclosing` around it does that at once.

        Args:
            commands: any number of them, from an iterable or an asynchronous one.
            return_exceptions: give a failed command's error in its place, and go on; else it is
                raised, and is the end.

        Raises: as `send`.
        """
        if hasattr(commands, "process"):
            raise TypeError("send_each takes several commands; use send for one")
        return self._each(commands, return_exceptions)

    async def _each(
        self, commands: Iterable[Any] | AsyncIterable[Any], return_exceptions: bool
    ) -> AsyncGenerator[Any, None]:
        begun: asyncio.Queue[_Begun | None] = asyncio.Queue()
        room = asyncio.Semaphore(1 if self._wire is BARE else AHEAD_COUNT)
        sending = asyncio.create_task(self._send_ahead(commands, begun, room))
        sending.add_done_callback(lambda task: begun.put_nowait(None))
        first: _Begun | None = None
        try:
            while (first := await begun.get()) is not None:
                answer = first if isinstance(first, Failed) else await first[1].answer
                room.release()
                if isinstance(answer, Responded):
                    yield answer.value
                elif return_exceptions:
                    yield answer.error
                else:
                    raise answer.error
            await sending  # which raises what the commands raised
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            if not sending.cancelled():
                sending.exception()  # it has been raised, or nobody wants it any more
            while first is not None:
                if not isinstance(first, Failed):
                    first[0].give_up(first[1])
                first = None if begun.empty() else begun.get_nowait()

    async def _send_ahead(
        self,
        commands: Iterable[Any] | AsyncIterable[Any],
        begun: asyncio.Queue[_Begun | None],
        room: asyncio.Semaphore,
    ) -> None:
        async with contextlib.aclosing(_one_by_one(commands)) as source:
            async for command in source:
                await room.acquire()
                try:
                    seconds = seconds_for(command, self._timeout)
                    deadline = monotonic() + seconds
                    begun.put_nowait(await self._over_link(_begin, command, seconds, deadline))
                except IpcError as error:
                    begun.put_nowait(Failed(0, error))

    async def _batch_alone(
        self, batch: Sequence[Any], seconds: float, deadline: float
    ) -> tuple[list[Any], dict[int, IpcError]]:
        """A batch on a wire that takes one command a connection."""
        responses: list[Any] = [None] * len(batch)
        failures: dict[int, IpcError] = {}
        for position, command in enumerate(batch):
            try:
                answer = await self._over_link(AsyncLink.call, command, seconds, deadline)
            except IpcError as error:
                failures[position] = error
                continue
            if isinstance(answer, Failed):
                failures[position] = answer.error
            else:
                responses[position] = answer.value
        return responses, failures

    async def _over_link(
        self,
        step: Callable[[AsyncLink, P, float, float], Awaitable[R]],
        sent: P,
        seconds: float,
        deadline: float,
    ) -> R:
        """Take a step over the kept connection, or over a new one where that had ended."""
        attempt = 0
        while True:
            attempt += 1
            link = self._kept()
            is_kept = link.is_connected
            try:
                return await step(link, sent, seconds, deadline)
            except Disconnected as error:
                # Never read by the server, so sending it again cannot run it twice.
                again = is_made_again(self._wire, link.request_bytes, is_kept=is_kept)
                if error.started != "no" or not (again or link.was_given_up):
                    raise
                if monotonic() >= deadline and not link.was_given_up:
                    raise
                if attempt > BARE_QUICK_ATTEMPTS:
                    await asyncio.sleep(BARE_REST_SECONDS)

    def _kept(self) -> AsyncLink:
        """The kept connection, or a new one where there is none that can be used."""
        if self._is_closed:
            raise LocalProtocolError("the client is closed")
        loop = asyncio.get_running_loop()
        link = self._link
        if link is not None and link.loop is not loop:
            self._leave(link)
            link = None
        if link is None or not link.is_usable():
            link = AsyncLink(self._path, self._wire, self._server_uids, loop, self._links.discard)
            self._links.add(link)
            if self._wire is not BARE:
                self._link = link
        return link

    def _leave(self, link: AsyncLink) -> None:
        """Let go of a connection that belongs to another loop."""
        if not link.loop.is_closed() and link.is_in_use:
            raise LocalProtocolError(
                "the client belongs to the event loop that it connected in, which is still open; "
                "make one in each loop"
            )
        self._let_go(link)

    def _let_go(self, link: AsyncLink) -> None:
        link.abandon()
        self._links.discard(link)
        if link is self._link:
            self._link = None

    def _abandon(self) -> None:
        """In a forked child: let go of the parent's connections; the next call makes another."""
        _of_the_parent.update(self._links)
        for link in list(self._links):
            self._let_go(link)

    def __del__(self) -> None:
        for link in list(getattr(self, "_links", ())):
            if link.is_connected and not link.loop.is_closed():
                warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
                link.loop.call_soon_threadsafe(link.hang_up)

    def __repr__(self) -> str:
        return f"<AsyncIpcClient of {self._path}>"


_Begun = tuple[AsyncLink, Call] | Failed
"""A command that was sent, or why it was not."""

_of_the_parent: set[AsyncLink] = set()
"""What a forked child was born with. A loop's transport that is thrown away complains, and touches
what the parent's loop goes on using."""


async def _begin(
    link: AsyncLink, command: Any, seconds: float, deadline: float
) -> tuple[AsyncLink, Call]:
    return link, await link.begin(command, seconds, deadline)


async def _one_by_one(
    commands: Iterable[Any] | AsyncIterable[Any],
) -> AsyncGenerator[Any, None]:
    if isinstance(commands, AsyncIterable):
        async for command in commands:
            yield command
    else:
        for command in commands:
            yield command
