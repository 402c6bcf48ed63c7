"""RpcProcess: a child started, met and talked to; and what is told where that does not come about.

How a child is brought to its end is tested in test_process_end.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lazyipc import (
    ChildExited,
    Disconnected,
    ReplyTimeout,
    SchemaError,
    SchemaMismatch,
    TransportError,
)
from lazyipc._core.connection.peer import PeerConnection
from lazyipc._core.messages import MessageSet
from lazyipc._io import child as child_module
from lazyipc._io import sockets
from lazyipc.rpc import ConnectionKey, RpcLimits, RpcPeer
from lazyipc.rpc import _meeting as meeting_module
from lazyipc.rpc import _process as process_module
from lazyipc.rpc._conversation import Conversation
from lazyipc.rpc._process import RpcProcess
from lazyipc.rpc._side import Side
from tests.harness import connect, run_script
from tests.rpc.children import (
    PYTHON,
    SERVE,
    TOKEN,
    is_gone_in_time,
    no_child_left,
    peer,
    raw,
    spawning,
)
from tests.rpc.loops import Run, Watch, raised_in_time, run, settle, until
from tests.rpc.messages import Add, Note, Number, Order, Place, Sum, Text, echo

WAYS = ("fd", "env", "argv")
SERVES = peer(*SERVE)


@pytest.fixture(autouse=True)
def sees_children_off() -> Iterator[None]:
    with no_child_left():
        yield


@pytest.fixture(autouse=True)
def places(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where private directories are made; those of others are not looked at."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder / "lazyipc"


def sh(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


# Met, and talked to -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_child_is_talked_to_both_ways(on_loop: Run, way: str, places: Path) -> None:
    async def handle(message: Note, process: RpcPeer[Note]) -> Note:
        return Text(text=f"{process.credentials.pid}")

    async def main() -> None:
        threads = threading.active_count()
        async with spawning(SERVES, handle, key_via=way) as child:
            assert (child.status.kind, child.returncode) == ("connected", None)
            assert child.credentials[:3] == (child.pid, os.geteuid(), os.getegid())
            assert await child.send(Number(n=4)) == Number(n=4)
            assert await child.send(Text(text="os.getppid()")) == Text(text=f"{os.getpid()}")
            asked = await child.send(Text(text="peer.send(Number(n=1))"))
            assert asked == Text(text=repr(Text(text=f"{child.pid}")))
            # Whatever it was met by is gone already.
            assert not places.exists() or not list(places.iterdir())
            assert threading.active_count() == threads
            assert repr(child) == f"<RpcProcess {sys.executable} (pid {child.pid}), connected>"
        assert (child.status.kind, child.returncode) == ("closed", 0)
        assert repr(child).endswith(", closed, exited with status 0>")
        assert places.exists() == (way != "fd")

    run(main, new_loop=on_loop.keywords["new_loop"])


@pytest.mark.parametrize("way", WAYS)
def test_the_child_has_neither_more_nor_less_than_it_needs(
    way: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where this program has a parent of its own that it has not asked for."""
    monkeypatch.setenv("LAZYIPC_RPC_FD", "0")
    monkeypatch.setenv("LAZYIPC_RPC_KEY", "another's")
    look = (
        "import os, sys",
        "names = sorted(n for n in os.environ if 'LAZYIPC' in n)",
        "keys = [a for a in sys.argv if a.startswith('lazyipc-rpc:')]",
        *SERVE[:1],
        "    left = [n for n in os.environ if 'LAZYIPC' in n]",
        "    await parent.send(Text(text=repr((names, len(keys), left))))",
        "    await parent.send(Text(text=os.getcwd() + os.environ.get('X', '')))",
    )
    told: list[str] = []

    async def listen(message: Note, process: RpcPeer[Note]) -> Note:
        assert isinstance(message, Text)
        told.append(message.text)
        return message

    async def main() -> None:
        env = {**os.environ, "X": "y"}
        async with spawning(peer(*look), listen, key_via=way, env=env, cwd=folder) as child:
            await child.wait_exited()
        assert child.returncode == 0

    run(main)
    names = {"fd": ["LAZYIPC_RPC_FD"], "env": ["LAZYIPC_RPC_KEY"], "argv": []}[way]
    assert told == [repr((names, int(way == "argv"), [])), f"{folder}y"]
    assert os.environ["LAZYIPC_RPC_FD"] == "0"


def test_it_may_be_awaited_instead_of_entered(on_loop: Run) -> None:
    async def main() -> None:
        child = await spawning(raw("agree(); end()"))
        assert child.status.kind == "connected"
        child.close()
        assert await child.wait_exited() == 0
        assert await child.wait_exited() == 0
        assert (await child.wait_closed()).kind == "closed"

    on_loop(main)


def test_it_may_be_started_as_a_task() -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(spawning(raw("agree(); end()"))) for _ in range(5)]
        children = [task.result() for task in tasks]
        assert len({child.pid for child in children}) == 5
        for child in children:
            async with child:
                assert child.credentials.pid == child.pid
            assert child.returncode == 0

    run(main)


def test_messages_with_process_are_processed_where_there_is_a_context() -> None:
    code = (
        "from tests.rpc.messages import Add, Order, Place",
        "async with RpcClient.from_parent(Order, context=Place()) as parent:",
        "    told = await parent.send(Add(a=1, b=2))",
        "    assert told.c == 3, told",
        "    await parent.wait_closed()",
    )

    async def main() -> None:
        place = Place()
        async with RpcProcess.spawn(peer(*code), Order, context=place) as child:
            assert await child.send(Add(a=5, b=6)) == Sum(c=11)
        assert child.returncode == 0
        assert place.ran == ["Add 1 2"]

    run(main)


def test_a_slow_start_is_no_slow_handshake() -> None:
    async def main() -> None:
        limits = RpcLimits(handshake_seconds=0.1)
        async with spawning(raw("time.sleep(0.3); agree(); end()"), limits=limits) as child:
            assert child.status.kind == "connected"

    run(main)


def test_a_loop_in_another_thread_does_as_well(on_loop: Run) -> None:
    async def main() -> None:
        async with spawning(raw("agree(); end()")) as child:
            assert child.status.kind == "connected"
        assert child.returncode == 0
        with pytest.raises(ChildExited):
            await spawning(sh("exit 3"))

    with Watch() as watch:
        ended: list[str] = []

        def work() -> None:
            watch.run(main, new_loop=on_loop.keywords["new_loop"])
            ended.append("well")

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ended == ["well"] * 2


def test_a_host_that_ignores_its_childrens_end(on_loop: Run) -> None:
    async def main() -> None:
        async with spawning(raw("agree(); end()")) as child:
            pass
        assert child.returncode == child_module.UNKNOWN_STATUS

    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        on_loop(main)
    finally:
        signal.signal(signal.SIGCHLD, before)


# Gone before it connected -------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [0, 3])
def test_a_child_that_ends_at_once_is_told_of_at_once(way: str, status: int) -> None:
    async def main() -> None:
        argv = sh(f"echo one >&2; echo two >&2; exit {status}")
        with raised_in_time(5), pytest.raises(ChildExited) as caught:
            await spawning(argv, key_via=way, timeout=60, grace=60)
        error = caught.value
        assert (error.returncode, error.stderr_tail, error.path) == (status, "one\ntwo", "/bin/sh")
        told = rf"/bin/sh \(pid \d+\) exited with status {status} before it was connected; "
        assert re.fullmatch(rf"{told}its last words:\none\ntwo", str(error))

    run(main)


def test_a_child_that_is_killed_is_told_of_by_the_signal() -> None:
    async def main() -> None:
        with pytest.raises(ChildExited, match=r"was killed by SIGSEGV before .*; it wrote nothing"):
            await spawning(sh("kill -SEGV $$"), timeout=60)

    run(main)


@pytest.mark.parametrize(
    "lines",
    [
        ["sys.exit(7)"],
        ["parent.sendall(bytes.fromhex(sys.argv[1])[:20])", "sys.exit(7)"],
        ["parent.sendall(bytes.fromhex(sys.argv[1]))", "sys.exit(7)"],
        ["parent.sendall(bytes.fromhex(sys.argv[1]))", "parent.recv(10)", "sys.exit(7)"],
        ["parent.close()", "time.sleep(0.1)", "sys.exit(7)"],
        ["if not os.fork(): time.sleep(60)", "print(os.getpid(), file=sys.stderr)", "os._exit(7)"],
    ],
)
def test_a_child_that_ends_within_the_handshake(on_loop: Run, lines: list[str]) -> None:
    lines = ["print('last', file=sys.stderr)", *lines]
    if "fork" in lines[1]:  # somebody else keeps the connection, and the stderr, open
        lines = [
            "other = os.fork() or time.sleep(60)",
            "print(other, file=sys.stderr)",
            "os._exit(7)",
        ]

    async def main() -> str:
        with raised_in_time(5), pytest.raises(ChildExited) as caught:
            await spawning(raw(*lines), timeout=60, grace=60)
        assert caught.value.returncode == 7
        return caught.value.stderr_tail

    told = on_loop(main)
    if told.isdigit():
        os.kill(int(told), signal.SIGKILL)
    else:
        assert told == "last"


def test_a_child_that_agrees_and_dies_is_a_peer_that_failed(on_loop: Run) -> None:
    async def main() -> None:
        async with spawning(raw("agree(); parent.recv(5); os._exit(9)")) as child:
            with pytest.raises(Disconnected):
                await child.send(Number(n=1))
            assert await child.wait_exited() == 9
            assert (await child.wait_closed()).kind == "failed"
        assert child.returncode == 9

    on_loop(main)


def test_a_child_that_hangs_up_and_lives_on_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lazyipc.rpc._process.EXIT_SECONDS", 0.05)

    async def main() -> None:
        with pytest.raises(Disconnected, match="went away in the handshake"):
            await spawning(raw("parent.close(); signal.pause()"), grace=0.05)

    run(main)


@pytest.mark.parametrize("way", ["fd", "env"])
def test_a_child_whose_messages_differ_is_refused(way: str) -> None:
    code = (
        "from lazyipc import TaggedUnion",
        "class Note(TaggedUnion): 'Other ones.'",
        "class Text(Note):",
        "    words: str",
        "async with RpcClient.from_parent(Note): pass",
    )

    async def main() -> None:
        with raised_in_time(30), pytest.raises(SchemaMismatch, match="Text"):
            await spawning(peer(*code), key_via=way, timeout=60, grace=60)

    run(main)


@pytest.fixture
def ends_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children have ended before the loop looks at anything of theirs."""

    def start(*words: Any, **more: Any) -> child_module.Child:
        child = child_module.start(*words, **more)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        return child

    monkeypatch.setattr(process_module, "start_child", start)


@pytest.mark.usefixtures("ends_first")
@pytest.mark.parametrize("way", WAYS)
def test_what_it_said_last_is_heard_though_it_has_ended(way: str) -> None:
    other = PeerConnection(MessageSet(Order), opens=True, key="" if way == "fd" else TOKEN)
    other.start()
    argv = raw(
        f"hello = bytes.fromhex('{other.take_output().hex()}').replace(b'{TOKEN}', token)",
        "if token: parent.connect(path)",
        "parent.sendall(hello)",
        "os._exit(1)",
    )

    async def main() -> None:
        with pytest.raises(SchemaMismatch):
            await spawning(argv, key_via=way)

    run(main)


def test_a_child_that_talks_something_else_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(Exception, match=r"magic|frame|begin") as caught:
            await spawning(raw("parent.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')"), timeout=60)
        assert not isinstance(caught.value, ChildExited | ReplyTimeout), caught.value

    run(main)


# Not in time --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["fd", "argv"])
def test_a_child_that_does_not_connect_is_terminated(on_loop: Run, way: str) -> None:
    async def main() -> None:
        told = r"/bin/sh \(pid \d+\) did not connect within 0.1 s; its last words:\nhere"
        with raised_in_time(30), pytest.raises(ReplyTimeout, match=told) as caught:
            await spawning(sh("echo here >&2; exec sleep 60"), key_via=way, timeout=0.1, grace=60)
        assert caught.value.started == "no"

    on_loop(main)


def test_one_that_does_not_heed_it_is_killed() -> None:
    async def main() -> None:
        with raised_in_time(30), pytest.raises(ReplyTimeout):
            await spawning(sh("trap '' TERM; exec sleep 60"), timeout=0.05, grace=0.05)

    run(main)


def test_a_child_that_begins_and_says_no_more_is_not_waited_for() -> None:
    async def main() -> None:
        limits = RpcLimits(handshake_seconds=0.05)
        with raised_in_time(30), pytest.raises(ReplyTimeout, match=r"within 0.05 s"):
            await spawning(raw("parent.send(b'x'); end()"), limits=limits, timeout=60, grace=60)

    run(main)


# What cannot be started ---------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_what_is_no_program_is_told_by_its_name(way: str, places: Path) -> None:
    async def main() -> None:
        with pytest.raises(
            TransportError, match=r"/no/such: cannot be started \(No such"
        ) as caught:
            await spawning(["/no/such"], key_via=way)
        assert (caught.value.errno, caught.value.path) == (errno.ENOENT, "/no/such")
        with pytest.raises(TransportError, match="see cwd="):
            await spawning(sh(""), key_via=way, cwd="/no/such")
        with pytest.raises(TypeError, match="argv must be a list"):
            await spawning("ls -l", key_via=way)
        with pytest.raises(ValueError, match="argv is empty"):
            await spawning([], key_via=way)
        with pytest.raises(ValueError, match="null byte"):
            await spawning(["/bin/sh", "\0"], key_via=way)
        assert not places.exists() or not list(places.iterdir())

    run(main)


@pytest.mark.parametrize("seconds", [-1, math.nan, "5", None], ids=repr)
@pytest.mark.parametrize("name", ["timeout", "grace"])
def test_seconds_that_are_none_are_told_at_the_call(name: str, seconds: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=f"{name} must be a number of seconds"):
        spawning(sh(""), **{name: seconds})


def test_what_is_known_at_the_call_is_told_at_the_call() -> None:
    with pytest.raises(ValueError, match=r"key_via must be one of .*, is 'file'"):
        spawning(sh(""), key_via="file")
    with pytest.raises(ValueError, match="schema_check"):
        spawning(sh(""), schema_check="never")
    with pytest.raises(SchemaError):
        RpcProcess.spawn(sh(""), int)  # type: ignore[type-var]
    with pytest.raises(SchemaError, match="a handler was given too"):
        RpcProcess.spawn(sh(""), Order, echo)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["fd", "env"])
def test_whichever_descriptor_is_the_one_too_many_nothing_is_left(way: str, folder: Path) -> None:
    code = f"""
import asyncio, errno, os, resource
from lazyipc import ChildExited, TransportError
from tests.rpc.children import spawning
async def spawn(**settings):
    try:
        await spawning(["/bin/sh", "-c", "exit 3"], key_via={way!r}, grace=1)
    except ChildExited as error:
        return error.returncode
    except TransportError as error:
        assert error.errno == errno.EMFILE, error
        return "EMFILE"
def count(): return len(os.listdir("/proc/self/fd"))
async def main():
    assert await spawn() == 3
    before, told = count(), []
    for room in range(14):
        resource.setrlimit(resource.RLIMIT_NOFILE, (before - 1 + room, 4096))
        told.append(await spawn())
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        assert count() == before, (room, os.listdir("/proc/self/fd"))
    assert told == sorted(told, key=str, reverse=True) and len(set(told)) == 2, told
    places = {str(folder / "lazyipc")!r}
    assert not os.path.exists(places) or not os.listdir(places)
asyncio.run(main())
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("well")
"""
    assert run_script(code).stdout == "well\n"


# Others that come ---------------------------------------------------------------------------------


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[ConnectionKey]:
    """The keys that are made."""
    made: list[ConnectionKey] = []

    class Kept(ConnectionKey):
        @classmethod
        def make(cls, path: Any) -> Any:
            made.append(ConnectionKey.make(path))
            return made[-1]

    monkeypatch.setattr(meeting_module, "ConnectionKey", Kept)
    return made


WAITS = raw("os.read(0, 1); agree(); end()")
"""A child that connects when it is let."""


@contextlib.contextmanager
def stdin_of_children() -> Iterator[socket.socket]:
    """What children wait for, as their stdin."""
    ours, theirs = socket.socketpair()
    kept = os.dup(0)
    os.dup2(theirs.fileno(), 0)
    try:
        with ours, theirs:
            yield ours
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_who_is_older_than_the_child_is_not_asked_for_the_token(
    on_loop: Run, keys: list[ConnectionKey], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        with stdin_of_children() as gate:
            spawn = asyncio.ensure_future(spawning(WAITS, key_via="env"))
            while not keys:
                await asyncio.sleep(0)
            with connect(keys[0].path) as stranger:  # this very process
                stranger.setblocking(False)
                assert await asyncio.get_running_loop().sock_recv(stranger, 1) == b""
            gate.close()
            async with await spawn as child:
                assert child.credentials.pid == child.pid

    on_loop(main)
    assert f"refused pid {os.getpid()}: it is no child of" in caplog.text


def test_who_has_no_token_does_not_take_the_childs_place(
    keys: list[ConnectionKey], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting_module, "is_descendant", lambda *asked: None)
    caplog.set_level(logging.WARNING, "lazyipc")

    async def main() -> None:
        with stdin_of_children() as gate, contextlib.ExitStack() as stack:
            spawn = asyncio.ensure_future(spawning(WAITS, key_via="env"))
            while not keys:
                await asyncio.sleep(0)
            silent = stack.enter_context(connect(keys[0].path))
            connect(keys[0].path).close()
            with connect(keys[0].path) as babbles:
                babbles.sendall(b"GET / HTTP/1.0\r\n\r\n")
            gate.close()
            async with await spawn as child:
                assert child.credentials.pid == child.pid
                # The silent one is let go, now that the child has come.
                silent.setblocking(False)
                while await asyncio.get_running_loop().sock_recv(silent, 1 << 16):
                    pass

    run(main)
    assert caplog.text.count("connected, and left") == 2


def test_strangers_are_asked_so_many_at_once(
    keys: list[ConnectionKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting_module, "is_descendant", lambda *asked: None)
    monkeypatch.setattr(meeting_module, "ATTEMPTS", 2)
    met: list[int] = []
    real = Side.conversation

    def begun(side: Side, name: str, *words: Any, **more: Any) -> Any:
        met.append(1)
        return real(side, name, *words, **more)

    monkeypatch.setattr(Side, "conversation", begun)

    async def main() -> None:
        with stdin_of_children() as gate:
            spawn = asyncio.ensure_future(spawning(WAITS, key_via="env"))
            while not keys:
                await asyncio.sleep(0)
            strangers = [connect(keys[0].path) for _ in range(12)]
            await settle()
            assert len(met) == 2
            for stranger in strangers:
                stranger.close()
            gate.close()
            async with await spawn as child:
                assert child.credentials.pid == child.pid

    run(main)


def test_who_is_another_user_is_not_asked_at_all(
    keys: list[ConnectionKey], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sockets.credentials_of

    def seen(connected: socket.socket) -> tuple[int, int, int]:
        pid, uid, gid = real(connected)
        return pid, uid + 1 if pid == os.getpid() else uid, gid

    monkeypatch.setattr(sockets, "credentials_of", seen)

    async def main() -> None:
        with stdin_of_children() as gate:
            spawn = asyncio.ensure_future(spawning(WAITS, key_via="env"))
            while not keys:
                await asyncio.sleep(0)
            with connect(keys[0].path) as stranger:
                stranger.setblocking(False)
                assert await asyncio.get_running_loop().sock_recv(stranger, 1) == b""
            gate.close()
            async with await spawn:
                pass

    run(main)
    assert f"it is another user's, uid {os.geteuid() + 1}" in caplog.text


def test_a_child_that_connects_twice_is_met_once(on_loop: Run) -> None:
    argv = raw(
        "agree()",
        "while os.path.exists(path): time.sleep(0.002)",
        "try: socket.socket(socket.AF_UNIX).connect(path)",
        "except OSError as error: print(type(error).__name__, file=sys.stderr)",
        "end()",
    )

    async def main() -> None:
        async with spawning(argv, key_via="env") as child:
            await until(lambda: bool(child.stderr_tail))
        assert child.stderr_tail == "FileNotFoundError"
        assert child.returncode == 0

    on_loop(main)


@pytest.mark.parametrize("way", ["env", "argv"])
def test_two_connections_of_a_child_at_once_are_one_peer(on_loop: Run, way: str) -> None:
    argv = raw(
        "first = socket.socket(socket.AF_UNIX)",
        "first.connect(path)",
        "first.sendall(bytes.fromhex(sys.argv[2]).replace(b'x' * 32, token))",
        "agree()",
        "end()",
        "assert first.recv(1 << 20)",
        "assert not first.recv(1 << 20)",
    )

    async def main() -> None:
        async with spawning(argv, key_via=way) as child:
            assert child.credentials.pid == child.pid
        assert child.returncode == 0

    on_loop(main)


def test_two_that_agree_in_the_same_turn_are_one_peer(
    on_loop: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = raw(
        "first = parent",
        "agree()",
        "parent = socket.socket(socket.AF_UNIX)",
        "agree()",
        "while first.recv(1 << 20): pass",
        "end()",
    )
    real = Conversation.begin
    agreed: list[Conversation] = []

    async def main() -> None:
        both = asyncio.Event()

        async def begin(self: Conversation, *words: Any, **more: Any) -> None:
            await real(self, *words, **more)
            agreed.append(self)
            if len(agreed) == 2:
                both.set()
            await both.wait()

        monkeypatch.setattr(Conversation, "begin", begin)
        async with spawning(argv, key_via="env") as child:
            assert sorted(one.status.kind for one in agreed) == ["closed", "connected"]
        assert child.returncode == 0
        agreed.clear()

    on_loop(main)


# Those it leaves behind ---------------------------------------------------------------------------


def test_a_child_may_leave_the_connection_to_one_that_it_started(on_loop: Run) -> None:
    """As a daemon does: it forks, and ends."""

    async def main() -> int:
        argv = raw("if os.fork(): os._exit(0)", "time.sleep(0.1)", "agree()", "end()")
        async with spawning(argv) as child:
            assert await child.wait_exited() == 0
            assert child.status.kind == "connected"
        assert child.status.kind == "closed"
        return int(child.pid)

    on_loop(main)


def test_a_child_may_leave_it_to_one_that_has_its_stderr_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_module, "SETTLE_SECONDS", 0.01)
    argv = raw(
        "if os.fork(): os._exit(0)",
        "os.dup2(os.open('/dev/null', os.O_WRONLY), 2)",
        "time.sleep(0.1); agree(); end()",
    )

    async def main() -> None:
        async with spawning(argv) as child:
            assert child.returncode == 0

    run(main)


def test_who_has_met_its_child_is_not_deserted() -> None:
    """Nor when the listener is closed, and the meeting not quite over."""
    meeting = meeting_module.arrange("env")
    assert meeting.is_deserted
    with connect(ConnectionKey(meeting.variables["LAZYIPC_RPC_KEY"]).path):
        assert not meeting.is_deserted
    meeting.close()
    assert not meeting.is_deserted
    meeting.close()


def test_a_daemon_that_was_given_a_key_is_waited_for_while_it_has_the_stderr() -> None:
    argv = raw("if os.fork(): os._exit(0)", "time.sleep(0.1); agree(); end()")

    async def main() -> None:
        async with spawning(argv, key_via="env") as child:
            assert child.returncode == 0
            assert child.credentials.pid != child.pid
            pid = child.credentials.pid
        assert is_gone_in_time(pid)

    run(main)


def test_a_daemon_that_dies_is_told_of_at_once() -> None:
    argv = raw("if os.fork(): os._exit(0)", "sys.exit('no')")

    async def main() -> None:
        with raised_in_time(30), pytest.raises(ChildExited, match=r"status 0 before.*words:\nno$"):
            await spawning(argv, key_via="env", timeout=60)

    run(main)


def test_whoever_is_left_and_does_not_connect_is_not_waited_for_for_ever() -> None:
    async def main() -> str:
        with raised_in_time(30), pytest.raises(ChildExited, match="exited with status 0") as caught:
            await spawning(sh("sleep 60 & echo $! >&2"), timeout=0.2, grace=60)
        return caught.value.stderr_tail

    left = int(run(main))
    os.kill(left, signal.SIGKILL)
    assert is_gone_in_time(left)


# What it says -------------------------------------------------------------------------------------


def test_a_flood_on_stderr_keeps_nobody_from_talking(
    on_loop: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = bytearray()
    monkeypatch.setattr(child_module, "_pass_on", passed.extend)
    flood = (
        "import os, threading",
        "def flood():",
        "    for n in range(400): os.write(2, b'line %06d\\n' % n * 1000)",
        "threading.Thread(target=flood).start()",
        *SERVE,
    )

    async def main() -> None:
        async with spawning(peer(*flood)) as child:
            for n in range(100):
                assert await child.send(Number(n=n)) == Number(n=n)
        assert child.returncode == 0
        assert len(passed) == 400 * 1000 * 12
        assert child.stderr_tail.split("\n") == ["line 000399"] * 40

    on_loop(main)


def test_its_last_words_are_there_when_it_is_gone() -> None:
    """Those included that were in the pipe when it ended."""

    async def main() -> None:
        argv = [*PYTHON, "import os; os.write(2, b'x' * 60_000 + b'\\nend\\n'); os._exit(1)"]
        for _ in range(5):
            with pytest.raises(ChildExited) as caught:
                await spawning(argv)
            assert caught.value.stderr_tail.endswith("x\nend")

    run(main)
