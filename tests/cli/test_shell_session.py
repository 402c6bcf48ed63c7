"""What the shell does with a line, over a server that is only played; and its history's file."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from lazyipc import CommandFailed, HostBusy, ServerNotRunning
from lazyipc._core.description.model import CommandInfo, Description
from lazyipc._core.description.reading import read_description
from lazyipc._core.nearest import UnknownName
from lazyipc._io.clock import UNKNOWN, clock_identity
from lazyipc._io.status_page import Status
from lazyipc._plain_client import PlainClient
from lazyipc.cli._shell.calls import Caller
from lazyipc.cli._shell.history import MOST_BYTES, HistoryFile, history_path
from lazyipc.cli._shell.known import Known
from lazyipc.cli._shell.line import BadLine
from lazyipc.cli._shell.session import Changed, GivenUp, Session
from lazyipc.cli._shell.waiting import waiting, words
from lazyipc.cli._shown.output import Output
from lazyipc.cli._words.atoms import BadWord
from lazyipc.errors import Started
from tests.cli.running import description

STRANGER = "\x1b[31mred"


class Server:
    """A server that is only played: what it tells of itself, and what it answers."""

    def __init__(self) -> None:
        self.pid = 1
        self.is_up = True
        self.has_page = True
        self.change: Callable[[Any], object] = lambda document: None
        self.asked: list[float | None] = []
        """The time that each question for the description was given."""
        self.called: list[tuple[str, dict[str, Any], float | None]] = []
        self.answer: Any = {"Sum": {"c": 3}}
        self.last_started: Started = "unknown"

    def restart(self, change: Callable[[Any], object] = lambda document: None) -> None:
        """Another process takes its place, whose description differs."""
        self.pid += 1
        self.change = change

    def fetch(self, seconds: float | None) -> Description:
        self.asked.append(seconds)
        if not self.is_up:
            raise ServerNotRunning("/run/train.sock: no server is running there")
        document = json.loads(json.dumps(description().document))
        document["server"] |= {
            "name": "train",
            "pid": self.pid,
            "start_ns": self.pid * 1000,
            "clock": UNKNOWN.hex(),
            "wires": ["FRAMED", "JSON"],
        }
        self.change(document)
        return read_description(document)

    def page(self) -> Status | None:
        if not self.has_page:
            return None
        return _status(self.pid, start_ns=self.pid * 1000, is_locked=self.is_up)

    def call(
        self,
        description: Description,
        command: CommandInfo,
        fields: dict[str, Any],
        timeout: float | None,
    ) -> Any:
        self.called.append((command.name, fields, timeout))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def _status(pid: int, **more: Any) -> Status:
    told: dict[str, Any] = {
        "pid": pid, "clock": UNKNOWN, "start_ns": 0, "polls": 5, "last_poll_ns": 0,
        "interval_seconds": None, "is_locked": True,
    }  # fmt: skip
    return Status(**told | more)


class Played:
    """A session with it, and all that was shown."""

    def __init__(self, *, is_terminal: bool = True) -> None:
        self.server = Server()
        self.stream = io.StringIO()
        self.notices: list[str] = []
        self.shown: list[tuple[str, str | None, float | None]] = []
        out = Output(stream=self.stream)
        out.is_terminal = is_terminal
        known = Known(self.server.fetch, self.server.page)
        self.session = Session(self.server, known, self._show, out, self.notices.append)

    def _show(self, name: str, word: str | None, seconds: float | None) -> int:
        self.shown.append((name, word, seconds))
        return 3 if name == "status" else 0

    def run(self, line: str) -> str:
        """Run a line; what was shown of it."""
        self.stream.seek(0)
        self.stream.truncate()
        self.session.run(line)
        return self.stream.getvalue()


@pytest.fixture
def played() -> Played:
    return Played()


def set_rate(document: Any) -> Any:
    """The description of the command SetRate, and the schema of its fields."""
    return document["schema"]["$defs"]["command.SetRate"]


# Lines --------------------------------------------------------------------------------------------


def test_a_command_is_called_and_its_response_shown_with_the_time(played: Played) -> None:
    told = played.run("add 1 --b 2")
    assert played.server.called == [("Add", {"a": 1, "b": 2}, None)]
    assert told.startswith("Sum(c=3)  ")
    assert told.endswith("s\n")


def test_a_long_response_has_the_time_on_a_line_of_its_own(played: Played) -> None:
    played.server.answer = "one\ntwo"
    lines = played.run("echo x").splitlines()
    assert lines[:2] == ["one", "two"]
    assert len(lines) == 3


def test_a_response_is_a_line_of_json_where_nobody_looks() -> None:
    played = Played(is_terminal=False)
    played.server.answer = STRANGER
    assert played.run("echo x") == '"\\u001b[31mred"\n'


@pytest.mark.parametrize("line", ["", "   ", "# add 1", "#"])
def test_nothing_is_done_for_nothing(played: Played, line: str) -> None:
    assert played.run(line) == ""
    assert not played.server.asked


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("echo 'a", BadLine, "column 6: the quote ' is never closed"),
        ("add x", BadWord, "a: a whole number from 0 "),
        ("add 1 --aa 2", UnknownName, 'no field "aa" in add; did you mean a?'),
        ("ad 1", UnknownName, 'no command "ad" in train; did you mean add'),
        ("exi", UnknownName, 'no command "exi" in train; did you mean exit'),
        ("exit now", BadWord, '"now" is one word too many: exit'),
        ("help add now", BadWord, '"now" is one word too many: help [COMMAND]'),
        ("timeout soon", BadWord, "timeout: a length of time"),
        ("add 1 --timeout soon", BadWord, "--timeout: a length of time"),
    ],
)
def test_a_line_that_makes_no_sense_is_not_sent(
    played: Played, line: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as caught:
        played.run(line)
    assert str(caught.value).startswith(said)
    assert not played.server.called


def test_an_error_of_the_server_leaves_and_the_session_goes_on(played: Played) -> None:
    played.server.answer = CommandFailed("no such player")
    with pytest.raises(CommandFailed):
        played.run("fail")
    played.server.answer = HostBusy("busy", last_poll_seconds=3.0)
    with pytest.raises(HostBusy):
        played.run("add 1")
    played.server.answer = 5
    assert played.run("added").startswith("5  ")


# The shell's own words ----------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["exit", "quit"])
def test_leaving(played: Played, line: str) -> None:
    assert not played.session.is_over
    assert played.run(line) == ""
    assert played.session.is_over
    assert not played.server.asked  # nobody need answer


def test_what_the_server_tells_is_shown_and_its_code_given(played: Played) -> None:
    assert played.session.run("describe add") == 0
    assert played.session.run("stats") == 0
    assert played.session.run("status") == 3
    assert played.shown == [
        ("describe", "add", None),
        ("stats", None, None),
        ("status", None, None),
    ]


def test_status_needs_no_server(played: Played) -> None:
    played.server.is_up = False
    assert played.session.run("status") == 3


def test_the_time_a_call_may_take(played: Played) -> None:
    assert "each command's own" in played.run("timeout")
    assert played.run("timeout 2.5") == "2.5 s for each call\n"
    played.run("add 1")
    played.run("add 1 --timeout 200ms")
    assert played.run("timeout inf") == "for ever for each call\n"
    played.run("add 1")
    assert "each command's own" in played.run("timeout own")
    played.run("add 1")
    assert [seconds for _, _, seconds in played.server.called] == [2.5, 0.2, float("inf"), None]
    assert played.server.asked == [2.5]  # and so may the question what there is


def test_help_of_a_builtin_and_of_a_command_of_its_name(played: Played) -> None:
    assert played.run("help exit") == "exit: Leave; so does Ctrl-D.\n"
    assert played.run("add -h") == played.run("add --help") == played.run("help ADD")


def test_a_command_that_the_shell_hides_is_called_quoted(played: Played) -> None:
    played.server.change = lambda document: document["commands"][2].update(name="Exit")
    told = "exit leaves the shell, \\exit is the server's command\n"
    assert played.run("help exit").endswith(told)
    assert played.run("help \\exit").startswith("Usage: \\exit [OPTIONS] A [B]\n")
    with pytest.raises(UnknownName) as unknown:
        played.run("zz")
    assert [name for name in unknown.value.known if "exit" in name] == ["\\exit", "exit"]
    assert played.run("\\exit 1").startswith("Sum")
    assert played.run("'exit' 1").startswith("Sum")
    assert not played.session.is_over
    assert [name for name, _, _ in played.server.called] == ["Exit", "Exit"]


# Giving up ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("started", "said"),
    [("no", "it was not run and will not be"), ("unknown", "whether it ran is not known")],
)
def test_an_interrupt_ends_the_call_and_says_what_became_of_it(
    played: Played, started: Started, said: str
) -> None:
    played.server.answer = KeyboardInterrupt()
    played.server.last_started = started
    with pytest.raises(GivenUp, match=said):
        played.run("add 1")


class Interrupted:
    """A client whose call is interrupted before it could look what has begun."""

    def __init__(self) -> None:
        self.path = "/run/train.sock"
        self.last_started: Started = "no"
        """As it was left by the call before."""

    def call(self, command: Any, timeout: float | None = None) -> Any:
        raise KeyboardInterrupt


def test_what_was_known_of_the_call_before_says_nothing_of_this_one(played: Played) -> None:
    told = played.server.fetch(None)
    caller = Caller(cast("PlainClient", Interrupted()))
    with pytest.raises(KeyboardInterrupt):
        caller.call(told, told.command("added"), {}, None)
    assert caller.last_started == "unknown"


# Restarts -----------------------------------------------------------------------------------------


def test_the_server_is_asked_once_for_what_it_understands(played: Played) -> None:
    played.run("add 1")
    played.run("add 2")
    assert played.server.asked == [None]
    assert not played.notices


def test_a_restart_is_told_and_the_line_is_run(played: Played) -> None:
    played.run("add 1")
    played.server.restart()
    played.run("add 2")
    assert played.notices == ["train was restarted (pid 1 → 2); its commands are the same"]
    assert len(played.server.called) == 2


def test_a_change_of_another_command_stops_no_line(played: Played) -> None:
    played.run("add 1")
    played.server.restart(lambda document: document["commands"][0].update(doc="Otherwise."))
    played.run("add 2")
    assert played.notices[0].startswith("train was restarted (pid 1 → 2) and its commands have")
    assert "SetRate" in played.notices[0]
    assert len(played.server.called) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda document: set_rate(document)["properties"]["lr"].update(default=0.5),
        lambda document: set_rate(document).update(required=[]),
        lambda document: document["commands"][0].update(fingerprint="00" * 8),
        lambda document: document["commands"][0].update(name="SetLr"),
    ],
)
def test_a_line_that_may_mean_something_else_is_not_sent(
    played: Played, change: Callable[[Any], object]
) -> None:
    played.run("add 1")
    played.server.restart(change)
    with pytest.raises(Changed, match="set-rate is not what it was when the line was typed"):
        played.run("set-rate 0.5")
    assert len(played.server.called) == 1
    assert len(played.notices) == 1


def test_what_a_struct_became_counts_too(played: Played) -> None:
    played.run("add 1")
    played.server.restart(
        lambda document: document["schema"]["$defs"]["type.Point"]["properties"]["y"].update(
            default=7.0
        )
    )
    with pytest.raises(Changed):
        played.run("move --point.x 1")
    played.run("move --point.x 1")  # as it is now
    assert [name for name, _, _ in played.server.called] == ["Add", "Move"]


def test_a_servers_text_in_a_change_is_shown_not_obeyed(played: Played) -> None:
    played.run("add 1")
    played.server.restart(lambda document: document["commands"][0].update(name=STRANGER))
    played.run("add 2")
    assert "\\x1b[31mred" in played.notices[0]
    assert all(line.isprintable() for line in played.notices[0].splitlines())


def test_a_server_that_is_down_is_tried_at_each_line(played: Played) -> None:
    played.server.is_up = False
    for _ in range(2):
        with pytest.raises(ServerNotRunning):
            played.run("add 1")
    played.server.is_up = True
    assert played.run("add 1").startswith("Sum")


def test_a_successor_that_has_died_is_not_asked(played: Played) -> None:
    played.run("add 1")
    played.server.restart()
    played.server.is_up = False
    assert played.session.refresh() is None
    assert played.server.asked == [None]


def test_a_server_without_a_page_is_asked_once(played: Played) -> None:
    played.server.has_page = False
    played.run("add 1")
    played.run("add 1")
    assert played.server.asked == [None]


def test_while_somebody_types_a_busy_server_is_asked_once(played: Played) -> None:
    known = played.session.known
    played.run("add 1")
    played.server.restart()
    played.server.change = _busy
    assert [known.try_refresh(0.3) for _ in range(3)] == [None] * 3
    assert played.server.asked == [None, 0.3]
    played.server.change = lambda document: None
    played.run("add 1")
    assert len(played.notices) == 1


def _busy(document: Any) -> None:
    raise HostBusy("busy", last_poll_seconds=3.0)


# The wait -----------------------------------------------------------------------------------------


def test_what_is_told_of_a_wait() -> None:
    second = 10**9
    ours = {"clock": clock_identity(), "last_poll_ns": 2 * second}
    assert words(None, 0, second) == "waiting for 1.0 s; Ctrl-C ends it"
    busy = words(_status(1, **ours), 3 * second, 5 * second)
    assert busy == "waiting: the host has not polled for 3.0 s; Ctrl-C ends it"
    polled = words(_status(1, **ours), second, 5 * second)
    assert polled == "waiting for 4.0 s: the host polled 3.0 s ago; Ctrl-C ends it"
    foreign = words(_status(1, clock=UNKNOWN), second, 5 * second)
    assert foreign == "waiting for 4.0 s; Ctrl-C ends it"


def test_a_wait_leaves_timer_and_handler_as_they_were() -> None:
    before = signal.getsignal(signal.SIGALRM)
    reading, writing = os.pipe()
    try:
        with suppress(KeyError), waiting(lambda: None, writing):
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
            raise KeyError
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        assert signal.getsignal(signal.SIGALRM) is before
        with waiting(lambda: None, None):
            assert signal.getsignal(signal.SIGALRM) is before
        os.set_blocking(reading, False)
        with pytest.raises(BlockingIOError):
            os.read(reading, 1)  # a short wait is told nobody
    finally:
        os.close(reading)
        os.close(writing)


# History ------------------------------------------------------------------------------------------


def test_where_the_history_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert history_path() == "/elsewhere/lazyipc/history"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert history_path() == f"{tmp_path}/.local/state/lazyipc/history"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert history_path() == f"{tmp_path}/.local/state/lazyipc/history"
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # nobody's home is known
    assert history_path() is None


@pytest.mark.usefixtures("no_descriptor_leak")
def test_history_is_kept_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lazyipc" / "history"
    before = os.umask(0)
    try:
        file = HistoryFile(str(path))
    finally:
        os.umask(before)
    for line in ("add 1", "", "  ", " secret", "two\nlines", "echo é\udcff"):
        file.append(line)
    file.close()
    assert path.read_text() == "add 1\necho é?\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    again = HistoryFile(str(path))
    again.close()
    assert again.lines == ["add 1", "echo é?"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not again.trouble


@pytest.mark.usefixtures("no_descriptor_leak")
def test_a_history_that_has_become_too_large_is_cut_at_a_line(tmp_path: Path) -> None:
    path = tmp_path / "history"
    link = tmp_path / "link"
    link.symlink_to(path)
    count = MOST_BYTES // 8 + 10
    path.write_bytes(b"".join(b"%07d\n" % number for number in range(count)))
    file = HistoryFile(str(link))
    file.append("last")
    file.close()
    lines = path.read_text().splitlines()
    assert link.is_symlink()
    assert MOST_BYTES // 2 - 16 <= path.stat().st_size <= MOST_BYTES // 2 + 16
    assert lines[-2:] == [f"{count - 1:07d}", "last"]
    assert [*map(int, file.lines)] == [*range(int(lines[0]), count)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {*tmp_path.iterdir()} == {path, link}


@pytest.mark.usefixtures("no_descriptor_leak")
@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a file above", "no permission"])
def test_a_history_that_cannot_be_kept_is_nobodys_failure(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "history"
    match kind:
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "a file above":
            (tmp_path / "above").touch()
            path = tmp_path / "above" / "history"
        case _:
            path = Path("/proc/self/nothing/history")
    file = HistoryFile(str(path))
    assert file.trouble.startswith(f"no history is kept: {path}: ")
    file.append("add 1")
    file.close()
    assert not file.lines


@pytest.mark.usefixtures("no_descriptor_leak")
def test_a_disk_that_fills_up_ends_the_history_only() -> None:
    file = HistoryFile(None)
    assert not file.trouble
    file._fd = os.open("/dev/full", os.O_WRONLY)
    file.append("add 1")
    assert "No space left" in file.trouble
    file.append("add 2")
    file.close()
