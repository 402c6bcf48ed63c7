"""What the tests of server, client and sockets share: a family, raw peers, forked children.

Nothing here sleeps: a test drives the poll step by hand until a condition holds, within a deadline.
"""

from __future__ import annotations

import collections
import collections.abc
import contextlib
import dis
import functools
import importlib
import io
import os
import resource
import select
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from lazyipc import Command, IpcServer
from lazyipc._core.catalog import bare_pair, entry_of, mismatch_seen_by_client
from lazyipc._core.failure import SCHEMA_MISMATCH, error_of, read_failure
from lazyipc._core.framing import HEADER, MAGIC, NEVER_NS, VERSION, Kind, frame

ROOT = Path(__file__).parents[1]
DEADLINE_SECONDS = 10.0
"""How long a test waits for what must come; only a failing test waits so long."""
NOBODY = 65534
UNKNOWN_CLOCK = bytes(8)
REQUEST_EXTRA = struct.Struct("<8s8sQQ")
"""What a request's payload begins with: fingerprint, clock, deadline and time left in ns."""
FINGERPRINT_BYTES = 8
"""What a response's payload begins with."""


def give_up(reason: str) -> NoReturn:
    """Skip where somebody works, fail where CI must see everything run."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"must run where CI=true: {reason}")
    pytest.skip(reason)


# Readiness ----------------------------------------------------------------------------------------


@functools.cache
def selectors2() -> Any:
    """The backport of `selectors`.

    Its last release takes `Mapping` from `collections`, which has none since Python 3.10; the name
    is lent for the import alone.
    """
    collections.Mapping = collections.abc.Mapping  # type: ignore[attr-defined]
    try:
        return importlib.import_module("selectors2")
    except ImportError as error:
        give_up(f"selectors2 is not installed: {error}")
    finally:
        del collections.Mapping  # type: ignore[attr-defined]


SELECTORS: dict[str, Callable[[], Any]] = {
    "epoll itself": lambda: None,
    "SelectSelector": selectors.SelectSelector,
    "PollSelector": selectors.PollSelector,
    "EpollSelector": selectors.EpollSelector,
    "selectors2.DefaultSelector": lambda: selectors2().DefaultSelector(),
    "selectors2.SelectSelector": lambda: selectors2().SelectSelector(),
    "selectors2.PollSelector": lambda: selectors2().PollSelector(),
    "selectors2.EpollSelector": lambda: selectors2().EpollSelector(),
}
"""What makes each kind of readiness, as `IpcServer(selector=)` takes it."""


@contextlib.contextmanager
def far_descriptors(first: int) -> Iterator[None]:
    """What is opened meanwhile gets a number from this one on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < first + 100:
        give_up(f"a process may have no descriptor over {hard} here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, first + 100), hard))
    taken = []
    try:
        while not taken or taken[-1] < first - 1:
            taken.append(os.dup(0))
        yield
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# A family whose commands do what a test asks ------------------------------------------------------


class Host:
    """The context: what ran, in order, and what `Do` does by name."""

    def __init__(self, **actions: Callable[[], Any]) -> None:
        self.ran: list[str] = []
        self.actions = actions


class Job(Command[Host]):
    """Commands of the tests."""


class Echo(Job):
    """Give the text back."""

    text: str

    def process(self, context: Host) -> str:
        context.ran.append(self.text)
        return self.text


class Big(Job):
    """A response of this many characters."""

    size: int

    def process(self, context: Host) -> str:
        context.ran.append(f"Big {self.size}")
        return "x" * self.size


class Do(Job):
    """Whatever the test put under this name."""

    name: str

    def process(self, context: Host) -> int:
        context.ran.append(self.name)
        result: int = context.actions[self.name]()
        return result


# Waiting ------------------------------------------------------------------------------------------


def until(
    condition: Callable[[], bool],
    step: Callable[[], object] | None = None,
    seconds: float = DEADLINE_SECONDS,
    what: str = "it did not happen in time",
) -> None:
    """Take steps until the condition holds; without a step, look every millisecond."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        if step is None:
            select.poll().poll(1)
        else:
            step()


def poll(
    server: IpcServer[Any],
    context: Any,
    condition: Callable[[], bool],
    seconds: float = DEADLINE_SECONDS,
    what: str = "it did not happen in time",
) -> None:
    """Poll a server by hand, as a host would, until the condition holds."""

    def step() -> None:
        server.wait(0.01)
        server.handle_new_messages(context)

    until(condition, step, seconds, what)


def readable(server: IpcServer[Any]) -> bool:
    """Whether its descriptor is readable, where it has one."""
    try:
        return bool(select.select([server], [], [], 0)[0])
    except io.UnsupportedOperation:
        return server.wait(0)


@contextlib.contextmanager
def hosted(server: IpcServer[Any], context: Any) -> Iterator[None]:
    """A host's loop in a thread, for clients that block in the test's own."""
    stop = threading.Event()
    raised: list[BaseException] = []

    def loop() -> None:
        try:
            while not stop.is_set():
                server.wait(0.02)
                server.handle_new_messages(context)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive(), "the host's loop hangs"
    assert not raised, f"the host's loop ended with {raised[0]!r}"


# Raw peers ----------------------------------------------------------------------------------------


def request(
    command: Any,
    call: int = 1,
    *,
    clock: bytes = UNKNOWN_CLOCK,
    deadline_ns: int = NEVER_NS,
    left_ns: int = NEVER_NS,
) -> bytes:
    """A whole request, each field as the test wants it."""
    entry = entry_of(type(command))
    body = entry.codec.encode(command)
    return request_frame(entry.fingerprint, body, call, clock, deadline_ns, left_ns)


def request_frame(
    fingerprint: bytes,
    body: bytes,
    call: int = 1,
    clock: bytes = UNKNOWN_CLOCK,
    deadline_ns: int = NEVER_NS,
    left_ns: int = NEVER_NS,
) -> bytes:
    """A request of any bytes."""
    extra = REQUEST_EXTRA.pack(fingerprint, clock, deadline_ns, left_ns)
    return frame(Kind.REQUEST, call, extra + body)


def result_of(command: Any, kind: int, payload: bytes) -> Any:
    """What an answer's frame says to a command; an error is returned, not raised."""
    entry = entry_of(type(command))
    if kind == Kind.RESPONSE:
        end = len(payload)
        return entry.reply.decode(payload[:FINGERPRINT_BYTES], payload, FINGERPRINT_BYTES, end)
    assert kind == Kind.ERROR
    failure = read_failure(payload, 0, len(payload))
    if failure.code == SCHEMA_MISMATCH:
        return mismatch_seen_by_client(entry, failure.detail)
    return error_of(failure)


def bare_request(command: Any, root: type) -> bytes:
    """A command on the bare wire."""
    data: bytes = bare_pair(root).command.encode(command)
    return data


def bare_response(data: bytes, root: type) -> Any:
    """The answer on the bare wire."""
    return bare_pair(root).response.decode(data)


def header(size: int, kind: int = Kind.REQUEST, call: int = 1, version: int = VERSION) -> bytes:
    """A frame's header, true or not."""
    return HEADER.pack(MAGIC, version, kind, size, call)


def connect(path: str) -> socket.socket:
    """A plain connected socket; no step on it lasts longer than the deadline."""
    connected = socket.socket(socket.AF_UNIX)
    connected.settimeout(DEADLINE_SECONDS)
    connected.connect(path)
    return connected


class RawClient:
    """A client that never blocks and follows no rule it is not told to follow.

    Well-behaved use: `ask`, then look at `results` once `has_result` says so.
    """

    def __init__(self, path: str) -> None:
        self.socket = connect(path)
        self.socket.setblocking(False)
        self.received = bytearray()
        self.is_closed = False
        self.was_reset = False
        self.results: dict[int, Any] = {}
        self.frames: list[tuple[int, int, bytes]] = []
        """What was received, as kind, call and payload of each whole frame."""
        self._asked: dict[int, Any] = {}
        self._last_call = 0
        self._parsed = 0

    def send(self, data: bytes) -> None:
        """All of it, which the kernel must have room for: nobody reads meanwhile."""
        assert self.socket.send(data) == len(data)

    def try_send(self, data: bytes | memoryview) -> int:
        """What the kernel takes."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ConnectionResetError):
            self.is_closed = True
            return 0

    def prepare(self, *commands: Any) -> bytes:
        """Requests whose answers will be expected, not yet sent."""
        parts = []
        for command in commands:
            self._last_call += 1
            self._asked[self._last_call] = command
            parts.append(request(command, self._last_call))
        return b"".join(parts)

    def ask(self, *commands: Any) -> int:
        """Send requests together; the number of the last."""
        self.send(self.prepare(*commands))
        return self._last_call

    def pump(self) -> None:
        """Take what has come, without waiting."""
        while not self.is_closed:
            try:
                data = self.socket.recv(1 << 20)
            except BlockingIOError:
                break
            except ConnectionResetError:
                self.is_closed = self.was_reset = True
                break
            self.received += data
            self.is_closed = not data
        if self.received.startswith(MAGIC):
            self._parse()

    def _parse(self) -> None:
        while len(self.received) - self._parsed >= HEADER.size:
            magic, version, kind, size, call = HEADER.unpack_from(self.received, self._parsed)
            assert (magic, version) == (MAGIC, VERSION)
            start = self._parsed + HEADER.size
            if len(self.received) < start + size:
                return
            payload = bytes(self.received[start : start + size])
            self._parsed = start + size
            self.frames.append((kind, call, payload))
            if call in self._asked:
                assert call not in self.results, f"call {call} was answered twice"
                self.results[call] = result_of(self._asked[call], kind, payload)

    def has_result(self, call: int) -> bool:
        """Whether a call was answered by now."""
        self.pump()
        return call in self.results

    def has_frames(self, count: int = 1) -> bool:
        """Whether so many frames came by now."""
        self.pump()
        return len(self.frames) >= count

    def has_ended(self) -> bool:
        """Whether the server closed by now."""
        self.pump()
        return self.is_closed

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def answer(
    server: IpcServer[Any],
    context: Any,
    client: RawClient,
    command: Any,
    seconds: float = DEADLINE_SECONDS,
) -> Any:
    """Ask, poll until the answer is there, return it; an error is returned, not raised."""
    call = client.ask(command)
    poll(server, context, lambda: client.has_result(call), seconds)
    return client.results[call]


def is_well(server: IpcServer[Any], context: Any) -> bool:
    """Whether a new client is connected, served and answered within two polls."""
    with RawClient(server.path) as client:
        call = client.ask(Echo(text="are you well?"))
        server.handle_new_messages(context)
        server.handle_new_messages(context)
        return client.has_result(call) and client.results[call] == "are you well?"


class FakeServer:
    """A listener in a thread that treats each connection as it is told, one after the other."""

    def __init__(self, path: str, *treat: Callable[[socket.socket], None]) -> None:
        self.accepted = 0
        self.raised: list[BaseException] = []
        self._treat = treat
        self._path = path
        self._is_stopped = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(DEADLINE_SECONDS)
        self._listener.bind(path)
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def stop(self) -> None:
        """Give nobody else a treatment, though some are left."""
        self._is_stopped = True
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as last:
            last.connect(self._path)

    def _run(self) -> None:
        try:
            for treat in self._treat:
                connected, _ = self._listener.accept()
                if self._is_stopped:
                    connected.close()
                    return
                self.accepted += 1
                with connected:
                    connected.settimeout(DEADLINE_SECONDS)
                    treat(connected)
        except BaseException as error:
            self.raised.append(error)

    def __enter__(self) -> FakeServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        if kind is None:
            self._thread.join(DEADLINE_SECONDS)
            assert not self._thread.is_alive(), "not every treatment was used"
        self._listener.close()
        assert kind is not None or not self.raised, f"the fake server failed: {self.raised[0]!r}"


def receive_exactly(connected: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer where the stream ends."""
    parts = bytearray()
    while len(parts) < size and (data := connected.recv(size - len(parts))):
        parts += data
    return bytes(parts)


def receive_frame(connected: socket.socket) -> tuple[int, int, bytes]:
    """One whole frame: kind, call, payload."""
    _, _, kind, size, call = HEADER.unpack(receive_exactly(connected, HEADER.size))
    return kind, call, receive_exactly(connected, size)


def response(command: Any, call: int, value: Any) -> bytes:
    """The frame that answers a command with a value."""
    fingerprint, body = entry_of(type(command)).reply.encode(value)
    return frame(Kind.RESPONSE, call, fingerprint + body)


# Processes ----------------------------------------------------------------------------------------


class Line:
    """Words between a test and its child, a line each."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(DEADLINE_SECONDS)
        self._socket = connected
        self._file = connected.makefile("r", encoding="utf-8")

    def say(self, text: str) -> None:
        self._socket.sendall(text.encode() + b"\n")

    def hear(self) -> str:
        """The next line; empty when the other side is gone."""
        return self._file.readline().rstrip("\n")

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Child:
    """A forked child: say and hear lines, signal it, wait for its end."""

    def __init__(self, pid: int, line: Line) -> None:
        self.pid = pid
        self.say = line.say
        self.hear = line.hear
        self._line = line
        self._status: int | None = None

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._status is None:
            os.kill(self.pid, number)

    def finish(self) -> int:
        """Wait for its end; its exit status, or minus the signal's number."""

        def has_ended() -> bool:
            if self._status is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self._status = os.waitstatus_to_exitcode(status) if pid else None
            return self._status is not None

        until(has_ended)
        assert self._status is not None
        return self._status

    def end(self) -> None:
        self.kill()
        self.finish()
        self._line.close()


@contextlib.contextmanager
def forked(work: Callable[[Line], object]) -> Iterator[Child]:
    """A child doing this work; killed at the end if it is still there."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            ours.close()
            work(Line(theirs))
            status = 0
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)
    theirs.close()
    child = Child(pid, Line(ours))
    try:
        yield child
    finally:
        child.end()


def told_by_child(work: Callable[[], str]) -> str:
    """What a function returns in a forked child."""
    with forked(lambda line: line.say(work())) as child:
        told = child.hear()
        assert child.finish() == 0, "the child failed; its traceback is on stderr"
    return told


def become_nobody(uid: int = NOBODY) -> None:
    """In a child: another user than the test's, for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def need_root() -> None:
    """Only root can become somebody else."""
    if os.geteuid() != 0:
        give_up("a second user is needed, and only root can become one")


@contextlib.contextmanager
def program(*words: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process and its pipes; killed at the end if it still runs, and reaped."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, **options
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def python(code: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs a script."""
    return sys.executable, "-c", code, *arguments


def run_script(code: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    done = subprocess.run(
        python(code, *arguments),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def traced(log: Path, calls: str, code: str, *arguments: str) -> list[str]:
    """The system calls a script made, in order, as strace writes them: `name(arguments) = result`.

    Args:
        log: where strace may write.
        calls: which, as `strace -e trace=` takes them.
    """
    strace = shutil.which("strace")
    if strace is None:
        give_up("strace is not installed")
    done = subprocess.run(
        [strace, "-f", "-o", str(log), "-e", f"trace={calls}", *python(code, *arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    if "ptrace" in done.stderr:
        give_up(f"strace may not trace here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    lines = (line.split(maxsplit=1)[1] for line in log.read_text().splitlines())
    return [" ".join(line.split()) for line in lines if "(" in line]


# Interrupts ---------------------------------------------------------------------------------------

LIBRARY = str(ROOT / "lazyipc")
LOOKS_FOR_SIGNALS = ("CALL", "PRECALL", "RESUME", "JUMP_BACKWARD")
"""After these the interpreter looks for signals, and so Ctrl-C is raised."""


class Interrupter:
    """Raises KeyboardInterrupt at the n-th place in the library where a signal would be noticed.

    Args:
        at: which place, from 0; a number past the last one interrupts nothing.
    """

    def __init__(self, at: int) -> None:
        self._left = at
        self._last: dict[Any, str] = {}
        self._thread = threading.get_ident()
        self.place = ""

    @property
    def has_struck(self) -> bool:
        return bool(self.place)

    def __enter__(self) -> Interrupter:
        if sys.version_info >= (3, 12):
            self._monitor()
        else:
            sys.settrace(self._on_call)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if sys.version_info >= (3, 12):
            sys.monitoring.set_events(TOOL, 0)
            sys.monitoring.free_tool_id(TOOL)
        else:
            sys.settrace(None)
        self._last.clear()

    def _begin(self, frame: Any) -> None:
        """A call of Python code is noticed inside it, not where it was called."""
        if frame.f_back is not None:
            self._last.pop(frame.f_back, None)

    def _step(self, frame: Any) -> None:
        """Before an instruction of the library; signals are the affair of one thread."""
        if self.has_struck or threading.get_ident() != self._thread:
            return
        code = frame.f_code
        if self._last.get(frame, "").startswith(LOOKS_FOR_SIGNALS):
            self._left -= 1
            if self._left < 0:
                self.place = f"{Path(code.co_filename).name}:{frame.f_lineno} in {code.co_name}"
                raise KeyboardInterrupt
        self._last[frame] = _names_of(code)[frame.f_lasti]

    def _on_call(self, frame: Any, event: str, arg: object) -> Any:
        self._begin(frame)
        if not frame.f_code.co_filename.startswith(LIBRARY):
            return None
        frame.f_trace_opcodes = True
        return self._on_opcode

    def _on_opcode(self, frame: Any, event: str, arg: object) -> Any:
        if event == "opcode":
            self._step(frame)
        return self._on_opcode

    if sys.version_info >= (3, 12):

        def _monitor(self) -> None:
            """Tracing of opcodes differs from one later Python to the next; this does not."""
            monitoring = sys.monitoring
            events = monitoring.events
            monitoring.use_tool_id(TOOL, "Interrupter")
            monitoring.register_callback(TOOL, events.PY_START, self._on_start)
            monitoring.register_callback(TOOL, events.INSTRUCTION, self._on_instruction)
            monitoring.restart_events()
            monitoring.set_events(TOOL, events.PY_START | events.INSTRUCTION)

        def _on_start(self, code: Any, offset: int) -> None:
            frame = sys._getframe(1)
            self._begin(frame)
            self._last[frame] = "RESUME"  # told as a start, not as an instruction

        def _on_instruction(self, code: Any, offset: int) -> Any:
            if not code.co_filename.startswith(LIBRARY):
                return sys.monitoring.DISABLE
            return self._step(sys._getframe(1))


TOOL = 3
"""The number of our tool among those of `sys.monitoring`; no debugger or profiler has it."""


@functools.cache
def _names_of(code: Any) -> list[str]:
    """The name of the instruction at each offset."""
    names = [""] * (len(code.co_code) + 2)
    for instruction in dis.get_instructions(code):
        names[instruction.offset] = instruction.opname
    return names


def values_of(results: Sequence[Any]) -> list[str]:
    """Names of errors, values as text: for comparing mixed results."""
    return [type(r).__name__ if isinstance(r, BaseException) else str(r) for r in results]


def own_children() -> set[int]:
    """The numbers of this process's children, zombies included."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(number) for task in tasks for number in task.read_text().split()}
