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
from lazyipc._io.status_page import read_status
from tests.harness import NOBODY, Line, become_nobody, forked, need_root, told_by_child
from tests.io.container import in_container, tmpfs

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
        assert Path(path + LOCK_SUFFIX).read_bytes().startswith(record)


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
        assert not os.path.lexists(path + LOCK_SUFFIX)


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


RACERS = 8
ROUNDS = 20


def test_of_racing_starts_exactly_one_owns_and_each_loser_names_it(path: str) -> None:
    """Each round begins on what a killed owner left: its socket, and its pid in the lock file."""
    for _ in range(ROUNDS):
        start, go = os.pipe()

        def race(line: Line, start: int = start, go: int = go) -> None:
            os.close(go)
            os.read(start, 1)  # ends for all at the same instant
            try:
                with owner(path):
                    line.say(f"owner {os.getpid()}")
                    line.hear()
            except SocketInUse as error:
                line.say(f"loser {error.pid}")

        with contextlib.ExitStack() as stack:
            children = [stack.enter_context(forked(race)) for _ in range(RACERS)]
            os.close(start)
            os.close(go)
            told = [child.hear().split() for child in children]
            owners = [pid for word, pid in told if word == "owner"]
            losers = [pid for word, pid in told if word == "loser"]
            assert len(owners) == 1, told
            assert losers == owners * (RACERS - 1)
            for child, (word, _) in zip(children, told, strict=True):
                if word == "owner":
                    child.kill(signal.SIGKILL)
                assert child.finish() == (-signal.SIGKILL if word == "owner" else 0)
        assert os.path.lexists(path)


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
    assert not os.path.lexists(path + LOCK_SUFFIX), "nothing is made beside what is foreign"


def test_a_socket_of_another_user_is_refused_and_left(path: str) -> None:
    need_root()
    make_socket(path)
    os.chown(path, NOBODY, NOBODY)
    before = seen(path)
    with pytest.raises(SocketRefused, match=f"a socket of uid {NOBODY}, not of 0; it was left"):
        claim(path)
    assert seen(path) == before
    assert not os.path.lexists(path + LOCK_SUFFIX)


def make_wide(path: str) -> None:
    make_file(path)
    os.chmod(path, 0o644)


def make_linked(path: str) -> None:
    make_file(path)
    os.chmod(path, 0o600)
    os.link(path, path + ".other")


def make_device(path: str) -> None:
    need_root()
    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))


def make_other_content(path: str) -> None:
    make_file(path)
    os.chmod(path, 0o600)


LOCK_MAKERS = [
    (make_link_to_nothing, "symbolic links"),
    (make_link_to_a_file, "symbolic links"),
    (make_directory, "Is a directory"),
    (make_pipe, "is not a regular file"),
    (make_socket, "no lock file of ours"),
    (make_wide, "has mode 0644, not 0600"),
    (make_linked, r"has 2 names \(hard links\), not one"),
    (make_device, "is not a regular file"),
    (make_other_content, "begins with b'precious' and so holds something else than a lock"),
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


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO])
def test_a_file_system_without_locks_is_refused(
    path: str, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(SocketRefused, match=r"cannot lock files \(.*\); choose") as caught:
        claim(path)
    assert caught.value.errno == number
    assert os.strerror(number) in str(caught.value)
    assert not os.path.lexists(path)


# A lock file under attack while its server lives --------------------------------------------------


def goes_on(owned: Ownership) -> None:
    """The server lives, and nobody takes its path."""
    before = seen(owned.path)
    owned.page.stamp(time.monotonic_ns(), 1)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(owned.path)
    with pytest.raises(SocketInUse) as caught:
        claim(owned.path)
    assert caught.value.pid == os.getpid()
    assert seen(owned.path) == before


def test_a_lock_file_that_is_deleted_under_its_server(path: str) -> None:
    with owner(path) as owned:
        os.unlink(path + LOCK_SUFFIX)
        goes_on(owned)
    assert os.listdir(os.path.dirname(path)) == []
    with owner(path):
        pass


def test_a_lock_file_that_is_replaced_under_its_server(path: str) -> None:
    with owner(path) as owned:
        os.unlink(path + LOCK_SUFFIX)
        Path(path + LOCK_SUFFIX).touch(0o600)
        goes_on(owned)
        goes_on(owned)
        status = read_status(path)
        assert status is None, "the second start let the lock go, and took its pid off"
    with owner(path) as owned:
        goes_on(owned)


@pytest.mark.parametrize("attack", [make_link_to_a_file, make_directory, make_pipe, make_wide])
def test_a_lock_file_that_is_replaced_by_something_else_under_its_server(
    path: str, attack: Callable[[str], None]
) -> None:
    with owner(path) as owned:
        os.unlink(path + LOCK_SUFFIX)
        attack(path + LOCK_SUFFIX)
        before = seen(path + LOCK_SUFFIX)
        owned.page.stamp(time.monotonic_ns(), 1)
        with pytest.raises(SocketRefused):
            claim(path)
        assert seen(path + LOCK_SUFFIX) == before
    assert not os.path.lexists(path)


def test_a_lock_file_that_is_truncated_under_its_server(path: str) -> None:
    with owner(path) as owned:
        os.truncate(path + LOCK_SUFFIX, 0)
        goes_on(owned)


def test_a_lock_file_that_is_made_wide_or_linked_under_its_server(path: str) -> None:
    with owner(path) as owned:
        os.chmod(path + LOCK_SUFFIX, 0o666)
        owned.page.stamp(time.monotonic_ns(), 1)
        with pytest.raises(SocketRefused, match="mode 0666"):
            claim(path)
        os.chmod(path + LOCK_SUFFIX, 0o600)
        os.link(path + LOCK_SUFFIX, path + ".other")
        with pytest.raises(SocketRefused, match="2 names"):
            claim(path)
        os.unlink(path + ".other")
        goes_on(owned)


def test_a_socket_that_is_deleted_under_its_server_leaves_the_path_its_own(path: str) -> None:
    with owner(path):
        os.unlink(path)
        with pytest.raises(SocketInUse, match="owned by a live server"):
            claim(path)


def test_a_foreign_thing_put_at_the_path_between_two_looks_is_left(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ownership._take_lock

    def take_lock(locked: str) -> Any:
        make_file(path)
        return real(locked)

    monkeypatch.setattr(ownership, "_take_lock", take_lock)
    with pytest.raises(SocketRefused, match="is a file, not a socket"):
        claim(path)
    assert Path(path).read_text() == "precious"


def test_a_foreign_server_that_binds_between_two_looks_is_in_use(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ownership._take_lock
    with socket.socket(socket.AF_UNIX) as other:

        def take_lock(locked: str) -> Any:
            other.bind(path)
            other.listen()
            return real(locked)

        monkeypatch.setattr(ownership, "_take_lock", take_lock)
        with pytest.raises(SocketInUse, match="though it holds no lock"):
            claim(path)
    assert read_status(path) is None, "no page of an owner that never was"


def test_a_real_disk_that_is_full_at_the_start() -> None:
    def start_on_a_full_disk() -> str:
        filling = Path("/mnt/filling")
        with contextlib.suppress(OSError), filling.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        try:
            claim("/mnt/s")
        except TransportError as error:
            refusal = f"{error.errno} {error}"
        else:
            return "it owned the path"
        left = sorted(os.listdir("/mnt"))
        filling.unlink()
        with owner("/mnt/s"):
            return f"{refusal} {left}"

    told = in_container([tmpfs("/mnt", "size=64k")], start_on_a_full_disk)
    assert told == (
        f"{errno.ENOSPC} /mnt/s: cannot be created (No space left on device); its directory must "
        "exist and be writable, and have room ['filling', 's.lock']"
    )


def test_a_disk_that_fills_up_later_is_no_matter() -> None:
    def serve_on_a_full_disk() -> str:
        with owner("/mnt/s") as owned:
            os.truncate("/mnt/s.lock", 0)
            filling = Path("/mnt/filling")
            with contextlib.suppress(OSError), filling.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            owned.page.stamp(1, 1)
            told = [str(read_status("/mnt/s"))]
            filling.unlink()
            owned.page.stamp(2, 2)
            status = read_status("/mnt/s")
            return f"{told} {status.polls if status else None}"

    assert in_container([tmpfs("/mnt", "size=64k")], serve_on_a_full_disk) == "['None'] 2"


def test_the_pid_of_one_who_lets_go_is_not_told_as_an_owners(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look at an owner's lock and its end: the start is tried again, and wins."""
    first = claim(path)
    real = fcntl.flock
    tries = []

    def flock(fd: int, operation: int) -> None:
        tries.append(fd)
        if len(tries) == 1:
            first.page.clear()
        elif len(tries) == 2:
            first.release()
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with owner(path):
        assert len(tries) == 2


def test_a_live_owner_whose_pid_cannot_be_seen_is_told_without_one(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs in another container."""
    with owner(path):
        monkeypatch.setattr(ownership, "is_process", lambda pid: False)
        with pytest.raises(SocketInUse, match="a live server in a process that is not known") as c:
            claim(path)
        assert c.value.pid is None


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


def test_the_longest_path_that_is_a_sockets_name(folder: Path) -> None:
    path = f"{folder}/{'é' * ((107 - len(str(folder)) - 1) // 2)}"
    path += "x" * (107 - len(os.fsencode(path)))
    assert len(os.fsencode(path)) == 107
    with owner(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


# Letting go ---------------------------------------------------------------------------------------


def test_letting_go_removes_the_socket_and_keeps_the_lock_file(path: str) -> None:
    with owner(path) as owned:
        lock = os.lstat(path + LOCK_SUFFIX)
    assert not os.path.lexists(path)
    assert os.path.samestat(os.lstat(path + LOCK_SUFFIX), lock)
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


@pytest.mark.parametrize("mode", [0o000, 0o200, 0o400])
def test_a_start_that_was_killed_under_a_narrow_umask_stops_no_other(path: str, mode: int) -> None:
    """Between making a file and giving it its mode."""
    lock = Path(path + LOCK_SUFFIX)
    lock.touch()
    lock.chmod(mode)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    os.chmod(path, mode)
    owned = claim(path)
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    assert not os.path.lexists(path)
    owned.release()
