"""Sockets: a mode that is never wider than 0600, connecting within a deadline, who is who."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import select
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lazyipc import ReplyTimeout, ServerNotRunning, SocketRefused, TransportError
from lazyipc._io import sockets
from lazyipc._io.ownership import Ownership, claim
from tests.harness import (
    NOBODY,
    ROOT,
    become_nobody,
    forked,
    give_up,
    need_root,
    python,
    told_by_child,
    until,
)

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

OWN = frozenset((os.geteuid(),))


@pytest.fixture
def owned(path: str) -> Iterator[Ownership]:
    """A path that is ours."""
    ownership = claim(path)
    yield ownership
    ownership.release()


@pytest.fixture
def umask() -> Iterator[None]:
    """Puts the process's umask back."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def soon() -> float:
    return time.monotonic() + 0.05


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mask", [0, 0o022, 0o077, 0o177, 0o277, 0o777], ids=oct)
def test_the_mode_is_0600_under_any_umask(owned: Ownership, mask: int) -> None:
    os.umask(mask)
    with sockets.listen(owned):
        assert stat.S_IMODE(os.lstat(owned.path).st_mode) == 0o600
        assert os.umask(mask) == mask, "the umask is the whole process's and not ours to change"


TRACED = """
import os, sys
os.umask(0)
from lazyipc._io.ownership import claim
from lazyipc._io.sockets import listen
owned = claim(sys.argv[1])
listen(owned).close()
owned.release()
"""


def test_the_mode_is_0600_from_birth(path: str, folder: Path) -> None:
    """The kernel's own account: narrowed before bind, and never touched by a wider chmod."""
    strace = shutil.which("strace")
    if strace is None:
        give_up("strace is not installed")
    log = folder / "trace"
    calls = "trace=bind,chmod,fchmod,fchmodat,umask,listen"
    done = subprocess.run(
        [strace, "-f", "-o", str(log), "-e", calls, *python(TRACED, path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if "ptrace" in done.stderr:
        give_up(f"strace may not trace here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    lines = [" ".join(line.split()) for line in lines if "(" in line]
    assert [line.split("(")[0] for line in lines] == ["umask", "fchmod", "bind", "listen"]
    assert lines[1].endswith(", 0600) = 0")
    assert f'"{path}"' in lines[2]


def test_a_file_system_that_makes_it_wider_is_refused(
    owned: Ownership, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fchmod", lambda fd, mode: None)
    before = os.umask(0o022)
    try:
        with pytest.raises(SocketRefused, match=r"mode 0755, not 0600.*another file system"):
            sockets.listen(owned)
    finally:
        os.umask(before)
    owned.release()
    assert not os.path.lexists(owned.path)


def test_a_listener_is_closed_on_exec_and_never_blocks(owned: Ownership) -> None:
    with sockets.listen(owned) as listener:
        assert not listener.get_inheritable()
        assert not listener.getblocking()


def test_a_bind_that_fails_is_named_and_leaves_nothing_open(owned: Ownership) -> None:
    Path(owned.path).write_text("somebody was quicker")
    with pytest.raises(TransportError) as caught:
        sockets.listen(owned)
    assert caught.value.path == owned.path
    assert caught.value.errno == errno.EADDRINUSE
    owned.release()
    assert Path(owned.path).read_text() == "somebody was quicker"


def test_readiness_of_a_listener(owned: Ownership) -> None:
    with sockets.listen(owned) as listener:
        is_ready = sockets.readiness_of(listener)
        assert not is_ready()
        with sockets.connect(owned.path, soon(), OWN):
            assert is_ready()
            listener.accept()[0].close()
            assert not is_ready()


def test_what_the_peer_has_not_read_is_known(owned: Ownership) -> None:
    with sockets.listen(owned) as listener, sockets.connect(owned.path, soon(), OWN) as ours:
        assert not sockets.is_unread(ours)
        ours.send(b"a request")
        assert sockets.is_unread(ours), "nobody accepted"
        theirs, _ = listener.accept()
        with theirs:
            assert sockets.is_unread(ours)
            theirs.recv(3)
            assert sockets.is_unread(ours), "its end was not read"
            theirs.recv(100)
            assert not sockets.is_unread(ours)


def test_credentials_are_those_of_the_other_end(owned: Ownership) -> None:
    with sockets.listen(owned) as listener, sockets.connect(owned.path, soon(), OWN) as ours:
        theirs, _ = listener.accept()
        with theirs:
            me = (os.getpid(), os.geteuid(), os.getegid())
            assert sockets.credentials_of(theirs) == me
            assert sockets.credentials_of(ours) == me


def test_a_connection_is_closed_on_exec(owned: Ownership) -> None:
    with sockets.listen(owned), sockets.connect(owned.path, soon(), OWN) as connected:
        assert not connected.get_inheritable()


def test_nothing_at_the_path(path: str) -> None:
    with pytest.raises(ServerNotRunning) as caught:
        sockets.connect(path, soon(), OWN)
    assert str(caught.value).startswith(f"{path}: no server is running there")
    assert "start it first" in str(caught.value)
    assert (caught.value.path, caught.value.errno) == (path, errno.ENOENT)


def test_a_socket_nobody_listens_on(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path)
    with pytest.raises(ServerNotRunning, match="a socket that nobody listens on") as caught:
        sockets.connect(path, soon(), OWN)
    assert caught.value.errno == errno.ECONNREFUSED


def test_a_file_at_the_path(path: str) -> None:
    Path(path).write_text("mine")
    with pytest.raises(TransportError, match="a file"):
        sockets.connect(path, soon(), OWN)
    assert Path(path).read_text() == "mine"


def test_a_directory_at_the_path(folder: Path) -> None:
    with pytest.raises(TransportError, match="a directory"):
        sockets.connect(str(folder), soon(), OWN)


def test_a_file_where_a_directory_is_wanted(path: str) -> None:
    Path(path).write_text("")
    with pytest.raises(TransportError, match="Not a directory") as caught:
        sockets.connect(f"{path}/s", soon(), OWN)
    assert caught.value.errno == errno.ENOTDIR


def test_a_path_with_a_zero_byte_is_not_cut_there(owned: Ownership) -> None:
    with sockets.listen(owned) as listener:
        with pytest.raises(TransportError):
            sockets.connect(f"{owned.path}\0.other", soon(), OWN).close()
        assert not select.select([listener], [], [], 0)[0], "it reached another server"


def test_a_path_that_begins_with_a_zero_byte_is_no_other_name_space(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{folder}")
        listener.listen()
        with pytest.raises(TransportError):
            sockets.connect(f"\0{folder}", soon(), OWN).close()


def fill(stack: ExitStack, path: str) -> None:
    """Connect until the queue of the listener is full."""
    while True:
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.setblocking(False)
        try:
            waiting.connect(path)
        except BlockingIOError:
            return


def test_a_full_queue_is_knocked_at_until_the_deadline(path: str) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0)
        fill(stack, path)
        began = time.monotonic()
        with pytest.raises(ReplyTimeout, match="queue is full") as caught:
            sockets.connect(path, began + 0.05, OWN)
        assert time.monotonic() - began >= 0.05
        assert caught.value.started == "no"


def test_a_full_queue_that_drains_lets_in(path: str) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0)
        fill(stack, path)

        def knock(line: object) -> None:
            sockets.connect(path, time.monotonic() + 5, OWN).close()

        child = stack.enter_context(forked(knock))
        until(lambda: Path(f"/proc/{child.pid}/wchan").exists())
        for _ in range(2):
            listener.accept()[0].close()
        assert child.finish() == 0


def test_a_server_of_another_user_is_refused(owned: Ownership) -> None:
    with (
        sockets.listen(owned),
        pytest.raises(SocketRefused, match=rf"runs as uid {os.geteuid()}, not as 4242 or 4243"),
    ):
        sockets.connect(owned.path, soon(), frozenset((4243, 4242)))


def test_the_kernel_refuses_another_user(owned: Ownership, folder: Path) -> None:
    need_root()
    folder.chmod(0o755)

    def attempt() -> str:
        become_nobody()
        try:
            sockets.connect(owned.path, soon(), frozenset((0, NOBODY)))
        except SocketRefused as error:
            return f"{error.errno} {error}"
        return "connected"

    with sockets.listen(owned):
        told = told_by_child(attempt)
    assert told == (
        f"{errno.EACCES} {owned.path}: permission denied; the socket or its directory is another "
        "user's"
    )


# What is left in a connection that broke ----------------------------------------------------------


def test_what_had_come_is_read_behind_the_end() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(b"last words")
        theirs.close()
        assert b"".join(sockets.rest_of(ours)) == b"last words"
        assert list(sockets.rest_of(ours)) == []


def test_what_has_not_come_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert list(sockets.rest_of(ours)) == []


def test_one_who_writes_without_end_is_not_read_without_end() -> None:
    class Endless:
        def recv(self, size: int, flags: int) -> bytes:
            return bytes(size)

    endless: Any = Endless()
    pieces = list(itertools.islice(sockets.rest_of(endless), 1000))
    assert sum(map(len, pieces)) < 10_000_000
    assert len(pieces) < 1000


def test_no_descriptor_left_to_connect_with_is_told_as_ours(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (listener.fileno(), limits[1]))
        try:
            with pytest.raises(TransportError, match="Too many open files") as told:
                sockets.connect(path, time.monotonic() + 1, frozenset((os.geteuid(),)))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert told.value.errno == errno.EMFILE
