"""Modes 1 and 2: clients that are silent, that stop within a message, that never read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

from lazyipc import IpcServer, Limits, Wire
from lazyipc._core.catalog import entry_of
from lazyipc._core.framing import Kind, frame
from tests.failures.commands import Climb, Heard, Order, Say, Stop, ramp
from tests.failures.finding import Finding
from tests.failures.measure import MIB, Stopwatch, reading_log, traced
from tests.harness import RawClient, bare_request, header, poll, request, until

BUDGET_SECONDS = 0.010
TEXT = Say(text="half of it never comes", letter="x", blob=bytes(50), path=Path("/"))


# Mode 1 -------------------------------------------------------------------------------------------


def beginnings() -> list[bytes]:
    """What clients say before they fall silent: nothing, or a part of a message."""
    whole, bare = request(TEXT), bare_request(TEXT, Order)
    return [
        b"",
        b"\xff",
        b"\xff\x4c",
        header(1000)[:9],
        header(1000),
        header(16 * MIB) + bytes(60_000),
        whole[:-1],
        request(Stop())[:47],
        bare[:1],
        bare[:3],
        bare[:-1],
        b'{"Stop',
    ]


def silent_or_half_sending_clients(
    folder: Path, *, clients: int, polls: int, slack_seconds: float
) -> Finding:
    """Clients connect and say nothing, or stop within a message; every tenth sends byte by byte.

    Args:
        clients: how many of them at once.
        polls: how many polls a good client is served in meanwhile.
        slack_seconds: how far over its budget a poll may be, on a machine with other work.
    """
    watch = Stopwatch()
    with reading_log():
        _serve_beside(folder / "kept", clients, polls, watch)
        dropped = _drop_at_the_limit(folder / "late", clients)
    assert max(watch.cpus) < BUDGET_SECONDS + slack_seconds, f"a poll spins: {watch}"
    assert max(watch.walls) < BUDGET_SECONDS + max(slack_seconds, 1), f"a poll waits: {watch}"
    return Finding(
        f"{clients} clients, {polls:,} polls; then {dropped} dropped at their limit", f"{watch}"
    )


def _serve_beside(path: Path, clients: int, polls: int, watch: Stopwatch) -> None:
    ran: list[Order] = []
    with ExitStack() as stack:
        limits = Limits(
            clients=clients + 2, seconds_per_poll=BUDGET_SECONDS, half_message_seconds=600
        )
        server = stack.enter_context(IpcServer(path, Order, limits=limits, wires=Wire.ALL))
        bad = [stack.enter_context(RawClient(server.path)) for _ in range(clients)]
        trickling = bad[::10]
        for one in trickling:
            one.send(header(16 * MIB))
        for one, data in zip(set(bad).difference(trickling), _cycle(beginnings()), strict=False):
            one.send(data)
        good = stack.enter_context(RawClient(server.path))
        until(lambda: len(server.clients) == clients + 1, lambda: server.handle_new_messages(ran))
        _settle(server, ran)
        for number in range(polls):
            for one in trickling:
                one.send(b"x")
            asked = [(good, good.ask(Stop()))]
            if number % 10 == 0:
                new = stack.enter_context(RawClient(server.path))
                asked.append((new, new.ask(Stop())))
            watch.time(lambda: server.handle_new_messages(ran))
            if watch.walls[-1] >= BUDGET_SECONDS:  # the machine took the processor away
                server.handle_new_messages(ran)
            for one, call in asked:
                assert one.has_result(call), "a good client is not served in the next poll"
                assert one.results.pop(call) == Heard(words="Stop()")
                one.frames.clear()
            if number % 10 == 0:
                new.close()
                until(
                    lambda: len(server.clients) == clients + 1,
                    lambda: server.handle_new_messages(ran),
                )
        assert len(ran) == polls + (polls + 9) // 10, "a half message was run"
        assert server.stats.dropped == 0
        _settle(server, ran)


def _settle(server: IpcServer[list[Order]], ran: list[Order]) -> None:
    """What is half there must not keep the host awake."""
    for _ in range(10):
        server.handle_new_messages(ran)
    assert not server.wait(0), "clients that say nothing keep the host awake"


def _drop_at_the_limit(path: Path, clients: int) -> int:
    """Who began a message is dropped in time; who said nothing stays, and is served later."""
    ran: list[Order] = []
    with ExitStack() as stack:
        limits = Limits(clients=clients + 2, half_message_seconds=0.05)
        server = stack.enter_context(IpcServer(path, Order, limits=limits, wires=Wire.ALL))
        bad = [stack.enter_context(RawClient(server.path)) for _ in range(clients)]
        half = []
        for one, data in zip(bad, _cycle(beginnings()), strict=False):
            one.send(data)
            half += [one] if data else []
        poll(server, ran, lambda: all(one.has_ended() for one in half))
        silent = [one for one in bad if one not in half]
        assert len(server.clients) == len(silent), "who only waits was dropped"
        for one in silent:
            call = one.ask(Stop())
            server.handle_new_messages(ran)
            assert one.has_result(call)
        assert server.stats.dropped == len(half)
    return len(half)


def _cycle(items: list[bytes]) -> Iterator[bytes]:
    while True:
        yield from items


# Mode 2 -------------------------------------------------------------------------------------------


def stopped_readers(
    folder: Path, *, reply_bytes: int, readers: int, asks: int, seed: int, slack_seconds: float
) -> Finding:
    """Clients ask for long answers and do not read; then they do, in sips.

    Args:
        reply_bytes: how long each answer is, a multiple of 4.
        readers: how many such clients.
        asks: how many answers each asked for.
    """
    watch = Stopwatch()
    ran: list[Order] = []
    limits = Limits(message_bytes=reply_bytes + 4096, half_message_seconds=600)
    ramp(reply_bytes)
    with reading_log(), traced() as peak_of, ExitStack() as stack:
        server = stack.enter_context(IpcServer(folder / "s", Order, limits=limits))
        bad = [stack.enter_context(RawClient(server.path)) for _ in range(readers)]
        good = stack.enter_context(RawClient(server.path))
        for one in bad:
            one.ask(*(Climb(size=reply_bytes) for _ in range(asks)))

        def poll_on() -> None:
            for _ in range(100):
                call = good.ask(Stop())
                while not good.has_result(call):
                    watch.time(lambda: server.handle_new_messages(ran))

        peak = peak_of(poll_on)
        run = sum(isinstance(order, Climb) for order in ran)
        assert run == readers, f"{run} commands ran for {readers} clients that do not read"
        # An answer's fields, and these behind its header: two copies while it is made, one after.
        most = (readers + 2) * reply_bytes + 2 * MIB
        assert peak < most, f"{peak / MIB:.1f} MiB for {readers} unread answers"
        assert not server.wait(0), "clients that do not read keep the host awake"
        cpu = sum(watch.cpus[-50:])
        assert cpu < 50 * (BUDGET_SECONDS + slack_seconds), "polls spin on clients that do not read"
        _sip(server, ran, bad, reply_bytes, asks, Random(seed))
    return Finding(
        f"{readers} readers that stopped, {asks} answers of {reply_bytes / 1e6:g} MB each",
        f"peak {peak / 1e6:.0f} MB beside the answer itself; {watch}; "
        f"{readers * asks * reply_bytes / 1e6:,.0f} MB then read, each byte once",
    )


def _sip(
    server: IpcServer[list[Order]],
    ran: list[Order],
    readers: list[RawClient],
    reply_bytes: int,
    asks: int,
    random: Random,
) -> None:
    """Read everything in pieces of any size; it must be what was asked for, byte by byte."""
    fingerprint, body = entry_of(Climb).reply.encode(ramp(reply_bytes))
    streams = [(one, _Expected(fingerprint + body, asks)) for one in readers]
    deadline = time.monotonic() + 300
    while streams:
        assert time.monotonic() < deadline, "answers stopped coming"
        for one, expected in streams:
            expected.take(one.socket, random.choice((1, 17, 4096, 30_000, MIB)))
        server.handle_new_messages(ran)
        streams = [(one, expected) for one, expected in streams if not expected.is_over]


class _Expected:
    """The stream of a client's answers, compared as it comes."""

    def __init__(self, payload: bytes, asks: int) -> None:
        self._payload = payload
        self._calls = iter(range(1, asks + 1))
        self.is_over = False
        self._begin()

    def _begin(self) -> None:
        call = next(self._calls, None)
        self.is_over = call is None
        self._left = memoryview(b"" if call is None else _response(call, self._payload))

    def take(self, connected: socket.socket, size: int) -> None:
        try:
            data = connected.recv(size)
        except BlockingIOError:
            return
        while data and not self.is_over:
            part = len(self._left[: len(data)])
            assert self._left[:part] == data[:part], "bytes of an answer came twice, or not at all"
            self._left, data = self._left[part:], data[part:]
            if not self._left:
                self._begin()
        assert not data, "more came than was asked for"


def _response(call: int, payload: bytes) -> bytes:
    return frame(Kind.RESPONSE, call, payload)
