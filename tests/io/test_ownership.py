"""Who owns a path: one live server, never a guess; whatever is not ours is left as it was."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lazyipc import SocketInUse, SocketRefused, TransportError
from lazyipc._io import ownership, sockets
from lazyipc._io.ownership import LOCK_SUFFIX, Ownership, claim
from tests.harness import NOBODY, Line, become_nobody, forked, need_root, told_by_child

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@contextlib.contextmanager
def owner(path: str) -> Iterator[Ownership]:
    """A live owner of a path, listening."""
    owned = claim(path)
    try:
        with sockets.listen(owned):
            yield owned
    finally:
        owned.release()


def own_and_wait(path: str) -> Callable[[Line], None]:
    """A child's work: own a path, say so, wait to be told to go on."""

    def work(line: Line) -> None:
        with owner(path):
            line.say("owned")
            line.hear()

    return work


@dataclass(frozen=True)
class Seen:
    """What stood at a path, for comparing."""

    inode: int
    mode: int
    uid: int
    links: int
    content: Any


def seen(path: str) -> Seen:
    status = os.lstat(path)
    content: Any = None
    if stat.S_ISREG(status.st_mode):
        content = Path(path).read_bytes()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISDIR(status.st_mode):
        content = sorted(os.listdir(path))
    return Seen(status.st_ino, status.st_mode, status.st_uid, status.st_nlink, content)


# Live and dead owners -----------------------------------------------------------------------------


def test_an_owned_path_is_absolute_whatever_the_folder_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    owned = claim("s")
    with sockets.listen(owned):
        monkeypatch.chdir("/")
        assert owned.path == str(folder / "s")
    owned.release()
    assert sorted(os.listdir(folder)) == ["s.lock"]


def test_the_lock_file_tells_its_owner(path: str) -> None:
    with owner(path):
        status = os.lstat(path + LOCK_SUFFIX)
        assert stat.S_ISREG(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o600
        record = b"lazyipc\x01" + os.getpid().to_bytes(8, "little")
        assert Path(path + LOCK_SUFFIX).read_bytes() == record


@pytest.mark.parametrize("mask", [0, 0o077, 0o177, 0o277, 0o777], ids=oct)
def test_any_umask_lets_a_path_be_owned_again_and_again(path: str, mask: int) -> None:
    before = os.umask(mask)
    try:
        for _ in range(2):
            with owner(path):
                assert stat.S_IMODE(os.lstat(path + LOCK_SUFFIX).st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_live_owner_is_told_with_its_pid(path: str) -> None:
    with forked(own_and_wait(path)) as child:
        assert child.hear() == "owned"
        before = seen(path)
        with pytest.raises(
            SocketInUse, match=f"owned by a live server in process {child.pid}"
        ) as c:
            claim(path)
        assert c.value.pid == child.pid
        assert (c.value.path, c.value.errno) == (path, errno.EADDRINUSE)
        assert "choose another path" in str(c.value)
        assert seen(path) == before


def test_a_live_owner_in_this_process_is_told_too(path: str) -> None:
    with owner(path), pytest.raises(SocketInUse) as caught:
        claim(path)
    assert caught.value.pid == os.getpid()


def test_an_owner_that_ended_well_leaves_the_path_free(path: str) -> None:
    with forked(own_and_wait(path)) as child:
        child.hear()
        child.say("end")
        assert child.finish() == 0
    assert not os.path.lexists(path)
    with owner(path):
        pass


def test_a_killed_owners_socket_is_replaced(path: str) -> None:
    with forked(own_and_wait(path)) as child:
        child.hear()
        stale = seen(path)
        child.kill(signal.SIGKILL)
        assert child.finish() == -signal.SIGKILL
    assert seen(path) == stale, "a killed process removes nothing"
    with owner(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_the_pid_of_a_dead_owner_is_not_told_as_a_live_one(path: str) -> None:
    """A new owner must be named as itself, though the lock file still held a dead one's pid."""
    with forked(own_and_wait(path)) as child:
        child.hear()
        child.kill()
        child.finish()
    with owner(path), pytest.raises(SocketInUse) as caught:
        claim(path)
    assert caught.value.pid == os.getpid()


def test_a_socket_that_answers_without_a_lock_is_in_use(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        before = seen(path)
        with pytest.raises(SocketInUse, match="answered by this very process") as caught:
            claim(path)
        assert caught.value.pid == os.getpid()
        assert seen(path) == before


def test_a_full_queue_is_alive(path: str) -> None:
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(socket.socket(socket.AF_UNIX))
        other.bind(path)
        other.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(path)
        before = seen(path)
        with pytest.raises(SocketInUse):
            claim(path)
        assert seen(path) == before


def test_a_path_whose_lock_was_deleted_is_still_answered(path: str) -> None:
    with owner(path):
        os.unlink(path + LOCK_SUFFIX)
        with pytest.raises(SocketInUse, match="though it holds no lock") as caught:
            claim(path)
        assert caught.value.pid == os.getpid()


RACERS = 50


def test_of_racing_starts_exactly_one_owns(path: str) -> None:
    start, go = os.pipe()
    end, over = os.pipe()

    def race(line: Line) -> None:
        os.close(go)
        os.close(over)
        os.read(start, 1)
        try:
            with owner(path):
                line.say(f"owner {os.getpid()}")
                os.read(end, 1)
        except SocketInUse as error:
            line.say(f"loser {error.pid}")

    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(forked(race)) for _ in range(RACERS)]
        os.close(go)
        told = [child.hear().split() for child in children]
        owners = [pid for word, pid in told if word == "owner"]
        losers = [pid for word, pid in told if word == "loser"]
        os.close(over)
        assert [child.finish() for child in children] == [0] * RACERS
    os.close(start)
    os.close(end)
    assert len(owners) == 1
    assert len(losers) == RACERS - 1
    assert set(losers) <= {owners[0], "None"}, "a loser names the owner, or says it cannot"


# What is not ours ---------------------------------------------------------------------------------


def make_file(path: str) -> None:
    Path(path).write_text("precious")


def make_directory(path: str) -> None:
    os.mkdir(path)
    Path(path, "inside").write_text("precious")


def make_link_to_nothing(path: str) -> None:
    os.symlink("/nowhere", path)


def make_link_to_a_file(path: str) -> None:
    Path(path + ".target").write_text("precious")
    os.chmod(path + ".target", 0o600)
    os.symlink(path + ".target", path)


def make_link_to_a_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path + ".target")
    os.symlink(path + ".target", path)


def make_pipe(path: str) -> None:
    os.mkfifo(path, 0o600)


def make_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path)


def named(value: object) -> str:
    """How a case is called in a report: by its maker."""
    return getattr(value, "__name__", "")


MAKERS = [
    (make_file, "is a file, not a socket"),
    (make_directory, "is a directory, not a socket"),
    (make_link_to_nothing, "is a symbolic link, not a socket"),
    (make_link_to_a_file, "is a symbolic link, not a socket"),
    (make_link_to_a_socket, "is a symbolic link, not a socket"),
    (make_pipe, "is a pipe, not a socket"),
]


@pytest.mark.parametrize(
    ("make", "words"), MAKERS, ids=lambda value: getattr(value, "__name__", "")
)
def test_what_is_no_socket_is_refused_and_left(
    path: str, make: Callable[[str], None], words: str
) -> None:
    make(path)
    before = seen(path)
    with pytest.raises(SocketRefused) as caught:
        claim(path)
    assert str(caught.value).startswith(f"{path} {words}; it was left alone")
    assert "choose another path" in str(caught.value)
    assert caught.value.path == path
    assert seen(path) == before


def test_a_socket_of_another_user_is_refused_and_left(path: str) -> None:
    need_root()
    make_socket(path)
    os.chown(path, NOBODY, NOBODY)
    before = seen(path)
    with pytest.raises(SocketRefused, match=f"a socket of uid {NOBODY}, not of 0; it was left"):
        claim(path)
    assert seen(path) == before


def make_wide(path: str) -> None:
    make_file(path)
    os.chmod(path, 0o644)


def make_linked(path: str) -> None:
    make_file(path)
    os.chmod(path, 0o600)
    os.link(path, path + ".other")


LOCK_MAKERS = [
    (make_link_to_nothing, "symbolic links"),
    (make_link_to_a_file, "symbolic links"),
    (make_directory, "Is a directory"),
    (make_pipe, "is not a regular file"),
    (make_socket, "no lock file of ours"),
    (make_wide, "has mode 0644, not 0600"),
    (make_linked, r"has 2 names \(hard links\), not one"),
]


@pytest.mark.parametrize(("make", "words"), LOCK_MAKERS, ids=named)
def test_a_foreign_lock_file_is_refused_and_left(
    path: str, make: Callable[[str], None], words: str
) -> None:
    lock = path + LOCK_SUFFIX
    make(lock)
    before = seen(lock)
    with pytest.raises(SocketRefused, match=words) as caught:
        claim(path)
    assert str(caught.value).startswith(lock)
    assert "left alone" in str(caught.value)
    assert caught.value.path == path
    assert seen(lock) == before
    assert not os.path.lexists(path)
    assert not os.path.exists("/nowhere")


def test_a_lock_file_of_another_user_is_refused_and_left(path: str) -> None:
    need_root()
    lock = path + LOCK_SUFFIX
    make_file(lock)
    os.chmod(lock, 0o600)
    os.chown(lock, NOBODY, NOBODY)
    before = seen(lock)
    with pytest.raises(SocketRefused, match=f"belongs to uid {NOBODY}, not to 0"):
        claim(path)
    assert seen(lock) == before


def test_a_lock_file_that_cannot_be_opened_is_refused_and_left(path: str, folder: Path) -> None:
    need_root()
    lock = path + LOCK_SUFFIX
    make_file(lock)
    os.chmod(lock, 0o600)
    folder.chmod(0o777)
    before = seen(lock)
    assert told_by_child(lambda: refusal_as_nobody(path)) == f"SocketRefused 13 {path} True"
    assert seen(lock) == before


def refusal_as_nobody(path: str) -> str:
    """What another user is told who wants the path."""
    become_nobody()
    try:
        claim(path)
    except TransportError as error:
        return f"{type(error).__name__} {error.errno} {error.path} {path in str(error)}"
    return "owned"


def test_a_lock_files_content_is_not_cut(path: str) -> None:
    lock = path + LOCK_SUFFIX
    Path(lock).write_bytes(bytes(4096))
    os.chmod(lock, 0o600)
    with owner(path):
        pass
    assert len(Path(lock).read_bytes()) == 4096


def replacing(path: str, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have somebody replace the lock file, so many times, between its opening and its locking."""
    left = [times]
    real = fcntl.flock

    def flock(fd: int, operation: int) -> None:
        if left[0]:
            left[0] -= 1
            os.unlink(path + LOCK_SUFFIX)
            Path(path + LOCK_SUFFIX).write_text("")
            os.chmod(path + LOCK_SUFFIX, 0o600)
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock)


def test_a_lock_file_replaced_while_it_is_locked_is_locked_anew(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacing(path, 1, monkeypatch)
    with owner(path), pytest.raises(SocketInUse):
        claim(path)


def test_a_lock_file_replaced_for_ever_is_refused(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replacing(path, 1000, monkeypatch)
    with pytest.raises(SocketRefused, match="is replaced while it is being locked"):
        claim(path)
    assert os.path.exists(path + LOCK_SUFFIX)


def test_a_file_system_without_locks_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(SocketRefused, match=r"cannot lock files \(No locks available\); choose"):
        claim(path)
    assert not os.path.lexists(path)


# Places where nothing can be made -----------------------------------------------------------------


def test_a_missing_folder(folder: Path) -> None:
    path = str(folder / "no" / "s")
    with pytest.raises(TransportError, match=r"its directory must exist and be writable") as caught:
        claim(path)
    assert str(caught.value).startswith(path)
    assert caught.value.errno == errno.ENOENT
    assert os.listdir(folder) == []


def test_a_file_where_the_folder_should_be(path: str) -> None:
    make_file(path)
    with pytest.raises(TransportError, match="directory") as caught:
        claim(f"{path}/s")
    assert caught.value.errno == errno.ENOTDIR


def test_a_read_only_folder(folder: Path, path: str) -> None:
    need_root()
    folder.chmod(0o755)
    assert told_by_child(lambda: refusal_as_nobody(path)) == f"TransportError 13 {path} True"
    assert os.listdir(folder) == []


@pytest.mark.parametrize("size", [108, 300, 5000])
def test_a_path_that_is_too_long(folder: Path, size: int) -> None:
    path = f"{folder}/{'x' * (size - len(str(folder)) - 1)}"
    with pytest.raises(TransportError, match=f"at most 107 bytes.*this one has {size}") as caught:
        claim(path)
    assert path in str(caught.value)
    assert "choose a shorter one" in str(caught.value)
    assert caught.value.errno == errno.ENAMETOOLONG
    assert os.listdir(folder) == []


def test_the_longest_path(folder: Path) -> None:
    path = f"{folder}/{'é' * ((107 - len(str(folder)) - 1) // 2)}"
    path += "x" * (107 - len(os.fsencode(path)))
    assert len(os.fsencode(path)) == 107
    with owner(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_a_zero_byte_in_the_path(folder: Path) -> None:
    with pytest.raises(TransportError, match="no zero byte"):
        claim(f"{folder}/a\0b")
    assert os.listdir(folder) == []


# Letting go ---------------------------------------------------------------------------------------


def test_letting_go_removes_the_socket_and_keeps_the_lock_file(path: str) -> None:
    with owner(path) as owned:
        lock = seen(path + LOCK_SUFFIX)
    assert not os.path.lexists(path)
    assert seen(path + LOCK_SUFFIX) == lock
    owned.release()


def test_letting_go_leaves_what_another_put_there(path: str) -> None:
    with owner(path):
        os.unlink(path)
        make_socket(path)
        before = seen(path)
    assert seen(path) == before


def test_letting_go_twice_leaves_the_next_owner_alone(path: str) -> None:
    with owner(path) as first:
        pass
    with owner(path):
        before = seen(path)
        first.release()
        assert seen(path) == before
        with pytest.raises(SocketInUse):
            claim(path)


def test_letting_go_of_a_removed_socket(path: str) -> None:
    with owner(path):
        os.unlink(path)
    assert not os.path.lexists(path)


def test_letting_go_before_a_socket_was_made_removes_nothing(path: str) -> None:
    owned = claim(path)
    make_socket(path)
    owned.release()
    assert os.path.lexists(path)


def test_a_folder_that_went_away_is_no_reason_to_fail(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    with owner(str(inner / "s")):
        for name in os.listdir(inner):
            os.unlink(inner / name)
        inner.rmdir()


def test_a_forked_child_holds_no_lock_and_removes_nothing(path: str) -> None:
    owned = claim(path)
    listener = sockets.listen(owned)

    def abandon_and_wait(line: Line) -> None:
        listener.close()
        owned.abandon()
        owned.release()
        line.say("let go")
        line.hear()

    with forked(abandon_and_wait) as child:
        assert child.hear() == "let go"
        assert os.path.lexists(path)
        listener.close()
        owned.release()
        with owner(path):
            pass
        child.say("end")
        assert child.finish() == 0


def test_a_claim_that_failed_holds_no_lock(path: str) -> None:
    make_file(path)
    for _ in range(3):
        with pytest.raises(SocketRefused):
            claim(path)
    os.unlink(path)
    with owner(path):
        pass


def test_an_interrupted_claim_holds_no_lock(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    for name in ("_clear_path", "_identity", "_lock_or_raise"):
        with monkeypatch.context() as patched:
            patched.setattr(ownership, name, interrupt)
            with pytest.raises(KeyboardInterrupt):
                claim(path)
        gc.collect()
        with owner(path):
            pass


def test_a_claim_does_not_wait(path: str) -> None:
    with owner(path):
        began = time.monotonic()
        with pytest.raises(SocketInUse):
            claim(path)
        assert time.monotonic() - began < 1
