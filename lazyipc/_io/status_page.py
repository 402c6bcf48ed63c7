"""The status page: what a server tells of its polls while its host is busy elsewhere.

The lock file doubles as the page. The owner writes it with plain `pwrite`, never through a
mapping: a mapped file that anybody cuts short kills its process with SIGBUS. Whoever may read the
lock file learns when the server last polled, without a byte from the server. Knows one descriptor
or one path, not what ownership is.
"""

from __future__ import annotations

import binascii
import contextlib
import fcntl
import os
import stat
import struct
from collections.abc import Iterable
from time import monotonic_ns
from typing import NamedTuple

from lazyipc._io.clock import UNKNOWN, clock_identity
from lazyipc._io.fds import OwnedFd, opened_file

LOCK_SUFFIX = ".lock"
PAGE_BYTES = 4096
"""All written at the start, so that a full disk is met there and not in the host's loop."""
MARK = b"lazyipc\x01"
"""What the page begins with: a name, and the version of the layout."""
RECORD = struct.Struct("<8sQ8sQQQQ")
"""Mark, pid, clock, start, polls, last poll, interval; a CRC-32 of these 56 bytes follows."""
CHECKSUM = struct.Struct("<I")
OWNER = struct.Struct("<8sQ")
"""What the record begins with, and what it was before there was a page."""
RECORD_BYTES = RECORD.size + CHECKSUM.size
COUNTS = struct.Struct("<III")
"""Clients, commands, wires; behind the record, with a CRC-32 of their own, so that readers who know
only the record, and pages that have nothing else, go with those who know more."""
WRITTEN_BYTES = RECORD_BYTES + COUNTS.size + CHECKSUM.size

READ_ATTEMPTS = 8
"""A record that is being written may be read half old, half new; twice is an accident already."""
IDLE_POLLS = 64
"""How many idle polls a quick host makes between two stamps, at most: a stamp costs as much as
several idle polls, and so adds little to each."""
STAMP_NS = 250_000_000
"""How often idle polls are stamped, about, where they are too few for that number."""
BUSY_GAP_NS = 1_000_000
"""Polls that find something may follow one another quickly; only the first within this time is
stamped, so the last one may be younger than the page says by so much."""

_RANGE = struct.Struct("hhqqi4x")
"""struct flock of fcntl(2), for a whole file: type, whence, start, length, pid."""


class Status(NamedTuple):
    """What a status page told.

    Args:
        pid: the server's process, as numbered where it runs.
        clock: the identity of the clock that the instants below are read from.
        start_ns: when it was made; monotonic.
        polls: how often it had polled by its last stamp.
        last_poll_ns: its last stamp, or its start where it never polled; monotonic. It may have
            polled since, but in vain or within `BUSY_GAP_NS`: a later poll that finds something is
            stamped.
        interval_seconds: from one of its polls to the next, about; None where it is not known.
        is_locked: whether the page's owner still lives.
        clients: how many were connected at its last stamp; None where the page says nothing of it.
        commands: how many commands it understands; None likewise.
        wires: what it takes, as the number of a `Wire`; None likewise.
    """

    pid: int
    clock: bytes
    start_ns: int
    polls: int
    last_poll_ns: int
    interval_seconds: float | None
    is_locked: bool
    clients: int | None = None
    commands: int | None = None
    wires: int | None = None

    @property
    def shares_clock(self) -> bool:
        """Whether the instants can be compared with those of this process's monotonic clock."""
        return self.clock != UNKNOWN and self.clock == clock_identity()

    def seconds_since_poll(self, now_ns: int) -> float:
        """How long ago the last poll was, or the start where there was none."""
        return max(now_ns - self.last_poll_ns, 0) / 1e9

    def in_words(self, now_ns: int) -> str:
        """What a waiting client is told.

        >>> Status(123, UNKNOWN, 0, 9, 0, 20.0, True).in_words(12_000_000_000)
        'alive (pid 123), but has not polled for 12.0 s; it polls about every 20 s'
        """
        ago = f"{self.seconds_since_poll(now_ns):.1f} s"
        if not self.polls:
            return f"alive (pid {self.pid}), but has not polled yet; it was made {ago} ago"
        words = f"alive (pid {self.pid}), but has not polled for {ago}"
        if self.interval_seconds is not None:
            words += f"; it polls about every {_seconds(self.interval_seconds)}"
        return words


class StatusPage:
    """The owner's side of the page.

    Args:
        lock: the descriptor of the lock file; where it is closed, or None, a stamp writes nothing.
    """

    __slots__ = (
        "_clients", "_clock", "_commands", "_counts", "_interval", "_last", "_lock", "_pid",
        "_polls", "_start", "_wires", "idle_polls",
    )  # fmt: skip

    def __init__(self, lock: OwnedFd | None) -> None:
        self._lock = lock
        self._pid = os.getpid()
        self._clock = clock_identity()
        self._start = self._last = monotonic_ns()
        self._polls = 0
        self._clients = 0
        self._commands: int | None = None
        self._wires: int | None = None
        self._counts = b""
        """What stands behind the record; nothing while the commands are not known."""
        self._interval = 0
        self.idle_polls = 1
        """After so many idle polls the next stamp is due."""

    def create(self) -> None:
        """Write the whole page, and show that its owner lives.

        Raises:
            OSError: it cannot be written; ENOSPC where the disk is full.
        """
        if self._lock is None:
            return
        page = self._record().ljust(PAGE_BYTES, b"\0")
        written = 0
        while written < PAGE_BYTES:
            written += os.pwrite(self._lock.fileno(), page[written:], written)
        # A lock beside the flock, for a reader can ask about this kind without taking it: a reader
        # that held the flock for an instant could make a server's start fail. Where it is not
        # given, readers ask for the process instead.
        with contextlib.suppress(OSError, AttributeError):
            whole = _RANGE.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            fcntl.fcntl(self._lock.fileno(), fcntl.F_OFD_SETLK, whole)

    @property
    def status(self) -> Status:
        """What it tells; of one without a file, what it would tell."""
        interval = self._interval / 1e9 if self._interval else None
        clients = None if self._commands is None else self._clients
        return Status(
            self._pid, self._clock, self._start, self._polls, self._last, interval,
            self._lock is not None, clients, self._commands, self._wires,
        )  # fmt: skip

    def tell_commands(self, count: int, wires: int | None = None) -> None:
        """Tell how many commands its server understands, and from now on of its clients.

        Args:
            count: how many.
            wires: what it takes, as the number of a `Wire`.
        """
        self._commands = count
        self._wires = wires
        self._count(self._clients)
        self._write()

    def _count(self, clients: int) -> None:
        self._clients = clients
        if self._commands is not None:
            counts = COUNTS.pack(clients, self._commands, self._wires or 0)
            self._counts = counts + CHECKSUM.pack(binascii.crc32(counts))

    def stamp(self, now_ns: int, polls: int, clients: int = 0) -> int:
        """Tell of the last poll. Never raises because of the file, whatever became of it.

        What the poll read must have been read before `now_ns`: a client that sees an instant from
        before its request takes it that the request was not read.

        Args:
            now_ns: monotonic.
            polls: how many there have been.
            clients: how many are connected.

        Returns:
            When the next poll that finds something is to be stamped.
        """
        elapsed, count = now_ns - self._last, polls - self._polls
        if self._polls and elapsed > 0 and count > 0:
            sample = elapsed // count
            # Weighted by time, not by polls: a client comes at an instant, and wants to know in
            # how long a gap it fell. A burst of quick polls says little against one of 20 s.
            self._interval += (sample - self._interval) * elapsed // (elapsed + self._interval)
            fitting = max(1, min(STAMP_NS // (sample or 1), IDLE_POLLS))
            # It grows only by a full stretch of idle polls: quick polls while a client speaks say
            # nothing of how the host polls otherwise.
            growth = 2 * self.idle_polls if count >= self.idle_polls else self.idle_polls
            self.idle_polls = min(fitting, growth)
        self._last, self._polls = now_ns, polls
        if clients != self._clients:
            self._count(clients)
        self._write()
        return now_ns + BUSY_GAP_NS

    def clear(self) -> None:
        """Take the pid off the page: its owner lets it go."""
        self._pid = 0
        self._write()

    def _write(self) -> None:
        if self._lock is None or self._lock.fileno() < 0:
            return
        # A disk that fails or is full is no reason to stop the host; the page is then old.
        try:  # noqa: SIM105 `suppress` would double the cost of a stamp
            os.pwrite(self._lock.fileno(), self._record(), 0)
        except OSError:
            pass

    def _record(self) -> bytes:
        record = RECORD.pack(
            MARK,
            self._pid,
            self._clock,
            self._start,
            self._polls,
            self._last,
            self._interval,
        )
        return record + CHECKSUM.pack(binascii.crc32(record)) + self._counts


def read_status(path: str, uids: Iterable[int] | None = None) -> Status | None:
    """What the server at a path tells of itself; None where it tells nothing that can be trusted.

    Takes no lock and waits for nothing, so it disturbs neither a server nor one that starts.

    Args:
        path: the socket's.
        uids: whose page is believed; None is one's own and root's.
    """
    believed = (os.geteuid(), 0) if uids is None else uids
    try:
        with opened_file(path + LOCK_SUFFIX) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid not in believed:
                return None
            return status_of(file.fileno())
    except (OSError, ValueError):  # nothing there, nothing for us, or no name of a file
        return None


def status_of(fd: int) -> Status | None:
    """What an open status page tells."""
    record, clients, commands, wires = b"", None, None, None
    for _ in range(READ_ATTEMPTS):
        data = os.pread(fd, WRITTEN_BYTES, 0)
        if len(data) < RECORD_BYTES or not data.startswith(MARK):
            return None
        if not _is_whole(data, 0, RECORD.size):
            continue
        record = data[: RECORD.size]
        if _is_whole(data, RECORD_BYTES, COUNTS.size):
            clients, commands, wires = COUNTS.unpack_from(data, RECORD_BYTES)
        elif any(data[RECORD_BYTES:]):  # half written; else there is nothing of theirs
            continue
        break
    if not record:
        return None
    _, pid, clock, start, polls, last, interval = RECORD.unpack(record)
    if not pid:
        return None
    seconds = interval / 1e9 if interval else None
    is_held = _is_held(fd, pid)
    counts = (clients, commands, wires or None)
    return Status(pid, clock, start, polls, last, seconds, is_held, *counts)


def _is_whole(data: bytes, start: int, size: int) -> bool:
    """Whether so many bytes are followed by their checksum."""
    end = start + size
    if len(data) < end + CHECKSUM.size:
        return False
    checksum: int = CHECKSUM.unpack_from(data, end)[0]
    return binascii.crc32(data[start:end]) == checksum


def recorded_pid(fd: int) -> int | None:
    """The pid in an open lock file, or None where it has none."""
    data = os.pread(fd, OWNER.size, 0)
    if len(data) < OWNER.size or not data.startswith(MARK):
        return None
    return int(OWNER.unpack(data)[1]) or None


def _is_held(fd: int, pid: int) -> bool:
    """Whether somebody holds the owner's lock; asked, not tried."""
    question = _RANGE.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, question)
    except (OSError, AttributeError):  # a system without such locks
        return is_process(pid)
    return bool(_RANGE.unpack(answer)[0] != fcntl.F_UNLCK)


def is_process(pid: int) -> bool:
    """Whether there is a process of this number, anybody's."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _seconds(seconds: float) -> str:
    """A length of time for people, in two digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.1 * size:
            return f"{seconds / size:.{0 if seconds >= 10 * size else 1}f} {unit}"
    return f"{seconds * 1e6:.0f} us"
