"""Mode 15: ends that hang, buffers that grow for a slow reader, commands that run for nobody."""

from __future__ import annotations

import gc
import os
import select
import signal
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path
from random import Random

from lazyipc import IpcServer, Limits
from lazyipc._io.clock import clock_identity
from tests.failures.commands import ORDERS, Climb
from tests.failures.finding import Finding
from tests.failures.measure import MIB, quantile, reading_log, traced
from tests.harness import Big, Do, Echo, Host, Job, RawClient, poll, program, python, request, until

EXIT_SECONDS = 0.100
SECOND_NS = 1_000_000_000


def ends_and_leftovers(
    folder: Path,
    *,
    exits: int,
    exit_seconds: float,
    clients: int,
    readers: int,
    late: int,
    seed: int,
) -> Finding:
    """Exits with busy clients, readers that never read, and commands whose time is over.

    Args:
        exits: how many programs end while serving `clients` busy clients.
        exit_seconds: how long the quickest may take by the wall, on a machine with other work.
        readers: how many clients ask for 64 MiB each and read nothing.
        late: how many commands are sent of which some have expired when their turn comes.
    """
    took, cpus, bare = _exit_with_clients(folder, exits, clients)
    assert min(cpus) < EXIT_SECONDS, f"no exit within 100 ms of processor time: {min(cpus):.3f} s"
    assert min(took) < exit_seconds, f"no exit within {exit_seconds * 1e3:g} ms: {min(took):.3f} s"
    with reading_log():
        peak = _cap_slow_readers(folder / "slow", readers)
        expired, ran = _leave_the_expired(folder / "late", late, Random(seed))
        gone = _leave_the_gone(folder / "gone", late // 10)
    return Finding(
        f"{exits} exits with {clients} busy clients; {readers} readers that never read; "
        f"{late:,} commands, {expired:,} of them expired; {gone:,} of clients that left",
        f"exit in {min(took) * 1e3:.0f} ms at best, {quantile(took, 0.5) * 1e3:.0f} ms in the "
        f"middle, {max(took) * 1e3:.0f} ms at worst, {min(cpus) * 1e3:.0f} ms of the processor "
        f"({min(bare) * 1e3:.0f} ms without lazyipc's part); {peak / MIB:.1f} MiB kept for who "
        f"does not read; {ran:,} commands ran, none that had expired or whose client left",
    )


# Exits --------------------------------------------------------------------------------------------

HOST = """
import signal, sys, time
from lazyipc import IpcServer
from tests.failures.commands import Order
is_over = False
def end(number, frame):
    global is_over
    is_over = True
signal.signal(signal.SIGTERM, end)
server = IpcServer(sys.argv[1], Order)
print("ready", flush=True)
while not is_over:
    server.wait(0.02)
    server.handle_new_messages([], max_messages=1)
{close}
print(time.monotonic(), time.process_time(), flush=True)
{end}
"""
ENDS = [
    ("", ""), ("", "server.close()"), ("", "sys.exit(0)"),
    ("", "del server"), ("", "raise SystemExit"),
]  # fmt: skip
"""How a program ends after it said so: its server is closed by itself, or by the program."""
BARE = [("server.close()", "")]
"""The same with nothing left to end: Python's own part."""


def _exit_with_clients(
    folder: Path, exits: int, clients: int
) -> tuple[list[float], list[float], list[float]]:
    """How long each exit took with busy clients, by the wall and by the processor; and by the wall
    with no clients and no server."""
    took, cpus = [], []
    for number in range(exits):
        wall, cpu = _exit_once(str(folder / f"exit{number}"), *ENDS[number % len(ENDS)], clients)
        took.append(wall)
        cpus.append(cpu)
    bare = [_exit_once(str(folder / f"bare{n}"), *BARE[0], 0)[0] for n in range(min(exits, 5))]
    return took, cpus, bare


def _exit_once(path: str, close: str, end: str, clients: int) -> tuple[float, float]:
    script = HOST.format(close=close, end=end)
    with program(*python(script, path)) as host, ExitStack() as stack:
        assert host.stdout is not None
        assert host.stdout.readline() == "ready\n"
        busy = [stack.enter_context(RawClient(path)) for _ in range(clients)]
        for number, one in enumerate(busy):
            _make_busy(one, number)
        until(lambda: clients == 0 or any(one.has_frames() for one in busy))
        watched = select.poll()
        descriptor = os.pidfd_open(host.pid)
        stack.callback(os.close, descriptor)
        watched.register(descriptor, select.POLLIN)
        host.send_signal(signal.SIGTERM)
        began, used = map(float, host.stdout.readline().split())
        assert watched.poll(10_000), "the interpreter does not end with busy clients"
        took = time.monotonic() - began
        _, status, usage = os.wait4(host.pid, 0)
        host.returncode = os.waitstatus_to_exitcode(status)
        assert host.returncode == 0
        for one in busy:
            until(one.has_ended)
    assert not os.path.lexists(path), "an exit left the socket behind"
    return took, usage.ru_utime + usage.ru_stime - used


def _make_busy(one: RawClient, number: int) -> None:
    """Many questions waiting, long answers not taken, half a question, or nothing yet."""
    match number % 4:
        case 0:
            one.ask(*(order for order in ORDERS * 20))
        case 1:
            one.ask(*(Climb(size=MIB) for _ in range(20)))
        case 2:
            one.send(request(ORDERS[1])[:-1])


# Slow readers -------------------------------------------------------------------------------------


def _cap_slow_readers(path: Path, readers: int) -> int:
    """What is kept for clients that read nothing, and that it is let go with them."""
    host = Host()
    limits = Limits(half_message_seconds=0.3, messages_per_poll=10_000, seconds_per_poll=60)
    with traced() as peak_of, ExitStack() as stack:
        server = stack.enter_context(IpcServer(path, Job, limits=limits))
        slow = [stack.enter_context(RawClient(path.as_posix())) for _ in range(readers)]
        for one in slow:
            one.ask(*(Big(size=MIB) for _ in range(64)))
        before = tracemalloc.get_traced_memory()[0]

        def poll_on() -> None:
            for _ in range(20):
                server.handle_new_messages(host)

        peak = peak_of(poll_on)
        assert len(server.clients) == readers
        most = readers * 5 * MIB // 4 + 6 * MIB
        assert peak < most, f"{peak / MIB:.1f} MiB kept for {readers} readers that do not read"
        poll(server, host, lambda: not server.clients)
        gc.collect()
        left = tracemalloc.get_traced_memory()[0] - before
        assert left < MIB, f"{left / MIB:.1f} MiB stay when the slow are gone"
    assert len(host.ran) <= 2 * readers, "commands run whose answers nobody takes"
    return peak


# Expired, and gone --------------------------------------------------------------------------------

ASKERS = 10
EACH = 100


def _leave_the_expired(path: Path, late: int, random: Random) -> tuple[int, int]:
    """Commands in the queue of a host that is busy: those whose time is over never run."""
    clock, expired, ran = clock_identity(), 0, 0
    host = Host(rest=lambda: len(select.poll().poll(20)))
    limits = Limits(messages_per_poll=10**6, seconds_per_poll=60)
    with IpcServer(path, Job, limits=limits) as server, ExitStack() as stack:
        asking = [stack.enter_context(RawClient(server.path)) for _ in range(ASKERS)]
        for number in range(max(1, late // (ASKERS * EACH))):
            wanted: set[str] = set()
            for one in asking:
                parts = []
                for call in range(number * EACH + 1, (number + 1) * EACH + 1):
                    text, now = f"{id(one)}.{call}", time.monotonic_ns()
                    deadline, left, is_late = random.choice(_DEADLINES)
                    # One that is only late in its turn must still be early when it is sent.
                    command = Echo(text=text)
                    has_clock = left is None
                    parts.append(
                        request(
                            command, call, clock=clock if has_clock else bytes(8),
                            deadline_ns=now + deadline if has_clock else 0,
                            left_ns=0 if left is None else left,
                        )
                    )  # fmt: skip
                    if not is_late:
                        wanted.add(text)
                one.send(b"".join(parts))
            server.handle_new_messages(host)
            until(
                lambda: all(one.has_frames(EACH) for one in asking),
                lambda: server.handle_new_messages(host),
            )
            assert set(host.ran) == wanted, "an expired command ran, or one in time did not"
            assert len(host.ran) == len(wanted)
            expired += ASKERS * EACH - len(wanted)
            ran += len(wanted)
            host.ran.clear()
            for one in asking:
                one.frames.clear()
        _expire_behind_a_slow_one(server, host, asking[0])
    return expired, ran


_DEADLINES: list[tuple[int, int | None, bool]] = [
    (-SECOND_NS, None, True), (-1, None, True), (60 * SECOND_NS, None, False),
    (0, 0, True), (0, 60 * SECOND_NS, False), (0, 2**64 - 1, False),
]  # fmt: skip
"""From now on a clock we share, or the time left where it is not shared; and whether it is late."""


def _expire_behind_a_slow_one(server: IpcServer[Host], host: Host, one: RawClient) -> None:
    """In time when it arrives, late when its turn comes: another one took so long."""
    soon = time.monotonic_ns() + SECOND_NS // 200
    clock = clock_identity()
    one.send(
        request(Do(name="rest"), 1)
        + request(Echo(text="late"), 2, clock=clock, deadline_ns=soon)
        + request(Echo(text="last"), 3)
    )
    poll(server, host, lambda: one.has_frames(3))
    assert host.ran == ["rest", "last"], "a command ran that expired while another one did"
    host.ran.clear()


def _leave_the_gone(path: Path, count: int) -> int:
    """Clients ask and leave before the host looks."""
    host, gone = Host(), 0
    with IpcServer(path, Job) as server:
        while gone < count:
            for _ in range(50):
                with RawClient(server.path) as one:
                    one.ask(*(Echo(text=str(n)) for n in range(4)))
                    gone += 4
            server.handle_new_messages(host)
            poll(server, host, lambda: not server.clients)
        assert not host.ran, "a command ran for a client that had left"
    return gone
