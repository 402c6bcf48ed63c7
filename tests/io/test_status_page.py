"""The status page: read by anybody who may, torn by nobody, and no danger to its host."""

from __future__ import annotations

import binascii
import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lazyipc import SocketInUse, TransportError
from lazyipc._io import status_page
from lazyipc._io.clock import UNKNOWN, clock_identity
from lazyipc._io.ownership import Ownership, claim
from lazyipc._io.status_page import (
    IDLE_POLLS,
    PAGE_BYTES,
    RECORD_BYTES,
    WRITTEN_BYTES,
    Status,
    StatusPage,
    read_status,
    recorded_pid,
)
from tests.harness import NOBODY, Line, become_nobody, forked, need_root, told_by_child

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

SECOND = 1_000_000_000
LAYOUT = struct.Struct("<8s Q 8s Q Q Q Q I")
"""As docs/protocol.md has it, written down a second time."""
COUNTS = struct.Struct("<I I I I")
"""What follows, likewise."""


@pytest.fixture
def owned(path: str) -> Iterator[Ownership]:
    """A path that is ours, and so its page."""
    ownership = claim(path)
    yield ownership
    ownership.release()


def page_of(path: str) -> Path:
    return Path(path + ".lock")


def status_of(path: str) -> Status:
    status = read_status(path)
    assert status is not None
    return status


# What it tells ------------------------------------------------------------------------------------


def test_a_new_page_tells_of_its_owner_and_of_no_poll(owned: Ownership) -> None:
    status = status_of(owned.path)
    assert (status.pid, status.clock) == (os.getpid(), clock_identity())
    assert (status.polls, status.interval_seconds) == (0, None)
    assert status.last_poll_ns == status.start_ns
    assert status.is_locked
    assert status.shares_clock
    assert page_of(owned.path).stat().st_size == PAGE_BYTES


def test_the_layout_is_the_documented_one(owned: Ownership) -> None:
    start = status_of(owned.path).start_ns
    owned.page.stamp(start + 1 * SECOND, 1)
    owned.page.stamp(start + 4 * SECOND, 2)
    data = page_of(owned.path).read_bytes()
    pid, clock = os.getpid(), clock_identity()
    last, interval = start + 4 * SECOND, 3 * SECOND
    fields = (b"lazyipc\x01", pid, clock, start, 2, last, interval)
    assert LAYOUT.unpack_from(data) == (*fields, binascii.crc32(data[:56]))
    assert data[LAYOUT.size :] == bytes(PAGE_BYTES - LAYOUT.size)


def test_clients_and_commands_follow(owned: Ownership) -> None:
    start = status_of(owned.path).start_ns
    owned.page.tell_commands(3, 6)
    owned.page.stamp(start + 1 * SECOND, 1, 2)
    data = page_of(owned.path).read_bytes()
    assert LAYOUT.unpack_from(data)[4] == 1
    assert COUNTS.unpack_from(data, LAYOUT.size) == (2, 3, 6, binascii.crc32(data[60:72]))
    assert data[LAYOUT.size + COUNTS.size :] == bytes(PAGE_BYTES - WRITTEN_BYTES)
    assert len(data) == PAGE_BYTES


VECTOR = bytes.fromhex(
    "6c617a7969706301" "6712000000000000" "0123456789abcdef" "00ca9a3b00000000"
    "0300000000000000" "0022e2330e000000" "00c817a804000000" "848008c9"
    "020000000300000006000000" "cf000a3c"
)  # fmt: skip
CLOCK = bytes.fromhex("0123456789abcdef")


def test_the_documented_vector_is_read(path: str) -> None:
    page_of(path).write_bytes(VECTOR)
    assert status_of(path) == Status(4711, CLOCK, SECOND, 3, 61 * SECOND, 20.0, False, 2, 3, 6)


def test_a_page_from_before_there_were_counts_is_read(path: str) -> None:
    known = Status(4711, CLOCK, SECOND, 3, 61 * SECOND, 20.0, False)
    assert (known.clients, known.commands, known.wires) == (None, None, None)
    for rest in (b"", bytes(PAGE_BYTES - RECORD_BYTES)):
        page_of(path).write_bytes(VECTOR[:RECORD_BYTES] + rest)
        assert status_of(path) == known


def test_clients_are_told_from_when_the_commands_are_known(owned: Ownership) -> None:
    start = status_of(owned.path).start_ns
    owned.page.stamp(start + 1, 1, 5)
    assert (status_of(owned.path).clients, status_of(owned.path).commands) == (None, None)
    owned.page.tell_commands(0)
    assert (status_of(owned.path).clients, status_of(owned.path).commands) == (5, 0)
    owned.page.stamp(start + 2, 2, 6)
    assert (status_of(owned.path).clients, status_of(owned.path).commands) == (6, 0)
    owned.page.stamp(start + 3, 3, 6)
    assert status_of(owned.path).polls == 3


def test_the_owner_knows_what_its_page_tells(owned: Ownership) -> None:
    start = status_of(owned.path).start_ns
    assert owned.page.status == status_of(owned.path)
    owned.page.tell_commands(3)
    assert owned.page.status == status_of(owned.path)
    assert owned.page.status.wires is None
    owned.page.tell_commands(3, 4)
    assert owned.page.status.wires == 4
    owned.page.stamp(start + SECOND, 1, 2)
    owned.page.stamp(start + 3 * SECOND, 2, 1)
    assert owned.page.status == status_of(owned.path)
    assert owned.page.status.interval_seconds == 2
    assert not StatusPage(None).status.is_locked


def test_a_stamp_tells_of_the_last_poll(owned: Ownership) -> None:
    start = status_of(owned.path).start_ns
    for polls in range(1, 4):
        owned.page.stamp(start + polls * 20 * SECOND, polls)
        status = status_of(owned.path)
        assert status.last_poll_ns == start + polls * 20 * SECOND
        assert status.polls == polls
        assert status.start_ns == start
    assert status.interval_seconds == 20.0
    assert status.seconds_since_poll(start + 72 * SECOND) == 12.0
    assert status.seconds_since_poll(start) == 0


@pytest.mark.parametrize(
    ("polls", "interval", "words"),
    [
        (0, None, "alive (pid 7), but has not polled yet; it was made 12.0 s ago"),
        (1, None, "alive (pid 7), but has not polled for 12.0 s"),
        (9, 20.0, "alive (pid 7), but has not polled for 12.0 s; it polls about every 20 s"),
        (9, 0.0167, "alive (pid 7), but has not polled for 12.0 s; it polls about every 17 ms"),
        (9, 1.25, "alive (pid 7), but has not polled for 12.0 s; it polls about every 1.2 s"),
        (9, 4e-6, "alive (pid 7), but has not polled for 12.0 s; it polls about every 4 us"),
    ],
)
def test_it_is_told_in_words(polls: int, interval: float | None, words: str) -> None:
    status = Status(7, UNKNOWN, 5, polls, 5, interval, True)
    assert status.in_words(5 + 12 * SECOND) == words


def test_an_unknown_clock_is_nobodys() -> None:
    assert not Status(7, UNKNOWN, 5, 0, 5, None, True).shares_clock
    assert not Status(7, b"12345678", 5, 0, 5, None, True).shares_clock


def test_an_unknown_clock_is_nobodys_even_where_ours_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(status_page, "clock_identity", lambda: UNKNOWN)
    assert not Status(7, UNKNOWN, 5, 0, 5, None, True).shares_clock


# How often it is stamped --------------------------------------------------------------------------


class Host:
    """A host in made-up time that stamps as a server does: each busy poll, each k-th idle one."""

    def __init__(self) -> None:
        self.page = StatusPage(None)
        self.now = self.page._last
        self.polls = self.idle = self.stamps = 0

    def poll(self, after_seconds: float, is_busy: bool = False) -> None:
        self.now += int(after_seconds * SECOND)
        self.polls += 1
        self.idle += 1
        if is_busy or self.idle >= self.page.idle_polls:
            self.idle = 0
            self.stamps += 1
            self.page.stamp(self.now, self.polls)

    def run(self, count: int, seconds: float, is_busy: bool = False) -> None:
        for _ in range(count):
            self.poll(seconds, is_busy)

    @property
    def interval(self) -> float:
        return self.page._interval / 1e9


def test_a_slow_host_stamps_each_poll() -> None:
    host = Host()
    host.run(50, 20.0)
    assert host.stamps == 50
    assert host.interval == 20.0


def test_a_host_at_sixty_frames_stamps_four_times_a_second() -> None:
    host = Host()
    host.run(600, 1 / 60)
    host.stamps = 0
    host.run(600, 1 / 60)
    assert 35 <= host.stamps <= 45
    assert host.interval == pytest.approx(1 / 60, rel=0.01)


def test_a_quick_host_stamps_every_64th_poll() -> None:
    host = Host()
    host.run(1000, 1e-6)
    assert host.page.idle_polls == IDLE_POLLS == 64
    host.stamps = 0
    host.run(6400, 1e-6)
    assert host.stamps == 100


def test_busy_polls_do_not_make_idle_ones_rarer() -> None:
    """A client's burst is answered in quick polls; then the host goes on as slowly as before."""
    host = Host()
    host.run(10, 20.0)
    host.run(1000, 0.001, is_busy=True)
    host.stamps = 0
    host.run(4, 20.0)
    assert host.stamps >= 2


def test_one_long_gap_makes_idle_stamps_frequent_only_once() -> None:
    host = Host()
    host.run(1000, 0.001)
    host.poll(60.0)
    host.stamps = 0
    host.run(1000, 0.001)
    assert host.stamps < 30


def test_the_interval_is_weighted_by_time() -> None:
    """A host that polls every 20 s, and some times in a row when it has, polls seldom."""
    host = Host()
    for _ in range(20):
        host.poll(20.0)
        host.run(100, 0.001, is_busy=True)
    assert 9 < host.interval <= 20, "the plain mean is 0.2 s"


def test_the_interval_follows_a_host_that_changes() -> None:
    host = Host()
    host.run(10, 20.0)
    host.run(200_000, 0.001)
    assert host.interval < 0.01
    host.run(3 * IDLE_POLLS, 20.0)
    assert host.interval > 15


def test_what_passed_before_the_first_poll_is_no_interval() -> None:
    """A program makes its server, loads its data for a minute, and polls at 100 Hz from then on."""
    host = Host()
    host.poll(60.0)
    assert host.interval == 0
    host.run(10, 0.01)
    assert host.interval == pytest.approx(0.01)


def test_a_stamp_at_the_same_instant_changes_no_interval(owned: Ownership) -> None:
    start = status_of(owned.path).start_ns
    for _ in range(3):
        owned.page.stamp(start, 1)
    assert status_of(owned.path).interval_seconds is None
    owned.page.stamp(start + SECOND, 2)
    owned.page.stamp(start + SECOND, 3)
    assert status_of(owned.path).interval_seconds == 1


# What is no page ----------------------------------------------------------------------------------


def test_nothing_there(folder: Path) -> None:
    assert read_status(str(folder / "no")) is None
    assert read_status(str(folder / "no" / "s")) is None


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800", "x" * 5000])
def test_no_path_at_all(path: str) -> None:
    assert read_status(path) is None


def test_a_short_file(owned: Ownership) -> None:
    data = page_of(owned.path).read_bytes()
    for size in (0, 1, 8, 16, RECORD_BYTES - 1):
        page_of(owned.path).write_bytes(data[:size])
        assert read_status(owned.path) is None
    page_of(owned.path).write_bytes(data[:RECORD_BYTES])
    assert read_status(owned.path) is not None


def test_a_record_without_a_page(path: str) -> None:
    page_of(path).write_bytes(b"lazyipc\x01" + os.getpid().to_bytes(8, "little"))
    assert read_status(path) is None


@pytest.mark.parametrize("data", [bytes(4096), b"\xff" * 4096, os.urandom(4096), b"precious"])
def test_garbage(path: str, data: bytes) -> None:
    page_of(path).write_bytes(data)
    assert read_status(path) is None


def test_each_changed_byte_is_noticed(owned: Ownership) -> None:
    data = page_of(owned.path).read_bytes()
    for place in range(RECORD_BYTES):
        changed = bytearray(data)
        changed[place] ^= 1
        page_of(owned.path).write_bytes(changed)
        assert read_status(owned.path) is None, place


def test_what_follows_the_record_is_for_later_versions(owned: Ownership) -> None:
    data = page_of(owned.path).read_bytes()
    page_of(owned.path).write_bytes(data[:RECORD_BYTES] + b"\xff" * 9000)
    assert status_of(owned.path).pid == os.getpid()
    assert (status_of(owned.path).clients, status_of(owned.path).commands) == (None, None)
    owned.page.tell_commands(3)
    data = page_of(owned.path).read_bytes()
    page_of(owned.path).write_bytes(data[:WRITTEN_BYTES] + b"\xff" * 9000)
    assert status_of(owned.path).commands == 3


def test_each_changed_byte_of_the_counts_is_noticed(owned: Ownership) -> None:
    owned.page.tell_commands(3)
    data = page_of(owned.path).read_bytes()
    for place in range(RECORD_BYTES, WRITTEN_BYTES):
        changed = bytearray(data)
        changed[place] ^= 1
        page_of(owned.path).write_bytes(changed)
        status = status_of(owned.path)
        assert (status.pid, status.clients, status.commands) == (os.getpid(), None, None), place


def test_counts_that_were_cut_short_are_not_told(owned: Ownership) -> None:
    owned.page.tell_commands(3)
    data = page_of(owned.path).read_bytes()
    for size in range(RECORD_BYTES, WRITTEN_BYTES):
        page_of(owned.path).write_bytes(data[:size])
        assert status_of(owned.path).commands is None, size


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda name: os.symlink("/nowhere", name)])
def test_what_is_no_file(path: str, make: Any) -> None:
    make(path + ".lock")
    assert read_status(path) is None


def test_a_link_to_a_page_is_none(owned: Ownership, folder: Path) -> None:
    os.symlink(owned.path + ".lock", folder / "link.lock")
    assert read_status(str(folder / "link")) is None


def test_a_page_that_was_replaced_is_read_anew(owned: Ownership) -> None:
    os.unlink(owned.path + ".lock")
    assert read_status(owned.path) is None
    page_of(owned.path).write_bytes(StatusPage(None)._record())
    assert not status_of(owned.path).is_locked, "nobody holds this one"


def test_another_users_page_is_not_believed(owned: Ownership) -> None:
    need_root()
    os.chown(owned.path + ".lock", NOBODY, NOBODY)
    assert read_status(owned.path) is None
    assert read_status(owned.path, (NOBODY,)) is not None
    os.chown(owned.path + ".lock", 0, 0)
    assert read_status(owned.path, (NOBODY,)) is None


def test_a_page_that_may_not_be_read_tells_nothing(owned: Ownership, folder: Path) -> None:
    need_root()
    folder.chmod(0o755)

    def look() -> str:
        become_nobody()
        return str(read_status(owned.path))

    assert told_by_child(look) == "None"


def torn(monkeypatch: pytest.MonkeyPatch, times: int, place: int = 32) -> list[int]:
    """Have so many reads see half of an old and half of a new record, cut at a place."""
    left = [times]
    real = os.pread

    def pread(fd: int, size: int, offset: int) -> bytes:
        data = real(fd, size, offset)
        if left[0]:
            left[0] -= 1
            return data[:place] + bytes(8) + data[place + 8 :]
        return data

    monkeypatch.setattr(os, "pread", pread)
    return left


def test_a_torn_read_is_repeated(owned: Ownership, monkeypatch: pytest.MonkeyPatch) -> None:
    owned.page.stamp(5, 3)
    left = torn(monkeypatch, 2)
    assert status_of(owned.path).polls == 3
    assert left == [0]


def test_torn_counts_are_read_again(owned: Ownership, monkeypatch: pytest.MonkeyPatch) -> None:
    owned.page.tell_commands(3)
    left = torn(monkeypatch, 2, RECORD_BYTES)
    assert status_of(owned.path).commands == 3
    assert left == [0]
    left = torn(monkeypatch, 1000, RECORD_BYTES)
    assert (status_of(owned.path).pid, status_of(owned.path).commands) == (os.getpid(), None)
    assert 1000 - left[0] < 40


def test_torn_reads_without_end_are_given_up(
    owned: Ownership, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned.page.stamp(5, 3)
    left = torn(monkeypatch, 1000)
    assert read_status(owned.path) is None
    assert 1000 - left[0] < 20


def test_no_reader_meets_a_torn_record_while_a_host_stamps(path: str) -> None:
    def stamp_and_wait(line: Line) -> None:
        owned = claim(path)
        start = status_of(path).start_ns
        line.say("owned")
        for polls in range(1, 20_000):
            owned.page.stamp(start + polls, polls)
        line.say("done")
        line.hear()

    seen = 0
    with forked(stamp_and_wait) as child:
        assert child.hear() == "owned"
        while seen < 19_999:
            status = status_of(path)
            assert status.last_poll_ns - status.start_ns == status.polls >= seen
            seen = status.polls
        assert child.hear() == "done"


# Who lives ----------------------------------------------------------------------------------------


def own_and_wait(path: str) -> Any:
    def work(line: Line) -> None:
        owned = claim(path)
        line.say("owned")
        line.hear()
        owned.release()

    return work


def test_the_page_of_a_killed_owner_says_so(path: str) -> None:
    with forked(own_and_wait(path)) as child:
        child.hear()
        assert (status_of(path).pid, status_of(path).is_locked) == (child.pid, True)
        child.kill()
        child.finish()
        assert (status_of(path).pid, status_of(path).is_locked) == (child.pid, False)


def test_a_path_that_was_let_go_tells_nothing(path: str) -> None:
    claim(path).release()
    assert read_status(path) is None


def test_a_forked_child_that_let_go_leaves_the_page_to_its_parent(owned: Ownership) -> None:
    owned.page.stamp(7, 7)

    def let_go_and_stamp() -> str:
        owned.abandon()
        owned.page.stamp(9, 9)
        owned.release()
        return "done"

    assert told_by_child(let_go_and_stamp) == "done"
    assert (status_of(owned.path).polls, status_of(owned.path).is_locked) == (7, True)


def test_reading_takes_no_lock(owned: Ownership, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that held the lock for an instant could make a start fail in that instant."""
    asked: list[int] = []
    real = fcntl.fcntl

    def watch(fd: int, command: int, argument: Any) -> Any:
        asked.append(command)
        return real(fd, command, argument)

    monkeypatch.setattr(fcntl, "flock", lambda *_: pytest.fail("a reader tried the lock"))
    monkeypatch.setattr(fcntl, "fcntl", watch)
    assert status_of(owned.path).is_locked
    assert asked == [fcntl.F_OFD_GETLK]


def test_readers_never_make_a_start_fail(path: str) -> None:
    stop, go = os.pipe()
    os.set_blocking(stop, False)

    def read_all_the_time(line: Line) -> None:
        os.close(go)
        line.say("reading")
        while True:
            read_status(path)
            with contextlib.suppress(BlockingIOError):
                os.read(stop, 1)
                return

    with forked(read_all_the_time) as one, forked(read_all_the_time) as other:
        assert one.hear() == other.hear() == "reading"
        for _ in range(500):
            claim(path).release()
        os.close(go)
        assert one.finish() == other.finish() == 0
    os.close(stop)


def without_such_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(fcntl, "fcntl", refuse)


def test_where_a_lock_cannot_be_asked_about_the_process_is(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_such_locks(monkeypatch)
    with forked(own_and_wait(path)) as child:
        child.hear()
        assert status_of(path).is_locked
        child.kill()
        child.finish()
        assert not status_of(path).is_locked


# A host that nothing on the disk can hurt ---------------------------------------------------------


def test_truncation_while_the_server_runs(owned: Ownership) -> None:
    os.truncate(owned.path + ".lock", 0)
    assert read_status(owned.path) is None
    with pytest.raises(SocketInUse) as caught:
        claim(owned.path)
    assert caught.value.pid is None, "nothing says whose it is until the next stamp"
    owned.page.stamp(7, 7)
    assert status_of(owned.path).polls == 7
    with pytest.raises(SocketInUse) as caught:
        claim(owned.path)
    assert caught.value.pid == os.getpid()


def test_a_page_that_was_written_over_is_whole_after_the_next_stamp(owned: Ownership) -> None:
    page_of(owned.path).write_bytes(b"mine now")
    owned.page.stamp(7, 7)
    assert status_of(owned.path).polls == 7


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_stamp_that_fails_is_no_matter(
    owned: Ownership, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def pwrite(fd: int, data: bytes, offset: int) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", pwrite)
        owned.page.stamp(7, 7)
    assert status_of(owned.path).polls == 0
    owned.page.stamp(8, 8)
    assert status_of(owned.path).polls == 8


def test_a_disk_full_at_the_start_is_told_and_nothing_is_half_made(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def pwrite(fd: int, data: bytes, offset: int) -> int:
        if offset + len(data) > 1024:
            if offset >= 1024:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(fd, data[: 1024 - offset], offset)
        return real(fd, data, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", pwrite)
        with pytest.raises(TransportError, match=r"No space left on device.*have room") as caught:
            claim(path)
        assert (caught.value.errno, caught.value.path) == (errno.ENOSPC, path)
        assert not os.path.lexists(path)
        assert read_status(path) is None
    claim(path).release()


def test_the_pid_is_where_it_always_was(owned: Ownership) -> None:
    with open(owned.path + ".lock", "rb") as file:
        assert recorded_pid(file.fileno()) == os.getpid()
        assert file.read(16) == b"lazyipc\x01" + os.getpid().to_bytes(8, "little")
