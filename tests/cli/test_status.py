"""`lazyipc status`: what the page tells, and that nobody is asked. `lazyipc stats`: one picture."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from lazyipc import Stats
from lazyipc._io.status_page import read_status
from lazyipc._plain_client import PlainClient
from lazyipc.cli._shown.span import ago, many, span
from lazyipc.cli._views.stats import MEANINGS
from lazyipc.cli._views.status import page_of
from tests.cli.inside import Inside
from tests.harness import until

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

KEYS = (
    "name", "path", "state", "pid", "uptime", "polls", "last_poll_seconds", "interval_seconds",
    "clients", "commands",
)  # fmt: skip


def test_a_server_that_lives(inside: Inside) -> None:
    before = inside.run("stats", "train").json["polls"]
    done = inside.run("status", "train")
    assert (done.code, done.err) == (0, "")
    told = done.json
    assert tuple(told) == KEYS
    assert (told["name"], told["state"], told["commands"]) == ("train", "alive", 18)
    assert told["last_poll_seconds"] <= told["uptime"]
    assert told["polls"] >= before - 1
    inside.run("status", "train")
    # Nobody was asked: but for that of these counters there was no question.
    assert inside.run("stats", "train").json["described"] == 1


def test_for_people(inside: Inside) -> None:
    inside.run("stats", "train")
    head, poll, counts = inside.shown("status", "train").splitlines()
    assert re.fullmatch(r"train: alive \(pid \d+\), up .*", head)
    assert re.fullmatch(r"  last poll .* ago; it polls about every .*", poll)
    assert re.fullmatch(r"  \d clients?, 18 commands, \d+ polls?", counts)


def test_a_host_that_is_busy_is_told_of_without_its_help(inside: Inside) -> None:
    with inside.home.blocked("train"):
        first = inside.run("status", "train").json
        second = inside.run("status", "train").json
    assert first["state"] == second["state"] == "alive"
    assert first["polls"] == second["polls"]
    assert first["last_poll_seconds"] < second["last_poll_seconds"]
    assert first["clients"] == 1


def test_a_last_poll_that_is_long_ago(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {**inside.run("status", "train").json, "interval_seconds": 0.05}
    for state, last_poll, told in (
        ("alive", 0.9, "it polls about every 50 ms"),
        ("alive", 1.1, "it usually polls about every 50 ms"),
        ("dead", 1.1, "it polls about every 50 ms"),
    ):
        late = {**seen, "state": state, "last_poll_seconds": last_poll}
        monkeypatch.setattr("lazyipc.cli._views.status.page_of", lambda _path, late=late: late)
        shown = inside.shown("status", "train", code=0 if state == "alive" else 3)
        assert shown.splitlines()[1].endswith(f" ago; {told}")
    slow = {**seen, "interval_seconds": 1.0, "last_poll_seconds": 9.0}
    monkeypatch.setattr("lazyipc.cli._views.status.page_of", lambda _path: slow)
    assert "usually" not in inside.shown("status", "train")


def test_one_that_has_not_polled_yet(inside: Inside) -> None:
    from lazyipc import IpcServer
    from tests.cli.host import Order

    path = inside.home.socket("idle")
    with IpcServer(path, Order):
        assert inside.shown("status", "idle").splitlines()[1] == "  has not polled yet"


def test_the_dead(inside: Inside) -> None:
    host = inside.home.host("killed")
    path = str(inside.home.socket("killed"))
    with PlainClient(path) as client:
        client.stats()
        until(lambda: getattr(read_status(path), "clients", None) == 1, client.stats)
        inside.home.end(host, signal.SIGKILL)
    done = inside.run("status", "killed")
    assert (done.code, done.json["state"], done.json["uptime"]) == (3, "dead", None)
    assert done.json["clients"] == 0
    assert "its process has ended" in inside.shown("status", "killed", code=3)
    assert inside.home.socket("killed").exists()  # it was left alone


def test_one_that_ended_well_or_never_was(inside: Inside) -> None:
    inside.home.end(inside.home.host("ended"))
    for name in ("ended", "never"):
        done = inside.run("status", name)
        assert (done.code, done.json["state"], done.json["pid"]) == (3, "none", None)
        head, why = inside.shown("status", name, code=3, columns=200).splitlines()
        assert head == f"{name}: not running"
        assert why == f"  there is no socket at {inside.home.socket(name)}"


def test_a_socket_without_a_page(inside: Inside) -> None:
    path = str(inside.home.socket("foreign"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        done = inside.run("status", path)
        assert (done.code, done.json["state"]) == (3, "unknown")
        assert "tells nothing that can be trusted" in inside.shown("status", path, code=3)


def test_what_is_no_socket(inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nothing")
    monkeypatch.chdir(tmp_path)
    found = {"./file": "is a file, not a socket", "./": "is a directory, not a socket"}
    for name, told in {**found, "./link": "No such file"}.items():
        done = inside.run("status", name)
        assert (done.code, done.json["state"]) == (3, "unknown")
        assert done.json["path"] == os.path.abspath(name)
        assert told in inside.shown("status", name, code=3, columns=200)


def test_a_clock_that_is_not_ours(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lazyipc._io.status_page.clock_identity", lambda: b"anothers")
    told = page_of(str(inside.home.socket("train")))
    assert (told["state"], told["last_poll_seconds"], told["uptime"]) == ("alive", None, None)
    assert "its clock is another than ours" in inside.shown("status", "train")


# Counters ----------------------------------------------------------------------------------------


def test_each_counter_has_a_meaning() -> None:
    names = {field.name for field in dataclasses.fields(Stats)}
    assert {*MEANINGS} == names | {"interval"}


def test_counters_for_programs_and_people(inside: Inside) -> None:
    told = inside.run("stats", "train").json
    assert {*MEANINGS} | {"pid", "uptime", "start_ns", "clock"} == {*told}
    shown = inside.shown("stats", "train", columns=120)
    assert re.match(r"train  pid \d+, up ", shown)
    assert re.search(r"^polls +\d+   calls of handle_new_messages$", shown, re.MULTILINE)
    assert re.search(r"^turn time +[\d.]+ [mu]?s   spent in them$", shown, re.MULTILINE)
    assert "clock" not in shown


def test_stats_of_nobody(inside: Inside) -> None:
    assert inside.run("stats", "nobody").code == 3


# Words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "-"), (0, "0 s"), (1e-9, "1 ns"), (9.94e-6, "9.9 us"), (9.96e-6, "10 us"),
        (0.0012, "1.2 ms"), (0.9999, "1 s"), (1, "1 s"), (59.9, "60 s"), (90, "1.5 min"),
        (3600, "1 h"), (86400 * 400, "400 d"), (float("inf"), "-"), (float("nan"), "-"),
    ],
)  # fmt: skip
def test_lengths_of_time(seconds: float | None, told: str) -> None:
    assert span(seconds) == told


def test_ages_and_counts() -> None:
    assert ago(12.3) == "12 s ago"
    assert (many(0, "client"), many(1, "poll")) == ("0 clients", "1 poll")
