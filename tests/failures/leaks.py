"""Mode 10: what a connection, a server or a client leaves behind when it is gone."""

from __future__ import annotations

import gc
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lazyipc import IpcClient, IpcServer, Limits, Wire
from lazyipc._core import compiled
from tests.conftest import open_descriptors
from tests.failures.commands import ORDERS, Climb, Order, Stop
from tests.failures.finding import Finding
from tests.failures.measure import MIB, in_fresh, reading_log, resident_bytes
from tests.harness import DEADLINE_SECONDS, bare_request, header, hosted, request

AT_ONCE = 64
WARM_PART = 0.1
"""The part of a run after which all that is made once has been made."""
FLAT_BYTES = 2 * MIB
"""How much a process may grow over the rest: an allocator's own, none of it per connection."""
LINGER = struct.pack("ii", 1, 0)


def endless_connections(folder: Path, *, connects: int, cycles: int) -> Finding:
    """Clients of all sorts come and go, then servers and clients are opened and closed.

    Args:
        connects: how many connections one server sees.
        cycles: how many servers, and how many clients, are opened and closed.

    It runs in an interpreter of its own, so that the memory is that of the library.
    """
    arguments = {"folder": str(folder), "connects": connects, "cycles": cycles}
    told = in_fresh(come_and_go, 600, **arguments)
    return Finding(
        f"{connects:,} connections of {len(_manners())} sorts, {cycles:,} open and close",
        f"descriptors and threads as before; resident memory grew by {told['connects'] / 1024:,.0f}"
        f" KiB over the connections, {told['cycles'] / 1024:,.0f} KiB over the cycles; objects by "
        f"{told['objects']}",
    )


def come_and_go(*, folder: str, connects: int, cycles: int) -> dict[str, int]:
    """Both runs in this process: how many bytes and objects each left behind."""
    with reading_log(), steady(cycles) as steps:
        _open_and_close(Path(folder), cycles, steps)
    with reading_log(), steady(connects) as further:
        _connect(Path(folder), connects, further)
    return {
        "connects": further.grown_bytes,
        "cycles": steps.grown_bytes,
        "objects": steps.grown_objects + further.grown_objects,
    }


# Watching -----------------------------------------------------------------------------------------


class Steps:
    """Watches what grows, from when a run is warm; to be told how far it is."""

    def __init__(self, count: int) -> None:
        self._warm = int(count * WARM_PART)
        self.grown_bytes = self.grown_objects = 0
        self._begun: tuple[int, int] | None = None
        self._fds = 0

    def at(self, done: int) -> None:
        """Look, at a moment at which nobody is connected."""
        if self._begun is None and done < self._warm:
            return
        fds = len(open_descriptors())
        if self._begun is None:
            self._begun, self._fds = (resident_bytes(), _count_objects()), fds
        assert fds == self._fds, f"{fds} descriptors are open after {done:,}, {self._fds} before"
        assert threading.active_count() == 1, "a thread was left behind"
        self.grown_bytes = resident_bytes() - self._begun[0]
        assert self.grown_bytes < FLAT_BYTES, f"grew by {self.grown_bytes:,} bytes after {done:,}"

    def end(self) -> None:
        assert self._begun is not None
        self.grown_objects = _count_objects() - self._begun[1]
        assert self.grown_objects < 500, f"{self.grown_objects} objects were left behind"


def _count_objects() -> int:
    """How many there are, without a cache of types that is emptied when it is full."""
    compiled._SEEN.clear()
    gc.collect()
    return len(gc.get_objects())


@contextmanager
def steady(count: int) -> Iterator[Steps]:
    """Watch a run of so many rounds: descriptors, threads, memory and objects stay as they are."""
    before = open_descriptors()
    steps = Steps(count)
    yield steps
    steps.end()
    assert open_descriptors() == before, "descriptors were left open"


# Connections --------------------------------------------------------------------------------------

Manner = Callable[[socket.socket], None]


def _manners() -> list[Manner]:
    """What clients do before they leave."""
    whole, bare = request(Stop()), bare_request(ORDERS[2], Order)
    many = b"".join(request(order, call) for call, order in enumerate(ORDERS, 1))
    return [
        lambda one: None,
        lambda one: one.sendall(whole),
        lambda one: one.sendall(many),
        lambda one: one.sendall(bare),
        lambda one: one.sendall(whole[:20]),
        lambda one: one.sendall(header(5, 9) + b"hello"),
        lambda one: one.sendall(b"garbage"),
        lambda one: (one.sendall(whole), one.shutdown(socket.SHUT_WR)),  # type: ignore[func-returns-value]
        lambda one: one.sendall(request(Climb(size=400_000))),
        lambda one: one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER),
    ]


def _connect(folder: Path, connects: int, steps: Steps) -> None:
    """Connect so many times, a few at once; half of them leave before they are seen."""
    ran: list[Order] = []
    limits = Limits(seconds_per_poll=60)
    manners = itertools.cycle(_manners())
    looks = max(1, connects // AT_ONCE // 40)
    came = 0
    with IpcServer(folder / "s", Order, limits=limits, wires=Wire.ALL) as server:
        for turn in range(0, connects // AT_ONCE + 1):
            with ExitStack() as stack:
                for _ in range(AT_ONCE):
                    one = stack.enter_context(socket.socket(socket.AF_UNIX))
                    one.connect(server.path)
                    next(manners)(one)
                if turn % 2:
                    server.handle_new_messages(ran)
            came += AT_ONCE
            while server.stats.accepted < came or server.clients:
                _poll(server, ran)
            ran.clear()
            if turn % looks == 0:
                steps.at(turn * AT_ONCE)
        assert server.stats.accepted == came >= connects


def _poll(server: IpcServer[list[Order]], ran: list[Order]) -> None:
    assert server.wait(DEADLINE_SECONDS), "who left is not let go"
    server.handle_new_messages(ran)


# Servers and clients ------------------------------------------------------------------------------


def _open_and_close(folder: Path, cycles: int, steps: Steps) -> None:
    """Open a server, be its client, close both in either order."""
    path, ran = str(folder / "cycle"), list[Order]()
    looks = max(1, cycles // 40)
    for cycle in range(cycles):
        server = IpcServer(path, Order)
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(path)
            one.sendall(request(Stop()))
            assert server.handle_new_messages(ran) == 1
            if cycle % 2:
                server.close()
        server.close()
        ran.clear()
        if cycle % looks == 0:
            steps.at(cycle)
    with IpcServer(path, Order) as server, hosted(server, ran):
        for _ in range(cycles):
            with IpcClient(path) as client:
                client.send(Stop())
            ran.clear()
    steps.at(cycles)
