"""A server on a socket that somebody else made: a parent, or a service manager."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lazyipc import IpcServer, SocketInUse, SocketRefused, TransportError, client_send
from lazyipc._io import activation
from lazyipc._io.status_page import LOCK_SUFFIX, read_status
from tests.harness import DEADLINE_SECONDS, ROOT, Echo, Host, Job, RawClient, hosted, poll, readable

LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@pytest.fixture
def listener(path: str) -> Iterator[socket.socket]:
    """A listening socket as a service manager makes it."""
    with socket.socket(socket.AF_UNIX) as made:
        os.fchmod(made.fileno(), 0o600)
        made.bind(path)
        made.listen(16)
        yield made


def test_it_serves_who_connects(listener: socket.socket, path: str) -> None:
    server = IpcServer.adopt(os.dup(listener.fileno()), Job)
    with server, hosted(server, Host()):
        assert client_send(Echo(text="hello"), path) == "hello"
    assert server.path == path


def test_who_came_before_it_is_served(listener: socket.socket, path: str) -> None:
    """A service manager starts it because of them."""
    with RawClient(path) as client:
        asked = client.ask(Echo(text="early"))
        with IpcServer.adopt(os.dup(listener.fileno()), Job) as server:
            assert readable(server)
            poll(server, Host(), lambda: client.has_result(asked))
    assert client.results[asked] == "early"


def test_closing_leaves_the_path_and_the_makers_socket(listener: socket.socket, path: str) -> None:
    for text in ("first", "second"):
        server = IpcServer.adopt(os.dup(listener.fileno()), Job)
        with server, hosted(server, Host()):
            assert client_send(Echo(text=text), path) == text
        assert Path(path).is_socket()
    with RawClient(path):
        pass


@pytest.mark.usefixtures("no_descriptor_leak")
def test_its_descriptor_is_its_own(listener: socket.socket) -> None:
    fd = os.dup(listener.fileno())
    IpcServer.adopt(fd, Job).close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_it_makes_no_lock_and_no_page(listener: socket.socket, path: str) -> None:
    with IpcServer.adopt(os.dup(listener.fileno()), Job) as server:
        for _ in range(100):
            server.handle_new_messages(Host())
        assert not Path(path + LOCK_SUFFIX).exists()
        assert read_status(path) is None
        assert server.stats.polls == 100


def test_a_server_by_path_does_not_take_its_place(listener: socket.socket, path: str) -> None:
    with (
        IpcServer.adopt(os.dup(listener.fileno()), Job),
        pytest.raises(SocketInUse) as caught,
    ):
        IpcServer(path, Job)
    assert caught.value.pid == os.getpid()


def test_what_is_no_listening_socket_stays_the_callers(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(path)
        with pytest.raises(TransportError, match="does not listen"):
            IpcServer.adopt(mute.fileno(), Job)
        mute.listen()  # still open


def test_a_socket_open_to_others_is_refused(listener: socket.socket, path: str) -> None:
    os.chmod(path, 0o666)
    with pytest.raises(SocketRefused, match="0666"):
        IpcServer.adopt(listener.fileno(), Job)


def test_without_a_passed_socket_there_is_none_to_adopt(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in LISTEN_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(TransportError, match="LISTEN_FDS"):
        IpcServer.adopt(None, Job)


def test_a_passed_socket_that_was_refused_can_be_put_right(
    listener: socket.socket, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in LISTEN_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    fd = os.dup(listener.fileno())
    monkeypatch.setattr(activation, "FIRST_FD", fd)
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")
    os.chmod(path, 0o666)
    with pytest.raises(SocketRefused, match="0666"):
        IpcServer.adopt(None, Job)
    os.chmod(path, 0o600)
    with IpcServer.adopt(None, Job) as server:
        assert server.path == path
    with pytest.raises(TransportError, match="LISTEN_FDS"):
        IpcServer.adopt(None, Job)


PROGRAM = """
import os
from lazyipc import IpcServer
from tests.harness import Host, Job

with IpcServer.adopt(None, Job) as server:
    assert not [name for name in os.environ if name.startswith("LISTEN_")]
    host = Host()
    print("serving", flush=True)
    while len(host.ran) < 2:
        server.wait(5)
        server.handle_new_messages(host)
"""

LAUNCHER = """
import os, sys
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
fd = int(sys.argv[1])
if fd != 3:
    os.dup2(fd, 3)
os.set_inheritable(3, True)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])
"""


def test_a_program_started_with_a_passed_socket(listener: socket.socket, path: str) -> None:
    """As by a .socket unit: the descriptor is 3, and its program was executed by another."""
    fd = listener.fileno()
    with subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(fd), PROGRAM],
        pass_fds=[fd],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert client_send(Echo(text="one"), path, timeout=DEADLINE_SECONDS) == "one"
        assert client_send(Echo(text="two"), path, timeout=DEADLINE_SECONDS) == "two"
        assert program.wait(DEADLINE_SECONDS) == 0
    assert Path(path).is_socket()
