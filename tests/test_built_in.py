"""What every server can be asked, whatever its commands are: its description and its counters."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyipc
from lazyipc import Command, IpcServer, Limits, LocalProtocolError, Stats, Wire
from lazyipc._core.catalog import Catalog
from lazyipc._core.framing import Kind, frame
from lazyipc._io.clock import clock_identity
from lazyipc._io.status_page import read_status
from lazyipc.testing import joined
from tests.conftest import PATIENT, Connect, Serve, StopClock, patient
from tests.harness import (
    Do,
    Echo,
    Host,
    Interrupter,
    Job,
    RawClient,
    header,
    is_well,
    poll,
    request,
    response,
    told_by_child,
)

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

SECOND = 1_000_000_000
WIRES = [Wire.FRAMED, Wire.JSON]
ON_EACH_WIRE = pytest.mark.parametrize("wire", WIRES, ids=["FRAMED", "JSON"])


def asking(wire: Wire, what: str, call: int = 1) -> bytes:
    """A built-in request; a line is numbered as a frame is."""
    if wire is Wire.FRAMED:
        return frame(Kind.DESCRIBE, call, what.encode())
    return json.dumps({"id": call, "call": {"$lazyipc": what}}).encode() + b"\n"


def commanding(wire: Wire, command: Any, call: int) -> bytes:
    """A command on the same wire."""
    if wire is Wire.FRAMED:
        return request(command, call)
    told = {"id": call, "call": {type(command).__name__: command.model_dump()}}
    return json.dumps(told).encode() + b"\n"


def answers_of(client: RawClient) -> dict[int, Any]:
    """What came by now, by call: an object that was told, or an error's or a response's bytes."""
    client.pump()
    if client.frames:
        return {
            call: json.loads(payload) if kind == Kind.DESCRIBE else payload
            for kind, call, payload in client.frames
        }
    lines = [json.loads(line) for line in bytes(client.received).split(b"\n")[:-1]]
    return {line["id"]: line.get("Ok", line.get("Err")) for line in lines}


def asked(server: IpcServer[Any], client: RawClient, wire: Wire, what: str, call: int = 1) -> Any:
    """Ask, poll until it is told, return it."""
    client.send(asking(wire, what, call))
    poll(server, Host(), lambda: call in answers_of(client))
    return answers_of(client)[call]


def without_uptime(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "server": {**document["server"], "uptime": None}}


# What is told ------------------------------------------------------------------------------------


@ON_EACH_WIRE
def test_a_description_has_the_server_and_its_set(
    serve: Serve, client: Connect, path: str, wire: Wire
) -> None:
    server = serve(version="1.4.0")
    told = asked(server, client(), wire, "describe")
    told_of_server = told["server"]
    assert list(told)[:3] == ["lazyipc", "server", "set"]
    assert 0 < told_of_server.pop("uptime") < 60
    status = read_status(path)
    assert status is not None
    assert told_of_server == {
        "name": "s",
        "version": "1.4.0",
        "pid": os.getpid(),
        "start_ns": status.start_ns,
        "clock": clock_identity().hex(),
        "library": lazyipc.__version__,
        "path": path,
        "wires": ["FRAMED", "JSON"],
    }
    del told["server"]
    assert told == Catalog(Job).document
    assert [command["name"] for command in told["commands"]] == ["Echo", "Big", "Do"]


@ON_EACH_WIRE
def test_the_server_has_the_text_itself(serve: Serve, client: Connect, wire: Wire) -> None:
    server = serve()
    told = asked(server, client(), wire, "describe")
    assert without_uptime(told) == without_uptime(json.loads(server.description))
    assert told["server"]["version"] is None
    assert "\n" not in server.description
    server.close()
    assert json.loads(server.description)["set"]["name"] == "Job"


def test_a_name_is_the_files_without_its_ending(folder: Path) -> None:
    for file, name in {"train.sock": "train", "train@2.sock": "train@2", "a.b": "a.b"}.items():
        with IpcServer(folder / file, Job) as server:
            assert json.loads(server.description)["server"]["name"] == name


def test_a_version_is_text(folder: Path) -> None:
    with pytest.raises(TypeError, match=r"version is text such as '1\.4\.0', or None, not 3"):
        IpcServer(folder / "s", Job, version=3)  # type: ignore[arg-type]
    assert not (folder / "s").exists()


@ON_EACH_WIRE
def test_stats_are_all_the_counters(serve: Serve, client: Connect, path: str, wire: Wire) -> None:
    server, one = serve(), client()
    one.send(commanding(wire, Echo(text="a"), 1) + asking(wire, "stats", 2))
    poll(server, Host(), lambda: 2 in answers_of(one))
    told = answers_of(one)[2]
    status = read_status(path)
    assert status is not None
    names = [field.name for field in dataclasses.fields(Stats)]
    assert list(told) == [*names, "pid", "uptime", "start_ns", "clock", "interval"]
    assert (told["clients"], told["accepted"], told["commands"], told["described"]) == (1, 1, 1, 0)
    assert told["received_bytes"] == one_of(server.stats.received_bytes)
    assert told["sent_bytes"] in (0, server.stats.sent_bytes)
    assert (told["pid"], told["start_ns"]) == (os.getpid(), status.start_ns)
    assert told["clock"] == clock_identity().hex()
    assert 0 < told["uptime"] < 60
    again = asked(server, one, wire, "stats", 3)
    assert (again["commands"], again["described"]) == (1, 1)
    assert server.stats.described == 2


def one_of(value: int) -> int:
    assert value > 0
    return value


def test_the_interval_is_the_pages(serve: Serve, client: Connect, path: str) -> None:
    server, one = serve(), client()
    assert asked(server, one, Wire.JSON, "stats")["interval"] is None
    page = server._place.page
    page.stamp(page.status.last_poll_ns + 20 * SECOND, server.stats.polls + 1)
    assert 10 < asked(server, one, Wire.JSON, "stats", 2)["interval"] <= 20


def test_turns_are_timed_from_the_look_to_the_last_answer(
    serve: Serve, client: Connect, stop_clock: StopClock
) -> None:
    server = serve()
    clock = stop_clock(server)
    host = Host(
        short=lambda: clock.advance_ns(SECOND // 4), long=lambda: clock.advance_ns(2 * SECOND)
    )
    for _ in range(100):
        server.handle_new_messages(host)
    assert server.stats.turns == 0
    one = client()
    one.ask(Do(name="short"))
    server.handle_new_messages(host)
    one.ask(Do(name="long"))
    server.handle_new_messages(host)
    one.ask(Do(name="short"), Do(name="short"))
    server.handle_new_messages(host)
    stats = server.stats
    assert (stats.turns, stats.turn_seconds, stats.longest_turn_seconds) == (3, 2.75, 2.0)
    clock.advance_ns(SECOND)  # between two polls
    server.handle_new_messages(host)
    assert server.stats.turn_seconds == 2.75


def test_a_poll_that_only_waits_for_the_rest_is_no_turn(serve: Serve, client: Connect) -> None:
    server, one = serve(), client()
    one.send(request(Echo(text="a"))[:20])
    poll(server, Host(), lambda: server.stats.received_bytes == 20)
    turns = server.stats.turns
    for _ in range(10):
        server.handle_new_messages(Host())
    assert server.stats.turns == turns
    assert server.stats.polls >= 10


def test_a_turn_that_was_interrupted_is_timed(
    serve: Serve, client: Connect, stop_clock: StopClock
) -> None:
    server, one = serve(), client()
    clock = stop_clock(server)

    def leave() -> int:
        clock.advance_ns(SECOND)
        raise KeyboardInterrupt

    one.ask(Do(name="leave"))
    with pytest.raises(KeyboardInterrupt):
        server.handle_new_messages(Host(leave=leave))
    assert (server.stats.turns, server.stats.turn_seconds) == (1, 1.0)


def test_the_page_tells_of_clients_and_commands(
    serve: Serve, client: Connect, path: str, stop_clock: StopClock
) -> None:
    server = serve()
    clock = stop_clock(server)

    def told() -> tuple[int | None, int | None]:
        clock.advance_ns(SECOND)
        server.handle_new_messages(Host())
        status = read_status(path)
        assert status is not None
        return status.clients, status.commands

    status = read_status(path)
    assert status is not None
    assert (status.clients, status.commands) == (0, 3)
    clients = [client(), client()]
    for one in clients:
        one.ask(Echo(text="a"))
    assert told() == (2, 3)
    for _ in range(200):
        assert told() == (2, 3)
    clients[0].close()
    assert told() == (1, 3)
    clients[1].close()
    assert told() == (0, 3)


# Their place among commands ----------------------------------------------------------------------


@ON_EACH_WIRE
def test_they_are_answered_in_order_and_not_counted_as_commands(
    serve: Serve, client: Connect, wire: Wire
) -> None:
    server, one, host = serve(), client(), Host()
    one.send(
        asking(wire, "stats", 1)
        + commanding(wire, Echo(text="a"), 2)
        + asking(wire, "describe", 3)
        + commanding(wire, Echo(text="b"), 4)
        + asking(wire, "stats", 5)
    )
    assert server.handle_new_messages(host) == 2
    told = answers_of(one)
    assert list(told) == [1, 2, 3, 4, 5]
    assert (told[1]["commands"], told[5]["commands"]) == (0, 2)
    assert (told[1]["described"], told[5]["described"]) == (0, 2)
    assert (server.stats.commands, server.stats.described) == (2, 3)
    assert server.stats.rejected == server.stats.failed == 0


@ON_EACH_WIRE
def test_they_are_messages_of_a_polls_budget(serve: Serve, client: Connect, wire: Wire) -> None:
    server, one = serve(), client()
    one.send(b"".join(asking(wire, "stats", call) for call in range(1, 8)))
    for count in (3, 6, 7):
        assert server.handle_new_messages(Host(), max_messages=3) == 0
        assert len(answers_of(one)) == count
    assert server.stats.deferred == 2


@ON_EACH_WIRE
def test_clients_take_turns(serve: Serve, client: Connect, wire: Wire) -> None:
    server, greedy, modest, host = serve(), client(), client(), Host()
    greedy.send(b"".join(asking(wire, "describe", call) for call in range(1, 9)))
    modest.send(commanding(wire, Echo(text="a"), 1))
    server.handle_new_messages(host, max_messages=2)
    assert len(answers_of(greedy)) == 1
    assert host.ran == ["a"]


@ON_EACH_WIRE
def test_nobodys_permission_is_asked(serve: Serve, client: Connect, wire: Wire) -> None:
    def refuse(peer: object, command: object) -> bool:
        seen.append(command)
        return False

    seen: list[object] = []
    server, one = serve(authorize=refuse), client()
    assert asked(server, one, wire, "describe")["set"]["name"] == "Job"
    assert asked(server, one, wire, "stats", 2)["described"] == 1
    assert seen == []


def test_a_line_whose_time_is_over_is_not_answered(serve: Serve, client: Connect) -> None:
    server, one = serve(), client()
    one.send(b'{"id":1,"call":{"$lazyipc":"describe"},"timeout":0}\n')
    one.send(b'{"id":2,"call":{"$lazyipc":"stats"},"timeout":1000}\n')
    poll(server, Host(), lambda: len(answers_of(one)) == 2)
    assert answers_of(one)[1]["code"] == 8
    assert answers_of(one)[2]["rejected"] == answers_of(one)[2]["expired"] == 1
    assert server.stats.described == 1


@ON_EACH_WIRE
def test_nothing_is_told_after_close(serve: Serve, client: Connect, wire: Wire) -> None:
    server, one = serve(), client()

    def leave() -> int:
        server.close()
        return 1

    one.send(
        asking(wire, "stats", 1) + commanding(wire, Do(name="leave"), 2) + asking(wire, "stats", 3)
    )
    server.handle_new_messages(Host(leave=leave))
    assert server.is_closed
    assert list(answers_of(one)) == [1, 2]


@ON_EACH_WIRE
def test_nothing_is_told_to_who_hung_up(serve: Serve, client: Connect, wire: Wire) -> None:
    server, one = serve(), client()
    one.send(asking(wire, "describe") * 3)
    one.close()
    poll(server, Host(), lambda: server.stats.accepted == 1 and not server.clients)
    assert server.stats.described == 0


@ON_EACH_WIRE
def test_who_half_closed_is_told(serve: Serve, client: Connect, wire: Wire) -> None:
    server, one = serve(), client()
    one.send(asking(wire, "stats").removesuffix(b"\n"))
    one.socket.shutdown(socket.SHUT_WR)
    poll(server, Host(), one.has_ended)
    assert answers_of(one)[1]["clients"] == 1


# Which wires -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "names"),
    [
        (Wire.FRAMED, ["FRAMED"]),
        (Wire.JSON, ["JSON"]),
        (Wire.FRAMED | Wire.JSON, ["FRAMED", "JSON"]),
    ],
)
def test_each_wire_that_is_taken_can_ask(
    serve: Serve, client: Connect, taken: Wire, names: list[str]
) -> None:
    server = serve(wires=taken)
    for wire in WIRES:
        one = client()
        if wire in taken:
            assert asked(server, one, wire, "describe")["server"]["wires"] == names
        else:
            one.send(asking(wire, "describe"))
            poll(server, Host(), one.has_ended)
            assert not one.received
    assert server.stats.described == len(names)


class Sole(Command[Host]):
    """A set whose replies have one type, so that it can be spoken bare."""


class Say(Sole):
    """A command without an index that would tell it from a frame."""

    text: str

    def process(self, context: Host) -> str:
        context.ran.append(self.text)
        return self.text


@ON_EACH_WIRE
def test_a_bare_server_has_no_words_for_it(serve: Serve, client: Connect, wire: Wire) -> None:
    server, one = serve(Sole, wires=Wire.BARE), client()
    one.send(asking(wire, "describe"))
    poll(server, Host(), one.has_ended)
    assert not one.received
    assert server.stats.described == 0
    assert json.loads(server.description)["server"]["wires"] == ["BARE"]


@ON_EACH_WIRE
def test_a_server_of_all_wires_tells_all(serve: Serve, client: Connect, wire: Wire) -> None:
    server = serve(Sole, wires=Wire.ALL)
    told = asked(server, client(), wire, "describe")
    assert told["server"]["wires"] == ["BARE", "FRAMED", "JSON"]


# What goes wrong ---------------------------------------------------------------------------------


@ON_EACH_WIRE
def test_a_server_of_short_messages_tells_all(serve: Serve, client: Connect, wire: Wire) -> None:
    server, one = serve(limits=patient(message_bytes=64)), client()
    assert len(server.description) > 2 * (64 + 1024)  # more than its buffers were to hold, too
    one.send(b"".join(asking(wire, what, n) for n, what in ((1, "describe"), (2, "stats"))))
    poll(server, Host(), lambda: len(answers_of(one)) == 2)
    assert answers_of(one)[1]["commands"]
    told = answers_of(one)[2]
    assert (told["too_large"], told["rejected"], told["described"]) == (0, 0, 1)


def broken(error: Exception) -> Callable[[Any], dict[str, Any]]:
    def document(catalog: Catalog) -> dict[str, Any]:
        raise error

    return document


DOCUMENTS: dict[str, Any] = {
    "raises": property(broken(RuntimeError("cannot be made"))),
    "recursion": property(broken(RecursionError("cannot be made"))),
    "not finite": {"lazyipc": 1, "set": float("inf")},
    "no JSON": {"lazyipc": 1, "set": object()},
}


@ON_EACH_WIRE
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_description_that_cannot_be_made_is_an_error_and_no_more(
    serve: Serve,
    client: Connect,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    wire: Wire,
    kind: str,
) -> None:
    monkeypatch.setattr(Catalog, "document", DOCUMENTS[kind])
    server, one, host = serve(), client(), Host()
    one.send(asking(wire, "describe", 1) + commanding(wire, Echo(text="a"), 2))
    with caplog.at_level(logging.ERROR, "lazyipc"):
        poll(server, host, lambda: len(answers_of(one)) == 2)
    failure = answers_of(one)[1]
    assert failure["code"] == 1 if wire is Wire.JSON else failure[:4] == b"\1\0\0\0"
    assert host.ran == ["a"]
    assert (server.stats.failed, server.stats.described) == (1, 0)
    assert "describe cannot be told" in caplog.text
    monkeypatch.undo()
    assert asked(server, one, wire, "describe", 3)["set"]["name"] == "Job"


@ON_EACH_WIRE
def test_what_takes_time_is_made_before_the_loop_begins(
    serve: Serve, client: Connect, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    server, one = serve(), client()
    monkeypatch.setattr(Catalog, "document", DOCUMENTS["raises"])
    assert asked(server, one, wire, "describe")["set"]["name"] == "Job"


@ON_EACH_WIRE
def test_text_that_no_utf8_has_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    """A file's name may be any bytes, and a docstring any code points."""
    document = {"lazyipc": 1, "set": {"name": "Größe\ud800", "doc": "a\nb\x1b\u2028"}}
    monkeypatch.setattr(Catalog, "document", document)
    path = os.fsdecode(os.fsencode(folder) + b"/\xff.sock")
    with IpcServer(path, Job, version="é") as server, RawClient(path) as client:
        told = asked(server, client, wire, "describe")
        assert without_uptime(told) == without_uptime(json.loads(server.description))
        assert told["set"] == document["set"]
        assert (told["server"]["name"], told["server"]["path"]) == ("\udcff", path)
        assert "é" in server.description


@pytest.mark.parametrize(
    ("sent", "call"),
    [
        (frame(Kind.DESCRIBE, 5, b"help"), 5),
        (frame(Kind.DESCRIBE, 5, b"\xff" * 100), 5),
        (frame(Kind.DESCRIBE, 5, b"describe" * 100), 5),
        (frame(Kind.DESCRIBE, 0, b"describe"), 0),
        (header(1 << 30, Kind.DESCRIBE, 5), 0),
    ],
)
def test_a_frame_that_is_none_of_them(
    serve: Serve, client: Connect, sent: bytes, call: int
) -> None:
    server, one = serve(), client()
    one.send(sent + asking(Wire.FRAMED, "stats", 6))
    poll(server, Host(), lambda: one.has_ended() if call == 0 else one.has_frames(2))
    kind, answered, payload = one.frames[0]
    assert (kind, answered) == (Kind.ERROR, call)
    assert len(payload) < 1000
    assert len(one.frames) == (1 if call == 0 else 2)
    assert server.stats.dropped == (call == 0)
    assert is_well(server, Host())


def test_the_largest_payload_is_answered_and_forgotten(serve: Serve, client: Connect) -> None:
    server, one = serve(), client()
    data = memoryview(frame(Kind.DESCRIBE, 5, bytes(16 << 20)))

    def answered() -> bool:
        nonlocal data
        if data:
            data = data[one.try_send(data) :]
        return one.has_frames(1)

    poll(server, Host(), answered, 30)
    assert one.frames[0][:2] == (Kind.ERROR, 5)
    (session,) = server._rota.sessions.values()
    assert len(session.connection.buffer.data) == 0
    assert asked(server, one, Wire.FRAMED, "stats", 6)["rejected"] == 1


@ON_EACH_WIRE
def test_ten_thousand_questions_of_who_never_reads_are_bounded(
    serve: Serve, client: Connect, wire: Wire
) -> None:
    limits = patient(message_bytes=100_000, half_message_seconds=30)
    server, hog, host = serve(limits=limits), client(), Host()
    ask = b"".join(asking(wire, "describe", call) for call in range(1, 10_001))
    unsent = memoryview(ask)
    size = len(server.description)
    for _ in range(300):
        unsent = unsent[hog.try_send(unsent) :]
        server.handle_new_messages(host)
        (session,) = server._rota.sessions.values()
        waiting = sum(map(len, session.backlog or ())) + session.owed_bytes
        assert waiting <= 65536 + size + 1000
    assert session.backlog is not None
    described = server.stats.described
    assert 0 < described < 10_000
    assert is_well(server, host)
    assert server.stats.described == described, "nothing more is told to who does not read"


@ON_EACH_WIRE
def test_who_reads_late_gets_all(serve: Serve, client: Connect, wire: Wire) -> None:
    server, one = serve(), client()
    unsent = memoryview(b"".join(asking(wire, "stats", call) for call in range(1, 3001)))
    for _ in range(20):
        unsent = unsent[one.try_send(unsent) :]
        server.handle_new_messages(Host())
    assert server.stats.backlogs >= 1

    def has_all() -> bool:
        nonlocal unsent
        if unsent:
            unsent = unsent[one.try_send(unsent) :]
        one.pump()
        return server.stats.described == 3000

    poll(server, Host(), has_all)
    poll(server, Host(), lambda: len(answers_of(one)) == 3000)
    assert list(answers_of(one)) == list(range(1, 3001))


def test_a_slow_reader_is_closed_as_one_of_replies_is(serve: Serve, client: Connect) -> None:
    server, one = serve(limits=patient(half_message_seconds=0.05)), client()
    one.send(b"".join(asking(Wire.JSON, "describe", call) for call in range(1, 500)))
    poll(server, Host(), lambda: server.stats.too_slow == 1)
    assert not server.clients


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_interrupt_anywhere_leaves_no_half_answer(path: str) -> None:
    for at in range(100_000):
        interrupter = Interrupter(at)
        with IpcServer(f"{path}{at}", Job, limits=PATIENT) as server:
            assert server.description
            with RawClient(server.path) as frames, RawClient(server.path) as lines:
                frames.send(asking(Wire.FRAMED, "describe") + request(Echo(text="a"), 2))
                lines.send(asking(Wire.JSON, "stats"))
                try:
                    with interrupter:
                        server.handle_new_messages(Host())
                except KeyboardInterrupt:
                    assert interrupter.has_struck

                def is_settled(one: RawClient, count: int) -> bool:
                    return len(answers_of(one)) == count or one.is_closed

                for one, count in ((frames, 2), (lines, 1)):
                    where = f"neither answer nor end after an interrupt at {interrupter.place}"
                    poll(server, Host(), lambda a=one, n=count: is_settled(a, n), 2, where)  # type: ignore[misc]
                assert is_well(server, Host()), interrupter.place
        if not interrupter.has_struck:
            assert at > 20, "it is over before it began"
            return


# Forks, adopted sockets, memory ------------------------------------------------------------------


def test_a_forked_child_tells_nobody_and_the_parent_goes_on(serve: Serve, client: Connect) -> None:
    server, one = serve(), client()
    one.send(asking(Wire.FRAMED, "describe"))

    def poll_in_child() -> str:
        try:
            server.handle_new_messages(Host())
        except LocalProtocolError as error:
            return type(error).__name__
        return "polled"

    assert told_by_child(poll_in_child) == "LocalProtocolError"
    assert not answers_of(one)
    poll(server, Host(), lambda: 1 in answers_of(one))
    assert answers_of(one)[1]["server"]["pid"] == os.getpid()


@ON_EACH_WIRE
def test_an_adopted_socket_has_no_start(path: str, wire: Wire) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(path)
        listener.listen()
        fd = os.dup(listener.fileno())
        with IpcServer.adopt(fd, Job, version="2", limits=Limits()) as server:
            with RawClient(path) as client:
                told = asked(server, client, wire, "describe")["server"]
                stats = asked(server, client, wire, "stats", 2)
            assert (told["start_ns"], stats["start_ns"]) == (None, None)
            assert (told["version"], told["path"], told["name"]) == ("2", path, "s")
            assert told["clock"] == stats["clock"] == clock_identity().hex()
            assert told["uptime"] > 0


class Collected:
    """The client's half of a connection in memory: it keeps what comes."""

    def __init__(self) -> None:
        self.open: dict[int, Any] = {}
        self.received = b""

    def take(self, data: bytes) -> None:
        self.received += data

    def take_end(self, started: str) -> None:
        """It ends with the test."""


@pytest.mark.parametrize("pieces", [None, 1])
def test_a_server_in_memory_is_asked_alike(pieces: int | None) -> None:
    with joined(Job, Host(), version="3", pieces=pieces) as link:
        link.advance(2)
        lines, frames = Collected(), Collected()
        server = link._course.server
        for caller, wire in ((lines, Wire.JSON), (frames, Wire.FRAMED)):
            line = server.connect(caller, link._course.peer(), is_one_shot=False)  # type: ignore[arg-type]
            line.write(asking(wire, "describe", 1) + asking(wire, "stats", 2))
        while server._counts.described < 4:
            assert link.poll() == 0
        described, stats = map(json.loads, lines.received.splitlines())
        told = described["Ok"]
        assert told == json.loads(link.description)
        assert (told["server"]["version"], told["server"]["uptime"]) == ("3", 2.0)
        assert stats["Ok"]["uptime"] == 2.0
        assert stats["Ok"]["clock"] == told["server"]["clock"] == b"virtual ".hex()
        assert frames.received.startswith(header(len(link.description), Kind.DESCRIBE, 1))
        assert link.stats.turn_seconds == 0
        assert link.stats.described == 4


def test_turns_in_memory_take_the_time_that_commands_do() -> None:
    host = Host()
    with joined(Job, host) as link:

        def work() -> int:
            link.advance(0.5)
            return 1

        host.actions["work"] = work
        link.send(Do(name="work"))
        link.send(Do(name="work"))
        assert link.stats.longest_turn_seconds == 0.5
        assert link.stats.turn_seconds == 1.0
        status = link._course.server.status
        assert (status.clients, status.commands) == (1, 3)


def test_a_response_comes_as_ever_beside_them(serve: Serve, client: Connect) -> None:
    """A typed client's reader passes over what it did not ask for; so may any other."""
    server, one = serve(), client()
    command = Echo(text="a")
    one.send(asking(Wire.FRAMED, "stats", 1) + request(command, 2))
    poll(server, Host(), lambda: one.has_frames(2))
    assert bytes(one.received).endswith(response(command, 2, "a"))
