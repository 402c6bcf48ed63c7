"""Mode 8: a socket that others may open, for however short a moment."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from lazyipc import Disconnected, IpcServer, SocketRefused, client_send
from tests.failures.commands import Order, Stop
from tests.failures.deaths import live_and_close
from tests.failures.finding import Finding
from tests.failures.measure import reading_log
from tests.harness import (
    LIBRARY,
    NOBODY,
    Line,
    become_nobody,
    forked,
    need_root,
    poll,
    traced,
)

PRIVATE = 0o600
UMASKS = (0, 0o022, 0o077, 0o177, 0o777)

LIFE = """
import os, sys
from pathlib import Path
from tests.failures.deaths import live_and_close
live_and_close(sys.argv[1] + ".warm")
os.umask(0)
live_and_close(sys.argv[1])
"""


def private_from_birth(folder: Path, *, starts: int, with_strace: bool) -> Finding:
    """Look at a path's mode all through a server's life, and try to come in as somebody else.

    Args:
        starts: how many lives a second process watches from outside.
        with_strace: also read the system calls of one life.
    """
    looks = sum(_look_at_each_line(str(folder / f"{umask:03o}"), umask) for umask in UMASKS)
    seen = _watch_from_outside(str(folder / "watched"), starts)
    calls = _read_system_calls(str(folder / "traced")) if with_strace else 0
    _refuse_another_user(folder)
    words = f", {calls} system calls that name it or its descriptor" if with_strace else ""
    return Finding(
        f"{looks:,} looks, at each line of a life under {len(UMASKS)} umasks; {starts:,} lives "
        f"under umask 0 watched by another process{words}; another real uid at both ends",
        f"never wider than 0600, under umask 0 never another mode; the watcher saw {seen:,}; "
        "refused by the kernel, by the server and by the client",
    )


# Each line ----------------------------------------------------------------------------------------


def _look_at_each_line(path: str, umask: int) -> int:
    """How often the mode was looked at; under umask 0 it is exact, else it may be narrower."""
    looks = 0
    files = (path, path + ".lock")

    def on_event(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal looks
        if not frame.f_code.co_filename.startswith(LIBRARY):
            return None
        for file in files:
            try:
                mode = stat.S_IMODE(os.lstat(file).st_mode)
            except FileNotFoundError:
                continue
            looks += 1
            where = f"{file} has mode {mode:04o} at {frame.f_code.co_name}:{frame.f_lineno}"
            assert mode == PRIVATE if umask == 0 else not mode & ~PRIVATE, where
        return on_event

    before = os.umask(umask)
    tracer = sys.gettrace()
    sys.settrace(on_event)
    try:
        live_and_close(path)
    finally:
        sys.settrace(tracer)
        os.umask(before)
    assert looks > 100, "nothing was there to look at"
    return looks


# From outside -------------------------------------------------------------------------------------


def _watch_from_outside(path: str, starts: int) -> int:
    """Another process starts and closes again and again, while we look as fast as we can."""

    def run(line: Line) -> None:
        os.umask(0)
        for _ in range(starts):
            IpcServer(path, Order).close()
        line.say("over")

    with forked(run) as child:
        seen = 0
        while not os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            for _ in range(1000):
                try:
                    mode = stat.S_IMODE(os.lstat(path).st_mode)
                except FileNotFoundError:
                    continue
                seen += 1
                assert mode == PRIVATE, f"the socket had mode {mode:04o} for a moment"
        assert child.finish() == 0
        assert child.hear() == "over"
    return seen


# System calls -------------------------------------------------------------------------------------

TRACED = "umask,chmod,fchmod,fchmodat,bind,listen,rename,open,openat"
CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)")


def _read_system_calls(path: str) -> int:
    """The order in which the kernel was asked: narrowed first, then bound, then listened on."""
    lines = traced(Path(path + ".strace"), TRACED, LIFE, path)
    calls: list[tuple[Any, ...]] = [found.groups() for line in lines if (found := CALL.match(line))]
    masks = [number for number, (name, _, _) in enumerate(calls) if name == "umask"]
    assert len(masks) == 1, "the library touches the umask"
    life = calls[masks[0] + 1 :]
    bound = next(n for n, (name, words, _) in enumerate(life)
                 if name == "bind" and f'"{path}"' in words)  # fmt: skip
    fd = life[bound][1].split(",")[0]
    narrowed = ("fchmod", f"{fd}, 0600", "0")
    assert narrowed in life[:bound], "bound before it was narrowed"
    ours = [(name, words) for name, words, _ in life
            if f'"{path}' in words or words.startswith((f"{fd},", f"{fd})"))]  # fmt: skip
    for name, words in ours:
        if "chmod" in name:
            assert words.endswith("0600"), f"{name}({words}) widens"
        if "O_CREAT" in words:
            assert words.endswith("0600"), f"{name}({words}) makes a file that others may open"
    assert [name for name, _ in ours].index("bind") < [name for name, _ in ours].index("listen")
    return len(ours)


# Another user -------------------------------------------------------------------------------------


def _refuse_another_user(folder: Path) -> None:
    """As another real uid: stopped by the mode; where that was widened, by the server; and a
    server of another user is stopped by the client."""
    need_root()
    folder.chmod(0o755)
    path = str(folder / "other")
    ran: list[Order] = []
    with reading_log(), IpcServer(path, Order) as server:
        assert _sent_by_nobody(server, ran, [0]) == SocketRefused.__name__
        assert server.stats.accepted == server.stats.refused == 0
        os.chmod(path, 0o666)
        assert _sent_by_nobody(server, ran, [0]) == Disconnected.__name__
        assert (server.stats.accepted, server.stats.refused) == (0, 1)
        assert _sent_by_nobody(server, ran, [NOBODY]) == SocketRefused.__name__
        assert server.stats.received_bytes == 0
    assert not ran, "a command of another user was run"


def _sent_by_nobody(
    server: IpcServer[list[Order]], ran: list[Order], server_uids: list[int]
) -> str:
    """The error that another user's call ends with."""

    def run(line: Line) -> None:
        become_nobody()
        line.say(_outcome(lambda: client_send(Stop(), server.path, server_uids=server_uids)))

    with forked(run) as child:
        told: list[str] = []

        def has_ended() -> bool:
            if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                told.append(child.hear())
            return bool(told)

        poll(server, ran, has_ended)
        assert child.finish() == 0
    return told[0]


def _outcome(call: Callable[[], object]) -> str:
    try:
        return repr(call())
    except Exception as error:
        return type(error).__name__
