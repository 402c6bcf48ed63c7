"""`lazyipc watch`: rates, what is shown of a host that is busy or gone, and how it ends."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest

from lazyipc._plain_client import PlainClient
from lazyipc.cli._shown.output import Output
from lazyipc.cli._views.gauge import BARS, LONGEST_HISTORY, PLAIN_BARS, Gauge, sparkline, spread
from lazyipc.cli._views.ticking import ticking
from lazyipc.cli._views.watch import SHORTEST_SECONDS, Looks
from lazyipc.cli._views.watch_picture import Picture
from tests.cli.home import Home
from tests.cli.inside import Inside
from tests.cli.terminal import CTRL_C, LAZYIPC, environment

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

QUICK = ("--interval", "0.05")


# The numbers -------------------------------------------------------------------------------------

RUN = {"pid": 1, "start_ns": 5, "clock": "ab"}


def test_rates_are_of_the_time_between_two_looks() -> None:
    gauge = Gauge()
    first = gauge.take({**RUN, "commands": 10, "polls": 100, "turn_seconds": 1.0}, 0.25, 50.0)
    assert (first["rates"], first["poll_seconds"], first["turn_share"]) == ({}, None, None)
    second = gauge.take({**RUN, "commands": 30, "polls": 104, "turn_seconds": 1.5}, 0.5, 52.0)
    assert second["rates"] == {"commands": 10.0, "polls": 2.0, "turn_seconds": 0.25}
    assert (second["poll_seconds"], second["turn_share"]) == (0.5, 0.25)
    assert not second["has_restarted"]
    assert [*gauge.latencies] == [0.25, 0.5]


def test_a_restart_begins_anew() -> None:
    gauge = Gauge()
    gauge.take({**RUN, "polls": 100}, 0.1, 0.0)
    gauge.take({**RUN, "polls": 200}, 0.1, 1.0)
    told = gauge.take({**RUN, "start_ns": 6, "polls": 3}, 0.1, 2.0)
    assert (told["has_restarted"], told["rates"], told["poll_seconds"]) == (True, {}, None)
    assert not gauge.poll_seconds
    told = gauge.take({**RUN, "start_ns": 6, "polls": 5}, 0.1, 3.0)
    assert (told["has_restarted"], told["rates"]) == (False, {"polls": 2.0})


def test_odd_counters_are_no_counters() -> None:
    gauge = Gauge()
    odd: dict[str, Any] = {"polls": "many", "new": 1, "commands": True, "clients": 1, "interval": 1}
    gauge.take({**RUN, **odd, "gone": 7}, 0.1, 0.0)
    told = gauge.take({**RUN, **odd, "polls": 5, "new": 3, "clients": 9, "interval": 9}, 0.1, 1.0)
    assert told["rates"] == {"new": 2.0}
    assert gauge.take({**RUN, "new": 9}, 0.1, 1.0)["rates"] == {}  # no time has passed


def test_what_is_remembered_is_bounded() -> None:
    gauge = Gauge()
    for n in range(LONGEST_HISTORY + 50):
        gauge.take({**RUN, "polls": n, "turn_seconds": n}, 0.1, float(n))
    for values in (gauge.latencies, gauge.poll_seconds, gauge.turn_shares):
        assert len(values) == LONGEST_HISTORY


def test_sparklines() -> None:
    assert sparkline([], 5) == ""
    assert sparkline([1], 0) == ""
    assert sparkline([0, 0], 5) == BARS[0] * 2
    assert sparkline([1, 2, 3, 4], 2) == BARS[6] + BARS[7]
    assert sparkline([5, 10], 5, PLAIN_BARS) == PLAIN_BARS[4] + PLAIN_BARS[7]
    assert spread([]) is None
    assert spread([3, 1, 2, 4]) == (1, 2.5, 4)


# While a call blocks -----------------------------------------------------------------------------


def test_ticks_come_while_a_call_blocks_and_end_with_it() -> None:
    ticks: list[int] = []
    enough = threading.Event()

    def tick() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            enough.set()

    before = signal.getsignal(signal.SIGALRM)
    with ticking(0.01, tick):
        assert enough.wait(20)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_what_a_tick_raises_leaves_the_call() -> None:
    def tick() -> None:
        raise LookupError

    with pytest.raises(LookupError), ticking(0.01, tick):
        threading.Event().wait(20)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_other_threads_are_told_nothing() -> None:
    found: list[BaseException] = []

    def run() -> None:
        try:
            with ticking(0.01, lambda: None):
                pass
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert not found


# For programs ------------------------------------------------------------------------------------


def test_a_line_for_each_look(inside: Inside) -> None:
    done = inside.run("watch", "train", *QUICK, "--count", "3")
    assert (done.code, done.err) == (0, "")
    looks = [json.loads(line) for line in done.out.splitlines()]
    assert len(looks) == 3
    for look in looks:
        assert [*look] == [
            "name", "path", "state", "page", "has_restarted", "latency_seconds", "poll_seconds",
            "turn_share", "rates", "stats",
        ]  # fmt: skip
        assert [*look["page"]] == [
            "pid", "uptime", "polls", "last_poll_seconds", "interval_seconds", "clients",
            "commands",
        ]  # fmt: skip
        assert look["state"] == "alive"
    assert looks[0]["rates"] == {}
    assert looks[1]["rates"]["described"] > 0
    assert looks[2]["stats"]["described"] == looks[1]["stats"]["described"] + 1


def test_a_look_that_takes_long_makes_no_busy_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise InterruptedError

    looks = Looks("/nowhere", 0.0, sleep)
    monkeypatch.setattr(looks, "look", lambda client, show: {})
    with pytest.raises(InterruptedError):
        looks.run(PlainClient("/nowhere"), lambda look: None)
    assert slept == [SHORTEST_SECONDS] * 3


def test_nobody_there_to_begin_with(inside: Inside) -> None:
    done = inside.run("watch", "nobody", "--count", "1")
    assert (done.code, done.out) == (3, "")


@pytest.mark.parametrize(
    "words",
    [
        ("--interval", "0"),
        ("--count", "0"),
        ("--interval", "x"),
        ("--interval", "inf"),
        ("--interval", "nan"),
        ("--interval", "1e300"),
    ],
)
def test_numbers_that_make_no_sense(inside: Inside, words: tuple[str, ...]) -> None:
    assert inside.run("watch", "train", *words).code == 2


def test_a_busy_host_is_told_of_and_does_not_keep_us(inside: Inside) -> None:
    with inside.home.blocked("train"):
        done = inside.run("watch", "train", *QUICK, "--count", "2")
    assert done.code == 0
    first, second = map(json.loads, done.out.splitlines())
    assert first["state"] == second["state"] == "busy"
    assert first["stats"] is first["rates"] is first["latency_seconds"] is None
    assert first["page"]["last_poll_seconds"] < second["page"]["last_poll_seconds"]


def test_a_host_that_is_started_again_is_watched_on() -> None:
    with Home() as home:
        host = home.host("again")
        with subprocess.Popen(
            [LAZYIPC, "watch", "again", "--interval", "0.1"],
            env=environment(home.path),
            stdout=subprocess.PIPE,
            text=True,
        ) as watching:
            try:
                looks = (json.loads(line) for line in watching.stdout or ())
                assert next(looks)["state"] == "alive"
                home.end(host)
                assert any(look["state"] == "dead" for look in looks)
                home.host("again")
                again = next(look for look in looks if look["state"] == "alive")
                assert again["has_restarted"]
                assert not next(looks)["has_restarted"]
            finally:
                watching.send_signal(signal.SIGINT)
            assert watching.wait(20) == 130


# For people --------------------------------------------------------------------------------------


def test_it_is_shown_in_its_place_and_ctrl_c_gives_the_terminal_back(home: Home) -> None:
    with home.terminal("watch", "train", "--interval", "0.1", columns=100, rows=40) as terminal:
        terminal.wait_for(r"^train  alive  pid \d+, up ")
        terminal.wait_for(r"^polls every +[\d.]+ ms  [▁▂▃▄▅▆▇█]{3}")
        assert not terminal.is_cursor_shown
        terminal.type(CTRL_C)
        assert terminal.wait_for_end() == 130
        assert terminal.screen().count("alive") == 1  # the same place, again and again
        assert terminal.is_cursor_shown
        assert "Traceback" not in terminal.screen()


def test_a_busy_host_on_a_terminal(home: Home) -> None:
    with home.terminal("watch", "train", "--interval", "0.1") as terminal:
        terminal.wait_for(r"^train  alive")
        with home.blocked("train"):
            terminal.wait_for(r"^train  busy")
            terminal.wait_for(r"^busy, last poll \d\S* \S+ ago; it polls about every")
            terminal.wait_for(r"^commands +\d+")  # the last that is known
        terminal.wait_for(r"^train  alive")


def test_a_host_that_goes_and_comes_on_a_terminal() -> None:
    with Home() as home:
        host = home.host("again")
        with home.terminal("watch", "again", "--interval", "0.1") as terminal:
            terminal.wait_for("^again  alive")
            home.end(host)
            terminal.wait_for("^gone; it is watched on when it is started again")
            home.host("again")
            terminal.wait_for("^again  alive")


@pytest.mark.parametrize("columns", [20, 50])
def test_a_narrow_terminal(home: Home, columns: int) -> None:
    with home.terminal(
        "watch", "train", *QUICK, "--count", "3", columns=columns, rows=60
    ) as terminal:
        assert terminal.wait_for_end() == 0
        assert terminal.screen().count("train  alive") == 1


def test_a_terminal_that_is_made_another_width(home: Home) -> None:
    with home.terminal("watch", "train", "--interval", "0.1", columns=100, rows=40) as terminal:
        terminal.wait_for("min .* median .* max")
        terminal.resize(40, 40)
        terminal.wait_for("^answers in.*…$")


def test_a_terminal_that_cannot_move_gets_one_below_the_other(home: Home) -> None:
    told = home.shown("watch", "train", *QUICK, "--count", "2", rows=70, TERM="dumb")
    assert told.count("train  alive") == 2


def picture(encoding: str, look: Callable[[Gauge], dict[str, Any]]) -> str:
    """What a picture of a look says."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    out = Output(stream=stream)
    gauge = Gauge()
    out.rich(Picture(out, gauge).of(look(gauge)))
    stream.seek(0)
    return stream.read()


def test_hostile_counters_are_shown_and_do_nothing() -> None:
    page = dict.fromkeys(("pid", "uptime", "last_poll_seconds", "interval_seconds"))
    stats = {"pid": "\x1b[2J", "commands": [1], "polls": "\x9b", "uptime": "\u202e", "failed": -1}

    def look(gauge: Gauge) -> dict[str, Any]:
        base = {"name": "\x1b[31m", "path": "/x", "state": "alive", "page": page}
        return {**base, **gauge.take(stats, 0.1, 1.0)}

    for encoding in ("utf-8", "ascii"):
        told = picture(encoding, look)
        assert all(c.isprintable() or c == "\n" for c in told)
        assert r"\x1b[31m" in told
