"""`lazyipc call` against a real program, each in a process of its own."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import BaseModel

from lazyipc import U8, IpcServer
from lazyipc._plain_client import PlainClient
from lazyipc._plain_stream import PAUSE
from lazyipc.cli._asked import SHORTEST_GUESS, Asked
from lazyipc.cli._lines import CHUNK_BYTES, Lines, answer_lines
from lazyipc.cli._words.json import parsed
from tests.cli.host import SCARE
from tests.cli.running import (
    LAZYIPC,
    SECONDS,
    connected_to,
    environment,
    host,
    is_asleep,
    lazyipc,
)
from tests.harness import ROOT, hosted, run_script, until

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

PRETTY = {"FORCE_COLOR": "1", "NO_COLOR": "1"}
"""What makes the output that of a terminal."""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder for sockets and the cache, shared by the tests of this module."""
    with tempfile.TemporaryDirectory(prefix="lazyipc-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[str]:
    path = str(home / "train.sock")
    with host(path):
        yield path


Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def call(home: Path, served: str) -> Call:
    """`lazyipc call` of the test program."""

    def run(*words: str, given: bytes | str | None = None, **env: str) -> object:
        return lazyipc("call", served, *words, given=given, env=environment(home, **env))

    return run  # type: ignore[return-value]


# What comes out ----------------------------------------------------------------------------------


def test_a_response_is_json_for_programs_and_text_for_people(call: Call) -> None:
    done = call("add", "1", "2")
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"Sum":{"c":3}}\n', "")
    done = call("add", "--a", "1", "--b=2", **PRETTY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Sum(c=3)\n", "")


@pytest.mark.parametrize("where", ["before call", "before COMMAND"])
def test_json_may_be_asked_for_on_a_terminal(home: Path, served: str, where: str) -> None:
    words = ["--json", "call"] if where == "before call" else ["call", "--json"]
    done = lazyipc(*words, served, "add", "1", env=environment(home, **PRETTY))
    assert (done.returncode, json.loads(done.stdout)) == (0, {"Sum": {"c": 2}})


@pytest.mark.parametrize(
    ("line", "told", "pretty"),
    [
        ("added --timeout inf", None, None),
        ("echo é", '"é"', "é"),
        ("set-level low", '["LOW",false,null]', None),
        ("store hex:00ff", "[0,255,111,107]", None),
        ("move --point.x 1 --by.x 2 --times -1", '{"x":-1.0,"y":0.0}', "Point(x=-1.0, y=0.0)"),
        ("draw nothing", '"Nothing"', "Nothing()"),
        ("tag a b", '["a","b"]', None),
        ("SetRate 0.5", None, None),
        ("setrate --lr=0.5", None, None),
        ("configure --values.a 1 --letter x", '{"a":1}', None),
    ],
)
def test_values_of_all_kinds(call: Call, line: str, told: str | None, pretty: str | None) -> None:
    done = call(*line.split())
    assert (done.returncode, done.stderr) == (0, "")
    if told is not None:
        assert done.stdout == f"{told}\n"
    if pretty is not None:
        assert call(*line.split(), **PRETTY).stdout == f"{pretty}\n"


def test_bytes_of_a_file(call: Call, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(range(256)))
    done = call("store", f"@{tmp_path}/data")
    assert json.loads(done.stdout) == [*range(256), *b"ok"]
    (tmp_path / "large").write_bytes(bytes(1_000_000))
    done = call("store", f"@{tmp_path}/large")
    assert done.returncode == 2
    told = "longer as a line of JSON than the 1,048,576 bytes that this server takes"
    assert done.stderr.endswith(f"{told}; try --wire framed\n")
    with host(tmp_path / "s", "--wires", "json"):
        words = ("call", tmp_path / "s", "store", f"@{tmp_path}/large")
        assert lazyipc(*words, env=environment(tmp_path)).stderr.endswith(f"{told}\n")
    done = call("store", f"@{tmp_path}/large", "--wire", "framed")
    assert (done.returncode, len(json.loads(done.stdout))) == (0, 1_000_002)
    done = call("store", f"@{tmp_path}/nothing")
    assert done.returncode == 2
    assert "cannot be read: No such file or directory" in done.stderr


def test_control_sequences_are_shown_and_never_obeyed(call: Call) -> None:
    plain, pretty, failed = call("scare"), call("scare", **PRETTY), call("scare-more")
    assert json.loads(plain.stdout) == SCARE
    for text in (plain.stdout, pretty.stdout, failed.stderr):
        assert text.rstrip("\n").isprintable(), text
    assert r"\x1b[31mred\x1b]0;title\x07\x9b2J" in pretty.stdout
    assert "[bold]no markup[/bold]" in pretty.stdout
    assert failed.returncode == 1
    lines = call("-", given='"Scare"\n"ScareMore"\n').stdout.splitlines()
    assert all(line.isprintable() for line in lines)
    assert json.loads(lines[0]) == {"Ok": SCARE}
    assert json.loads(lines[1])["Err"]["message"] == SCARE
    assert all(line.isprintable() for line in call("--help", **PRETTY).stdout.splitlines())


# What goes wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("fail", 1, "lazyipc: no such player\n"),
        ("fail --why=because", 1, "lazyipc: because\n"),
        ("crash", 1, "lazyipc: RuntimeError: it broke\n"),
        ("set-rate 7", 2, "lazyipc: SetRate.lr: Input should be less than 1 (got 7.0)\n"),
        ("name A", 2, "lazyipc: Name.name: "),
        ("move --point.y 1", 2, "lazyipc: Move.point: Point lacks its field x\n"),
        ("add", 2, "Error: add needs a as well\n"),
        ("add x", 2, "Error: a: a whole number from 0 to 18446744073709551615 (u64) is wanted"),
        ("ad 1", 2, 'Error: no command "ad" in train; did you mean add'),
        ("add --c 1", 2, 'Error: no field "c" in add'),
        ("add 1 --timout 3", 2, 'no field "timout" in add; did you mean --timeout? there are a, b'),
        ("add 1 --instance 3", 2, "Error: --instance stands before the command."),
        ("add 1 --json", 2, "Error: --json gives the fields here, as a JSON object behind it;"),
        ("help", 2, 'Error: no command "help" in train; did you mean --help? there are'),
        ("con", 2, 'no command "con" in train; did you mean configure?'),
        ("add 1 --timeout soon", 2, "Error: --timeout: a length of time"),
        ("add 1 --repeat 0", 2, "Error: --repeat is a whole number from 1"),
        ("add 1 --wire smoke", 2, "Error: --wire is one of json, framed, bare"),
        ("--timout 3 add 1", 2, "Error: No such option: --timout Did you mean --timeout?"),
        ("--timeout", 2, "Error: Option '--timeout' requires an argument."),
        ("--json=1 add 1", 2, "Error: Option '--json' does not take a value."),
        ("-x add 1", 2, "Error: No such option: -x"),
        ("-- -x 1", 2, 'Error: no command "-x" in train'),
        ("add 1 --wire=", 2, "Error: --wire is one of json, framed, bare"),
        ("--instance 2 add 1", 2, "Error: --instance goes with the name of a program, not with"),
        ("", 2, "Error: Missing argument 'COMMAND'."),
        ("- add", 2, "Error: Nothing stands behind -"),
        ("--repeat 2 -", 2, "Error: JSON lines go with neither --repeat nor a wire"),
        ("--wire framed add -", 2, "Error: JSON lines go with neither --repeat nor a wire"),
        ('add --json {"a":1,}', 2, "Error: invalid JSON at line 1, column 8: "),
    ],
)
def test_what_goes_wrong_has_an_exit_code_and_a_text(
    call: Call, line: str, code: int, told: str
) -> None:
    done = call(*line.split())
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    if told.startswith("Error:"):
        usage, hint, *_ = done.stderr.splitlines()
        assert usage.startswith("Usage: ")
        assert hint.startswith("Try '")
        assert hint.endswith(" --help' for help.")


def test_without_a_name() -> None:
    done = lazyipc("call")
    assert done.returncode == 2
    assert done.stderr.endswith("Error: Missing argument 'NAME'.\n")


def test_nothing_of_lazyipc_is_there(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with socket.socket(socket.AF_UNIX) as listener:  # bound, then nobody
        listener.bind(str(tmp_path / "dead"))
    for path in ("nothing", "file", "dead"):
        done = lazyipc("call", str(tmp_path / path), "add", "1", env=environment(home))
        assert (done.returncode, done.stdout) == (3, ""), path
        assert done.stderr.startswith(f"lazyipc: {tmp_path / path}: "), done.stderr
    done = lazyipc("call", "no-such-server", "add", "1", env=environment(home))
    assert done.returncode == 3
    assert "no-such-server.sock" in done.stderr


@pytest.mark.parametrize("words", [("--instance=", "named"), ("--instance", "3", "named@7")])
def test_an_instance_is_of_a_program(words: tuple[str, ...]) -> None:
    done = lazyipc("call", *words, "add", "1")
    assert done.returncode == 2
    assert "Error: --instance goes with the name of a program" in done.stderr


def test_a_server_is_found_by_its_name(home: Path) -> None:
    where = environment(home)
    folder = home / "lazyipc"
    folder.mkdir(mode=0o700, exist_ok=True)
    with host(folder / "named@7.sock"):
        for words in (["named@7"], ["--instance", "7", "named"], ["named", "--instance=7"]):
            done = lazyipc("call", *words, "add", "1", env=where)
            assert (done.returncode, done.stdout) == (0, '{"Sum":{"c":2}}\n'), done.stderr


@contextmanager
def busy(path: str, folder: Path) -> Iterator[None]:
    """Keeps the test program busy."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(
        [*LAZYIPC, "call", path, "block", str(fifo)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        env=environment(folder),
    ) as blocking:
        with open(fifo, "wb"):  # opened when the program reads from it
            yield
        assert blocking.wait(timeout=SECONDS) == 0


def test_a_busy_host_is_told(served: str, home: Path, tmp_path: Path) -> None:
    with busy(served, tmp_path):
        done = lazyipc("call", "--timeout", "200ms", served, "add", "1", env=environment(home))
    assert (done.returncode, done.stdout) == (4, "")
    assert "has not polled for" in done.stderr


def test_a_timeout_behind_the_command_is_for_the_first_question_too(
    served: str, tmp_path: Path
) -> None:
    nothing_kept = environment(tmp_path / "home")
    with busy(served, tmp_path):
        done = lazyipc("call", served, "add", "1", "--timeout", "600ms", env=nothing_kept)
    assert (done.returncode, done.stdout) == (4, "")
    assert "no reply within 0.6 s" in done.stderr


@pytest.mark.parametrize(
    ("behind", "seconds"),
    [
        ("", None),
        ("1 --timeout 2m", 120),
        ("--timeout=1 --timeout=2", 2),
        ("--timeout 0", SHORTEST_GUESS),  # it may be a field, and the description is needed
        ("--timeout inf", math.inf),
        ("--timeout soon", None),
        ("--timeout", None),
        ("-- --timeout 3", None),
    ],
)
def test_a_timeout_behind_the_command_is_guessed(behind: str, seconds: float | None) -> None:
    assert Asked(["train", "add", *behind.split()], "call").guessed_timeout() == seconds


@pytest.mark.parametrize("given", [None, b'{"a":1}\n{"a":2}\n'], ids=["words", "lines"])
def test_ctrl_c_ends_the_wait_and_cancels_the_call(
    served: str, home: Path, tmp_path: Path, given: bytes | None
) -> None:
    with PlainClient(served, timeout=SECONDS) as client:
        before = client.call("Added")
        with busy(served, tmp_path):
            words = ["add", "1"] if given is None else ["add", "-"]
            with subprocess.Popen(
                [*LAZYIPC, "call", served, *words],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(home),
            ) as waiting:
                assert waiting.stdin is not None
                if given is not None:
                    waiting.stdin.write(given)
                    waiting.stdin.flush()
                until(lambda: connected_to(served) == 3)  # this test, the busy call, and it
                until(lambda: is_asleep(waiting.pid))
                waiting.send_signal(signal.SIGINT)
                out, err = waiting.communicate(timeout=SECONDS)
            assert (waiting.returncode, out) == (130, b"")
            told = b"" if given else b"lazyipc: given up; it was not run and will not be\n"
            assert err == told
        assert client.call("Added") == before


# Help --------------------------------------------------------------------------------------------


def test_help_without_a_server() -> None:
    for words in (["call", "--help"], ["call", "-h"]):
        done = lazyipc(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("Usage: python -m lazyipc call [OPTIONS] NAME COMMAND")
        assert "--timeout SECONDS" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_of_a_server_and_of_a_command(call: Call, served: str) -> None:
    listed = call("--help").stdout
    assert listed.startswith(f"Usage: python -m lazyipc call {served} [OPTIONS] COMMAND")
    assert "  What the training run can be told.\n" in listed
    assert "\n  set-rate    Change the learning rate.\n" in listed
    told = call("set-rate", "--help").stdout
    assert told.splitlines()[0] == f"Usage: python -m lazyipc call {served} set-rate [OPTIONS] LR"
    assert "\n  Change the learning rate.\n\n  It counts from the next step on.\n" in told
    assert "\n  Returns Progress(step: u64, lr: f64) or Stopping.\n" in told
    assert "--lr f64  The new rate. [> 0; < 1; required]" in told
    told = call("set-level", "-h").stdout
    assert "--is-quiet / --no-is-quiet" in told
    assert "[default: MEDIUM]" in told
    told = call("draw", "--help").stdout
    assert "part of a field may be given by an option of its own: --shape.Circle.radius" in told
    assert "option of its own" not in call("add", "--help").stdout
    told = " ".join(call("configure", "--help").stdout.split())
    assert "option of its own: --values.KEY VALUE." in told
    told = " ".join(call("move", "--help").stdout.split())
    assert "option of its own: --point.x VALUE, --by.x VALUE." in told
    assert max(map(len, call("scare", "--help").stdout.splitlines())) <= 80
    assert call("echo", "--text", "--help").returncode == 2
    assert call("echo", "--text=--help").stdout == '"--help"\n'


# Lines -------------------------------------------------------------------------------------------


def answers(text: str) -> list[object]:
    return [json.loads(line) for line in text.splitlines()]


def test_lines_of_one_command_and_of_any(call: Call) -> None:
    done = call("add", "-", given='{"a":1}\n\n{"a":2,"b":3}')
    assert (done.returncode, done.stderr) == (0, "")
    assert answers(done.stdout) == [{"Ok": {"Sum": {"c": 2}}}, {"Ok": {"Sum": {"c": 5}}}]
    done = call("-", given='{"Add":{"a":1}}\r\n{"Echo":{"text":"x"}}\n')
    assert answers(done.stdout) == [{"Ok": {"Sum": {"c": 2}}}, {"Ok": "x"}]
    assert call("-", given=b"").stdout == ""


def test_options_may_stand_beside_the_hyphen(call: Call) -> None:
    for words in (
        ["add", "--timeout", "3", "-"],
        ["add", "-", "--timeout=3"],
        ["--timeout=3", "-"],
    ):
        lines = '{"a":1}' if "add" in words else '{"Add":{"a":1}}'
        assert call(*words, given=lines).stdout == '{"Ok":{"Sum":{"c":2}}}\n'
    for words in (["echo", "--", "-"], ["echo", "--text", "-"]):
        assert call(*words, given="").stdout == '"-"\n'
    assert call("add", "-", "1", given="").returncode == 2


def test_each_bad_line_is_told_by_its_number_and_the_others_run(call: Call) -> None:
    lines = [b'{"a":1}', b'{"a":', b"", b"\xff", b"[1]", b'{"a":-1}', b'{"a":1,"a":2}', b'{"a":8}']
    done = call("add", "-", given=b"\n".join(lines))
    assert done.returncode == 1
    first, *bad, last = answers(done.stdout)
    assert (first, last) == ({"Ok": {"Sum": {"c": 2}}}, {"Ok": {"Sum": {"c": 9}}})
    assert bad == [
        {"Err": {"code": 5, "kind": "DecodeError", "message": message, "line": line} | more}
        for line, message, more in [
            (2, "line 2, column 6: Expecting value", {"column": 6}),
            (4, "line 4: byte 1 of the line is no UTF-8", {}),
            (5, 'line 5: a JSON object of the fields is wanted, such as {"a":1}, not [1]', {}),
            (6, "line 6: Add.a: -1 is no u64 (0 to 18446744073709551615)", {"path": "Add.a"}),
            (7, 'line 7: the key "a" stands twice in one object', {}),
        ]
    ]
    done = call("-", given='{"Fail":{}}\n{"Ad":{}}\n')
    failed, unknown = answers(done.stdout)
    message = "no such player"
    assert failed == {"Err": {"code": 2, "kind": "CommandFailed", "message": message, "line": 1}}
    assert "did you mean Add?" in str(unknown)


def test_thousands_of_lines_are_pipelined(call: Call) -> None:
    count = 5_000
    done = call("add", "-", given="".join(f'{{"a":{n}}}\n' for n in range(count)))
    assert done.returncode == 0
    assert answers(done.stdout) == [{"Ok": {"Sum": {"c": n + 1}}} for n in range(count)]


def test_who_waits_for_an_answer_before_the_next_line_gets_it(served: str, home: Path) -> None:
    with subprocess.Popen(
        [*LAZYIPC, "call", served, "add", "-"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(home),
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for n in range(3):
            process.stdin.write(f'{{"a":{n}}}\n')
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == {"Ok": {"Sum": {"c": n + 1}}}
            process.stdin.write("bad\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["Err"]["line"] == 2 * n + 2
        process.stdin.close()
        assert process.wait(timeout=SECONDS) == 1


class Written(io.BytesIO):
    """Remembers what was written when it was flushed last."""

    flushed = b""

    def flush(self) -> None:
        self.flushed = self.getvalue()


def test_what_comes_while_there_are_no_lines_is_written_at_once() -> None:
    reading, writing = os.pipe()
    out = Written()

    def call_many(commands: Iterable[object]) -> Iterator[object]:
        source = iter(commands)
        assert next(source) == 1
        assert next(source) is PAUSE
        assert out.flushed == b""
        yield "first"
        assert out.flushed == b'{"Ok":"first"}\n'
        os.write(writing, b"2\n3\nbad\n4")
        os.close(writing)
        assert [next(source), next(source), next(source)] == [2, 3, 4]
        yield from ("second", "third")
        assert out.flushed == b'{"Ok":"first"}\n'  # there may be more at hand
        yield "fourth"
        assert [*source] in ([], [PAUSE])

    with open(reading, "rb", buffering=0):
        os.write(writing, b"1\n")
        assert answer_lines(Lines(reading), parsed, call_many, out) == 1
    assert out.getvalue() == out.flushed
    assert [next(iter(json.loads(line))) for line in out.flushed.splitlines()] == [
        "Ok",
        "Ok",
        "Ok",
        "Err",
        "Ok",
    ]


def test_lines_are_read_ahead_by_a_chunk_only(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_bytes(b"x" * 100 + b"\n" + b"y\n" * 5 * CHUNK_BYTES)
    with file.open("rb", buffering=0) as opened:
        lines = Lines(opened.fileno())
        at_hand = lines.at_hand()
        assert next(at_hand) == (1, b"x" * 100)
        assert opened.tell() == CHUNK_BYTES
        assert sum(line == b"y" for _, line in at_hand) == 5 * CHUNK_BYTES
        assert lines.is_at_end


def test_a_line_without_end_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazyipc.cli._lines.LONGEST_LINE_BYTES", CHUNK_BYTES)
    file = tmp_path / "lines"
    file.write_bytes(b"a\n" + b"x" * 3 * CHUNK_BYTES + b"\nb\n" + b"y" * 2 * CHUNK_BYTES)
    with file.open("rb") as opened:
        found = list(Lines(opened.fileno()).at_hand())
    assert found == [(1, b"a"), (2, None), (3, b"b"), (4, None)]


def test_a_reader_that_goes_away_ends_it_quietly(served: str, home: Path) -> None:
    script = f"""
    yes '{{"a":1}}' | "$@" call {served} add - | head -1
    echo ${{PIPESTATUS[1]}}
    "$@" call {served} --repeat 1000000 add 1 | head -1
    echo ${{PIPESTATUS[0]}}
    "$@" call {served} echo x > /dev/full
    echo $?
    "$@" call {served} add - > /dev/full <<< '{{"a":1}}'
    echo $?
    "$@" call {served} add 1 >&-
    echo $?
    """
    done = subprocess.run(
        ["bash", "-c", script, "bash", *LAZYIPC],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    first, second, third, fourth, *codes = done.stdout.splitlines()
    assert (first, second) == ('{"Ok":{"Sum":{"c":2}}}', "141")
    assert (third, fourth) == ('{"Sum":{"c":2}}', "141")
    assert codes == ["1", "1", "0"]
    told = [line for line in done.stderr.splitlines() if "calls: min" not in line]
    assert told == ["lazyipc: stdout: No space left on device"] * 2


def test_a_server_that_ends_is_told_and_the_rest_is_not_sent(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with (
        host(path) as process,
        subprocess.Popen(
            [*LAZYIPC, "call", str(path), "-"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(home),
            text=True,
        ) as calling,
    ):
        assert calling.stdin is not None
        assert calling.stdout is not None
        calling.stdin.write('"Stop"\n')
        calling.stdin.flush()
        assert calling.stdout.readline() == '{"Ok":"Stopping"}\n'
        process.wait(timeout=SECONDS)
        out, err = calling.communicate('"Added"\n"Added"\n', timeout=SECONDS)
    assert calling.returncode == 3
    assert json.loads(out)["Err"]["kind"] == "ServerNotRunning"
    assert f"{path}: no server is running there" in err


# Wires, repetition, cost -------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["json", "framed"])
def test_a_call_over_each_wire(call: Call, wire: str) -> None:
    for words in (["--wire", wire, "set-rate", "0.5"], ["set-rate", "0.5", "--wire", wire]):
        done = call(*words)
        assert (done.returncode, json.loads(done.stdout)["Progress"]["lr"]) == (0, 0.5)
    done = call("set-rate", "7", "--wire", wire)
    assert done.returncode == 2
    assert "lr: Input should be less than 1 (got 7.0)" in done.stderr
    done = call("draw", "--shape.circle.radius", "1", "--wire", wire)
    assert done.stdout == '{"Circle":{"radius":1.0}}\n'
    done = call("fail", "--wire", wire)
    assert (done.returncode, done.stderr) == (1, "lazyipc: no such player\n")


def test_bare_needs_a_server_that_speaks_it(call: Call, home: Path, tmp_path: Path) -> None:
    done = call("set-rate", "0.5", "--wire", "bare")
    assert done.returncode == 2
    assert "Error: --wire: this server takes FRAMED and JSON, not BARE\n" in done.stderr
    path = str(tmp_path / "s")
    command = [sys.executable, "-m", "examples.simple", "--socket", path, "server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        done = lazyipc("call", path, "add", "1", "2", "--wire", "bare", env=environment(home))
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=SECONDS)
    assert (done.returncode, done.stdout) == (0, '{"Sum":{"c":3}}\n'), done.stderr


@pytest.mark.parametrize("wires", ["json", "framed"])
def test_a_server_of_one_wire_is_called_by_it(home: Path, tmp_path: Path, wires: str) -> None:
    path = tmp_path / "s"
    with host(path, "--wires", wires):
        done = lazyipc("call", path, "add", "1", env=environment(home))
        lines = lazyipc("call", path, "-", given='{"Add":{"a":1}}', env=environment(home))
        other = {"json": "framed", "framed": "json"}[wires]
        refused = lazyipc("call", path, "add", "1", "--wire", other, env=environment(home))
    told = f"Error: --wire: this server takes {wires.upper()}, not {other.upper()}\n"
    assert (refused.returncode, told in refused.stderr) == (2, True)
    assert lines.returncode == {"json": 0, "framed": 2}[wires]
    assert ("This server takes no JSON" in lines.stderr) == (wires == "framed")
    assert (done.returncode, done.stdout) == (0, '{"Sum":{"c":2}}\n'), done.stderr


@pytest.mark.parametrize("wire", ["json", "framed"])
def test_repeated_calls_and_how_long_they_took(call: Call, wire: str) -> None:
    done = call("add", "1", "--repeat", "3", "--wire", wire)
    assert (done.returncode, done.stdout) == (0, '{"Sum":{"c":2}}\n' * 3)
    assert done.stderr.startswith("3 calls: min ")
    assert ", median " in done.stderr
    assert ", p99 " in done.stderr
    done = call("--repeat=2", "fail")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "lazyipc: no such player\n")


class Alone(BaseModel):
    """A set of one, whose line is its fields alone."""

    x: U8

    def process(self, context: object) -> U8:
        return self.x


def test_a_set_of_one(path: str, home: Path) -> None:
    with IpcServer(path, Alone) as server, hosted(server, None):
        for words in (["alone", "3"], ["alone", "3", "--wire", "framed"], ["alone", "--x=3"]):
            assert lazyipc("call", path, *words, env=environment(home)).stdout == "3\n"
        done = lazyipc("call", path, "-", given='{"x":3}', env=environment(home))
        assert done.stdout == '{"Ok":3}\n'


def test_a_second_call_asks_for_no_description(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with host(path), PlainClient(path, timeout=SECONDS) as client:
        counts = [client.stats()["described"]]
        for _ in range(2):
            assert lazyipc("call", path, "add", "1", env=environment(home)).returncode == 0
            counts.append(client.stats()["described"])
    assert [after - before for before, after in pairwise(counts)] == [2, 1]


def test_a_call_loads_nothing_that_it_does_not_need(served: str, home: Path) -> None:
    program = """
import os, sys
os.environ["HOME"] = sys.argv[2]
from lazyipc.cli import main
for _ in range(2):  # the second time the description is cached
    assert main(arguments=["call", sys.argv[1], "add", "--a", "1"]) == 0
heavy = {"click", "rich", "pydantic", "construct", "asyncio", "inspect", "difflib", "numpy"}
print(sorted(heavy & sys.modules.keys()))
"""
    done = run_script(program, served, str(home))
    assert done.stdout.splitlines()[-1] == "[]"


def test_ten_thousand_lines_take_no_more_memory_than_ten(served: str, home: Path) -> None:
    """Lines, commands and answers are gone when their answer is printed."""
    program = """
import os, sys
os.environ["HOME"] = sys.argv[2]
sys.stdin = open(sys.argv[3])
from lazyipc.cli import main
assert main(arguments=["call", sys.argv[1], "echo", "-"]) == 0
with open("/proc/self/status") as status:
    print([line for line in status if line.startswith("VmHWM")][0].split()[1], file=sys.stderr)
"""
    peaks = []
    for count in (10, 10_000):
        file = home / "lines"
        file.write_text(f'{{"text":"{"x" * 1000}"}}\n' * count)
        peaks.append(int(run_script(program, served, str(home), str(file)).stderr))
    assert peaks[1] < peaks[0] + 3000  # KiB; the lines have 10,000
