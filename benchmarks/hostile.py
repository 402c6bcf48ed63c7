"""What 120 hostile clients of six kinds do to a host's polls, and to one client that is none.

The host polls once a frame, sixty times a second, on a core of its own where there are two. For
the rest of a frame it does nothing but look at the clock: what it misses there is the machine's
own doing, and tells how much of a long poll may be.
"""

from __future__ import annotations

import bisect
import contextlib
import logging
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import hostile_clients, peers
from lazyipc import U32, U64, Command, IpcClient, IpcServer, Limits, Stats, client_send

FRAME_SECONDS = 1 / 60
BUDGET_SECONDS = 0.010
REPLY_BYTES = 1 << 20
"""What a client gets that never reads."""

COMMAND_SECONDS = 0.001
"""More than the longest command takes: one that makes a large reply."""

CALM_POLLS = 30
"""Frames before anything is counted: everybody connects."""

REST_SECONDS = 0.050
"""A good client's, between two commands."""

PATIENCE_SECONDS = 60.0
"""Its timeout: longer than anything is measured, for a wait is what is looked for."""


KEPT, FRESH = "over a kept connection", "over a new one each time"
"""The two good clients."""


@dataclass(slots=True)
class Host:
    """The host's state: what its commands look at and change."""

    begun_ns: list[int] = field(default_factory=list)
    """When each poll began."""
    waits: dict[str, list[int]] = field(default_factory=lambda: {KEPT: [], FRESH: []})
    """How many polls each good client's commands waited for: 1 is the next one."""


class Order(Command[Host]):
    """What the host can be told."""


class Look(Order):
    """A good client's command."""

    client: str
    sent_ns: U64

    def process(self, context: Host) -> U32:
        """Note how many polls have begun since it was sent."""
        wait = len(context.begun_ns) - bisect.bisect(context.begun_ns, self.sent_ns)
        context.waits[self.client].append(wait)
        return wait


class Ping(Order):
    """A small command, for whoever sends many."""

    number: U64

    def process(self, context: Host) -> U64:
        """Give the number back."""
        return self.number


class Dump(Order):
    """Ask for much."""

    size: U32

    def process(self, context: Host) -> bytes:
        """Return so many bytes."""
        return bytes(self.size)


@dataclass(slots=True)
class Frames:
    """What was measured, a number for each frame, in seconds."""

    wall: list[float] = field(default_factory=list)
    """How long a poll took."""
    cpu: list[float] = field(default_factory=list)
    """How long it ran of that."""
    pause: list[float] = field(default_factory=list)
    """The longest time that was missed between two looks at the clock."""
    watched: float = 0.0
    """Seconds the clock was looked at."""
    missed: float = 0.0
    """And those of them that were missed."""


def rows(seconds: float) -> Iterator[str]:
    """The table, as text: a poll's time is a distribution, not a ratio."""
    host = Host()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_log_file())
        made = stack.enter_context(peers.folder())
        others = stack.enter_context(peers.own_core())
        limits = Limits(seconds_per_poll=BUDGET_SECONDS)
        server = stack.enter_context(IpcServer(f"{made}/host.sock", Order, limits=limits))
        small = peers.request_bytes(Ping(number=1))
        large = peers.request_bytes(Dump(size=REPLY_BYTES))
        text = peers.request_bytes(Look(client="nobody", sent_ns=0))
        for run, *arguments in (
            (hostile_clients.run, small, large, text),
            (_keep_a_connection,),
            (_connect_anew,),
        ):
            process = peers.child(peers.on_cores, others, run, server.path, *arguments)
            stack.enter_context(process)
        _poll_frames(server, host, CALM_POLLS * FRAME_SECONDS)
        before = server.stats
        for waits in host.waits.values():
            waits.clear()
        frames = _poll_frames(server, host, seconds)
        after = server.stats
    yield from _table(frames, host, before, after)


def _poll_frames(server: IpcServer[Host], host: Host, seconds: float) -> Frames:
    frames = Frames()
    now, end = time.perf_counter(), time.perf_counter() + seconds
    while now < end:
        next_frame = now + FRAME_SECONDS
        host.begun_ns.append(time.monotonic_ns())
        cpu = time.thread_time()
        began = time.perf_counter()
        server.handle_new_messages(host)
        took = time.perf_counter() - began
        frames.cpu.append(time.thread_time() - cpu)
        frames.wall.append(took)
        now = _watch(next_frame, frames)
    return frames


PAUSE_SECONDS = 20e-6
"""A look at the clock takes a hundredth of this; a longer gap is none of the loop's own."""


def _watch(until: float, frames: Frames) -> float:
    """Look at the clock, and at nothing else, until a time."""
    longest = missed = 0.0
    began = last = time.perf_counter()
    while last < until:
        now = time.perf_counter()
        gap = now - last
        if gap > PAUSE_SECONDS:
            missed += gap
            longest = max(longest, gap)
        last = now
    frames.pause.append(longest)
    frames.watched += last - began
    frames.missed += missed
    return last


def _keep_a_connection(path: str) -> None:
    """A good client: one command now and then."""
    with IpcClient(path, timeout=PATIENCE_SECONDS) as client:
        while True:
            client.send(Look(client=KEPT, sent_ns=time.monotonic_ns()))
            time.sleep(REST_SECONDS)


def _connect_anew(path: str) -> None:
    """Another one, which queues with all that connect."""
    while True:
        look = Look(client=FRESH, sent_ns=time.monotonic_ns())
        client_send(look, path, timeout=PATIENCE_SECONDS)
        time.sleep(REST_SECONDS)


@contextlib.contextmanager
def _log_file() -> Iterator[None]:
    """The library's log goes where a host's would: formatted, and written to a file."""
    logger = logging.getLogger("lazyipc")
    handler = logging.FileHandler(os.devnull)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


# The table -------------------------------------------------------------------------------------

SHARES = (0.5, 0.99, 0.999)


def _table(frames: Frames, host: Host, before: Stats, after: Stats) -> Iterator[str]:
    polls = len(frames.wall)
    kinds, each = len(hostile_clients.KINDS), hostile_clients.EACH_KIND
    yield (
        f"\nPoll time with {kinds * each} hostile clients of {kinds} kinds: {polls:,} polls, "
        f"{1 / FRAME_SECONDS:.0f} a second, budget {BUDGET_SECONDS * 1e3:.0f} ms\n"
    )
    yield _cells("", "median", "p99", "p99.9", "worst")
    yield _times("a poll", frames.wall)
    yield _times("of that, on the processor", frames.cpu)
    yield _times("the machine's own pauses", frames.pause)
    within = sum(1 for cpu in frames.cpu if cpu <= BUDGET_SECONDS + COMMAND_SECONDS)
    yield (
        f"{within:,} of {polls:,} polls ran for their budget, or less; the last command of a poll\n"
        f"may run over it, by {COMMAND_SECONDS * 1e3:.0f} ms here at most."
    )
    stolen = 1 - sum(frames.cpu) / sum(frames.wall)
    yield (
        f"The machine took the processor away for {stolen:.1%} of the polls' time, and for\n"
        f"{frames.missed / frames.watched:.1%} of that of a loop that looks at the clock "
        "for the rest of each frame."
    )
    for name, waits in host.waits.items():
        ranked = sorted(waits)
        at_once = bisect.bisect(ranked, 1)
        told = f"{at_once} of {len(ranked)} commands ran in the next poll"
        middle = f"median {ranked[len(ranked) // 2]}, worst {ranked[-1]}" if ranked else "none ran"
        yield f"A good client {name}: {told}; {middle}."
    yield (
        f"Meanwhile {after.accepted - before.accepted:,} connections were accepted, "
        f"{after.dropped - before.dropped:,} dropped; "
        f"{after.commands - before.commands:,} commands ran."
    )


def _times(name: str, seconds: list[float]) -> str:
    ranked = sorted(seconds)
    chosen = [ranked[math.ceil(share * len(ranked)) - 1] for share in SHARES]
    return _cells(name, *(f"{one * 1e3:.2f} ms" for one in (*chosen, ranked[-1])))


def _cells(first: str, *rest: str) -> str:
    return f"{first:<30}" + "".join(f" {cell:>10}" for cell in rest)
