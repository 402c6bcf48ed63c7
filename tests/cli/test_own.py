"""`main(ClientCommand, path)`: an application's own program, made from its classes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from lazyipc import F64, U8, Command, IpcServer, Response, Wire
from lazyipc.cli import main
from tests.cli import host as program
from tests.cli.running import host
from tests.harness import hosted

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


class Reading(Response):
    """What a sensor says."""

    value: F64


class Sensor(Command[list[float]]):
    """What the sensor can be told."""


class Read(Sensor):
    """Read it some times."""

    times: Annotated[U8, Field(ge=1, le=3, description="How often.")] = 1

    def process(self, context: list[float]) -> Reading:
        return Reading(value=sum(context[: self.times]))


class Status(Sensor):
    """Hides the sub-command of that name."""

    def process(self, context: list[float]) -> str:
        return "well\x1b[2J"


class Strange(Sensor):
    """Answers what JSON has no form for."""

    def process(self, context: list[float]) -> float:
        return float("nan")


class Odd(Sensor):
    """Takes what JSON has no form for."""

    values: dict[tuple[U8, U8], U8] = Field(default_factory=dict)

    def process(self, context: list[float]) -> None: ...


@pytest.fixture
def served(path: str) -> Iterator[str]:
    with IpcServer(path, Sensor, wires=Wire.FRAMED) as server, hosted(server, [1.0, 2.5, 3.0]):
        yield path


class Ran:
    """How a run of the program ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, path: str) -> Run:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def ask(*words: str, root: type = Sensor) -> Ran:
        code = main(root, path, arguments=words, prog="sensor")
        return Ran(code, *capsys.readouterr())

    return ask


def test_commands_are_sub_commands(run: Run, served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["read", "2"], ["read", "--times=2"], ["Read", "--json", '{"times":2}']):
        done = run(*words)
        assert (done.code, done.out, done.err) == (0, '{"Reading":{"value":3.5}}\n', "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    assert run("read").out == "Reading(value=1.0)\n"
    assert json.loads(run("--json", "read").out) == {"Reading": {"value": 1.0}}
    assert run("status").out == "well\\x1b[2J\n"
    assert run("--timeout", "3", "read", "--timeout=inf").code == 0


def test_help_needs_no_server(run: Run) -> None:
    listed = run("--help")
    assert (listed.code, listed.err) == (0, "")
    assert listed.out.startswith(
        "Usage: sensor [OPTIONS] COMMAND [VALUES]...\n\n  What the sensor can be told.\n\n"
        "Commands:\n  read     Read it some times.\n  status   Hides the sub-command of"
    )
    more = listed.out.partition("More:\n")[2]
    assert [line.split()[0] for line in more.partition("\n\n")[0].splitlines()] == [
        "describe",
        "shell",
        "stats",
        "watch",
        "schema",
        "completion",
    ]
    told = run("read", "-h")
    assert (told.code, told.out) == (
        0,
        """\
Usage: sensor read [OPTIONS] [TIMES]

  Read it some times.

  Returns Reading(value: f64).

Fields:
  --times u8  How often. [≥ 1; ≤ 3; default: 1]

Options:
  --json OBJECT      All fields at once, as a JSON object.
  --timeout SECONDS  How long to wait for a response; inf is for ever.
  -h, --help         Show this message and exit.
""",
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "Error: Missing argument 'COMMAND'.\n"),
        ("red", 'Error: no command "red" in sensor; did you mean read?'),
        ("descrbe", 'Error: no command "descrbe" in sensor; did you mean describe?'),
        ("--nope", "Error: No such option: --nope\n"),
        ("--timeout", "Error: Option '--timeout' requires an argument.\n"),
        ("read x", "Error: times: a whole number from 0 to 255 (u8) is wanted"),
        ("read 4", "Error: times: Input should be less than or equal to 3 (got 4)\n"),
        ("read 1 2", 'Error: "2" is one value too many: read takes times\n'),
        ("read --tims 2", 'Error: no field "tims" in read; did you mean times?'),
        ("read -", "Error: JSON lines are read from stdin by `lazyipc call` only;"),
        ("read -- -", "Error: times: a whole number from 0 to 255 (u8) is wanted"),
        ("read --timeout=soon", "Error: --timeout: a length of time"),
        ("--timeout soon read", "Error: --timeout: a length of time"),
        ('read --json {"times":4}', "Error: times: Input should be less than or equal to 3"),
        ('read --json {"tims":1}', "Error: tims: a field of Read is wanted"),
    ],
)
def test_wrong_words_are_seen_before_a_server_is_asked_for(run: Run, line: str, told: str) -> None:
    done = run(*line.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: sensor ")
    assert told in done.err


def test_no_server_is_told_by_the_programs_name(run: Run, path: str) -> None:
    done = run("read")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"sensor: {path}: no server is running there")
    assert run("stats").code == 3


def test_another_version_is_a_mismatch(run: Run, path: str) -> None:
    with host(path, "--schema", "new"):
        done = run("set-rate", "0.5", root=program.Order)
        assert (done.code, done.out) == (5, "")
        assert "SetRate.warmup: u32 there, not here" in done.err
        done = run("add", "1", root=program.Order)  # which is as it was
        assert (done.code, done.out) == (0, '{"Sum":{"c":2}}\n')
        done = run("tag", "a", root=program.Order)
        assert done.code == 5
        assert "the server has no command Tag" in done.err


def test_failures_have_their_codes(run: Run, path: str) -> None:
    with host(path):
        done = run("fail", root=program.Order)
        assert (done.code, done.err) == (1, "sensor: no such player\n")
        done = run("--timeout=0", "add", "1", root=program.Order)
        assert done.code == 4


def test_what_json_cannot_tell(run: Run, served: str) -> None:
    assert run("strange").out == '"nan"\n'
    done = run("odd")
    assert done.code == 2
    assert "Error: odd has no JSON form, and so none in words: " in done.err
    assert "It has no JSON form" in run("odd", "--help").out


def test_the_sub_commands_of_lazyipc_know_the_path(run: Run, served: str) -> None:
    done = run("describe")
    assert done.code == 0
    assert json.loads(done.out)["commands"][0]["name"] == "Read"
    assert json.loads(run("stats").out)["described"] >= 1
    assert run("stats", "--help").out.startswith("Usage: sensor stats [OPTIONS]\n")
    assert run("stats", "train").code == 2


def test_examples_are_the_programs_own_words(
    run: Run, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\nExample\n  sensor read\n" in run("describe", "read").out
    assert "\nExample\n  sensor odd …\n" in run("describe", "odd").out


def test_a_relative_path_is_no_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, served: str
) -> None:
    folder, _, name = served.rpartition("/")
    monkeypatch.chdir(folder)
    for words in (["read"], ["stats"]):
        assert main(Sensor, name, arguments=words, prog="sensor") == 0
    assert capsys.readouterr().err == ""


class Alone(BaseModel):
    """A set of one."""

    x: U8

    def process(self, context: object) -> U8:
        return self.x


def test_a_set_of_one(run: Run, path: str) -> None:
    with IpcServer(path, Alone) as server, hosted(server, None):
        assert run("alone", "3", root=Alone).out == "3\n"
