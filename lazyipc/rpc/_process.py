"""`RpcProcess`: a program started, talked to, and seen to its end, as users hold it.

Knows in which order that goes. How the child is watched, and how it is met, are modules of their
own; what is said is the peer's business.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

from lazyipc._calls import checked_seconds
from lazyipc._core.connection.hello import SchemaCheck
from lazyipc._io.child import Argument, status_in_words
from lazyipc._io.child import start as start_child
from lazyipc._peer import Peer
from lazyipc.errors import ChildExited, Disconnected, IpcError, ReplyTimeout
from lazyipc.rpc._conversation import Conversation
from lazyipc.rpc._crew import NO_CONTEXT
from lazyipc.rpc._limits import RpcLimits
from lazyipc.rpc._meeting import KeyVia, Meeting, arrange
from lazyipc.rpc._opening import Opening
from lazyipc.rpc._parent import FD_VARIABLE, KEY_VARIABLE
from lazyipc.rpc._peer import Handler, RpcPeer
from lazyipc.rpc._side import Side
from lazyipc.rpc._watch import Step, Watch

M = TypeVar("M", bound=BaseModel)
N = TypeVar("N", bound=BaseModel)
"""The same, of a class method: the class it is reached through says nothing of it."""
T = TypeVar("T")

SPAWN_SECONDS = 10.0
"""How long a child may take to start, connect and agree, when the call does not say: an
interpreter that imports much takes seconds."""
GRACE_SECONDS = 5.0
"""How long a child may take to end of itself, and then again when it is terminated."""
SETTLE_SECONDS = 0.25
"""How long the connection of a child that has failed is read on: what it said last, a mismatch of
schemas perhaps, tells more than its exit status."""
EXIT_SECONDS = 1.0
"""How long who hung up before both sides agreed is given to end, so that its exit status is known.
"""


class RpcProcess(RpcPeer[M]):
    """A program that this one started, and all that an RpcPeer can do.

    Made by `spawn`, which is awaited, or entered for as long as the child is needed:

        async with RpcProcess.spawn([sys.executable, "worker.py"], Message) as worker:
            reply = await worker.send(Ask())

    The child calls `RpcClient.from_parent`. Leaving the block says goodbye to it, and gives it
    `grace` seconds to end; then it is terminated (SIGTERM), and after as many seconds killed. Its
    exit status is taken in any case. A child sees its parent's death as the end of the connection.

    Without a block, `close` says goodbye and no more; `wait_exited` awaits the child's end.
    """

    def __init__(
        self, conversation: Conversation, credentials: Peer, watch: Watch, grace: float
    ) -> None:
        super().__init__(conversation, credentials)
        self._watch = watch
        self._grace = grace

    @classmethod
    def spawn(
        cls,
        argv: Sequence[Argument],
        message: type[N],
        handler: Handler[N] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        key_via: KeyVia = "fd",
        context: Any = NO_CONTEXT,
        timeout: float = SPAWN_SECONDS,
        grace: float = GRACE_SECONDS,
        schema_check: SchemaCheck = "enforce",
        limits: RpcLimits | None = None,
    ) -> Opening[RpcProcess[N]]:
        """Start a program, and wait until it has connected.

        Its stdin and stdout are this program's. Its stderr is passed on to this program's, as far
        as that takes it; the last lines are kept.

        Args:
            argv: the program and its arguments.
            message: the root of the messages' family, or one model.
            handler: handles what the child sends; without one the child is told so.
            env: its environment; None is this program's.
            cwd: its directory; None is this program's.
            key_via: how the child finds us: "fd" by one end of a socket pair that it inherits,
                which no other process can have; "env" by a key in its environment, and "argv" by
                one as its last argument, where a program between us and the child closes
                descriptors, or starts it with another environment.
            context: what `process` of the child's messages is called with, where they have it;
                without one they are not processed.
            timeout: seconds for starting, connecting and agreeing; math.inf is for ever.
            grace: seconds the child may take to end of itself, and then again when terminated.
            schema_check: what is done where the child's messages differ: "enforce" raises
                SchemaMismatch, "warn" logs it, "off" does not look.
            limits: what the child may take of this side.

        Raises (when awaited):
            ChildExited: it ended before it was connected; with its exit status and last words.
            TransportError: the program cannot be started.
            ReplyTimeout: it did not connect in time; it was terminated.
            SchemaMismatch: its messages differ.
            Disconnected, RemoteProtocolError: it hung up and lives on, or talks something else.
            TypeError, ValueError: what cannot be the arguments of a program.

        Where it raises, the child has ended, and was killed if need be; where it was cancelled,
        at once.
        """
        if key_via not in get_args(KeyVia):
            raise ValueError(f"key_via must be one of {get_args(KeyVia)}, is {key_via!r}")
        checked_seconds(timeout)
        checked_seconds(grace, "grace")
        side = Side(message, handler, context, schema_check, limits)
        return Opening(cls._spawn(side, argv, env, cwd, key_via, timeout, grace))

    @classmethod
    async def _spawn(
        cls,
        side: Side,
        argv: Sequence[Argument],
        env: Mapping[str, str] | None,
        cwd: str | os.PathLike[str] | None,
        key_via: KeyVia,
        timeout: float,
        grace: float,
    ) -> RpcProcess[Any]:
        deadline = monotonic() + timeout
        meeting = arrange(key_via)
        try:
            watch = _started(meeting, argv, env, cwd)
        except BaseException:
            meeting.close()
            raise
        begun: list[RpcProcess[Any]] = []

        async def begin(connected: socket.socket, peer: Peer, token: str) -> RpcProcess[Any]:
            child = watch.child
            name = str(child) if peer.pid == child.pid else f"pid {peer.pid} for {child}"
            try:
                conversation = side.conversation(name, token, opens=False)
                process: RpcProcess[Any] = cls(conversation, peer, watch, grace)
            except BaseException:
                connected.close()
                raise
            begun.append(process)
            await conversation.begin(connected, deadline, timeout, opens=False)
            return process

        loop = asyncio.get_running_loop()
        meeting_child = loop.create_task(meeting.meet(watch.child, begin))
        try:
            met = await _met(meeting_child, meeting, watch, deadline, timeout)
            for process in begun:  # the child may have connected twice
                if process is not met:
                    process.close()
            return met
        except GeneratorExit:  # nothing can be awaited any more
            watch.kill_now()
            if not loop.is_closed():
                meeting_child.cancel()
            raise
        except BaseException as error:
            meeting_child.cancel()
            try:
                await watch.end(grace, _first_step(error))
            finally:
                await asyncio.wait([meeting_child])
                if not meeting_child.cancelled():
                    meeting_child.exception()  # seen; what is raised already tells more
                for process in begun:  # it may have come too late
                    process.close()
                    await process.wait_closed()
            raise
        finally:
            meeting.close()

    @property
    def pid(self) -> int:
        """The child's number."""
        return self._watch.child.pid

    @property
    def returncode(self) -> int | None:
        """The child's exit status, or minus the number of the signal that killed it; None while it
        lives.

        Where somebody else in this program took it, by waiting for any child or by ignoring
        SIGCHLD, it is 255."""
        return self._watch.child.returncode

    @property
    def stderr_tail(self) -> str:
        """The last lines that the child wrote to its stderr."""
        return self._watch.child.stderr_tail

    async def wait_exited(self) -> int:
        """Wait until the child has ended, of itself; its exit status, as `returncode`."""
        await asyncio.wait([self._watch.gone])
        returncode = self._watch.child.returncode
        assert returncode is not None
        return returncode

    async def __aexit__(self, kind: object = None, *exc_info: object) -> None:
        self.close()
        if kind is GeneratorExit:  # the loop was closed under it, and nothing can be awaited
            self._watch.kill_now()
            return
        await self._watch.end(self._grace)
        await self.wait_closed()

    def __repr__(self) -> str:
        ended = "" if self.returncode is None else f", {status_in_words(self.returncode)}"
        return f"<{type(self).__name__} {self._watch.child}, {self.status}{ended}>"


def _started(
    meeting: Meeting,
    argv: Sequence[Argument],
    env: Mapping[str, str] | None,
    cwd: str | os.PathLike[str] | None,
) -> Watch:
    """The child, with what it needs to meet us."""
    own = os.environ if env is None else env
    # What a parent of our own left there is not the child's.
    given = {name: own[name] for name in own if name not in (FD_VARIABLE, KEY_VARIABLE)}
    if not isinstance(argv, str | bytes | os.PathLike):
        argv = [*argv, *meeting.arguments] if argv else argv
    child = start_child(argv, env=given | meeting.variables, cwd=cwd, pass_fds=meeting.fds)
    return Watch(asyncio.get_running_loop(), child)


async def _met(
    meeting_child: asyncio.Task[T],
    meeting: Meeting,
    watch: Watch,
    deadline: float,
    timeout: float,
) -> T:
    """What came of the meeting, unless the child ends before.

    Raises:
        IpcError: why nothing came of it.
    """
    await _first(meeting_child, watch.gone, until=deadline)
    if watch.gone.done():
        patience = min(deadline, monotonic() + SETTLE_SECONDS)
        if watch.child.returncode == 0:
            # It may have left the meeting to one that it started, which has its stderr then.
            await _first(meeting_child, watch.silent, until=deadline)
            patience = deadline
        if not (meeting_child.done() or meeting.is_deserted):
            await _first(meeting_child, until=patience)
    if meeting_child.done():
        try:
            return meeting_child.result()
        except Disconnected as error:
            if not await watch.is_gone_within(EXIT_SECONDS):
                raise
            raise _exited(watch) from error
    if watch.gone.done():
        raise _exited(watch)
    raise ReplyTimeout(
        f"{watch.child} did not connect within {timeout:g} s{_last_words(watch)}", started="no"
    )


async def _first(*awaited: asyncio.Future[Any], until: float) -> None:
    """Wait for the first of them, until a deadline."""
    await asyncio.wait(
        awaited,
        timeout=None if math.isinf(until) else max(until - monotonic(), 0),
        return_when=asyncio.FIRST_COMPLETED,
    )


def _exited(watch: Watch) -> ChildExited:
    returncode = watch.child.returncode
    assert returncode is not None
    return ChildExited(
        f"{watch.child} {status_in_words(returncode)} before it was connected{_last_words(watch)}",
        path=watch.child.name,
        returncode=returncode,
        stderr_tail=watch.child.stderr_tail,
    )


def _last_words(watch: Watch) -> str:
    """What the child wrote last, as the end of an error's text."""
    tail = watch.child.stderr_tail
    return f"; its last words:\n{tail}" if tail else "; it wrote nothing to its stderr"


def _first_step(error: BaseException) -> Step:
    """How a child is brought to its end after a start that failed."""
    if isinstance(error, ReplyTimeout):
        return "terminate"  # it does not read what we say
    return "wait" if isinstance(error, IpcError) else "kill"
