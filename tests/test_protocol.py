"""The page docs/protocol.md, held against a real server by a client written from it alone."""

from __future__ import annotations

import ast
import enum
import fcntl
import json
import os
import re
import select
import socket
import stat
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydantic import BaseModel

from examples.simple.commands import ClientCommand
from lazyipc import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    Command,
    CommandFailed,
    IpcServer,
    Limits,
    Response,
    TaggedUnion,
    Wire,
)
from tests import independent_client as client
from tests.harness import need_root
from tests.independent_client import Failure, Framed, ask_bare, command

PAGE = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text("utf-8")
ANSWERS = [
    pytest.param(command("Print", "Grüße"), ("PrintAck", {}), id="Print"),
    pytest.param(command("Add", 1, 2**64 - 2), ("Sum", {"c": 2**64 - 1}), id="Add"),
    pytest.param(command("Push", 7), ("Pushed", {"x": 7}), id="Push"),
]
T = TypeVar("T")


class Host:
    """A program that polls its server only when the test says so."""

    def __init__(self, path: Path, family: Any = ClientCommand, **settings: Any) -> None:
        self.path = str(path)
        self.stack: list[int] = []
        self.server: IpcServer[list[int]] = IpcServer(self.path, family, **settings)
        self.streams: list[socket.socket] = []

    def close(self) -> None:
        for stream in self.streams:
            stream.close()
        self.server.close()

    def drive(self, done: Callable[[], bool]) -> None:
        """Poll until it is done, for five seconds at most."""
        until = time.monotonic() + 5
        while not done():
            assert time.monotonic() < until, "the server has not done it"
            self.server.wait(0.05)
            self.server.handle_new_messages(self.stack)

    def serve(self, work: Callable[[], T]) -> T:
        """Poll while a client that blocks works in a thread."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        self.drive(future.done)
        return future.result()

    def connect(self, sent: bytes = b"") -> socket.socket:
        """Connect, and send what fits the socket's buffer before the server is polled."""
        stream = client.connect(self.path)
        self.streams.append(stream)
        stream.settimeout(5)
        stream.sendall(sent)
        return stream

    def framed(self) -> Framed:
        return Framed(self.connect())

    def receive(self, framed: Framed, count: int = 1) -> list[Any]:
        """Let the client receive so many answers."""
        answers: list[Any] = []
        for _ in range(count):
            self.drive(lambda: is_readable(framed.stream))
            answers.append(framed.receive())
        return answers

    def ask(self, framed: Framed, *asked: client.Command | str, **how: Any) -> list[Any]:
        """Send commands together, and return what answers them, by order of the calls."""
        calls = framed.send(*asked, **how)
        answers = dict(self.receive(framed, len(calls)))
        return [answers[call] for call in calls]

    def frames(self, stream: socket.socket, count: int) -> list[tuple[int, int, Any]]:
        """Receive so many frames: kind, call and payload, with the errors read."""
        frames = []
        for _ in range(count):
            self.drive(lambda: is_readable(stream))
            header = client.receive_exactly(stream, 16)
            magic, version, kind, size, call = client.HEADER.unpack(header)
            assert (magic, version) == (b"\xff\x4c", 1)
            payload = client.receive_exactly(stream, size)
            frames.append((kind, call, client.read_error(payload) if kind == 3 else payload))
        return frames

    def rest(self, stream: socket.socket) -> bytes:
        """Receive until the server has closed the connection."""
        data = b""
        while True:
            self.drive(lambda: is_readable(stream))
            try:
                piece = stream.recv(65536)
            except ConnectionResetError:  # closed with bytes unread
                return data
            if not piece:
                return data
            data += piece


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def start(family: Any = ClientCommand, **settings: Any) -> Host:
        hosts.append(Host(tmp_path / f"socket{len(hosts)}", family, **settings))
        return hosts[-1]

    yield start
    for host in hosts:
        host.close()


@pytest.fixture
def host(start: Callable[..., Host]) -> Host:
    return start(wires=Wire.ALL)


class Trickle:
    """A stream that gives its bytes one by one."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def recv(self, size: int) -> bytes:
        piece, self.data = self.data[:1], self.data[1:]
        return piece

    def sendall(self, data: bytes) -> None:
        pass


def is_readable(stream: socket.socket) -> bool:
    return bool(select.select([stream], [], [], 0)[0])


def frame(
    kind: int, call: int, payload: bytes = b"", *, magic: bytes = b"\xff\x4c", version: int = 1
) -> bytes:
    return client.HEADER.pack(magic, version, kind, len(payload), call) + payload


def request(call: int, asked: client.Command) -> bytes:
    payload = asked.fingerprint + struct.pack("<8sQQ", *client.NO_DEADLINE) + asked.fields
    return frame(1, call, payload)


def bare(asked: client.Command) -> bytes:
    return struct.pack("<I", asked.variant) + asked.fields


def with_fields(name: str, fields: bytes) -> client.Command:
    """Return a command of the demo with other bytes."""
    values = {"Print": ("",), "Add": (0, 0), "Push": (0,)}[name]
    return command(name, *values)._replace(fields=fields)


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def own_clock() -> bytes:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").rstrip("\n")
    inode = os.stat("/proc/self/ns/time").st_ino
    return blake2b(f"{boot}/{inode}".encode("ascii"), digest_size=8).digest()


# The client itself


def test_the_client_is_small_and_needs_nothing() -> None:
    source = Path(client.__file__).read_text("utf-8")
    assert len(source.splitlines()) <= 150
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    allowed = {"__future__", "typing", "socket", "struct", "json", "hashlib"}
    assert imported <= allowed
    assert "__import__" not in source
    assert "importlib" not in source


def test_the_client_reads_answers_in_any_pieces() -> None:
    error = struct.pack("<I", 2) + text(b"CommandFailed") + text("voilà".encode()) + text(b"{}")
    answers = [
        frame(2, 1, client.fingerprint(["response", "PrintAck", []])),
        frame(3, 2, error),
        frame(2, 3, client.fingerprint(["response", "Sum", [["c", "u64"]]]) + bytes(8)),
    ]
    framed = Framed(Trickle(b"".join(answers)))  # type: ignore[arg-type]
    framed.waiting = {1, 2, 3}
    assert framed.receive() == (1, ("PrintAck", {}))
    assert framed.receive() == (2, Failure(2, "CommandFailed", "voilà", {}))
    assert framed.receive() == (3, ("Sum", {"c": 0}))
    assert not framed.waiting
    with pytest.raises(EOFError):
        framed.receive()


def test_the_client_skips_kinds_it_does_not_know_and_calls_it_gave_up() -> None:
    acknowledged = client.fingerprint(["response", "PrintAck", []])
    data = frame(8, 2, b"?") + frame(200, 0) + frame(2, 1, acknowledged) + frame(2, 2, acknowledged)
    framed = Framed(Trickle(data))  # type: ignore[arg-type]
    framed.waiting = {2}
    assert framed.receive() == (2, ("PrintAck", {}))


def test_the_client_writes_nothing_to_another_users_server(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = iter([1000, 1001])
    monkeypatch.setattr(client, "peer_user", lambda stream: next(users))
    with pytest.raises(PermissionError):
        client.connect(host.path)


# Fingerprints and values


def test_the_vectors_of_the_page() -> None:
    vectors = re.findall(r">>> fingerprint\('(\[.*\])'\)\n'([0-9a-f]{16})'", PAGE)
    assert len(vectors) == 4
    for description, named in vectors:
        assert client.fingerprint(json.loads(description)).hex() == named
    assert command("Add", 0, 0).fingerprint.hex() == vectors[0][1]
    assert command("Print", "").fingerprint.hex() == vectors[1][1]


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Point(BaseModel):
    x: I8
    y: I8


class Named(BaseModel):
    name: str


class Shape(TaggedUnion):
    pass


class Dot(Shape):
    pass


class Ring(Shape, index=5):
    radius: U8


class Reply(Response):
    pass


class Echoed(Reply):
    data: bytes


class Refused(Reply):
    pass


class Probe(Command[list[int]]):
    """Commands with what the demo has not."""


class Numbers(Probe):
    a: U8
    b: U16
    c: U32
    d: U64
    e: I8
    f: I16
    g: I32
    h: I64
    i: int
    j: F32
    k: F64
    größe: float

    def process(self, context: list[int]) -> tuple[U8, I16]:
        expected = (1, 2, 3, 4, -1, -2, -3, -4, -5, 0.5, -0.25, 1.5)
        assert tuple(self.model_dump().values()) == expected
        return (self.a, self.f)


class Shapes(Probe):
    yes: bool
    word: str
    data: bytes
    nothing: None
    maybe: U8 | None
    many: list[U16]
    more: tuple[U8, ...]
    pair: tuple[str, bool]
    table: dict[U8, str]
    colour: Colour
    point: Point
    either: Point | Named
    shape: Shape

    def process(self, context: list[int]) -> Echoed:
        assert self.yes is True
        assert (self.word, self.data, self.nothing, self.maybe) == ("é", b"\xff", None, 9)
        assert (list(self.many), list(self.more), self.pair) == ([1, 2], [3], ("", False))
        assert (self.table, self.colour, self.point) == ({4: "d"}, Colour.BLUE, Point(x=-1, y=1))
        assert (self.either, self.shape) == (Named(name="n"), Ring(radius=6))
        return Echoed(data=b"same")


class Fail(Probe, index=40):
    how: str

    def process(self, context: list[int]) -> None:
        if self.how == "expected":
            raise CommandFailed("not now")
        if self.how == "unexpected":
            raise KeyError("x")
        if self.how == "undeclared":
            return 7  # type: ignore[return-value]
        return None


class Either(Probe):
    well: bool

    def process(self, context: list[int]) -> Reply:
        return Echoed(data=b"") if self.well else Refused()


class Slow(Probe):
    def process(self, context: list[int]) -> None:
        until = time.monotonic_ns() + 2 * 10**7
        while time.monotonic_ns() < until:
            pass


class Count(Probe):
    items: list[None]
    others: list[None]

    def process(self, context: list[int]) -> U64:
        return len(self.items) + len(self.others)


POINT = [["x", "i8"], ["y", "i8"]]
PROBES: dict[str, tuple[list[Any], Any]] = {
    "Numbers": (
        [
            *zip("abcdefgh", ("u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"), strict=True),
            *(["i", "i64"], ["j", "f32"], ["k", "f64"], ["größe", "f64"]),
        ],
        ["tuple", ["u8", "i16"]],
    ),
    "Shapes": (
        [
            *(["yes", "bool"], ["word", "str"], ["data", "bytes"], ["nothing", "unit"]),
            *(["maybe", ["option", "u8"]], ["many", ["vec", "u16"]], ["more", ["vec", "u8"]]),
            ["pair", ["tuple", ["str", "bool"]]],
            ["table", ["map", "u8", "str"]],
            ["colour", ["enum", ["RED", "BLUE"]]],
            ["point", ["struct", POINT]],
            ["either", ["choice", [[0, "Point", POINT], [1, "Named", [["name", "str"]]]]]],
            ["shape", ["choice", [[0, "Dot", []], [5, "Ring", [["radius", "u8"]]]]]],
        ],
        ["response", "Echoed", [["data", "bytes"]]],
    ),
    "Fail": ([["how", "str"]], "unit"),
    "Either": ([["well", "bool"]], ["family", "Reply"]),
    "Slow": ([], "unit"),
    "Count": ([["items", ["vec", "unit"]], ["others", ["vec", "unit"]]], "u64"),
}
NUMBERS = struct.pack("<BHIQbhiqqfdd", 1, 2, 3, 4, -1, -2, -3, -4, -5, 0.5, -0.25, 1.5)
SHAPES = (
    b"\x01"
    + text("é".encode())
    + text(b"\xff")
    + b"\x01\x09"
    + struct.pack("<QHH", 2, 1, 2)
    + struct.pack("<QB", 1, 3)
    + (text(b"") + b"\x00")
    + (struct.pack("<QB", 1, 4) + text(b"d"))
    + struct.pack("<I", 1)
    + struct.pack("<bb", -1, 1)
    + (struct.pack("<I", 1) + text(b"n"))
    + struct.pack("<IB", 5, 6)
)


def probe(name: str, fields: bytes) -> client.Command:
    return client.Command(0, client.fingerprint(["command", name, *PROBES[name]]), fields)


@pytest.mark.parametrize(
    ("asked", "returned", "response"),
    [
        (
            probe("Numbers", NUMBERS),
            ["type", ["tuple", ["u8", "i16"]]],
            b"\x01\xfe\xff",
        ),
        (
            probe("Shapes", SHAPES),
            ["response", "Echoed", [["data", "bytes"]]],
            text(b"same"),
        ),
        (probe("Fail", text(b"not")), ["type", "unit"], b""),
        (probe("Either", b"\x01"), ["response", "Echoed", [["data", "bytes"]]], text(b"")),
        (probe("Either", b"\x00"), ["response", "Refused", []], b""),
        (probe("Count", struct.pack("<QQ", 2, 3)), ["type", "u64"], struct.pack("<Q", 5)),
    ],
    ids=["numbers", "all other types", "unit", "a family", "its other variant", "no bytes"],
)
def test_values_and_their_descriptions(
    start: Callable[..., Host], asked: client.Command, returned: list[Any], response: bytes
) -> None:
    host = start(Probe)
    stream = host.connect(request(3, asked))
    assert host.frames(stream, 1) == [(2, 3, client.fingerprint(returned) + response)]


# The socket


def test_the_modes_of_the_socket_and_its_lock(host: Host) -> None:
    assert stat.S_IMODE(os.stat(host.path).st_mode) == 0o600
    assert stat.S_ISSOCK(os.stat(host.path).st_mode)
    lock = Path(host.path + ".lock")
    assert stat.S_IMODE(lock.stat().st_mode) == 0o600
    assert lock.read_bytes()[:16] == b"lazyipc\x01" + struct.pack("<Q", os.getpid())
    with lock.open("rb") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        host.close()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert lock.exists()


def test_another_user_is_closed_unread() -> None:
    need_root()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        host = Host(Path(folder, "socket"), wires=Wire.ALL)
        try:
            os.chmod(host.path, 0o666)
            stream = socket.socket(socket.AF_UNIX)
            host.streams.append(stream)
            os.seteuid(65534)
            try:
                stream.connect(host.path)
            finally:
                os.seteuid(0)
            stream.sendall(request(1, command("Push", 1)))
            assert host.rest(stream) == b""
            assert host.stack == []
        finally:
            host.close()


def test_nothing_is_answered_before_the_host_polls_and_no_greeting_is_needed(host: Host) -> None:
    stream = host.connect(request(1, command("Add", 1, 2)))
    assert not is_readable(stream)
    host.server.handle_new_messages(host.stack)
    assert is_readable(stream)
    ((kind, call, _),) = host.frames(stream, 1)
    assert (kind, call) == (2, 1)


def test_a_half_closed_client_is_answered(host: Host) -> None:
    stream = host.connect(request(1, command("Push", 1)) + request(2, command("Push", 2)))
    stream.shutdown(socket.SHUT_WR)
    other = host.connect(bare(command("Add", 1, 2)))
    other.shutdown(socket.SHUT_WR)
    assert [(kind, call) for kind, call, _ in host.frames(stream, 2)] == [(2, 1), (2, 2)]
    assert host.rest(other) == struct.pack("<IQ", 1, 3)


@pytest.mark.parametrize(
    "sent", [request(1, command("Push", 1)), bare(command("Push", 1))], ids=["framed", "bare"]
)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(socket.SHUT_RDWR, id="SHUT_RDWR"),
        pytest.param(None, id="close"),
    ],
)
def test_nothing_is_run_for_who_can_receive_no_more(
    host: Host, sent: bytes, how: int | None
) -> None:
    gone = host.connect(sent)
    if how is None:
        gone.close()
    else:
        gone.shutdown(how)
    framed = host.framed()  # behind it in the queue
    assert host.ask(framed, command("Push", 2)) == [("Pushed", {"x": 2})]
    assert host.stack == [2]


# The wires


@pytest.mark.parametrize(("asked", "answer"), ANSWERS)
def test_a_command_on_the_framed_wire(
    host: Host, capsys: pytest.CaptureFixture[str], asked: client.Command, answer: Any
) -> None:
    framed = host.framed()
    assert host.serve(lambda: (framed.send(asked), framed.receive())) == ([1], (1, answer))
    assert "command received: " in capsys.readouterr().out


@pytest.mark.parametrize(("asked", "answer"), ANSWERS)
def test_a_command_on_the_bare_wire(
    host: Host, capsys: pytest.CaptureFixture[str], asked: client.Command, answer: Any
) -> None:
    assert host.serve(lambda: ask_bare(host.path, asked)) == answer
    assert "command received: " in capsys.readouterr().out


def test_the_context_is_the_same_on_both_wires(host: Host) -> None:
    framed = host.framed()
    assert host.ask(framed, command("Push", 1)) == [("Pushed", {"x": 1})]
    host.rest(host.connect(bare(command("Push", 2))))
    assert host.stack == [1, 2]


def test_a_server_takes_framed_only_unless_told_otherwise(start: Callable[..., Host]) -> None:
    host = start()
    assert host.rest(host.connect(bare(command("Push", 1)))) == b""
    assert host.ask(host.framed(), command("Push", 2)) == [("Pushed", {"x": 2})]
    assert host.stack == [2]


def test_a_server_may_take_bare_only(start: Callable[..., Host]) -> None:
    host = start(wires=Wire.BARE)
    assert host.rest(host.connect(request(1, command("Push", 1)))) == b""
    assert host.rest(host.connect(bare(command("Push", 2)))) == struct.pack("<IQ", 2, 2)
    assert host.stack == [2]


@pytest.mark.parametrize("sent", [b"\x00\x09", b"\x01\x4c", b"\xff\x4d", b"\xff\xff", b"GET /"])
def test_other_first_bytes_are_refused(start: Callable[..., Host], sent: bytes) -> None:
    host = start(wires=Wire.BARE | Wire.FRAMED)
    assert host.rest(host.connect(sent)) == b""


def test_other_first_bytes_are_lines(host: Host) -> None:
    stream = host.connect(b'{"Push":{"x":2}}\n{"id":"a","call":{"Add":{"a":1,"b":2}}}\n')
    answers = b""
    while answers.count(b"\n") < 2:
        host.drive(lambda: is_readable(stream))
        answers += stream.recv(4096)
    assert answers == b'{"Ok":{"Pushed":{"x":2}}}\n{"id":"a","Ok":{"Sum":{"c":3}}}\n'
    assert host.stack == [2]


def test_a_first_byte_alone_says_nothing(host: Host) -> None:
    asked = request(1, command("Push", 1)), bare(command("Push", 2))
    streams = [host.connect(sent[:1]) for sent in asked]
    host.server.handle_new_messages(host.stack)
    for stream, sent in zip(streams, asked, strict=True):
        stream.sendall(sent[1:])
    host.drive(lambda: all(map(is_readable, streams)))
    assert sorted(host.stack) == [1, 2]


class Alone(Command[list[int]]):
    """A set of one command, which has no variant index."""

    x: U64

    def process(self, context: list[int]) -> U64:
        context.append(self.x)
        return self.x + 1


def test_a_set_of_one_has_no_index_and_may_begin_with_any_bytes(
    start: Callable[..., Host],
) -> None:
    host = start(Alone, wires=Wire.BARE)
    for number in (0x4CFF, 0xFFFF):
        answer = host.rest(host.connect(struct.pack("<Q", number)))
        assert answer == struct.pack("<Q", number + 1)
    assert host.stack == [0x4CFF, 0xFFFF]


class Edge(Command[list[int]]):
    """A family with the first index and the last."""


class First(Edge):
    def process(self, context: list[int]) -> U8:
        return 1


class Last(Edge, index=2303):
    def process(self, context: list[int]) -> U8:
        return 2


def test_the_highest_index_is_told_from_a_frame(start: Callable[..., Host]) -> None:
    host = start(Edge, wires=Wire.ALL)
    assert host.rest(host.connect(bytes.fromhex("00 00 00 00"))) == b"\x01"
    assert host.rest(host.connect(bytes.fromhex("ff 08 00 00"))) == b"\x02"


# BARE


def test_a_bare_message_in_pieces_of_one_byte(host: Host) -> None:
    *pieces, last = bare(command("Add", 1, 2))
    stream = host.connect()
    for piece in pieces:
        stream.sendall(bytes([piece]))
        host.server.handle_new_messages(host.stack)
        assert not is_readable(stream)
    stream.sendall(bytes([last]))
    assert host.rest(stream) == struct.pack("<IQ", 1, 3)


@pytest.mark.parametrize("behind", [b"\xff", b"junk", bare(command("Push", 8)), bytes(5000)])
def test_bytes_behind_a_bare_command_are_not_looked_at(host: Host, behind: bytes) -> None:
    answer = host.rest(host.connect(bare(command("Push", 7)) + behind))
    assert answer == struct.pack("<IQ", 2, 7)
    assert host.stack == [7]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(bare(command("Add", 2**64 - 1, 1)), id="a command that fails"),
        pytest.param(struct.pack("<I", 3) + bytes(30), id="no such variant"),
        pytest.param(struct.pack("<I", 2303) + bytes(30), id="the highest index, not taken"),
        pytest.param(bare(with_fields("Print", text(b"\xff"))), id="not UTF-8"),
        pytest.param(struct.pack("<IQ", 0, 2**24 + 1), id="over the limit of bytes"),
        pytest.param(struct.pack("<IQ", 0, 2**63), id="far over it"),
    ],
)
def test_whatever_goes_wrong_closes_a_bare_connection(host: Host, sent: bytes) -> None:
    assert host.rest(host.connect(sent)) == b""
    assert host.ask(host.framed(), command("Push", 2)) == [("Pushed", {"x": 2})]


def test_a_bare_client_hears_of_a_close_without_an_answer(host: Host) -> None:
    with pytest.raises((EOFError, ConnectionResetError)):
        host.serve(lambda: ask_bare(host.path, with_fields("Print", text(b"\xff"))))


# FRAMED


def dialogues() -> list[bytes]:
    """The bytes that the page shows, block by block."""
    blocks = re.findall(r"^```\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return [
        b"".join(bytes.fromhex(line.split("   ")[0]) for line in block.splitlines())
        for block in blocks
    ]


def test_the_dialogue_byte_by_byte(host: Host) -> None:
    asked, answered = dialogues()[:2]
    assert (len(asked), len(answered)) == (64, 32)
    near, far = socket.socketpair()
    with near, far:
        Framed(near).send(*[command("Add", 1, 2)] * 7)
        assert far.recv(4096)[6 * 64 :] == asked
    stream = host.connect(asked)
    host.drive(lambda: is_readable(stream))
    assert client.receive_exactly(stream, 32) == answered
    host.server.handle_new_messages(host.stack)
    assert not is_readable(stream)


def test_many_requests_before_an_answer_is_read(host: Host) -> None:
    framed = host.framed()
    asked = [command("Push", x) for x in range(500)] + [command("Add", x, 1) for x in range(500)]
    calls = framed.send(*asked)
    answers = host.serve(lambda: [framed.receive() for _ in calls])
    assert [call for call, _ in answers] == calls  # in the order of the requests
    values = [answer[1] for _, answer in answers]
    assert values == [{"x": x} for x in range(500)] + [{"c": x + 1} for x in range(500)]
    assert host.stack == list(range(500))


def test_a_frame_in_pieces_of_one_byte(host: Host) -> None:
    *pieces, last = request(9, command("Push", 3))
    stream = host.connect()
    for piece in pieces:
        stream.sendall(bytes([piece]))
        host.server.handle_new_messages(host.stack)
        assert not is_readable(stream)
    stream.sendall(bytes([last]) + request(10, command("Push", 4))[:20])
    assert [(kind, call) for kind, call, _ in host.frames(stream, 1)] == [(2, 9)]
    stream.sendall(request(10, command("Push", 4))[20:])
    assert [(kind, call) for kind, call, _ in host.frames(stream, 1)] == [(2, 10)]


def test_calls_are_any_numbers_and_may_be_used_again(host: Host) -> None:
    stream = host.connect()
    for calls in ((2**64 - 1, 5, 3), (5, 2**64 - 1, 1)):
        stream.sendall(b"".join(request(call, command("Push", 1)) for call in calls))
        assert tuple(call for _, call, _ in host.frames(stream, 3)) == calls


def test_a_connection_stays_open_between_requests(start: Callable[..., Host]) -> None:
    host = start(limits=Limits(half_message_seconds=0.01))
    framed = host.framed()
    for x in range(3):
        host.server.wait(0.05)
        assert host.ask(framed, command("Push", x)) == [("Pushed", {"x": x})]


@pytest.mark.parametrize("kind", [0, *range(2, 9), *range(10, 15), 255])
def test_a_kind_the_server_does_not_take(host: Host, kind: int) -> None:
    sent = frame(kind, 30, b"payload") + frame(kind, 31) + request(32, command("Push", 1))
    first, second, third = host.frames(host.connect(sent), 3)
    assert (first[0], first[1], first[2].code) == (3, 30, 9)
    assert (second[0], second[1], second[2].code) == (3, 31, 9)
    assert third[:2] == (2, 32)


# Built-in requests


def test_a_description_asked_for_byte_by_byte(host: Host) -> None:
    asked, begun = dialogues()[2:]
    assert (len(asked), len(begun)) == (24, 32)
    near, far = socket.socketpair()
    with near, far:
        Framed(near).send(*["describe"] * 7)
        assert far.recv(4096)[6 * 24 :] == asked
    ((kind, call, payload),) = host.frames(host.connect(asked), 1)
    header = client.HEADER.unpack(begun[:16])
    assert (kind, call) == header[2::2] == (9, 7)
    assert payload.startswith(begun[16:])


def test_both_requests_in_turn_with_commands(host: Host) -> None:
    described, first, stats, second = host.ask(
        host.framed(), "describe", command("Push", 1), "stats", command("Push", 2)
    )
    assert (first, second) == (("Pushed", {"x": 1}), ("Pushed", {"x": 2}))
    assert {one["name"]: one["fingerprint"] for one in described["commands"]} == {
        name: command(name, *values).fingerprint.hex()
        for name, values in (("Print", ("",)), ("Add", (0, 0)), ("Push", (0,)))
    }
    assert (stats["commands"], stats["described"], stats["clients"]) == (1, 1, 1)
    told = described["server"]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE.partition("| key of `server`")[2], re.M)
    documented = [key for row in rows for key in re.findall(r"\w+", row)]
    assert list(told) == documented[: len(told)]
    assert told["wires"] == ["BARE", "FRAMED", "JSON"]
    assert told["path"] == host.path
    assert stats["start_ns"] == told["start_ns"]
    assert (stats["pid"], stats["clock"]) == (os.getpid(), own_clock().hex())


def test_no_name_is_a_description(host: Host) -> None:
    ((kind, _, payload),) = host.frames(host.connect(frame(9, 1)), 1)
    assert (kind, json.loads(payload)["lazyipc"]) == (9, 1)


@pytest.mark.parametrize("name", [b"help", b"Describe", b"stats ", b"\xff", b"x" * 70_000])
def test_another_name_is_told_the_two(host: Host, name: bytes) -> None:
    stream = host.connect()
    host.serve(lambda: stream.sendall(frame(9, 1, name) + request(2, command("Push", 1))))
    (_, _, failure), answer = host.frames(stream, 2)
    assert failure.code == 9
    assert "describe and stats" in failure.message
    assert len(failure.message) < 200
    assert answer[:2] == (2, 2)


# Errors


def test_an_unknown_fingerprint_is_answered_with_what_the_server_has(host: Host) -> None:
    framed = host.framed()
    unknown = command("Push", 1)._replace(fingerprint=b"unknown!")
    failure, answer = host.ask(framed, unknown, command("Push", 2))
    assert (failure.code, failure.kind) == (7, "SchemaMismatch")
    assert set(failure.detail) == {"version", "commands"}
    assert failure.detail["version"] == 1
    described = {}
    for entry in failure.detail["commands"]:
        assert set(entry) == {"name", "fields", "returns"}
        described[entry["name"]] = client.fingerprint(
            ["command", entry["name"], entry["fields"], entry["returns"]]
        )
    assert described == {
        "Print": command("Print", "").fingerprint,
        "Add": command("Add", 0, 0).fingerprint,
        "Push": command("Push", 0).fingerprint,
    }
    assert answer == ("Pushed", {"x": 2})
    assert host.stack == [2]


@pytest.mark.parametrize(
    ("asked", "offset", "path"),
    [
        pytest.param(with_fields("Add", bytes(4)), 0, "a", id="half a field"),
        pytest.param(with_fields("Add", bytes(12)), 8, "b", id="half the second field"),
        pytest.param(with_fields("Add", b""), 0, "a", id="no fields"),
        pytest.param(with_fields("Print", text(b"\xff\xfe")), 8, "payload", id="not UTF-8"),
        pytest.param(
            with_fields("Print", struct.pack("<Q", 3) + b"ab"), 8, "payload", id="a length too long"
        ),
        pytest.param(
            with_fields("Print", struct.pack("<Q", 2**63)), 8, "payload", id="far too long"
        ),
    ],
)
def test_bytes_that_are_no_such_command(
    host: Host, asked: client.Command, offset: int, path: str
) -> None:
    framed = host.framed()
    failure, answer = host.ask(framed, asked, command("Push", 2))
    assert (failure.code, failure.kind) == (5, "DecodeError")
    assert set(failure.detail) == {"offset", "path", "reason"}
    assert (failure.detail["offset"], failure.detail["path"]) == (offset, path)
    assert failure.detail["reason"]
    assert answer == ("Pushed", {"x": 2})  # the connection stays


def test_bytes_behind_the_fields_of_a_frame(host: Host) -> None:
    framed = host.framed()
    failure, answer = host.ask(framed, with_fields("Push", bytes(9)), command("Push", 2))
    assert (failure.code, failure.detail["offset"]) == (5, 8)
    assert answer == ("Pushed", {"x": 2})
    assert host.stack == [2]


@pytest.mark.parametrize("payload", [b"", command("Push", 1).fingerprint, bytes(31)])
def test_a_request_too_short_for_its_head(host: Host, payload: bytes) -> None:
    stream = host.connect(frame(1, 4, payload) + request(5, command("Push", 2)))
    (kind, call, failure), answer = host.frames(stream, 2)
    assert (kind, call, failure.code) == (3, 4, 5)
    assert answer[:2] == (2, 5)


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        pytest.param(probe("Either", b"\x02"), "well", id="a bool of 2"),
        pytest.param(probe("Shapes", SHAPES[:-5] + struct.pack("<IB", 1, 6)), "shape", id="no 1"),
        pytest.param(probe("Shapes", b"\x01" + text(b"\xc3")), "word", id="half a character"),
    ],
)
def test_values_that_no_type_has(
    start: Callable[..., Host], asked: client.Command, path: str
) -> None:
    ((_, _, failure),) = (host := start(Probe)).frames(host.connect(request(1, asked)), 1)
    assert (failure.code, failure.detail["path"]) == (5, path)


def test_errors_of_a_command(start: Callable[..., Host]) -> None:
    host = start(Probe)
    stream = host.connect()
    seen = []
    for how in (b"unexpected", b"expected", b"undeclared"):
        stream.sendall(request(1, probe("Fail", text(how))))
        seen += host.frames(stream, 1)
    assert [(kind, call, failure.code) for kind, call, failure in seen] == [
        (3, 1, 1),
        (3, 1, 2),
        (3, 1, 4),
    ]
    assert [failure.kind for _, _, failure in seen[:2]] == ["KeyError", "CommandFailed"]
    assert seen[1][2].message == "not now"
    assert [failure.detail for _, _, failure in seen] == [{}, {}, {}]


def test_a_command_that_is_not_permitted(start: Callable[..., Host]) -> None:
    host = start(authorize=lambda peer, asked: getattr(asked, "x", 0) != 1)
    failure, answer = host.ask(host.framed(), command("Push", 1), command("Push", 2))
    assert (failure.code, failure.kind) == (3, "NotPermitted")
    assert answer == ("Pushed", {"x": 2})
    assert host.stack == [2]


@pytest.mark.parametrize("counts", [(1001, 0), (600, 600), (2**63, 0)])
def test_elements_without_bytes_over_the_limit(
    start: Callable[..., Host], counts: tuple[int, int]
) -> None:
    host = start(Probe)
    fine = probe("Count", struct.pack("<QQ", 999, 1))
    sent = request(1, probe("Count", struct.pack("<QQ", *counts))) + request(2, fine)
    (kind, call, failure), answer = host.frames(host.connect(sent), 2)
    assert (kind, call, failure.code) == (3, 1, 6)
    assert set(failure.detail) == {"what", "size_bytes", "limit_bytes"}
    assert answer[:2] == (2, 2)


# Errors of the stream

FINE = request(1, command("Push", 1))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(1, 2, bytes(32), magic=b"\xff\x4d"), 9, id="magic"),
        pytest.param(bare(command("Push", 3)) + bytes(4), 9, id="the other wire"),
        pytest.param(frame(1, 2, bytes(32), version=2), 9, id="version 2"),
        pytest.param(frame(1, 2, bytes(32), version=0), 9, id="version 0"),
        pytest.param(client.HEADER.pack(b"\xff\x4c", 1, 1, 2**24 + 64, 2), 6, id="oversize"),
        pytest.param(client.HEADER.pack(b"\xff\x4c", 1, 11, 2**32 - 1, 2), 6, id="any kind"),
    ],
)
def test_a_broken_stream_is_told_under_call_0_and_closed(
    host: Host, sent: bytes, code: int
) -> None:
    stream = host.connect(FINE + sent + request(3, command("Push", 3)))
    answer, (kind, call, failure) = host.frames(stream, 2)
    assert answer[:2] == (2, 1)
    assert (kind, call, failure.code) == (3, 0, code)
    assert host.rest(stream) == b""
    assert host.stack == [1]


def test_the_client_tells_an_error_of_the_stream(host: Host) -> None:
    framed = Framed(host.connect(frame(1, 2, bytes(32), version=2)))
    framed.send(command("Push", 1))
    ((call, failure),) = host.receive(framed)
    assert (call, failure.code, failure.kind) == (0, 9, "RemoteProtocolError")
    assert host.rest(framed.stream) == b""


def test_the_first_frame_may_break_the_stream(host: Host) -> None:
    for sent in (frame(1, 2, version=7), client.HEADER.pack(b"\xff\x4c", 1, 1, 2**32 - 1, 2)):
        stream = host.connect(sent)
        assert host.frames(stream, 1)[0][:2] == (3, 0)
        assert host.rest(stream) == b""


def test_what_is_too_large_is_told_with_its_sizes(start: Callable[..., Host]) -> None:
    host = start(limits=Limits(message_bytes=1000))
    stream = host.connect(client.HEADER.pack(b"\xff\x4c", 1, 1, 2000, 2))
    ((_, _, failure),) = host.frames(stream, 1)
    assert failure.code == 6
    assert set(failure.detail) == {"what", "size_bytes", "limit_bytes"}
    assert failure.detail["size_bytes"] == 2000


@pytest.mark.parametrize(("size", "answer"), [(1032, (2, 7)), (1033, (0, 6))])
def test_the_limit_is_of_the_fields_and_the_payload_has_32_bytes_more(
    start: Callable[..., Host], size: int, answer: tuple[int, int]
) -> None:
    host = start(limits=Limits(message_bytes=1000))
    stream = host.connect(frame(1, 2, bytes(size)))
    ((_, call, failure),) = host.frames(stream, 1)
    assert (call, failure.code) == answer


def test_call_0_ends_the_stream(host: Host) -> None:
    for odd in (request(0, command("Push", 1)), frame(12, 0, b"")):
        stream = host.connect(odd)
        ((kind, call, failure),) = host.frames(stream, 1)
        assert (kind, call, failure.code) == (3, 0, 9)
        assert host.rest(stream) == b""
    assert host.stack == []


# Deadlines


NOW = time.monotonic_ns()
HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    "deadline",
    [
        pytest.param((bytes(8), 0, 0), id="unknown clock, none left"),
        pytest.param((bytes(8), NOW + HOUR, 0), id="unknown clock, another instant"),
        pytest.param((b"anothers", NOW + HOUR, 0), id="another clock"),
        pytest.param((own_clock(), NOW - 1, HOUR), id="same clock, the instant counts"),
        pytest.param((own_clock(), 0, 0), id="same clock, none left"),
    ],
)
def test_a_command_whose_deadline_has_passed_is_not_run(
    host: Host, deadline: tuple[bytes, int, int]
) -> None:
    framed = host.framed()
    (failure,) = host.ask(framed, command("Push", 1), deadline=deadline)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.kind, failure.detail) == (8, "ReplyTimeout", {})
    assert host.ask(framed, command("Push", 2)) == [("Pushed", {"x": 2})]
    assert host.stack == [2]


@pytest.mark.parametrize(
    "deadline",
    [
        pytest.param((bytes(8), NOW - 1, HOUR), id="unknown clock, the time left counts"),
        pytest.param((b"anothers", 0, HOUR), id="another clock"),
        pytest.param((own_clock(), NOW + HOUR, 0), id="same clock, the instant counts"),
        pytest.param((own_clock(), 2**64 - 1, 2**64 - 1), id="none"),
    ],
)
def test_a_command_within_its_deadline_is_run(host: Host, deadline: tuple[bytes, int, int]) -> None:
    framed = host.framed()
    assert host.ask(framed, command("Push", 1), deadline=deadline) == [("Pushed", {"x": 1})]


@pytest.mark.parametrize("clock", [bytes(8), own_clock()], ids=["unknown clock", "same clock"])
def test_a_deadline_that_passes_behind_another_command(
    start: Callable[..., Host], clock: bytes
) -> None:
    host = start(Probe)
    framed = host.framed()
    slow, late = probe("Slow", b""), probe("Either", b"\x01")
    deadline = (clock, time.monotonic_ns() + 10**7, 10**7)
    framed.send(slow)
    framed.send(late, deadline=deadline)
    (_, first, _), (_, second, failure) = host.frames(framed.stream, 2)
    assert (first, second) == (1, 2)
    assert isinstance(failure, Failure)
    assert failure.code == 8


def test_time_on_the_way_counts_only_on_the_same_clock(host: Host) -> None:
    left = 10**6
    sent = time.monotonic_ns()
    same, other = host.framed(), host.framed()
    same.send(command("Push", 1), deadline=(own_clock(), sent + left, left))
    other.send(command("Push", 2), deadline=(bytes(8), sent + left, 10**10))
    while time.monotonic_ns() <= sent + left:
        pass
    ((_, failure),) = host.receive(same)
    assert failure.code == 8
    assert host.receive(other) == [(1, ("Pushed", {"x": 2}))]


# Silence


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\xff", id="one byte"),
        pytest.param(FINE[:15], id="half a header"),
        pytest.param(FINE[:16], id="a header"),
        pytest.param(FINE[:-1], id="all but a byte"),
        pytest.param(bare(command("Push", 1))[:-1], id="bare"),
        pytest.param(struct.pack("<IQ", 0, 2**20) + bytes(100), id="bare, a count that may fit"),
    ],
)
def test_half_a_message_and_silence(start: Callable[..., Host], sent: bytes) -> None:
    host = start(limits=Limits(half_message_seconds=0.1), wires=Wire.ALL)
    began = time.monotonic()
    assert host.rest(host.connect(sent)) == b""
    assert time.monotonic() - began >= 0.1
    assert host.stack == []


def test_half_a_message_behind_a_whole_one(start: Callable[..., Host]) -> None:
    host = start(limits=Limits(half_message_seconds=0.1))
    stream = host.connect(FINE + FINE[:5])
    assert host.frames(stream, 1)[0][:2] == (2, 1)
    assert host.rest(stream) == b""


def test_nothing_more_is_run_for_who_takes_no_answers(start: Callable[..., Host]) -> None:
    host = start(limits=Limits(half_message_seconds=0.2))
    stream = host.connect()
    stream.setblocking(False)
    unsent = bytearray().join(request(call, command("Push", call)) for call in range(1, 50_000))
    longest = [0.0, 0]  # when the last command ran, and how many had

    def is_closed() -> bool:
        if len(host.stack) != longest[1]:
            longest[:] = [time.monotonic(), len(host.stack)]
        try:
            del unsent[: stream.send(unsent[:65536])]
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            return True
        return False

    host.drive(is_closed)
    assert unsent
    assert 0 < len(host.stack) < 49_999
    assert time.monotonic() - longest[0] >= 0.2
    taken = host.rest(stream)
    assert len(taken) // 32 <= len(host.stack)


def test_who_takes_the_answers_late_gets_them_all(host: Host) -> None:
    framed = host.framed()
    host.serve(lambda: framed.send(*[command("Push", 1)] * 3000))  # more than its buffer holds
    answers = host.serve(lambda: [framed.receive() for _ in range(3000)])
    assert [call for call, _ in answers] == list(range(1, 3001))
