"""Live interoperation, both ways, with the Rust crate `ipc-server` 0.3.2 over the bare wire."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from examples.simple.commands import Add, ClientCommand, Print, PrintAck, Push, Pushed, Sum
from lazyipc import Disconnected, IpcServer, Wire, client_send

pytestmark = pytest.mark.timeout(330)  # the first test builds the peer

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 30.0
U64_MAX = 2**64 - 1

SENDER = """
import sys
from examples.simple.commands import Add
from lazyipc import Wire, client_send
path, number = sys.argv[1], int(sys.argv[2])
print(client_send(Add(a=number, b=number), path, wire=Wire.BARE).c)
"""


@contextmanager
def running(*words: str, stderr: int = subprocess.STDOUT) -> Iterator[subprocess.Popen[str]]:
    """A process and its pipes; at the end killed, if it still runs, and reaped."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        words, stdin=pipe, stdout=pipe, stderr=stderr, text=True, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class RustServer:
    """The crate's server in a process of its own."""

    def __init__(self, path: str, process: subprocess.Popen[str]) -> None:
        self.path = path
        self._process = process
        assert self._line() == "ready\n"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def finish(self) -> list[str]:
        """End the server by closing its stdin; what it printed since it was ready, by lines."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        lines = [line.rstrip("\n") for line in iter(self._line, "")]
        assert self._process.wait(timeout=10) == 0
        return lines


class OurServer:
    """Our server, polled by the test's own hand while the Rust clients run."""

    def __init__(self, server: IpcServer[list[int]], path: str, peer: Path) -> None:
        self.path = path
        self.stack: list[int] = []
        self._server = server
        self._peer = str(peer)

    def run(self, *words: str) -> list[str]:
        """Run a Rust client to its end; what it printed, by lines."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        with running(self._peer, words[0], self.path, *words[1:]) as client:
            while client.poll() is None:
                assert time.monotonic() < deadline, f"{words} had no answer"
                self.poll()
            assert client.stdout is not None
            return client.stdout.read().splitlines()

    def poll(self) -> None:
        """Wait for something to do, but not long, and do it."""
        self._server.wait(0.05)
        self._server.handle_new_messages(self.stack)

    def poll_until_closed(self, client: socket.socket) -> None:
        """Poll until the server has closed this client's connection."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        client.setblocking(False)
        while not has_ended(client):
            assert time.monotonic() < deadline, "the connection stayed open"
            self.poll()


def has_ended(client: socket.socket) -> bool:
    """Whether the other side closed this connection; it must have sent nothing."""
    try:
        received = client.recv(1)
    except BlockingIOError:
        return False
    except ConnectionResetError:  # closed with bytes of ours unread
        return True
    assert received == b""
    return True


@pytest.fixture
def socket_path(tmp_path: Path) -> str:
    """A path for a test's socket, short because the Rust side has 107 bytes for it."""
    return str(tmp_path / "s")


@pytest.fixture
def rust_server(peer: Path, socket_path: str) -> Iterator[RustServer]:
    """The crate's server, listening."""
    with running(str(peer), "server", socket_path, stderr=subprocess.DEVNULL) as process:
        yield RustServer(socket_path, process)


@pytest.fixture
def our_server(peer: Path, socket_path: str) -> Iterator[OurServer]:
    """Our server, listening, with a stack as its context."""
    with IpcServer(socket_path, ClientCommand, wires=Wire.ALL) as server:
        yield OurServer(server, socket_path, peer)


@pytest.mark.parametrize(
    ("words", "sent", "received"),
    [
        (("print", "hello"), 'Print { payload: "hello" }', "PrintAck"),
        (("print", ""), 'Print { payload: "" }', "PrintAck"),
        (("print", "🦀🐍"), 'Print { payload: "🦀🐍" }', "PrintAck"),
        (("print", "x" * 900), f'Print {{ payload: "{"x" * 900}" }}', "PrintAck"),
        (("add", "1", "2"), "Add { a: 1, b: 2 }", "Sum { c: 3 }"),
        (("add", f"{U64_MAX}", "0"), f"Add {{ a: {U64_MAX}, b: 0 }}", f"Sum {{ c: {U64_MAX} }}"),
        (("push", "7"), "Push { x: 7 }", "Pushed { x: 7 }"),
        (("push", f"{U64_MAX}"), f"Push {{ x: {U64_MAX} }}", f"Pushed {{ x: {U64_MAX} }}"),
    ],
    ids=["print", "empty", "astral", "900 bytes", "add", "add extremes", "push", "push extremes"],
)
def test_a_rust_client_gets_its_answer(
    our_server: OurServer, words: tuple[str, ...], sent: str, received: str
) -> None:
    lines = our_server.run("client", *words)
    assert lines == [f"sent command: {sent}", f"received response: {received}"]


def test_a_rust_client_changes_our_context(our_server: OurServer) -> None:
    for number in (7, 0, U64_MAX):
        our_server.run("client", "push", str(number))
    assert our_server.stack == [7, 0, U64_MAX]


def test_many_rust_clients_at_once(our_server: OurServer) -> None:
    lines = our_server.run("flood", "64")
    assert sorted(lines) == sorted(
        [f"sent command: Add {{ a: {i}, b: {i} }}" for i in range(64)]
        + [f"received response: Sum {{ c: {2 * i} }}" for i in range(64)]
    )


def test_a_sum_past_u64_ends_that_client_only(our_server: OurServer) -> None:
    lines = our_server.run("client", "add", str(U64_MAX), "1")
    assert lines[-1] == "failed to parse response: []"
    assert our_server.run("client", "add", "1", "2")[-1] == "received response: Sum { c: 3 }"


@pytest.mark.parametrize(
    "garbage",
    [
        struct.pack("<I", 99) + b"no such variant",
        struct.pack("<IQ", 0, 3) + b"\xff\xfe\xfd",
        struct.pack("<IQ", 0, U64_MAX) + b"far too long",
    ],
    ids=["index", "utf-8", "length"],
)
def test_garbage_does_not_disturb_a_rust_client(our_server: OurServer, garbage: bytes) -> None:
    with connected(our_server.path) as bad:
        bad.sendall(garbage)
        assert our_server.run("client", "add", "1", "2")[-1] == "received response: Sum { c: 3 }"
        our_server.poll_until_closed(bad)


@pytest.mark.parametrize("beginning", [b"", b"\1", struct.pack("<IQ", 1, 5)], ids=len)
def test_half_a_message_does_not_disturb_a_rust_client(
    our_server: OurServer, beginning: bytes
) -> None:
    with connected(our_server.path) as slow:
        slow.sendall(beginning)
        assert our_server.run("client", "add", "1", "2")[-1] == "received response: Sum { c: 3 }"
        slow.setblocking(False)
        assert not has_ended(slow)


def connected(path: str) -> socket.socket:
    """A plain socket, connected."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(DEADLINE_SECONDS)
    client.connect(path)
    return client


@pytest.mark.parametrize(
    ("command", "answer", "printed"),
    [
        (Print(payload="hello"), PrintAck(), "Print command received: hello"),
        (Print(payload="🦀🐍"), PrintAck(), "Print command received: 🦀🐍"),
        (Print(payload="x" * 900), PrintAck(), "Print command received: " + "x" * 900),
        (Add(a=1, b=2), Sum(c=3), "Add command received: 1 + 2 = 3"),
        (
            Add(a=U64_MAX, b=0),
            Sum(c=U64_MAX),
            f"Add command received: {U64_MAX} + 0 = {U64_MAX}",
        ),
        (Push(x=7), Pushed(x=7), "Push command received: 7"),
        (Push(x=U64_MAX), Pushed(x=U64_MAX), f"Push command received: {U64_MAX}"),
    ],
    ids=["print", "astral", "900 bytes", "add", "add extremes", "push", "push extremes"],
)
def test_the_crates_server_answers_us(
    rust_server: RustServer,
    command: Print | Add | Push,
    answer: PrintAck | Sum | Pushed,
    printed: str,
) -> None:
    assert client_send(command, rust_server.path, wire=Wire.BARE) == answer
    assert rust_server.finish() == [printed]


def test_the_crates_server_answers_us_time_and_again(rust_server: RustServer) -> None:
    for number in range(200):
        answer = client_send(Add(a=number, b=1), rust_server.path, wire=Wire.BARE)
        assert answer == Sum(c=number + 1)
    # Each ran once: a request that was sent again had not been read the first time.
    assert len(rust_server.finish()) == 200


def test_several_of_us_at_once_against_the_crates_server(rust_server: RustServer) -> None:
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                running(sys.executable, "-c", SENDER, rust_server.path, str(number))
            )
            for number in range(8)
        ]
        answers = [client.communicate(timeout=DEADLINE_SECONDS)[0] for client in clients]
    assert answers == [f"{2 * number}\n" for number in range(8)]
    assert len(rust_server.finish()) == 8


def test_the_longest_request_the_crate_reads(rust_server: RustServer) -> None:
    longest = Print(payload="x" * 1012)  # 12 bytes of index and length make it 1,024
    assert client_send(longest, rust_server.path, wire=Wire.BARE) == PrintAck()
    with pytest.raises(Disconnected):
        client_send(Print(payload="x" * 1013), rust_server.path, wire=Wire.BARE)
    assert client_send(Add(a=1, b=2), rust_server.path, wire=Wire.BARE) == Sum(c=3)
