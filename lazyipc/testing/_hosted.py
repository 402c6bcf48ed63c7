"""`hosted`: a real server at a private path, polled by the test itself.

Who polls is the test's own thread wherever that can be: `send`, `poll` and `serve_until` take turns
at both ends. Only code that blocks in a call of its own needs somebody else to poll meanwhile: the
thread of `running`.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any, AnyStr, Generic, Self, TypeVar

from lazyipc._attendant import Authorize
from lazyipc._core.command import ContextT, Processes, ProcessesIn
from lazyipc._core.framing import FRAMED_OR_JSON, Wire
from lazyipc._core.limits import Limits
from lazyipc._io import sockets
from lazyipc._io.clock import clock_identity
from lazyipc._io.status_page import read_status
from lazyipc._server import IpcServer
from lazyipc._verdict import has_not_polled, no_reply
from lazyipc.errors import LocalProtocolError, RemoteProtocolError, ReplyTimeout, Started
from lazyipc.testing._caller import Call, Caller, seconds_for, warn_of

R = TypeVar("R")

STEP_SECONDS = 0.01
"""How long a wait may last before it looks whether it should end."""

LONGEST_COMMAND_SECONDS = 10.0
"""How long `running` waits at its end for a command that is under way."""


class _Line:
    """One call over a socket that is never waited for."""

    def __init__(self, connected: socket.socket, caller: Caller, data: bytes) -> None:
        self.connected = connected
        self.caller = caller
        self._unsent = memoryview(data)
        self._started: Started = "unknown"

    def step(self) -> None:
        """Write what the kernel takes and read what is there, as far as that goes at once."""
        if not self.caller.open:
            return
        try:
            while self._unsent:
                sent = self.connected.send(self._unsent, sockets.SEND_FLAGS)
                self._unsent = self._unsent[sent:]
        except BlockingIOError:
            pass
        except OSError:  # never read by the server, which may have said why
            self._unsent = memoryview(b"")
            self._started = "no"
        try:
            while self.caller.open:
                data = self.connected.recv(sockets.RECEIVE_BYTES)
                if data:
                    self.caller.take(data)
                else:
                    self.caller.take_end(self._started)
        except (BlockingIOError, RemoteProtocolError):
            pass  # nothing yet; or its call was told
        except OSError:
            self.caller.take_end("no")
        is_unread = sockets.is_unread(self.connected)
        self.caller.expire(time.monotonic_ns(), "no" if is_unread else "unknown")

    def close(self) -> None:
        self.connected.close()


class Host(Generic[ContextT]):
    """A host with a real server at a private path; `hosted` and the fixture make it.

    >>> from lazyipc import Command, client_send
    >>> class Order(Command[list[int]]): "Commands of a demo."
    >>> class Push(Order):
    ...     x: int
    ...     def process(self, context: list[int]) -> int:
    ...         context.append(self.x)
    ...         return len(context)
    >>> with hosted(Order, []) as host:
    ...     call = host.submit(Push(x=5))
    ...     print(call.done(), host.poll(), call.result())
    ...     with host.running():  # for code that blocks in a call of its own
    ...         client_send(Push(x=6), host.path)
    False 1 1
    2
    """

    def __init__(self, server: IpcServer[ContextT], context: ContextT) -> None:
        self.server = server
        """The server itself."""
        self.context = context
        """What the next commands are given."""
        self._lines: list[_Line] = []
        self._is_running_apart = False

    @property
    def path(self) -> str:
        """Where the socket is: for the code under test."""
        return self.server.path

    def poll(self, *, max_messages: int | None = None, max_seconds: float | None = None) -> int:
        """`handle_new_messages`, with its arguments and its result.

        Raises:
            LocalProtocolError: within `running`, where the host polls by itself.
        """
        if self._is_running_apart:
            raise LocalProtocolError("within `running` the host polls by itself")
        self._step()
        try:
            return self.server.handle_new_messages(
                self.context, max_messages=max_messages, max_seconds=max_seconds
            )
        finally:
            self._step()

    def send(
        self, command: Processes[R], *, timeout: float | None = None, wire: Wire = Wire.FRAMED
    ) -> R:
        """`client_send` to this server, which is polled by hand until the answer is there.

        Raises: as `client_send`.
        """
        return self.submit(command, timeout=timeout, wire=wire).result()

    def submit(
        self, command: Processes[R], *, timeout: float | None = None, wire: Wire = Wire.FRAMED
    ) -> Call[R]:
        """Send a command over a connection of its own, and do not wait.

        Raises:
            EncodeError, SchemaError: the command cannot travel; nothing was sent.
            ServerNotRunning: the server is closed.
        """
        seconds = seconds_for(command, timeout)
        call: Call[R] = Call(command, seconds, time.monotonic_ns(), self._wait, self._late)
        caller = Caller(self.path, wire, clock_identity())
        data = caller.begin(call)
        deadline = time.monotonic() + seconds
        connected = sockets.connect(self.path, deadline, frozenset((os.geteuid(), 0)))
        self._lines.append(_Line(connected, caller, data))
        caller.expire(time.monotonic_ns(), "no")  # it may have had no time at all
        self._step()
        return call

    def serve_until(
        self, process: subprocess.Popen[AnyStr], *, timeout: float = 30.0
    ) -> subprocess.CompletedProcess[AnyStr]:
        """Poll until a process has ended, reading its output meanwhile.

        Args:
            timeout: seconds; then the process is killed.

        Raises:
            subprocess.TimeoutExpired: it went on for too long.
        """
        deadline = time.monotonic() + timeout
        while True:
            self._serve(0.0)
            try:
                out, err = process.communicate(timeout=STEP_SECONDS / 4)
                break
            except subprocess.TimeoutExpired as error:
                if time.monotonic() >= deadline:
                    process.kill()
                    process.communicate()
                    raise subprocess.TimeoutExpired(
                        process.args, timeout, error.output, error.stderr
                    ) from None
        self._serve(0.0)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Poll in a thread of the test's, for code that blocks in `client_send` by itself.

        Commands run in that thread meanwhile, one at a time.

        Raises:
            BaseException: what ended the host's loop: out of `process`, and no Exception.
        """
        if self._is_running_apart:
            raise LocalProtocolError("the host is running already")
        stop = threading.Event()
        raised: list[BaseException] = []

        def loop() -> None:
            try:
                while not stop.is_set() and not self.server.is_closed:
                    self.server.wait(STEP_SECONDS)
                    self.server.handle_new_messages(self.context)
            except BaseException as error:  # noqa: BLE001 raised again where it can be seen
                raised.append(error)

        thread = threading.Thread(target=loop, name=f"host of {self.path}", daemon=True)
        self._is_running_apart = True
        thread.start()
        try:
            yield
        except BaseException as error:
            self._join(thread, stop)
            if raised:
                raise raised[0] from error
            raise
        self._join(thread, stop)
        if raised:
            raise raised[0]

    def _join(self, thread: threading.Thread, stop: threading.Event) -> None:
        stop.set()
        thread.join(LONGEST_COMMAND_SECONDS)
        self._is_running_apart = thread.is_alive()
        if self._is_running_apart:
            raise AssertionError(
                f"a command has not returned {LONGEST_COMMAND_SECONDS:g} s after `running` ended"
            )

    def close(self) -> None:
        """Close the server and every connection; calling it twice is fine.

        Warns:
            PendingCallsWarning: calls were unanswered.
        """
        lines, self._lines = self._lines, []
        for line in lines:
            line.close()
        self.server.close()
        warn_of(call for line in lines for call in line.caller.open.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _late(self, call: Call[Any], started: Started) -> ReplyTimeout:
        assert call.deadline_ns is not None, "it has passed"
        began_ns = call.deadline_ns - int(call.seconds * 1e9)
        status = read_status(self.path) if started == "no" else None
        is_busy = has_not_polled(status, began_ns, os.getpid(), started)
        busy = status if is_busy else None
        return no_reply(self.path, call.seconds, started, busy, time.monotonic_ns())

    def _wait(self, call: Call[Any]) -> None:
        self._step()
        while not call.done():
            self._serve(STEP_SECONDS)

    def _serve(self, seconds: float) -> None:
        """Take a step at both ends; while nothing happens, wait for so long."""
        self._step()
        if not self._is_running_apart:
            self.server.wait(seconds)
            self.poll()
        elif seconds:
            self._sleep(seconds)
            self._step()

    def _sleep(self, seconds: float) -> None:
        """Sleep until an answer comes."""
        poll = select.poll()
        for line in self._lines:
            poll.register(line.connected, select.POLLIN)
        poll.poll(int(seconds * 1000))

    def _step(self) -> None:
        for line in list(self._lines):
            line.step()
            if not line.caller.open:
                line.close()
                self._lines.remove(line)


@contextlib.contextmanager
def hosted(
    command: type[ProcessesIn[ContextT]],
    context: ContextT,
    *,
    limits: Limits | None = None,
    wires: Wire = FRAMED_OR_JSON,
    authorize: Authorize | None = None,
    selector: Any = None,
    version: str | None = None,
) -> Iterator[Host[ContextT]]:
    """A host with a real server in a folder of its own, which is removed at the end.

    Args:
        command, limits, wires, authorize, selector, version: as for IpcServer.
        context: handed to each command's `process`.

    Raises: as IpcServer.

    >>> from lazyipc import Command
    >>> class Order(Command[list[int]]): "Commands of a demo."
    >>> class Push(Order):
    ...     x: int
    ...     def process(self, context: list[int]) -> int:
    ...         context.append(self.x)
    ...         return len(context)
    >>> with hosted(Order, []) as host:
    ...     host.send(Push(x=5)), host.context
    (1, [5])
    """
    with tempfile.TemporaryDirectory(prefix="lazyipc-") as folder:
        server = IpcServer(
            os.path.join(folder, "s"),
            command,
            limits=limits,
            wires=wires,
            authorize=authorize,
            selector=selector,
            version=version,
        )
        with Host(server, context) as host:
            yield host


class HostMaker:
    """Makes hosts that end with the test: what the fixture `ipc_server` gives.

    >>> from lazyipc import Command
    >>> class Order(Command[str]): "Commands of a demo."
    >>> class Who(Order):
    ...     def process(self, context: str) -> str: return context
    >>> with contextlib.ExitStack() as stack:
    ...     ipc_server = HostMaker(stack)
    ...     left, right = ipc_server(Order, "left"), ipc_server(Order, "right")
    ...     left.send(Who()), right.send(Who())
    ('left', 'right')
    """

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack

    def __call__(
        self,
        command: type[ProcessesIn[ContextT]],
        context: ContextT,
        *,
        limits: Limits | None = None,
        wires: Wire = FRAMED_OR_JSON,
        authorize: Authorize | None = None,
        selector: Any = None,
        version: str | None = None,
    ) -> Host[ContextT]:
        """A host, as `hosted` makes it."""
        made = hosted(
            command,
            context,
            limits=limits,
            wires=wires,
            authorize=authorize,
            selector=selector,
            version=version,
        )
        return self._stack.enter_context(made)
