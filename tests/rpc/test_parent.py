"""Where a spawned process finds its parent, and that nothing of it is left to its own children."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from lazyipc import ServerNotRunning, SocketRefused
from lazyipc.rpc._key import ConnectionKey
from lazyipc.rpc._parent import FD_VARIABLE, KEY_VARIABLE, take_parent

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

KEY = ConnectionKey.make("/run/parent")
OTHER = ConnectionKey.make("/run/other")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets; the second one is inherited."""
    ours, theirs = socket.socketpair()
    os.set_inheritable(theirs.fileno(), True)
    with ours, theirs:
        yield ours, theirs


# Found --------------------------------------------------------------------------------------------


def test_the_descriptor_becomes_a_socket_of_ours(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    fd = theirs.detach()
    environ = {FD_VARIABLE: str(fd), "PATH": "/bin"}
    found = take_parent(environ, [])
    assert isinstance(found, socket.socket)
    with found:
        assert found.fileno() == fd
        assert not found.get_inheritable()
        ours.sendall(b"x")
        assert found.recv(2) == b"x"
    assert environ == {"PATH": "/bin"}
    assert ours.recv(1) == b""


def test_a_parent_that_is_gone_is_found_too(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ours.close()
    found = take_parent({FD_VARIABLE: str(theirs.detach())}, [])
    assert isinstance(found, socket.socket)
    with found:
        assert found.recv(1) == b""


def test_the_key_in_the_environment_is_taken_out_of_it() -> None:
    environ = {KEY_VARIABLE: str(KEY), "PATH": "/bin"}
    found = take_parent(environ, ["prog"])
    assert type(found) is ConnectionKey
    assert found == KEY
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    "argv",
    [
        ["prog", KEY],
        ["prog", "-v", "--", str(KEY)],
        ["prog", str(KEY), "more"],
        ["prog", str(OTHER), "x", str(KEY), "--last"],
    ],
)
def test_the_last_argument_that_is_a_key_counts(argv: list[str]) -> None:
    before = list(argv)
    found = take_parent({}, argv)
    assert type(found) is ConnectionKey
    assert found == KEY
    assert argv == before


def test_the_descriptor_goes_before_the_key_and_that_before_the_arguments(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    environ = {FD_VARIABLE: str(pair[1].detach()), KEY_VARIABLE: KEY}
    found = take_parent(environ, ["prog", OTHER])
    assert isinstance(found, socket.socket)
    found.close()
    assert not environ
    assert take_parent({KEY_VARIABLE: KEY}, ["prog", OTHER]) == KEY


# Not found ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [[], ["prog"], ["prog", "--key", "x"], ["lazyipc-rpc"]])
def test_where_there_is_no_parent_it_is_told(argv: list[str]) -> None:
    environ = {"PATH": "/bin"}
    with pytest.raises(ServerNotRunning, match="not started by RpcProcess") as caught:
        take_parent(environ, argv)
    assert FD_VARIABLE in str(caught.value)
    assert KEY_VARIABLE in str(caught.value)
    assert environ == {"PATH": "/bin"}


def test_it_is_found_once(pair: tuple[socket.socket, socket.socket]) -> None:
    environ = {FD_VARIABLE: str(pair[1].detach())}
    found = take_parent(environ, [])
    assert isinstance(found, socket.socket)
    found.close()
    with pytest.raises(ServerNotRunning, match="or has connected already"):
        take_parent(environ, [])


SPOILT: dict[str, tuple[dict[str, str], list[str], str]] = {
    "a key": ({KEY_VARIABLE: "lazyipc-rpc:x:/"}, [], f"{KEY_VARIABLE} is no connection key: its"),
    "another text": ({KEY_VARIABLE: "x"}, [], f"{KEY_VARIABLE} is no connection key: it begins"),
    "an empty key": ({KEY_VARIABLE: ""}, [], f"{KEY_VARIABLE} is no connection key"),
    "an argument": ({}, ["prog", f"{KEY[:-3]} "], "an argument is no connection key: its path"),
    "a word": ({FD_VARIABLE: "three"}, [], f"{FD_VARIABLE} is 'three', which is no socket"),
    "nothing": ({FD_VARIABLE: ""}, [], f"{FD_VARIABLE} is '', which is no socket"),
    "a negative number": ({FD_VARIABLE: "-1"}, [], "no socket of this process"),
    "too large a number": ({FD_VARIABLE: "9" * 30}, [], "no socket of this process"),
    "a closed descriptor": ({FD_VARIABLE: "987654"}, [], "Bad file descriptor.*see key_via="),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_what_is_spoilt_is_refused(kind: str) -> None:
    environ, argv, told = SPOILT[kind]
    environ = dict(environ)
    with pytest.raises(SocketRefused, match=told) as caught:
        take_parent(environ, argv)
    assert KEY.token not in str(caught.value)
    assert not environ


def a_file() -> int:
    return os.open("/dev/null", os.O_RDWR)


def unconnected() -> int:
    return socket.socket(socket.AF_UNIX).detach()


def datagrams() -> int:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.close()
    return other.detach()


def internet() -> int:
    return socket.socket(socket.AF_INET).detach()


FOREIGN: dict[Callable[[], int], str] = {
    a_file: "no socket of this process .Socket operation on non-socket",
    unconnected: "that socket is not connected; it was left alone",
    datagrams: "that socket is of another kind .AF_UNIX, SOCK_DGRAM.",
    internet: "that socket is of another kind .AF_INET, SOCK_STREAM.",
}


@pytest.mark.parametrize("make", FOREIGN)
def test_what_is_somebody_elses_is_left_open(make: Callable[[], int]) -> None:
    fd = make()
    os.set_inheritable(fd, True)
    try:
        with pytest.raises(SocketRefused, match=FOREIGN[make]):
            take_parent({FD_VARIABLE: str(fd)}, [])
        assert os.get_inheritable(fd)
    finally:
        os.close(fd)  # raises where it was closed


# In a process of its own --------------------------------------------------------------------------

PROGRAM = """
import os, subprocess, sys
from lazyipc.rpc._parent import take_parent
found = take_parent()
look = "import os; print(sorted(os.listdir('/proc/self/fd')), 'LAZYIPC' in str(os.environ))"
told = subprocess.run([sys.executable, "-c", look], stdout=subprocess.PIPE, close_fds=False)
found.sendall(told.stdout)
found.close()
"""


def test_what_it_starts_inherits_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, FD_VARIABLE: str(theirs.fileno()), KEY_VARIABLE: KEY},
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    ours.settimeout(20)
    with child, ours.makefile() as told:
        # stdin, stdout, stderr, and the listing itself
        assert told.read() == "['0', '1', '2', '3'] False\n"
    assert child.returncode == 0
