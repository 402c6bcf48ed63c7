"""`running`: the servers of this user, and how each of them is.

Status pages say who lives, without the hosts' help; a short question to all of them at once says
who answers now. Nothing that is found is removed.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING, Any, Literal

from lazyipc._core.connection.plain import (
    NotLazyipc,
    PlainConnection,
    QuestionConnection,
)
from lazyipc._core.description.soundness import LARGEST_NUMBER
from lazyipc._core.events import BUILT_IN, STATS, Responded
from lazyipc._core.framing import BARE, FRAMED
from lazyipc._core.record import Value
from lazyipc._io import sockets
from lazyipc._io.runtime_dir import SUFFIX, name_of, runtime_folders
from lazyipc._io.sockets import RECEIVE_BYTES, SEND_FLAGS
from lazyipc._io.status_page import LOCK_SUFFIX, read_status
from lazyipc.errors import RemoteProtocolError, ServerNotRunning, TransportError

if TYPE_CHECKING:
    from lazyipc._io.status_page import Status

State = Literal["alive", "busy", "dead", "unknown"]
"""alive: it answered. busy: its process lives, and did not answer in time. dead: its process ended
and left this behind. unknown: nothing that tells of itself, or that could be asked."""

ANSWER_SECONDS = 0.3
"""How long all of them together may take to answer: a person waits for it."""
FRESH_SECONDS = 1.0
"""How old a page may be, besides two polls' time, of a server that is not asked: idle polls are
stamped four times a second, about."""
MOST_SERVERS = 256
"""How many are asked, each with a descriptor of its own; further ones are `unknown`."""
CALL = 1
"""The number of the only call on a connection."""


class Running(Value):
    """One server as it was found.

    `last_poll_seconds` is how long ago it last polled, `interval_seconds` how long it takes from
    one poll to the next, about; `clients` how many were connected besides who asks, `commands` how
    many it understands, `uptime` seconds since it was made. None is what could not be known.
    """

    name: str
    path: str
    pid: int | None
    state: State
    last_poll_seconds: float | None
    interval_seconds: float | None
    clients: int | None
    commands: int | None
    uptime: float | None


def folders() -> list[str]:
    """The directories in which `running` looks: those of `runtime_path` that are there."""
    return runtime_folders()


def running() -> list[Running]:
    """The servers of this user where `runtime_path` has them, by name.

    Raises:
        SocketRefused: XDG_RUNTIME_DIR names what cannot be used.
    """
    found = [_Found(path) for path in _paths()]
    able = [each for each in found if each.can_be_asked]
    asked, rest = able[:MOST_SERVERS], able[MOST_SERVERS:]
    for each in rest:
        each.state = "unknown"
    try:
        _ask(asked, monotonic() + ANSWER_SECONDS)
    finally:
        for each in asked:
            each.close()
    told = [each.told() for each in found if each.is_something]
    return sorted(told, key=lambda each: (each.name, each.path))


def _paths() -> list[str]:
    """Where sockets are, or were."""
    paths: dict[str, None] = {}
    for folder in runtime_folders():
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                path = entry.path.removesuffix(LOCK_SUFFIX)
                if path.endswith(SUFFIX) and not entry.is_dir(follow_symlinks=False):
                    paths[path] = None
    return list(paths)


def _ask(asked: list[_Found], deadline: float) -> None:
    """Ask all of them, and take what they answer until the deadline."""
    for each in asked:
        each.begin()
    while True:
        waiting = {each.fileno(): each for each in asked if each.is_waiting}
        left = deadline - monotonic()
        if not waiting or left <= 0:
            return
        poll = select.poll()
        for fd in waiting:
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(left * 1000):
            waiting[fd].read()


class _Found:
    """What stands at one path, and what it answered."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._now_ns = monotonic_ns()
        self._page: Status | None = read_status(path, (os.geteuid(),))
        self._exists = os.path.lexists(path)
        self._connected: socket.socket | None = None
        self._connection: PlainConnection | QuestionConnection = PlainConnection()
        self._stats: dict[str, Any] = {}
        self.state: State = "unknown"
        if self._page is not None:
            self.state = "busy" if self._page.is_locked else "dead"
            if self._page.is_locked and self._page.wires == BARE.value:
                self.state = "alive" if _is_fresh(self._page, self._now_ns) else "unknown"

    @property
    def is_something(self) -> bool:
        """Whether there is a server, or what one left; a lock file alone is neither."""
        return self._exists or self._page is not None

    @property
    def can_be_asked(self) -> bool:
        if not self._exists:
            return False
        page = self._page
        # One that takes BARE alone, and has one command without a name, would run that.
        return page is None or (page.is_locked and page.wires != BARE.value)

    @property
    def is_waiting(self) -> bool:
        return self._connected is not None

    def fileno(self) -> int:
        assert self._connected is not None
        return self._connected.fileno()

    def close(self) -> None:
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def begin(self) -> None:
        """Ask on the wire that it takes; by a line of JSON where that is not known."""
        if self._page is not None and self._page.wires == FRAMED.value:
            self.ask(QuestionConnection(), STATS)
        else:
            self.ask(PlainConnection(), {BUILT_IN: STATS})

    def ask(self, connection: PlainConnection | QuestionConnection, question: Any) -> None:
        """Connect and write a question, which a socket's queue has room for."""
        self._connection = connection
        data = connection.request(CALL, question, None, int(ANSWER_SECONDS * 1e9))
        try:
            self._connected = sockets.try_connect(self._path, frozenset((os.geteuid(),)))
            if self._connected is not None:
                self._connected.send(data, SEND_FLAGS)
        except ServerNotRunning:
            if self._page is None and _is_socket(self._path):
                self.state = "dead"
        except TransportError:
            self.state = "unknown"
        except OSError:  # it hung up at once; reading tells the same
            pass

    def read(self) -> None:
        """Take what came."""
        assert self._connected is not None
        try:
            data = self._connected.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        try:
            if not data:
                self._connection.receive_end()
                self._hung_up()
                return
            self._connection.receive_data(data)
            event = self._connection.next_event()
        except NotLazyipc as stranger:
            self._refused(is_framed=stranger.is_framed)
            return
        except RemoteProtocolError:
            self._refused(is_framed=False)
            return
        if event is not None:
            self.state = "alive"
            if isinstance(event, Responded) and isinstance(event.value, dict):
                self._stats = event.value
            self.close()

    def _hung_up(self) -> None:
        """It closed without a word: it takes no JSON; or it takes no frames either, but polls."""
        self.close()
        if isinstance(self._connection, PlainConnection):
            self.ask(QuestionConnection(), STATS)
        elif self._page is not None:
            self.state = "alive"

    def _refused(self, *, is_framed: bool) -> None:
        """What it answered is no answer."""
        self.close()
        if is_framed and isinstance(self._connection, PlainConnection):
            self.ask(QuestionConnection(), STATS)
        else:
            self.state = "unknown"

    def told(self) -> Running:
        page, now_ns = self._page, self._now_ns
        shares_clock = page is not None and page.shares_clock
        is_alive = self.state != "dead"
        uptime = _number(self._stats.get("uptime"))
        if uptime is None and page is not None and shares_clock and is_alive:
            uptime = (now_ns - page.start_ns) / 1e9
        pid = self._stats.get("pid")
        clients = None if page is None or not is_alive else page.clients
        if type(connected := self._stats.get("clients")) is int:
            clients = max(connected - 1, 0)  # the counters are newer, and count who asked for them
        return Running(
            name=name_of(self._path),
            path=self._path,
            pid=page.pid if page is not None else pid if type(pid) is int else None,
            state=self.state,
            last_poll_seconds=(
                page.seconds_since_poll(now_ns) if page is not None and shares_clock else None
            ),
            interval_seconds=None if page is None else page.interval_seconds,
            clients=clients,
            commands=None if page is None else page.commands,
            uptime=uptime,
        )


def _is_socket(path: str) -> bool:
    """Whether it may be what a server left; it is not known of anything else what made it."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _is_fresh(page: Status, now_ns: int) -> bool:
    """Whether a server polled so lately that it goes on, as far as its page alone can say."""
    if not page.shares_clock:
        return False
    return page.seconds_since_poll(now_ns) <= FRESH_SECONDS + 2 * (page.interval_seconds or 0)


def _number(value: Any) -> float | None:
    """A number that a stranger sent; None for what is none, or more than a float can hold."""
    if type(value) is not float and type(value) is not int:
        return None
    return float(value) if -LARGEST_NUMBER <= value <= LARGEST_NUMBER else None
