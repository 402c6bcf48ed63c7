"""Paths of any length: what a file may be called, a socket may be."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from lazyipc import ServerNotRunning, SocketInUse, SocketRefused, TransportError
from lazyipc._io import address, ownership, sockets
from lazyipc._io.ownership import claim
from lazyipc._io.status_page import read_status
from tests.harness import (
    NOBODY,
    ROOT,
    Line,
    become_nobody,
    forked,
    give_up,
    need_root,
    python,
    told_by_child,
)

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

OWN = frozenset((os.geteuid(),))
PATH_LIMITS = [107, 108, 109, 200, 1000, 4090]
"""At the edge of what a socket's name takes, past it, and as long as a path may be with .lock."""
NAME_LIMITS = [80, 90, 107, 108, 250]
"""A name too long even behind a directory's descriptor, and as long as one may be with .lock."""


def long_path(folder: Path, size: int) -> str:
    """A path of so many bytes, in directories made for it."""
    path = str(folder)
    while size - len(path) > 102:
        path += "/" + "d" * min(50, size - len(path) - 52)
    os.makedirs(path, exist_ok=True)
    return f"{path}/{'s' * (size - len(path) - 1)}"


def soon() -> float:
    return time.monotonic() + 1


def works(path: str) -> None:
    """Own, bind, connect, greet, let go: as with a short path."""
    owned = claim(path)
    with sockets.listen(owned) as listener:
        assert owned.path == path
        status = os.lstat(path)
        assert stat.S_ISSOCK(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert not listener.getblocking()
        with sockets.connect(path, soon(), OWN) as client:
            accepted = sockets.accept(listener)
            assert client.send(b"hello") == 5
            assert accepted.recv(5) == b"hello"
            assert sockets.credentials_of(client)[0] == os.getpid()
            accepted.close()
        with pytest.raises(SocketInUse) as caught:
            claim(path)
        assert caught.value.pid == os.getpid()
        told = read_status(path)
        assert told is not None
        assert told.is_locked
    owned.release()
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path) + ".lock"]


@pytest.mark.parametrize("size", PATH_LIMITS)
def test_a_long_path_works(folder: Path, size: int) -> None:
    path = long_path(folder, size)
    assert len(path) == size
    works(path)


@pytest.mark.parametrize("size", NAME_LIMITS)
def test_a_long_name_works(folder: Path, size: int) -> None:
    works(f"{folder}/{'n' * size}")


@pytest.mark.parametrize("name", ["d" * 100 + "/s", "n" * 250])
def test_who_is_not_root_can_have_long_paths_too(folder: Path, name: str) -> None:
    """The kernel restricts who may link to what."""
    need_root()
    path = f"{folder}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.chmod(folder, 0o777)
    os.chmod(os.path.dirname(path), 0o777)

    def serve_and_connect() -> str:
        become_nobody()
        owned = claim(path)
        with sockets.listen(owned):
            sockets.connect(path, soon(), frozenset((NOBODY,))).close()
            mode = stat.S_IMODE(os.lstat(path).st_mode)
        owned.release()
        return oct(mode)

    assert told_by_child(serve_and_connect) == "0o600"
    assert not os.path.lexists(path)


def test_a_long_name_in_two_byte_letters_works(folder: Path) -> None:
    works(f"{folder}/{'é' * 125}")


def test_a_relative_long_path_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = long_path(folder, 300)
    monkeypatch.chdir(folder)
    relative = os.path.relpath(path, folder)
    owned = claim(relative)
    with sockets.listen(owned):
        assert owned.path == path
        sockets.connect(relative, soon(), OWN).close()
        monkeypatch.chdir(os.path.dirname(path))
        sockets.connect("./" + os.path.basename(path), soon(), OWN).close()
    owned.release()


@pytest.mark.parametrize("size", [300, 0])
def test_a_killed_servers_socket_at_a_long_path_is_replaced(folder: Path, size: int) -> None:
    path = long_path(folder, size) if size else f"{folder}/{'n' * 250}"

    def serve_and_wait(line: Line) -> None:
        with sockets.listen(claim(path)):
            line.say("listening")
            line.hear()

    with forked(serve_and_wait) as child:
        assert child.hear() == "listening"
        child.kill(signal.SIGKILL)
        child.finish()
    assert os.path.lexists(path)
    with pytest.raises(ServerNotRunning, match="a socket that nobody listens on"):
        sockets.connect(path, soon(), OWN)
    works(path)


def test_a_socket_at_a_long_path_that_answers_without_a_lock_is_in_use(folder: Path) -> None:
    path = long_path(folder, 300)
    with socket.socket(socket.AF_UNIX) as other:
        address.bind(other, path)
        other.listen()
        with pytest.raises(SocketInUse, match="though it holds no lock"):
            claim(path)
        assert os.path.lexists(path)


def test_nothing_at_a_long_path(folder: Path) -> None:
    path = long_path(folder, 300)
    with pytest.raises(ServerNotRunning) as caught:
        sockets.connect(path, soon(), OWN)
    assert str(caught.value).startswith(f"{path}: no server is running there")


def test_the_kernel_refuses_another_user_at_a_long_path(folder: Path) -> None:
    need_root()
    path = long_path(folder, 300)
    folder.chmod(0o755)
    owned = claim(path)

    def attempt() -> str:
        become_nobody()
        try:
            sockets.connect(path, soon(), frozenset((0,)))
        except SocketRefused as error:
            return str(error.errno)
        return "connected"

    with sockets.listen(owned):
        assert told_by_child(attempt) == str(errno.EACCES)
    owned.release()


# A killed start under a long name -----------------------------------------------------------------


def short_name_in(folder: Path) -> Path:
    """What a start leaves that is killed between making the socket and giving it its name."""
    found = [name for name in os.listdir(folder) if name.startswith(".")]
    assert len(found) == 1
    return folder / found[0]


def test_a_start_killed_before_the_socket_had_its_long_name_is_cleared_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{folder}/{'n' * 250}"

    def die(line: Line) -> None:
        monkeypatch.setattr(os, "link", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        sockets.listen(claim(path))

    with forked(die) as child:
        assert child.finish() == -signal.SIGKILL
    assert stat.S_ISSOCK(os.lstat(short_name_in(folder)).st_mode)
    works(path)


def test_what_is_not_ours_under_the_short_name_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{folder}/{'n' * 250}"

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", fail)
        patched.setattr(os, "unlink", lambda *_, **__: None)
        owned = claim(path)
        with pytest.raises(TransportError, match="Too many links"):
            sockets.listen(owned)
        owned.release()
    short = short_name_in(folder)
    short.unlink()
    short.write_text("precious")
    owned = claim(path)
    with pytest.raises(TransportError) as caught:
        sockets.listen(owned)
    owned.release()
    assert caught.value.errno == errno.EADDRINUSE
    assert short.read_text() == "precious"
    assert not os.path.lexists(path)


def test_a_long_name_replaces_nothing(folder: Path) -> None:
    path = f"{folder}/{'n' * 250}"
    owned = claim(path)
    Path(path).write_text("somebody was quicker")
    with pytest.raises(TransportError) as caught:
        sockets.listen(owned)
    owned.release()
    assert caught.value.errno == errno.EEXIST
    assert Path(path).read_text() == "somebody was quicker"
    assert sorted(os.listdir(folder)) == ["n" * 250, "n" * 250 + ".lock"]


# From birth ---------------------------------------------------------------------------------------

TRACED = """
import os, sys
os.umask(0)
from lazyipc._io.ownership import claim
from lazyipc._io.sockets import listen
owned = claim(sys.argv[1])
listen(owned).close()
owned.release()
"""


@pytest.mark.parametrize("size", [300, 0])
def test_the_mode_is_0600_from_birth_at_a_long_path(folder: Path, size: int) -> None:
    strace = shutil.which("strace")
    if strace is None:
        give_up("strace is not installed")
    path = long_path(folder, size) if size else f"{folder}/{'n' * 250}"
    log = folder / "trace"
    calls = "trace=bind,chmod,fchmod,fchmodat,umask,listen,chdir,fchdir"
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
    assert '"/proc/self/fd/' in lines[2]


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "is empty"),
        ("/tmp/a\0b", "has a zero byte"),
        ("\0abstract", "has a zero byte"),
        ("/tmp/\ud800", "has a character that no file's name can have"),
    ],
)
def test_what_is_no_path_is_refused_by_both_sides(path: str, words: str) -> None:
    for step in (lambda: claim(path), lambda: sockets.connect(path, soon(), OWN)):
        with pytest.raises(TransportError, match=words) as caught:
            step()
        assert caught.value.errno == errno.EINVAL
        assert caught.value.path == path


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("n" * 251, ["256 bytes, of at most 255"]),
        ("n" * 300, ["305 bytes, of at most 255"]),
        ("d/" * 2043 + "s", ["of at most 4095"]),
    ],
)
def test_a_path_that_no_file_can_have_is_refused_with_its_limits(
    folder: Path, name: str, sizes: list[str]
) -> None:
    path = f"{folder}/{name}"
    with pytest.raises(TransportError) as caught:
        claim(path)
    assert caught.value.errno == errno.ENAMETOOLONG
    assert caught.value.path == path
    for size in sizes:
        assert size in str(caught.value)
    assert "with .lock" in str(caught.value)
    assert os.listdir(folder) == []


def test_a_client_is_told_of_a_path_that_no_file_can_have(folder: Path) -> None:
    with pytest.raises(TransportError, match="300 bytes, of at most 255") as caught:
        sockets.connect(f"{folder}/{'n' * 300}", soon(), OWN)
    assert caught.value.errno == errno.ENAMETOOLONG


def test_elsewhere_than_on_linux_a_long_path_is_refused_with_the_limit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "IS_LINUX", False)
    path = long_path(folder, 300)
    for step in (lambda: claim(path), lambda: sockets.connect(path, soon(), OWN)):
        with pytest.raises(TransportError, match=r"has 300 bytes.*at most 107.*choose a shorter"):
            step()


def test_without_proc_a_long_path_is_refused_with_the_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = long_path(folder, 300)
    owned = claim(path)
    with monkeypatch.context() as patched:
        patched.setattr(os.path, "lexists", lambda name: False)
        with pytest.raises(TransportError, match="needs /proc, which is not mounted here"):
            sockets.listen(owned)
    owned.release()


def test_a_relative_path_where_the_folder_is_gone(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()

    def attempt() -> str:
        os.chdir(inner)
        inner.rmdir()
        told = []
        for step in (lambda: claim("s"), lambda: sockets.connect("s", soon(), OWN)):
            try:
                step()
            except TransportError as error:
                told.append(f"{type(error).__name__} {error.errno}")
        return ", ".join(told)

    gone = errno.ENOENT
    assert told_by_child(attempt) == f"TransportError {gone}, ServerNotRunning {gone}"


def test_a_stale_socket_replaced_while_it_is_probed_is_left(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path)
    real = ownership._answering_pid

    def replaced(probed: str) -> int | None:
        answer = real(probed)
        os.unlink(path)
        Path(path).write_text("precious")
        return answer

    monkeypatch.setattr(ownership, "_answering_pid", replaced)
    Path(path + ".lock").touch(0o600)
    owned = claim(path)
    assert Path(path).read_text() == "precious"
    owned.release()
