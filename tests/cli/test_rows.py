"""Each row of the command's table, with the installed program: on a terminal, and in a pipe."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator

import jsonschema
import pytest

from lazyipc.cli._app import COMMANDS
from tests.cli.home import Home
from tests.cli.terminal import CTRL_C, CTRL_U, TAB, Terminal, environment
from tests.harness import give_up


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """With the server `run`, which no test stops or keeps busy."""
    with Home() as made:
        made.host("run")
        yield made


# All rows ----------------------------------------------------------------------------------------

PLAIN = {
    "ls": ("ls",),
    "describe": ("describe", "run"),
    "one command": ("describe", "run", "add"),
    "call": ("call", "run", "add", "1", "2"),
    "status": ("status", "run"),
    "stats": ("stats", "run"),
    "watch": ("watch", "run", "--interval", "0.05", "--count", "2"),
    "schema": ("schema", "run"),
}
"""Runs that end by themselves and show something."""


@pytest.mark.parametrize("words", PLAIN.values(), ids=PLAIN)
def test_pretty_on_a_terminal_and_json_elsewhere(home: Home, words: tuple[str, ...]) -> None:
    shown = home.shown(*words)
    assert shown
    assert piped_value(home, words) is not None
    if words[0] != "schema":  # which is JSON for everybody
        with pytest.raises(json.JSONDecodeError):
            json.loads(shown)


def piped_value(home: Home, words: tuple[str, ...]) -> object:
    done = home.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    return (
        json.loads(done.stdout.splitlines()[-1]) if words[0] == "watch" else json.loads(done.stdout)
    )


@pytest.mark.parametrize(
    "words",
    [
        *(("--json", *words) for words in PLAIN.values() if words[0] != "watch"),
        ("describe", "run", "--json"),
        ("watch", "run", "--count", "1", "--json"),
        ("call", "--json", "run", "add", "1"),
    ],
    ids=" ".join,
)
def test_json_on_a_terminal_where_it_is_asked_for(home: Home, words: tuple[str, ...]) -> None:
    with home.terminal(*words) as terminal:
        assert terminal.wait_for_end() == 0
        assert json.loads(terminal.raw) is not None
        assert not terminal.colors


@pytest.mark.parametrize("words", PLAIN.values(), ids=PLAIN)
def test_no_colours_where_nobody_wants_them(home: Home, words: tuple[str, ...]) -> None:
    no_colours(home, *words, NO_COLOR="1")


def test_no_colours_on_a_terminal_that_has_none(home: Home) -> None:
    no_colours(home, *PLAIN["describe"], TERM="dumb")
    no_colours(home, *PLAIN["watch"], TERM="dumb")


def no_colours(home: Home, *words: str, **variables: str) -> None:
    with home.terminal(*words, **variables) as terminal:
        assert terminal.wait_for_end() == 0
        assert not re.search(rb"\x1b\[[\d;]*[34]\d[;m]", terminal.raw)
        assert not terminal.colors


def test_colours_on_a_terminal(home: Home) -> None:
    for words in (("ls",), ("describe", "run"), ("status", "run")):
        with home.terminal(*words) as terminal:
            assert terminal.wait_for_end() == 0
            assert terminal.colors


def test_help_of_each_sub_command(home: Home) -> None:
    shown = home.shown("--help")
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in COMMANDS)
    for name in COMMANDS:
        done = home.run(name, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"Usage: lazyipc {name} ")


# ls and status -----------------------------------------------------------------------------------


def test_ls_tells_alive_from_busy_from_dead(own: Home) -> None:
    own.host("able")
    own.host("block")
    own.end(own.host("crash"), signal.SIGKILL)
    with own.blocked("block"):
        shown = own.shown("ls")
        found = own.json_lines("ls")[0]["servers"]
        status = own.shown("status", "block")
    assert re.search(r"^able +alive +\d+ ", shown, re.MULTILINE)
    assert re.search(r"^block +busy +\d+ ", shown, re.MULTILINE)
    assert re.search(r"^crash +dead ", shown, re.MULTILINE)
    assert {each["name"]: each["state"] for each in found} == {
        "able": "alive",
        "block": "busy",
        "crash": "dead",
    }
    commands = len(own.json("describe", "able")["commands"])
    assert [each["commands"] for each in found] == [commands] * 3
    assert re.search(r"alive \(pid \d+\)", status)  # its page knows no more than that it lives
    assert "dead" in own.shown("status", "crash", code=3)


def test_ls_where_nothing_runs(own: Home) -> None:
    assert "No server of yours is running" in own.shown("ls")
    assert own.json_lines("ls")[0]["servers"] == []


# describe and schema -----------------------------------------------------------------------------


def test_describe_shows_commands_fields_docs_and_defaults(home: Home) -> None:
    shown = home.shown("describe", "run", rows=80)
    document = home.json("describe", "run")
    for command in document["commands"]:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", command["name"]).lower()
        assert re.search(rf"^{name} ", shown, re.MULTILINE), name
    assert re.search(r"^add +a: u64, b: u64 = 1 +Sum +Add two numbers\.$", shown, re.MULTILINE)
    assert "version 1.4.0" in shown


def test_describe_shows_all_about_one_command(home: Home) -> None:
    shown = home.shown("describe", "run", "set-level")
    for told in ("LOW, MEDIUM, HIGH", "Instead of which.", "How much is told.", "MEDIUM"):
        assert told in shown
    part = home.json("describe", "run", "SetLevel")
    assert part["doc"] == "Say how much is told."


def test_the_schema_is_one_that_jsonschema_takes(home: Home) -> None:
    schema = home.json("describe", "run")["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"Add": {"a": 1}})
    assert not validator.is_valid({"Add": {"a": -1}})


def test_schema_to_a_file_and_compared(own: Home) -> None:
    run = own.host("run")
    file = own.path / "run.json"
    assert own.run("schema", "run", "-o", str(file)).returncode == 0
    assert json.loads(file.read_text()) == own.json("schema", "run")
    own.shown("schema", "run", "--diff", str(file))
    own.end(run)
    own.host("run", "--schema", "new")
    shown = own.shown("schema", "run", "--diff", str(file), code=5)
    assert "warmup" in shown
    assert "Tag" in shown
    assert "Save" in shown
    told = own.json("schema", "run", "--diff", str(file), code=5)
    assert told["is_breaking"] is True
    assert {"framed"} <= {where for each in told["differences"] for where in each["breaks"]}


# stats and watch ---------------------------------------------------------------------------------


def test_stats_are_those_of_the_server(home: Home) -> None:
    before, after = home.json("stats", "run"), home.json("stats", "run")
    assert after["described"] > before["described"]
    assert after["accepted"] > before["accepted"]
    assert re.search(r"^ *commands +\d", home.shown("stats", "run"), re.MULTILINE)


def test_watch_goes_on_until_ctrl_c(home: Home) -> None:
    with home.terminal("watch", "run", "--interval", "0.05") as terminal:
        told = r"^described +(\d+)"
        first = int(terminal.wait_for(told)[1])
        terminal.wait_until(lambda text: int(re.search(told, text, re.M)[1]) >= first + 2)
        terminal.wait_for(r"^answers in .*[▁▂▃▄▅▆▇█].*min .*, median .*, max ")
        assert len(re.findall(told, terminal.screen(), re.MULTILINE)) == 1  # in its place
        terminal.type(CTRL_C)
        assert terminal.wait_for_end() == 130
        assert terminal.is_cursor_shown
        assert "Traceback" not in terminal.screen()


def test_watch_in_a_pipe(home: Home) -> None:
    looks = home.json_lines("watch", "run", "--interval", "0.05", "--count", "3")
    assert len(looks) == 3
    assert all(look["state"] == "alive" for look in looks)
    assert looks[2]["rates"]["described"] > 0


# completion --------------------------------------------------------------------------------------


FILES = {
    "bash": (".bashrc", "PS1='$ '\neval \"$(lazyipc completion bash)\"\n"),
    "zsh": (
        ".zshrc",
        "PS1='$ '\nfpath=($HOME $fpath)\nlazyipc completion zsh > $HOME/_lazyipc\n"
        "autoload -Uz compinit\ncompinit -u\n",
    ),
    "fish": (
        ".config/fish/config.fish",
        "function fish_prompt; echo '$ '; end\nset -g fish_greeting\n"
        "lazyipc completion fish | source\n",
    ),
}
"""What a user of each shell has in a file of which name."""

COMPLETED = {
    "lazyipc desc": "describe",
    "lazyipc describe r": "run",
    "lazyipc call run set-r": "set-rate",
    "lazyipc call run set-level --lev": "--level",
    "lazyipc call run set-level --level ME": "MEDIUM",
}


@pytest.mark.parametrize("shell", FILES)
def test_completion_in_a_real_shell(home: Home, shell: str) -> None:
    if shutil.which(shell) is None:
        give_up(f"there is no {shell}")
    name, text = FILES[shell]
    file = home.path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    with Terminal([shell], rows=30, env=environment(home.path), cwd=home.path) as terminal:
        terminal.wait_for(r"^\$$")
        for typed, completed in COMPLETED.items():
            terminal.type(typed)
            terminal.wait_for(rf"^\$ {re.escape(typed)}")
            terminal.type(TAB)
            terminal.wait_for(rf"^\$ {re.escape(typed.rpartition(' ')[0])} {completed}(?![\w-])")
            terminal.type(CTRL_U)
            terminal.wait_for(r"^\$$")


# explain -----------------------------------------------------------------------------------------


def test_explain_shows_bytes_field_by_field(home: Home) -> None:
    file = home.path / "list"
    file.write_bytes(bytes.fromhex("0200000000000000 07000000 08000000"))
    shown = home.shown("explain", str(file), "list[U32]")
    assert re.search(r"\b7\b", shown)
    assert re.search(r"\b8\b", shown)
    assert home.json("explain", str(file), "list[U32]") is not None
    file.write_bytes(bytes.fromhex("0100000000000000 02"))
    assert "8" in home.shown("explain", "--of", "run", str(file), "Add", code=2)
    file.write_bytes(bytes.fromhex("0100000000000000 0200000000000000"))
    shown = home.shown("explain", "--of", "run", str(file), "Add")
    assert re.search(r"\ba\b.*\b1\b", shown)
    assert re.search(r"\bb\b.*\b2\b", shown)
