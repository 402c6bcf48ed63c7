"""The example as people run it: both modes in processes of their own, and the demo of both."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from examples.simple.commands import Add, ClientCommand, Print, PrintAck, Push, Pushed, Sum
from lazyipc import RemoteError, Wire
from lazyipc.testing import joined
from tests.harness import ROOT, until

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

EXAMPLE = (sys.executable, "-m", "examples.simple")
U64_MAX = 2**64 - 1


@pytest.mark.parametrize("wire", [Wire.FRAMED, Wire.BARE], ids=str)
def test_what_each_command_does(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    stack: list[int] = []
    with joined(ClientCommand, stack, wires=Wire.ALL) as link:
        assert link.send(Print(payload="hello"), wire=wire) == PrintAck()
        assert link.send(Add(a=5, b=3), wire=wire) == Sum(c=8)
        assert [link.send(Push(x=x), wire=wire) for x in (69, 70)] == [Pushed(x=69), Pushed(x=70)]
    assert stack == [69, 70]
    assert capsys.readouterr().out.splitlines() == [
        "Print command received: hello",
        "Add command received: 5 + 3 = 8",
        "Push command received: 69",
        "Push command received: 70",
    ]


def test_a_sum_that_does_not_fit_is_an_error_of_the_host() -> None:
    with joined(ClientCommand, []) as link:
        with pytest.raises(RemoteError) as caught:
            link.send(Add(a=U64_MAX, b=1))
        assert caught.value.kind == "ValidationError"
        assert link.send(Add(a=U64_MAX, b=0)) == Sum(c=U64_MAX)


class Server:
    """The example's server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def stop(self) -> tuple[str, str, int]:
        """Ctrl-C; what is left of its output and errors, and its exit status."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=10)
        return out, err, self.process.returncode


@contextmanager
def running(path: str) -> Iterator[Server]:
    pipe = subprocess.PIPE
    command = [*EXAMPLE, "--socket", path, "server"]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as process:
        try:
            server = Server(process)
            assert server.line() == f"listening on {path}"
            yield server
        finally:
            process.kill()


def client(path: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*EXAMPLE, "--socket", path, "client", *words],
        capture_output=True,
        env={name: value for name, value in os.environ.items() if name != "FORCE_COLOR"},
        text=True,
        cwd=ROOT,
        timeout=20,
        check=False,
    )


def test_each_command_shows_at_both_sides(path: str) -> None:
    with running(path) as server:
        assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600
        for words, received, shown in (
            (("print", "hello"), '"PrintAck"', "received: hello"),
            (("add", "5", "3"), '{"Sum":{"c":8}}', "received: 5 + 3 = 8"),
            (("push", "--x", "69"), '{"Pushed":{"x":69}}', "received: 69"),
        ):
            done = client(path, *words)
            assert (done.returncode, done.stdout, done.stderr) == (0, f"{received}\n", "")
            assert server.line() == f"{words[0].capitalize()} command {shown}"
        assert server.stop() == ("", "", 0)
    assert not os.path.lexists(path)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("add", "1", "-2"), f'b: "-2" is out of range: a whole number from 0 to {U64_MAX} (u64)'),
        (("push", str(U64_MAX + 1)), "is out of range"),
        (("add", "x", "2"), f'a: a whole number from 0 to {U64_MAX} (u64) is wanted, not "x"'),
        (("add", "1"), "add needs b as well"),
        (("pop",), 'no command "pop" in python -m examples.simple client; there are'),
    ],
    ids=["negative", "too large", "no number", "too few", "no command"],
)
def test_wrong_words_send_nothing(path: str, words: tuple[str, ...], complaint: str) -> None:
    """There is no server: what is wrong is seen before one is asked for."""
    done = client(path, *words)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_no_server_is_told_in_a_line(path: str) -> None:
    done = client(path, "add", "1", "2")
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"python -m examples.simple client: {path}: no server is running there")


def test_help_comes_from_the_classes_and_needs_no_server(path: str) -> None:
    listed, told = client(path, "--help"), client(path, "add", "--help")
    assert (listed.returncode, told.returncode) == (0, 0)
    assert "\n  push   Push a number onto the server's stack.\n" in listed.stdout
    assert told.stdout.startswith("Usage: python -m examples.simple client add [OPTIONS] A B\n")
    assert "\n  --a u64  [required]\n" in told.stdout


def test_a_mode_is_needed() -> None:
    done = subprocess.run(EXAMPLE, capture_output=True, text=True, cwd=ROOT, timeout=20)
    assert done.returncode == 2
    assert "required: mode" in done.stderr


def test_a_sum_that_does_not_fit_is_told_and_the_server_goes_on(path: str) -> None:
    with running(path) as server:
        done = client(path, "add", str(U64_MAX), "1")
        assert done.returncode == 1
        assert done.stderr.startswith("python -m examples.simple client: ValidationError: ")
        assert "Traceback" not in done.stderr
        assert client(path, "add", "1", "2").returncode == 0
        out, err, status = server.stop()
    assert status == 0
    assert "1 + 2 = 3" in out
    assert "Traceback" in err


def test_a_second_server_is_refused_with_the_firsts_pid(path: str) -> None:
    with running(path) as server:
        second = subprocess.run(
            [*EXAMPLE, "--socket", path, "server"],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=20,
            check=False,
        )
        assert second.returncode == 1
        (line,) = second.stderr.splitlines()
        assert f"process {server.process.pid}" in line
        assert client(path, "add", "1", "2").returncode == 0


def test_ctrl_c_ends_a_waiting_client(path: str) -> None:
    """A server that never polls: the client waits, until it is told not to."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(20)
        pipe = subprocess.PIPE
        command = [*EXAMPLE, "--socket", path, "client", "add", "1", "2"]
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as process:
            connected, _ = listener.accept()
            with connected:
                connected.settimeout(20)
                connected.recv(1)
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=10)
    assert err == ""
    assert process.returncode == 130


def test_a_killed_servers_socket_is_taken_over(path: str) -> None:
    with running(path) as server:
        server.process.kill()
        server.process.wait(timeout=10)
    assert os.path.lexists(path)
    assert client(path, "add", "1", "2").returncode == 3
    with running(path):
        assert client(path, "add", "1", "2").returncode == 0


def test_the_demo_shows_both_sides() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.simple.demo"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=40,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("server | listening on ")
    for line in (
        "$ python -m examples.simple client print 'hello from the client'",
        "client | PrintAck()",
        "server | Print command received: hello from the client",
        "client | Sum(c=8)",
        "server | Add command received: 5 + 3 = 8",
        "client | Pushed(x=69)",
        "server | Push command received: 69",
    ):
        assert lines.count(line) == 1, done.stdout
    assert len(lines) == 10


def test_a_default_socket_stands_where_one_is(folder: os.PathLike[str]) -> None:
    """Without --socket both modes meet where `lazyipc ls` finds them."""
    os.chmod(folder, 0o700)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": os.fspath(folder)}
    with subprocess.Popen(
        [*EXAMPLE, "server"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        until(lambda: os.path.exists(os.path.join(folder, "lazyipc", "example.sock")))
        done = subprocess.run(
            [*EXAMPLE, "client", "push", "1"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert done.returncode == 0, done.stderr
    assert process.returncode == 0
