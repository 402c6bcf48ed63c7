"""`lazyipc ls`: what runs, and how it is."""

from __future__ import annotations

import os
import signal

import pytest

from tests.cli.home import Home
from tests.cli.inside import Inside

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


def test_a_server_that_answers(inside: Inside) -> None:
    done = inside.run("ls")
    assert (done.code, done.err) == (0, "")
    (server,) = done.json["servers"]
    assert done.json["looked_in"] == [str(inside.home.sockets)]
    path = str(inside.home.socket("train"))
    assert (server["name"], server["state"], server["path"]) == ("train", "alive", path)
    assert server["commands"] == 18
    assert 0 <= server["last_poll_seconds"] < server["uptime"] < 60
    assert [*server] == [
        "name", "state", "pid", "last_poll_seconds", "interval_seconds", "commands", "clients",
        "uptime", "path",
    ]  # fmt: skip


def test_json_may_be_asked_for_in_front_and_behind(inside: Inside) -> None:
    for words in (("--json", "ls"), ("ls", "--json")):
        assert '"servers"' in inside.shown(*words)


def test_busy_and_dead_ones_are_told_apart() -> None:
    with Home() as home:
        home.host("busy")
        home.end(home.host("dead"), signal.SIGKILL)
        home.end(home.host("closed"), signal.SIGTERM)
        with home.blocked("busy"):
            told = home.shown("ls", rows=12)
    lines = told.splitlines()
    assert lines[0].split() == [
        "NAME", "STATE", "PID", "LAST", "POLL", "EVERY", "COMMANDS", "CLIENTS", "UP",
    ]  # fmt: skip
    assert [line.split()[:2] for line in lines[2:]] == [["busy", "busy"], ["dead", "dead"]]
    assert "ago" in lines[2]


def test_states_have_colours_on_a_terminal(home: Home) -> None:
    with home.terminal("ls") as terminal:
        terminal.wait_for_end()
        assert terminal.colors
    with home.terminal("ls", NO_COLOR="1") as terminal:
        terminal.wait_for_end()
        assert not terminal.colors


def test_a_narrow_terminal_folds(inside: Inside) -> None:
    told = inside.shown("ls", columns=40)
    assert max(map(len, told.splitlines())) <= 40
    assert "alive" in told


def test_nothing_runs() -> None:
    with Home() as home:
        assert home.run("ls").stdout.startswith('{"servers":[],"looked_in":["')
        told = home.shown("ls")
        assert told.splitlines()[0] == "No server of yours is running."
        assert str(home.sockets) in told.replace("\n", "")
        os.rmdir(home.sockets)
        told = " ".join(home.shown("ls", columns=200).split())
        assert f"There is no {home.sockets} yet; a server elsewhere is asked by its path." in told


def test_too_many_words(inside: Inside) -> None:
    assert inside.run("ls", "more").code == 2


def test_a_name_that_nobody_has_is_compared_with_those_that_run(inside: Inside) -> None:
    trian = str(inside.home.socket("trian"))
    for words in (
        ("call", "trian", "add", "1"),
        ("describe", "trian"),
        ("stats", "trian"),
        ("watch", "trian"),
        ("schema", "trian"),
        ("shell", "trian"),
        ("call", "train.sock", "add", "1"),
    ):
        done = inside.run(*words)
        assert done.code == 3, words
        assert done.err.endswith("start it first; did you mean train? running: train\n"), done.err
    assert inside.run("stats", "unheard").err.endswith("start it first; running: train\n")
    for path in (trian, "./trian"):  # a path is meant as it is
        assert inside.run("stats", path).err.endswith("start it first\n")
