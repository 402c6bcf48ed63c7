"""Sockets from outside: what they must be, and that they stay their maker's."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lazyipc import SocketInUse, SocketRefused, TransportError
from lazyipc._io import activation, sockets
from lazyipc._io.activation import adopted_listener, passed_fd, strike_out
from lazyipc._io.ownership import claim
from lazyipc._io.status_page import read_status
from tests.harness import NOBODY, become_nobody, need_root, program, python, told_by_child

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

OWN = frozenset((os.geteuid(),))


@contextlib.contextmanager
def made(path: str, mode: int = 0o600) -> Iterator[int]:
    """A listening socket as a service manager makes it, without an owner in Python."""
    outside = socket.socket(socket.AF_UNIX)
    outside.bind(path)
    os.chmod(path, mode)
    outside.listen()
    fd = outside.detach()
    try:
        yield fd
    finally:
        with contextlib.suppress(OSError):
            os.close(fd)


def soon() -> float:
    return time.monotonic() + 1


def test_an_adopted_socket_serves_and_stays_at_its_path(path: str) -> None:
    with made(path) as fd:
        os.set_inheritable(fd, True)
        before = os.lstat(path)
        listener, owned = adopted_listener(fd)
        with listener:
            assert listener.fileno() == fd
            assert owned.path == path
            assert not listener.get_inheritable()
            assert not listener.getblocking()
            with sockets.connect(path, soon(), OWN) as client:
                accepted = sockets.accept(listener)
                client.send(b"hello")
                assert accepted.recv(5) == b"hello"
                accepted.close()
            with pytest.raises(BlockingIOError):
                sockets.accept(listener)
        owned.release()
        owned.abandon()
        assert os.lstat(path) == before
        assert os.listdir(os.path.dirname(path)) == ["s"], "it has no lock file"


def test_an_adopted_socket_has_no_status_page(path: str) -> None:
    with made(path) as fd:
        listener, owned = adopted_listener(fd)
        with listener:
            owned.page.stamp(1, 1)
            owned.page.clear()
            assert read_status(path) is None
            assert 1 <= owned.page.idle_polls <= 64


def test_a_server_of_its_own_at_that_path_is_refused(path: str) -> None:
    with made(path) as fd:
        listener, _ = adopted_listener(fd)
        with listener, pytest.raises(SocketInUse, match="though it holds no lock"):
            claim(path)
        assert os.listdir(os.path.dirname(path)) == ["s"]


def test_a_default_timeout_of_the_host_changes_nothing(path: str) -> None:
    socket.setdefaulttimeout(5)
    try:
        with made(path) as fd, adopted_listener(fd)[0] as listener:
            assert not listener.getblocking()
            assert listener.gettimeout() == 0
    finally:
        socket.setdefaulttimeout(None)


# What is refused ----------------------------------------------------------------------------------


def refused(fd: int, kind: type[TransportError], words: str) -> TransportError:
    """Adopting this is refused, and the descriptor stays open and the caller's."""
    with pytest.raises(kind, match=words) as caught:
        adopted_listener(fd)
    assert type(caught.value) is kind
    if fd >= 0:
        os.fstat(fd)
    return caught.value


def test_a_file_is_no_socket(path: str) -> None:
    with open(path, "w") as file:
        refused(file.fileno(), TransportError, "is no socket")


@pytest.mark.parametrize("fd", [-1, 1 << 40])
def test_what_is_no_descriptor_is_no_socket(fd: int) -> None:
    with pytest.raises(TransportError, match=f"descriptor {fd} is no socket"):
        adopted_listener(fd)


def test_a_closed_descriptor_is_no_socket(path: str) -> None:
    with made(path) as fd:
        os.close(fd)
        with pytest.raises(TransportError, match="is no socket") as caught:
            adopted_listener(fd)
        assert caught.value.errno == errno.EBADF


def test_an_internet_socket() -> None:
    with socket.socket(socket.AF_INET) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused(other.fileno(), TransportError, "family AF_INET.*ListenStream= takes a path")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_another_kind_of_unix_socket(path: str, kind: int) -> None:
    with socket.socket(socket.AF_UNIX, kind) as other:
        other.bind(path)
        refused(other.fileno(), TransportError, "no Unix stream socket")


def test_a_socket_that_does_not_listen(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        refused(other.fileno(), TransportError, "does not listen.*Accept= must be no")


def test_a_connected_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        refused(ours.fileno(), TransportError, "does not listen")


def test_an_abstract_name_has_no_permissions(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"\0{folder}")
        other.listen()
        refused(other.fileno(), SocketRefused, "abstract name.*anybody may connect")


def test_a_relative_path_leads_nobody_knows_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with made("s") as fd:
        refused(fd, SocketRefused, "bind it to an absolute path")


@pytest.mark.parametrize("mode", [0o666, 0o660, 0o755, 0o606, 0o620], ids=oct)
def test_a_mode_that_lets_others_in(path: str, mode: int) -> None:
    with made(path, mode) as fd:
        error = refused(fd, SocketRefused, f"has mode {mode:04o}.*SocketMode=0600")
        assert error.path == path
        assert stat.S_IMODE(os.lstat(path).st_mode) == mode, "it is not ours to change"


def test_a_path_where_nothing_stands_any_more(path: str) -> None:
    with made(path) as fd:
        os.unlink(path)
        error = refused(fd, SocketRefused, "who may connect to it cannot be seen")
        assert error.errno == errno.ENOENT


def test_a_path_where_something_else_stands(path: str) -> None:
    with made(path) as fd:
        os.unlink(path)
        Path(path).write_text("precious")
        refused(fd, SocketRefused, "a file stands there now")
        assert Path(path).read_text() == "precious"


def test_a_path_of_another_user(path: str) -> None:
    need_root()
    with made(path) as fd:
        os.chown(path, NOBODY, NOBODY)
        refused(fd, SocketRefused, f"belongs to uid {NOBODY}, not to 0 or root")


def test_another_users_listener(folder: Path) -> None:
    need_root()
    folder.chmod(0o777)
    path = str(folder / "s")
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def listen_and_send() -> str:
            become_nobody()
            with made(path) as fd:
                socket.send_fds(theirs, [b"here"], [fd])
            return "sent"

        assert told_by_child(listen_and_send) == "sent"
        fd = socket.recv_fds(ours, 10, 1)[1][0]
        refused(fd, SocketRefused, f"uid {NOBODY} listens there, not 0 or root")
        os.close(fd)


def test_a_listener_that_root_made_for_us_is_adopted(path: str, folder: Path) -> None:
    need_root()
    folder.chmod(0o755)
    with made(path) as fd:
        os.chown(path, NOBODY, NOBODY)

        def adopt() -> str:
            become_nobody()
            listener, owned = adopted_listener(fd)
            listener.close()
            return owned.path

        assert told_by_child(adopt) == path


# What a service manager says in the environment ---------------------------------------------------


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what a service manager tells; None leaves a variable out."""
    for variable in activation.VARIABLES:
        monkeypatch.setenv(variable, "to be restored")
        monkeypatch.delenv(variable)

    def tell(fds: str | None = "1", names: str | None = None, pid: str | None = None) -> None:
        given = {"LISTEN_PID": pid or str(os.getpid()), "LISTEN_FDS": fds, "LISTEN_FDNAMES": names}
        for variable, value in given.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value

    return tell


@pytest.fixture
def open_fds(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Three descriptors in a row, which stand in for those from 3 on."""
    first = os.open("/dev/null", os.O_RDONLY)
    fds = list(range(first + 50, first + 53))
    for fd in fds:
        os.dup2(first, fd, inheritable=True)
    monkeypatch.setattr(activation, "FIRST_FD", fds[0])
    yield fds
    for fd in (first, *fds):
        with contextlib.suppress(OSError):
            os.close(fd)


def variables() -> list[str]:
    return [variable for variable in activation.VARIABLES if variable in os.environ]


Tell = Callable[..., None]


def taken(name: str | None = None) -> int:
    """One that was passed, and is not passed any more."""
    fd = passed_fd(name)
    strike_out(fd)
    return fd


def test_the_only_one(told: Tell, open_fds: list[int]) -> None:
    told()
    assert passed_fd() == open_fds[0]
    assert taken() == open_fds[0], "it may be asked for again until it was taken"
    assert not os.get_inheritable(open_fds[0])
    assert variables() == []
    with pytest.raises(TransportError, match="LISTEN_PID and LISTEN_FDS are not set"):
        passed_fd()


def test_the_only_one_may_be_asked_for_by_its_name(told: Tell, open_fds: list[int]) -> None:
    told(names="app.socket")
    assert taken("app.socket") == open_fds[0]
    told(names="app.socket")
    assert taken() == open_fds[0]


def test_one_of_many_by_its_name_and_then_the_others(told: Tell, open_fds: list[int]) -> None:
    told("3", "web:admin:log")
    assert taken("admin") == open_fds[1]
    with pytest.raises(TransportError, match=r"0 sockets.*of 'web', 'log'; one must be named"):
        passed_fd("admin")
    assert taken("web") == open_fds[0]
    assert len(variables()) == 3
    assert taken() == open_fds[2], "the only one left"
    assert variables() == []
    assert not any(map(os.get_inheritable, open_fds))


@pytest.mark.parametrize(
    ("tell", "words"),
    [
        ({"pid": "1"}, "LISTEN_PID is 1, and this is process"),
        ({"pid": "many"}, "LISTEN_PID is many, and this is process"),
        ({"fds": None}, "are not set"),
        ({"fds": ""}, "are not set"),
        ({"fds": "0"}, "0 sockets to choose from, of none"),
        ({"fds": "-1"}, "LISTEN_FDS is no number of descriptors: '-1'"),
        ({"fds": "one"}, "LISTEN_FDS is no number of descriptors: 'one'"),
        ({"fds": "²"}, "LISTEN_FDS is no number of descriptors"),
        ({"fds": "9" * 30}, "LISTEN_FDS is no number of descriptors"),
        ({"fds": "2"}, "2 sockets to choose from, of 'unknown', 'unknown'; give the name"),
        ({"fds": "2", "names": "a:b"}, "2 sockets to choose from, of 'a', 'b'; give the name"),
        ({"fds": "2", "names": "a"}, "LISTEN_FDS is 2, but LISTEN_FDNAMES has 1 names"),
    ],
)
def test_what_was_not_passed(told: Tell, tell: dict[str, str], words: str) -> None:
    told(**tell)
    before = dict(os.environ)
    with pytest.raises(TransportError, match=words) as caught:
        passed_fd()
    assert str(caught.value).startswith("no socket was passed to this process: ")
    assert caught.value.errno == errno.ENOENT
    assert dict(os.environ) == before, "a refusal changes nothing"


def test_a_name_that_two_have(told: Tell, open_fds: list[int]) -> None:
    told("2", "app.socket:app.socket")
    with pytest.raises(TransportError, match="2 sockets to choose from"):
        passed_fd("app.socket")


def test_a_descriptor_that_is_not_open(told: Tell, open_fds: list[int]) -> None:
    os.close(open_fds[0])
    told()
    with pytest.raises(TransportError, match=f"descriptor {open_fds[0]} is not open"):
        passed_fd()


LAUNCHER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="admin")
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])
"""
STARTED = """
import os, select, subprocess, sys
from lazyipc._io.activation import adopted_listener, passed_fd, strike_out
listener, owned = adopted_listener(passed_fd("admin"))
strike_out(listener.fileno())
print(listener.fileno(), owned.path, flush=True)
look = "import os; print(os.path.exists('/proc/self/fd/3'), 'LISTEN_FDS' in os.environ)"
subprocess.run([sys.executable, "-c", look], close_fds=False)
assert select.select([listener], [], [], 10)[0]
connected, _ = listener.accept()
connected.send(b"served")
"""


def test_a_program_started_as_a_service_manager_does(path: str) -> None:
    """The socket is descriptor 3, and the process named by LISTEN_PID execs the program."""
    with made(path) as fd:
        words = python(LAUNCHER, str(fd), STARTED)
        with program(*words, pass_fds=(fd,)) as started:
            assert started.stdout is not None
            assert started.stdout.readline() == f"3 {path}\n"
            assert started.stdout.readline() == "False False\n", "a child of it has neither"
            with sockets.connect(path, time.monotonic() + 10, OWN) as client:
                assert select.select([client], [], [], 10)[0]
                assert client.recv(10) == b"served"
            assert started.wait(10) == 0
        assert os.path.lexists(path)
