"""The rows of the command's table that send commands, with the installed program."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.cli.home import Home
from tests.cli.running import is_asleep
from tests.cli.terminal import CTRL_C, CTRL_D, DOWN, ENTER, TAB, UP, Terminal

SOON = 3.0
"""Seconds, fewer than a call waits."""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """With the server `run`, which no test stops or keeps busy."""
    with Home() as made:
        made.host("run")
        yield made


# call --------------------------------------------------------------------------------------------

WAYS = {
    "by name": ("add", "--a", "1", "--b", "2"),
    "with =": ("add", "--a=1", "--b=2"),
    "in order": ("add", "1", "2"),
    "both": ("add", "--b", "2", "1"),
    "a JSON object": ("add", "--json", '{"a":1,"b":2}'),
    "of another spelling": ("Add", "0x1", "0_2"),
    "by frames": ("add", "1", "2", "--wire", "framed"),
    "with a timeout": ("add", "1", "2", "--timeout", "3"),
}


@pytest.mark.parametrize("words", WAYS.values(), ids=WAYS)
def test_a_call_s_words(home: Home, words: tuple[str, ...]) -> None:
    assert home.json_lines("call", "run", *words) == [{"Sum": {"c": 3}}]


def test_a_call_by_path(home: Home) -> None:
    assert home.json_lines("call", str(home.socket("run")), "add", "1") == [{"Sum": {"c": 2}}]
    assert home.json_lines("call", "lazyipc/run.sock", "add", "1") == [{"Sum": {"c": 2}}]


def test_a_call_of_values_of_all_kinds(home: Home) -> None:
    file = home.path / "data"
    file.write_bytes(b"\0\1")
    for words, answer in {
        ("set-level", "high", "--is-quiet"): ["HIGH", True, None],
        ("set-level", "low", "--no-is-quiet", "--of", "null"): ["LOW", False, None],
        ("tag", "--names", "a", "--names", "b", "--note=c"): ["a", "b", "c"],
        ("tag", "--", "-x", "--y"): None,
        ("move", "--point.x", "1", "--by", '{"x":2}', "--times", "-3"): {"x": -5.0, "y": 0.0},
        ("store", "hex:00ff"): [0, 255, 111, 107],
        ("store", f"@{file}"): [0, 1, 111, 107],
        ("wait", "1.5s"): [{"secs": 1, "nanos": 500000000}, None],
        ("draw", '{"Circle":{"radius":2}}'): {"Circle": {"radius": 2.0}},
        ("configure", "--values.port", "80"): {"port": 80},
    }.items():
        if answer is not None:
            assert home.json_lines("call", "run", *words) == [answer], words


def test_lines_of_one_command(home: Home) -> None:
    answers = home.json_lines("call", "run", "add", "-", given='{"a":1,"b":2}\n{"a":3}\n')
    assert answers == [{"Ok": {"Sum": {"c": 3}}}, {"Ok": {"Sum": {"c": 4}}}]


def test_lines_of_whole_commands_and_one_that_fails(home: Home) -> None:
    lines = '{"Add":{"a":1}}\n{"Fail":{}}\n{"Echo":{"text":"x"}}\n'
    first, second, third = home.json_lines("call", "run", "-", given=lines, code=1)
    assert (first, third) == ({"Ok": {"Sum": {"c": 2}}}, {"Ok": "x"})
    assert second["Err"]["message"] == "no such player"


def test_a_call_again_and_again(home: Home) -> None:
    shown = home.shown("call", "run", "add", "1", "2", "--repeat", "3")
    assert shown.startswith("Sum(c=3)\nSum(c=3)\nSum(c=3)\n3 calls: min ")
    assert "p99" in shown


def test_help_from_the_running_server(home: Home) -> None:
    assert "set-rate" in home.shown("call", "run", "--help", rows=80)
    shown = home.shown("call", "run", "add", "--help")
    assert "The first one." in shown
    assert "[default: 1]" in shown


def test_ctrl_c_ends_the_wait_and_cancels_the_call(own: Home) -> None:
    own.host("run")
    with own.blocked("run"), own.terminal("call", "run", "add", "1", "2") as terminal:
        assert not terminal.read(0.3)  # it is sent by then, and nothing comes back
        terminal.type(CTRL_C)
        assert terminal.wait_for_end() == 130
        assert "Traceback" not in terminal.screen()
    assert own.json_lines("call", "run", "added") == [0]


# shell -------------------------------------------------------------------------------------------


def prompted(home: Home, name: str = "run") -> Terminal:
    terminal = home.terminal("shell", name)
    terminal.wait_for(rf"^{name}>")
    return terminal


def ask(terminal: Terminal, line: str, answer: str) -> None:
    terminal.type(line)
    terminal.wait_for(re.escape(line))
    terminal.type(ENTER)
    terminal.wait_for(rf"{answer}(.*\n)+run>$")


def test_the_shell_completes_and_tells_and_remembers(home: Home) -> None:
    with prompted(home) as terminal:
        terminal.type("set-l")
        terminal.wait_for(r"^ +set-level +Say how much is told")
        terminal.type(TAB)
        terminal.wait_for(r"^run> set-level")
        terminal.wait_for(r"level: .*MEDIUM.*is_quiet: bool")
        terminal.type(" --lev")
        terminal.wait_for(r"^ +--level ")
        terminal.type(TAB)
        terminal.wait_for(r"^run> set-level +--level")
        terminal.type(" ")
        terminal.wait_for(r"^ +LOW\n +MEDIUM\n +HIGH$")
        terminal.type(DOWN)
        terminal.wait_for(r"^run> set-level +--level +LOW")
        terminal.type(ENTER)
        terminal.wait_for(r"^\[LOW, False, None\](.*\n)+run>$")
        ask(terminal, "help", "set-rate")
        ask(terminal, "fail", "no such player")
        terminal.type(UP)
        terminal.wait_for(r"^run> fail$")
        terminal.type(CTRL_C)
        terminal.type(CTRL_D)
        assert terminal.wait_for_end() == 0
    with prompted(home) as terminal:
        terminal.type(UP)
        terminal.wait_for(r"^run> fail$")


def test_the_shell_goes_on_when_the_host_restarts(own: Home) -> None:
    host = own.host("run")
    with prompted(own) as terminal:
        ask(terminal, "add 1 2", r"Sum\(c=3\)")
        own.end(host)
        own.host("run", "--schema", "new")
        terminal.type(f"set-rate 0.5 7{ENTER}")
        terminal.wait_for(r"warmup")  # what changed
        terminal.wait_for(r"Progress\(")
        terminal.type(CTRL_D)
        assert terminal.wait_for_end() == 0


def test_ctrl_c_in_the_shell_cancels_the_call_only(own: Home) -> None:
    own.host("run")
    with prompted(own) as terminal:
        with own.blocked("run"):
            terminal.type(f"add 1 2{ENTER}")
            terminal.wait_until(lambda _: terminal.is_interruptible and is_asleep(terminal.pid))
            terminal.type(CTRL_C)
            terminal.wait_for(r"not run and will not be(.*\n)+run>$", SOON)
        ask(terminal, "added", r"added\n0\b")


def test_the_shell_without_a_terminal(home: Home) -> None:
    done = home.run("shell", "run", given="add 1 2\nfail\nset-level high\n")
    assert done.stdout.splitlines() == ['{"Sum":{"c":3}}', '["HIGH",false,null]']
    assert "no such player" in done.stderr
    assert done.returncode == 1
