"""Large messages through sockets: cut anywhere, kept in order, in no more memory than they need."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from lazyipc import Command, IpcClient, IpcServer
from lazyipc._core.connection.server import ServerConnection
from lazyipc._core.framing import HEADER
from lazyipc._core.parts import LARGE_BYTES, Parts
from lazyipc._io.poller import READ, WRITE, EpollPoller
from lazyipc._peer import Peer
from lazyipc._session import Session
from tests.conftest import Connect, Serve, patient
from tests.harness import (
    Echo,
    Host,
    Interrupter,
    Job,
    RawClient,
    answer,
    hosted,
    is_well,
    poll,
    request,
    run_script,
)

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

SIZE = 5 * 2**19
BLOB = random.Random(1).randbytes(SIZE)


class Store(Command[Host]):
    """Commands with large fields."""


class Upload(Store):
    name: str
    data: bytes

    def process(self, context: Host) -> bytes:
        context.ran.append(self.name)
        return self.data


class Name(Store):
    name: str

    def process(self, context: Host) -> str:
        context.ran.append(self.name)
        return self.name


# A session and a kernel that takes what it likes --------------------------------------------------


class Scripted:
    """A socket that takes so many bytes at each call, and has no room at 0."""

    def __init__(self, *takes: int | type[BaseException]) -> None:
        self._takes = list(takes)
        self.taken = b""
        self.options: list[tuple[int, ...]] = []

    def fileno(self) -> int:
        return 7

    def setsockopt(self, *option: int) -> None:
        self.options.append(option)

    def send(self, data: bytes | memoryview, flags: int) -> int:
        return self.sendmsg([memoryview(data)], (), flags)

    def sendmsg(self, pieces: list[memoryview], ancillary: object, flags: int) -> int:
        whole = b"".join(pieces)
        take = self._takes.pop(0) if self._takes else len(whole)
        if not isinstance(take, int):
            raise take
        if not take:
            raise BlockingIOError
        self.taken += whole[:take]
        return min(take, len(whole))


class Watched:
    """A poller that only knows what one descriptor is watched for."""

    def __init__(self) -> None:
        self.mask = READ

    def modify(self, fd: int, mask: int) -> None:
        self.mask = mask


class Speechless:
    """A connection of which nothing is asked."""

    finished = False


def session_over(connected: Scripted) -> tuple[Session, Watched]:
    poller = Watched()
    session = Session(
        cast("Any", connected),
        Peer(1, 0, 0),
        cast("ServerConnection", Speechless()),
        cast("EpollPoller", poller),
        1 << 20,
    )
    return session, poller


OWED: list[bytes | Parts] = [
    b"first",
    Parts([b"head", BLOB[:LARGE_BYTES], b"", b"between", BLOB[: LARGE_BYTES + 9], b"end"]),
    Parts([b"last", BLOB[: LARGE_BYTES + 100]]),
]
WHOLE = b"".join(map(bytes, OWED))
BORDERS = [0, 5, 9, 9 + LARGE_BYTES, 16 + LARGE_BYTES, 25 + 2 * LARGE_BYTES, 32 + 2 * LARGE_BYTES]
SPLITS = sorted({place + by for place in BORDERS for by in (-1, 0, 1) if place + by > 0})


@pytest.mark.parametrize("first", [0, *SPLITS])
@pytest.mark.parametrize("second", [0, 1, LARGE_BYTES])
def test_parts_are_written_in_order_however_they_are_cut(first: int, second: int) -> None:
    connected = Scripted(first, second)
    session, poller = session_over(connected)
    for data in OWED:
        session.owe(data)
    assert session.owed_bytes == len(WHOLE)
    for sent in (first, first + second):
        assert not session.flush()
        assert connected.taken == WHOLE[:sent]
        assert session.sent_bytes == sent
        assert sum(map(len, session.backlog or ())) == len(WHOLE) - sent
        assert (poller.mask, session.owed_bytes) == (WRITE, 0)
    assert session.flush()
    assert connected.taken == WHOLE
    assert session.backlog is None
    assert (poller.mask, session.sent_bytes) == (READ, len(WHOLE))
    assert connected.options == [], "what is left fits the queue there is"


def test_more_parts_than_one_call_takes_are_written_in_turn() -> None:
    connected = Scripted()
    session, _ = session_over(connected)
    pieces = [BLOB[:LARGE_BYTES], b"x"] * 100
    session.owe(Parts(pieces))
    while not session.flush():
        assert session.backlog
    assert connected.taken == b"".join(pieces)
    assert len(connected.options) == 1, "a longer queue is asked for once a message"


@pytest.mark.parametrize("takes", [(KeyboardInterrupt,), (9, KeyboardInterrupt), (OSError,)])
def test_a_write_that_breaks_ends_the_connection(takes: Any) -> None:
    session, _ = session_over(Scripted(*takes))
    session.owe(OWED[1])
    raised = 0
    for _ in takes:
        try:
            session.flush()
        except KeyboardInterrupt:
            raised += 1
    assert session.gone
    assert raised == (KeyboardInterrupt in takes)


# Servers ------------------------------------------------------------------------------------------


def sent_slowly(client: RawClient, server: IpcServer[Any], host: Host, data: bytes) -> None:
    """Send what the kernel takes, and poll, until all is sent."""
    rest = memoryview(data)

    def push() -> bool:
        nonlocal rest
        rest = rest[client.try_send(rest[:100_000]) :]
        return not rest

    poll(server, host, push)


@pytest.mark.every_selector
def test_a_large_message_goes_through_a_polled_server(serve: Serve, client: Connect) -> None:
    server, host, one, other = serve(Store), Host(), client(), client()
    data = one.prepare(Upload(name="big", data=BLOB), Name(name="behind"))
    sent_slowly(one, server, host, data)
    poll(server, host, lambda: len(host.ran) > 0)
    for _ in range(3):  # it is not read from while it has not taken its answer
        assert answer(server, host, other, Name(name="meanwhile")) == "meanwhile"
    assert host.ran == ["big", "meanwhile", "meanwhile", "meanwhile"]
    assert server.stats.backlogs == 1
    poll(server, host, lambda: one.has_result(2))
    assert one.results == {1: BLOB, 2: "behind"}
    assert answer(server, host, one, Name(name="again")) == "again"


def test_a_client_sends_and_takes_large_messages(serve: Serve, path: str) -> None:
    server, host = serve(Store), Host()
    with hosted(server, host), IpcClient(path) as client:
        assert client.send(Upload(name="one", data=BLOB)) == BLOB
        assert client.send(Name(name="between")) == "between"
        commands = [
            Upload(name="first", data=BLOB),
            Name(name="small"),
            Name(name="small too"),
            Upload(name="second", data=BLOB[:LARGE_BYTES]),
            Upload(name="third", data=BLOB[: LARGE_BYTES - 1]),
            Name(name="last"),
        ]
        told = client.send_many(commands)
    assert told == [
        BLOB, "small", "small too", BLOB[:LARGE_BYTES], BLOB[: LARGE_BYTES - 1], "last"
    ]  # fmt: skip


def test_a_client_that_goes_within_a_large_message_takes_it_along(
    serve: Serve, client: Connect
) -> None:
    server, host, one = serve(Store), Host(), client()
    sent_slowly(one, server, host, request(Upload(name="big", data=BLOB))[:-1])
    one.close()
    poll(server, host, lambda: not server.clients)
    assert host.ran == []
    with RawClient(server.path) as other:
        assert answer(server, host, other, Name(name="after")) == "after"


# Interrupts ---------------------------------------------------------------------------------------


class Scene:
    """A client within a large message, another that has just asked."""

    def __init__(self, path: str) -> None:
        self.host = Host()
        self.server: IpcServer[Any] = IpcServer(path, Job, limits=patient())
        self.text = "x" * 300_000
        self.bulky, self.other = RawClient(path), RawClient(path)
        data = self.bulky.prepare(Echo(text=self.text))
        sent_slowly(self.bulky, self.server, self.host, data[:80_000])
        self.server.handle_new_messages(self.host)
        self.server.handle_new_messages(self.host)
        self.rest = memoryview(data)[80_000:]
        self.push()
        self.other.ask(Echo(text="hello"))

    def push(self) -> None:
        self.rest = self.rest[self.bulky.try_send(self.rest) :]

    def is_settled(self) -> bool:
        if not self.bulky.is_closed:
            self.push()
        return all(one.has_ended() or one.has_result(1) for one in (self.bulky, self.other))

    def check(self) -> None:
        poll(self.server, self.host, self.is_settled, 5, "a client hangs")
        assert self.bulky.is_closed or self.bulky.results[1] in (self.text, "KeyboardInterrupt")
        assert len(self.host.ran) == len(set(self.host.ran)), "a command ran twice"
        assert is_well(self.server, self.host)

    def end(self) -> None:
        for each in (self.server, self.bulky, self.other):
            each.close()


def scenes(path: str) -> Iterator[tuple[Scene, Interrupter]]:
    for at in range(0, 100_000, 3):
        scene, interrupter = Scene(f"{path}{at}"), Interrupter(at)
        try:
            yield scene, interrupter
        finally:
            scene.end()
        if not interrupter.has_struck:
            assert at > 20
            return


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_interrupt_within_a_large_message_breaks_no_more_than_its_client(path: str) -> None:
    broken: dict[str, str] = {}
    for scene, interrupter in scenes(path):
        try:
            with interrupter:
                scene.server.handle_new_messages(scene.host)
        except KeyboardInterrupt:
            assert interrupter.has_struck
        try:
            scene.check()
        except (Exception, KeyboardInterrupt) as error:
            broken.setdefault(interrupter.place, f"{type(error).__name__}: {error}"[:200])
    assert not broken, "\n".join(f"{place}: {what}" for place, what in broken.items())


# Memory -------------------------------------------------------------------------------------------

CROWD = 40
ANNOUNCED = 16 * 2**20


def test_who_announces_much_and_sends_little_takes_little(serve: Serve, client: Connect) -> None:
    server, host = serve(Store, limits=patient(message_bytes=ANNOUNCED)), Host()
    begun = request(Upload(name="", data=BLOB))[HEADER.size : 100_000]
    crowd = [client() for _ in range(CROWD)]
    frame = b"\xff\x4c\1\1" + ANNOUNCED.to_bytes(4, "little") + (1).to_bytes(8, "little") + begun
    tracemalloc.start()
    try:
        for one in crowd:
            one.send(frame)
        poll(server, host, lambda: server.stats.received_bytes == CROWD * len(frame))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < CROWD * 5 * len(frame)
    assert is_well_with(server, host, client)


def is_well_with(server: IpcServer[Any], host: Host, client: Callable[[], RawClient]) -> bool:
    return bool(answer(server, host, client(), Name(name="well")) == "well")


PEAK = """
import os, sys
from lazyipc import Command, IpcClient, IpcServer

SIZE = 16 * 2**20 - 8

class Order(Command[None]):
    "Orders."

class Echo(Order):
    data: bytes
    def process(self, context: None) -> bytes:
        return self.data

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(name))

def begin():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    return status("VmRSS")

path = sys.argv[1]
server = IpcServer(path, Order)
readable, writable = os.pipe()
if os.fork() == 0:
    # The parent's server is not this process's; the child is the client.
    payload = os.urandom(SIZE)
    with IpcClient(path, timeout=30) as client:
        client.send(Echo(data=b""))
        before = begin()
        for _ in range(3):
            assert client.send(Echo(data=payload)) == payload
        os.write(writable, str(status("VmHWM") - before).encode())
    os._exit(0)
while not server.stats.commands:
    server.wait(0.1)
    server.handle_new_messages(None)
before = begin()
while server.stats.commands < 4 or server.clients:
    server.wait(0.1)
    server.handle_new_messages(None)
print(status("VmHWM") - before, int(os.read(readable, 100)))
"""


def test_an_echo_of_16_mib_takes_it_once_on_each_side(path: str) -> None:
    """Besides what the client has already; a half more is for what the allocator moves."""
    told = run_script(PEAK, path).stdout.split()
    assert all(int(peak) < 1.5 * ANNOUNCED for peak in told), told
    assert all(int(peak) > 0.9 * ANNOUNCED for peak in told), "nothing was measured"
