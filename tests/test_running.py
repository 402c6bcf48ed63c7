"""Which servers run, as `lazyipc ls` tells it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.simple.commands import ClientCommand
from lazyipc import IpcServer, SocketRefused, Wire, runtime_path
from lazyipc import _running as running_module
from lazyipc._io import runtime_dir
from lazyipc._io.clock import clock_identity
from lazyipc._io.runtime_dir import runtime_folders
from lazyipc._io.status_page import Status
from lazyipc._running import ANSWER_SECONDS, Running, folders, running
from tests.harness import (
    FakeServer,
    Host,
    Job,
    Line,
    become_nobody,
    forked,
    hosted,
    need_root,
    poll,
)

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

LATE_SECONDS = 2.5 * ANSWER_SECONDS
"""More than all answers together may take, and less than three of them one after the other."""


@pytest.fixture(autouse=True)
def runtime(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory of the test's own; where its sockets are."""
    made = folder / "run"
    made.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(made))
    runtime_path("x")  # makes the folder in it
    return made / "lazyipc"


@contextlib.contextmanager
def dead(name: str) -> Iterator[None]:
    """What a server leaves that was killed."""

    def serve() -> None:
        with IpcServer(runtime_path(name), Job):
            os.kill(os.getpid(), signal.SIGKILL)

    with forked(lambda line: serve()) as child:
        child.finish()
        yield


def only() -> Running:
    (found,) = running()
    return found


def test_nobody() -> None:
    assert running() == []


@pytest.mark.parametrize(
    "wires", [Wire.FRAMED | Wire.JSON, Wire.JSON, Wire.FRAMED, Wire.ALL], ids=str
)
def test_one_that_lives(wires: Wire) -> None:
    server = IpcServer(runtime_path("train"), ClientCommand, wires=wires)
    with server, hosted(server, []):
        found = only()
    assert (found.name, found.path, found.pid) == ("train", server.path, os.getpid())
    assert found.state == "alive"
    assert found.commands == 3
    assert found.clients == 0
    assert found.uptime is not None
    assert 0 < found.uptime < 60
    assert found.last_poll_seconds is not None
    assert found.last_poll_seconds <= found.uptime


def test_who_asks_is_no_client() -> None:
    server = IpcServer(runtime_path("train"), ClientCommand)
    with server, hosted(server, []):
        for connected in range(3):  # and the question before has hung up meanwhile
            with contextlib.ExitStack() as stack:
                for _ in range(connected):
                    stack.enter_context(socket.socket(socket.AF_UNIX)).connect(server.path)
                assert [only().clients for _ in range(4)] == [connected] * 4


def test_one_whose_host_is_busy() -> None:
    with (
        IpcServer(runtime_path("train"), Job) as server,
        IpcServer(runtime_path("train@2"), Job),
        IpcServer(runtime_path("train@3"), Job),
    ):
        server.handle_new_messages(Host())
        began = time.monotonic()
        found = running()
        took = time.monotonic() - began
        assert [(each.state, each.pid) for each in found] == [("busy", os.getpid())] * 3
        assert ANSWER_SECONDS <= took < LATE_SECONDS
        poll(server, Host(), lambda: not server.clients and server.stats.accepted == 1)
        assert server.stats.described == 0  # nobody waited for it any more


def test_one_that_is_dead_is_left_alone(runtime: Path) -> None:
    with dead("train"):
        before = sorted(os.listdir(runtime))
        found = only()
        assert found.state == "dead"
        assert found.pid is not None
        assert (found.uptime, found.clients) == (None, None)
        assert sorted(os.listdir(runtime)) == before == ["train.sock", "train.sock.lock"]


def test_one_that_was_closed_is_not_told(runtime: Path) -> None:
    with IpcServer(runtime_path("train"), Job):
        pass
    assert os.listdir(runtime) == ["train.sock.lock"]
    assert running() == []


def test_a_dead_ones_page_is_enough(runtime: Path) -> None:
    with dead("train"):
        os.unlink(runtime / "train.sock")
        assert only().state == "dead"


def test_one_whose_socket_was_removed(runtime: Path) -> None:
    with IpcServer(runtime_path("train"), Job):
        os.unlink(runtime / "train.sock")
        assert only().state == "busy"


def test_a_socket_that_nobody_listens_on(runtime: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(runtime / "other.sock"))
    found = only()
    assert (found.name, found.state, found.pid) == ("other", "dead", None)


def stay(connected: socket.socket) -> None:
    while connected.recv(1000):
        pass


def hang_up(connected: socket.socket) -> None:
    connected.recv(1000)


def answer(data: bytes) -> Callable[[socket.socket], None]:
    def treat(connected: socket.socket) -> None:
        connected.recv(1000)
        connected.sendall(data)

    return treat


@pytest.mark.parametrize(
    "treat",
    [
        (stay,),
        (hang_up, hang_up),
        (hang_up, stay),
        (answer(b"HTTP/1.1 400 Bad Request\r\n"),),
        (answer(b"half a line"),),
        (answer(b"\xffL" + bytes(14)), answer(b"\xffL" + bytes(14))),
    ],
    ids=["silent", "hangs up", "hangs up, silent", "HTTP", "half", "frames"],
)
def test_what_is_no_lazyipc_server_is_unknown(
    runtime: Path, treat: tuple[Callable[[socket.socket], None], ...]
) -> None:
    with FakeServer(str(runtime / "other.sock"), *treat):
        found = only()
    assert (found.state, found.pid, found.commands) == ("unknown", None, None)


@pytest.mark.parametrize(
    "uptime", ["1" + 400 * "0", "1e999", "-1e999", '"1"', "true", "null"], ids=lambda text: text[:6]
)
def test_a_number_that_is_none_is_not_told(runtime: Path, uptime: str) -> None:
    line = f'{{"id":1,"Ok":{{"uptime":{uptime},"pid":"1"}}}}\n'
    with FakeServer(str(runtime / "other.sock"), answer(line.encode())):
        found = only()
    assert (found.state, found.uptime, found.pid) == ("alive", None, None)


def test_one_that_speaks_bare_alone_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It might take the question for its command; its page says how it is."""
    with IpcServer(runtime_path("x"), ClientCommand, wires=Wire.BARE) as server:
        server.handle_new_messages([])
        assert only().state == "alive"
        monkeypatch.setattr(running_module, "FRESH_SECONDS", -1e9)
        assert only().state == "unknown"
        server.handle_new_messages([])
        assert server.stats.accepted == 0


SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("clock", "interval", "age", "is_fresh"),
    [
        (clock_identity(), None, 0.5, True),
        (clock_identity(), None, 2.0, False),
        (clock_identity(), 20.0, 30.0, True),
        (clock_identity(), 20.0, 50.0, False),
        (b"another!", None, 0.5, False),
        (b"another!", 20.0, 0.5, False),
    ],
)
def test_a_page_is_fresh_for_two_polls(
    clock: bytes, interval: float | None, age: float, is_fresh: bool
) -> None:
    page = Status(7, clock, 0, 5, 0, interval, True)
    assert running_module._is_fresh(page, int(age * SECOND)) is is_fresh


def test_what_is_no_server_is_passed_over(runtime: Path) -> None:
    (runtime / "rpc-123").mkdir()
    (runtime / "folder.sock").mkdir()
    (runtime / "notes.txt").touch()
    (runtime / "empty.sock.lock").touch()
    assert running() == []


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo, lambda name: name.symlink_to("nothing")])
def test_what_is_no_socket_was_never_a_server(runtime: Path, make: Callable[[Path], None]) -> None:
    make(runtime / "other.sock")
    assert only().state == "unknown"


def test_several_by_name() -> None:
    with contextlib.ExitStack() as stack:
        for name in ("c", "a", "a@2", "b"):
            server = stack.enter_context(IpcServer(runtime_path(name), Job))
            if name != "b":
                stack.enter_context(hosted(server, Host()))
        stack.enter_context(dead("d"))
        found = {each.name: each.state for each in running()}
    assert found == {"a": "alive", "a@2": "alive", "b": "busy", "c": "alive", "d": "dead"}
    assert list(found) == sorted(found)


def test_only_so_many_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_module, "MOST_SERVERS", 0)
    with IpcServer(runtime_path("a"), Job) as server, hosted(server, Host()):
        assert only().state == "unknown"


def test_a_full_queue_is_busy() -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(IpcServer(runtime_path("a"), Job))
        with contextlib.suppress(BlockingIOError):
            for _ in range(10_000):
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(server.path)
        assert only().state == "busy"


def test_another_users_server_is_sent_nothing(runtime: Path) -> None:
    need_root()

    def listen(line: Line) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(runtime / "other.sock"))
            become_nobody()
            listener.listen()
            line.say("ready")
            connected, _ = listener.accept()
            with connected:
                line.say(repr(connected.recv(100)))

    with forked(listen) as child:
        assert child.hear() == "ready"
        assert only().state == "unknown"
        assert child.hear() == "b''"


def test_the_usual_folders_are_looked_into(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = os.geteuid()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("TMPDIR", str(folder / "b"))
    monkeypatch.setattr(runtime_dir, "RUN_USER", str(folder / "none"))
    monkeypatch.setattr(runtime_dir, "SHARED", (str(folder / "a"), str(folder / "b")))
    for name in "ab":
        (folder / name).mkdir(0o700)
    assert folders() == []
    private, public = folder / "a" / f"lazyipc-{uid}", folder / "b" / f"lazyipc-{uid}"
    private.mkdir(0o700)
    public.mkdir(0o755)
    assert folders() == [str(private)]
    public.chmod(0o700)
    assert folders() == [str(private), str(public)]
    with IpcServer(public / "app.sock", Job) as server, hosted(server, Host()):
        assert only().path == str(public / "app.sock")


def test_folders_are_those_of_runtime_path(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders() == runtime_folders() == [str(runtime)]
    runtime.rmdir()
    assert folders() == []
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    with pytest.raises(SocketRefused):
        running()
