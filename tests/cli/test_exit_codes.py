"""What the installed program exits with, and how it tells what went wrong."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.simple.commands import ClientCommand
from lazyipc import IpcServer, Wire
from tests.cli.home import Home
from tests.cli.running import description
from tests.cli.terminal import CTRL_C, ROOT, environment
from tests.harness import NOBODY, Line, become_nobody, forked, hosted, need_root

ASKING = (("describe",), ("stats",), ("watch",), ("schema",), ("shell",), ("call", "add", "1"))
"""The sub-commands that need a server that answers, and the words behind its name."""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """With the server `run`, which no test stops or keeps busy."""
    with Home() as made:
        made.host("run")
        yield made


def told(home: Home, *words: str, code: int) -> str:
    """What a run that goes wrong tells, on stderr alone."""
    done = home.run(*words)
    assert done.returncode == code, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def asked(words: tuple[str, ...], name: str) -> tuple[str, ...]:
    return words[0], name, *words[1:]


# 1, 2 and 5 --------------------------------------------------------------------------------------

FAILED = {
    ("fail",): "lazyipc: no such player\n",
    ("crash",): "lazyipc: RuntimeError: it broke\n",
}


@pytest.mark.parametrize("words", FAILED, ids=str)
def test_a_command_that_fails(home: Home, words: tuple[str, ...]) -> None:
    assert told(home, "call", "run", *words, code=1) == FAILED[words]


USAGE = r"^Usage: .*\nTry '.* --help' for help\.\n"
MISUSED = {
    "an unknown sub-command": (("stat",), r"No such command 'stat'\. Did you mean .*stats"),
    "no choice": (("completion",), r"Choose from:\n    bash,\n    zsh,\n    fish$"),
    "an unknown option": (("ls", "--jsno"), r"No such option.*--jsno"),
    "no name": (("call",), r"Missing argument 'NAME'"),
    "an unknown command": (("call", "run", "ad", "1"), r'no command "ad" in run; did you mean add'),
    "an unknown command to describe": (
        ("describe", "run", "ad"),
        USAGE + r'[\s\S]*Error: no command "ad" in run; did you mean add',
    ),
    "an unknown field": (("call", "run", "set-level", "--levle", "low"), r"did you mean level"),
    "a missing field": (("call", "run", "add"), r"\ba\b"),
    "too many values": (("call", "run", "add", "1", "2", "3"), r'"3" is one value too many'),
    "no number": (("call", "run", "add", "x"), r"a: .*u64.*not \"x\""),
    "out of range": (("call", "run", "add", "-1"), r"a: .*from 0 to 18446744073709551615"),
    "a constraint": (("call", "run", "set-rate", "7"), r"lr: .*less than 1"),
    "no member": (("call", "run", "set-level", "hihg"), r"LOW, MEDIUM, HIGH.*did you mean HIGH"),
    "broken JSON": (("call", "run", "add", "--json", '{"a":\n1 2}'), r"line 2, column 3"),
    "no wire": (("call", "run", "add", "1", "--wire", "wet"), r"json, framed, bare"),
    "no timeout": (("call", "run", "add", "1", "--timeout", "soon"), r'not "soon"'),
    "no timeout of a view": (("stats", "run", "--timeout", "soon"), USAGE + r"[\s\S]*soon"),
    "no timeout of a shell": (("shell", "run", "--timeout", "soon"), USAGE + r"[\s\S]*soon"),
    "no file": (("call", "run", "store", "@/nowhere"), r"/nowhere.*No such file"),
    "nothing to explain": (("explain", "/nowhere", "U8"), r"/nowhere"),
    "no type": (("explain", "/dev/null", "U9"), USAGE + r"[\s\S]*U9"),
    "no shell": (("completion", "csh"), r"csh"),
}


@pytest.mark.parametrize(("words", "text"), MISUSED.values(), ids=MISUSED)
def test_words_that_make_no_command(home: Home, words: tuple[str, ...], text: str) -> None:
    assert re.search(text, told(home, *words, code=2))


def test_a_command_that_changed_since_the_program_was_made(own: Home) -> None:
    """The application's own client knows the classes, and the server knows others."""
    own.host("run", "--schema", "new")
    client = "import sys; from tests.cli.host import Order; from lazyipc.cli import main; "
    client += "sys.exit(main(Order, sys.argv[1], arguments=sys.argv[2:]))"
    done = subprocess.run(
        [sys.executable, "-c", client, str(own.socket("run")), "set-rate", "0.5"],
        cwd=ROOT,
        env=environment(own.path),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 5, done
    assert "warmup" in done.stderr


# 3: what stands there ----------------------------------------------------------------------------


@pytest.mark.parametrize("words", ASKING, ids=lambda words: words[0])
def test_nothing_there(home: Home, words: tuple[str, ...]) -> None:
    text = told(home, *asked(words, "nobody"), code=3)
    assert "nobody.sock: no server is running there" in text


def test_nothing_there_but_a_socket_here_of_that_name(home: Home) -> None:
    (home.path / "here").write_text("")
    assert "./here" in told(home, "call", "here", "add", "1", code=3)


def test_a_dead_server(own: Home) -> None:
    host = own.host("run")
    own.end(host, signal.SIGKILL)
    text = told(own, "call", "run", "add", "1", code=3)
    assert "no server is running there (a socket that nobody listens on)" in text


def test_no_socket(home: Home) -> None:
    file = home.path / "file"
    file.write_text("hello")
    for words in (("describe",), ("call", "add", "1")):
        assert re.search("not a socket|no socket", told(home, *asked(words, str(file)), code=3))
    assert file.read_text() == "hello"


@contextlib.contextmanager
def stranger(path: Path, greeting: bytes) -> Iterator[None]:
    """A server of something else: it says its piece to each who connects, and hangs up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1)
                        connection.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_a_server_of_something_else(home: Home) -> None:
    path = home.socket("mail")
    with stranger(path, b"220 mail\x1b[2J ready\r\n"):
        for words in (("describe",), ("call", "add", "1")):
            text = told(home, *asked(words, "mail"), code=3)
            assert "220 mail" in text
            assert "\x1b" not in text


@contextlib.contextmanager
def liar(path: Path, description: dict[str, object], lie: bytes) -> Iterator[None]:
    """A server that describes itself, and answers each command with the same bytes."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, connection.makefile("rb") as lines:
                        for line in lines:
                            asked = json.loads(line)
                            answer = {"id": asked["id"], "Ok": description}
                            is_question = "$lazyipc" in asked["call"]
                            told = json.dumps(answer).encode() + b"\n" if is_question else lie
                            connection.sendall(told)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def test_a_server_that_answers_nonsense_is_to_blame(own: Home) -> None:
    """Its words are wrong, not those that were typed: that is no misuse."""
    document = description().document
    document = {**document, "server": {**document["server"], "wires": ["JSON"]}}
    with liar(own.socket("liar"), document, b"HTTP/1.1 400 Bad\x1b[2J Request\r\n"):
        text = told(own, "call", "liar", "add", "1", code=1)
        assert str(own.socket("liar")) in text
        assert "\x1b" not in text
    with liar(own.socket("false"), {**document, "commands": [{"name": 7}]}, b""):
        for words in (("describe",), ("schema",), ("call", "add", "1")):
            text = told(own, *asked(words, "false"), code=1)
            assert str(own.socket("false")) in text
            assert "makes no sense: byte 0, commands[0]: " in text


def test_a_server_that_says_nothing(home: Home) -> None:
    """As one of the Rust crate, which has no status page and takes BARE alone."""
    path = home.socket("mute")
    with stranger(path, b""):
        for words in (("describe",), ("call", "add", "1")):
            text = told(home, *asked(words, "mute"), code=3)
            assert "hung up without a word: it may be a server of the Rust crate" in text


def test_a_server_of_the_bare_wire(home: Home) -> None:
    path = home.socket("rust")
    with (
        IpcServer(path, ClientCommand, wires=Wire.BARE) as server,
        hosted(server, []),
    ):
        text = told(home, "call", "rust", "add", "1", code=3)
    assert "speaks BARE alone" in text


def test_a_socket_of_somebody_else(own: Home) -> None:
    need_root()
    own.path.chmod(0o755)
    own.sockets.chmod(0o777)
    path = own.socket("theirs")

    def serve(line: Line) -> None:
        become_nobody()
        with IpcServer(path, ClientCommand) as server:
            line.say("ready")
            while True:
                server.handle_new_messages([])
                server.wait()

    with forked(serve) as child:
        assert child.hear() == "ready"
        text = told(own, "call", str(path), "add", "1", code=3)
    assert str(NOBODY) in text


# 4 and 130 ---------------------------------------------------------------------------------------


def test_a_busy_server(own: Home) -> None:
    own.host("run")
    with own.blocked("run"):
        text = told(own, "call", "run", "add", "1", "--timeout", "0.2", code=4)
        assert "has not polled for" in text
        for words in ("describe", "stats", "schema"):
            assert "lazyipc: " in told(own, words, "run", "--timeout", "0.2", code=4)
        assert own.run("status", "run").returncode == 0
    done = own.run("call", "run", "added")
    assert done.stdout == "0\n"  # what nobody waited for did not run


def test_the_shell_tells_its_own_way_to_wait_longer(own: Home) -> None:
    own.host("run")
    with own.blocked("run"):
        done = own.run("shell", "run", "--timeout", "0.2", given="added\n")
    assert done.returncode == 4
    assert "(see help timeout)" in done.stderr


@pytest.mark.parametrize("words", [("describe",), ("stats",), ("call", "added")], ids=str)
def test_ctrl_c(own: Home, words: tuple[str, ...]) -> None:
    own.host("run")
    with own.blocked("run"), own.terminal(*asked(words, "run")) as terminal:
        assert not terminal.read(0.3)  # it waits by then
        terminal.type(CTRL_C)
        assert terminal.wait_for_end() == 130
        told, *more = terminal.screen().splitlines()
    assert told == "^C"
    given_up = ["lazyipc: given up; it was not run and will not be"]
    assert more == (given_up if words[0] == "call" else [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
@pytest.mark.parametrize("words", ["shell run", "watch run --interval 0.2"])
def test_what_ends_it_leaves_the_terminal_as_it_was(
    home: Home, words: str, number: signal.Signals
) -> None:
    with home.terminal(*words.split()) as terminal:
        terminal.wait_for("Tab shows" if words == "shell run" else "polls")
        os.kill(terminal.pid, number)
        assert terminal.wait_for_end() == 128 + number
        assert terminal.is_cursor_shown
        assert terminal.is_echoing


def test_a_reader_that_goes(home: Home) -> None:
    script = 'set -o pipefail; lazyipc watch run --interval 0.05 | head -n 1 | wc -l; echo "$?"'
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=20,
        env=environment(home.path),
    )
    assert done.stdout.split() == ["1", "141"]
    assert done.stderr == ""
