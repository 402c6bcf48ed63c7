"""How a run ends: what is told of each error, and what the program exits with."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lazyipc import (
    ChildExited,
    CommandFailed,
    DecodeError,
    Disconnected,
    EncodeError,
    HostBusy,
    IpcError,
    LocalProtocolError,
    MessageTooLarge,
    NotPermitted,
    RemoteError,
    RemoteProtocolError,
    ReplyTimeout,
    SchemaError,
    SchemaMismatch,
    ServerNotRunning,
    SocketInUse,
    SocketRefused,
    TransportError,
    UnexpectedReply,
    errors,
)
from lazyipc._core.nearest import UnknownName
from lazyipc.cli import main
from lazyipc.cli._failure import Misuse, exit_code, message_of, told
from lazyipc.cli._shown.answer import problem
from lazyipc.cli._words.atoms import BadWord
from tests.cli.running import LAZYIPC
from tests.harness import ROOT, run_script

MISUSE = Misuse("no such thing", usage="Usage: app X", program="app")
ENDS: list[tuple[BaseException, int, str]] = [
    (RemoteError("it broke", kind="OSError"), 1, "lazyipc: OSError: it broke\n"),
    (CommandFailed("no such player"), 1, "lazyipc: no such player\n"),
    (CommandFailed(), 1, "lazyipc: CommandFailed\n"),
    (NotPermitted("no"), 1, "lazyipc: no\n"),
    (UnexpectedReply("a Sum"), 1, "lazyipc: a Sum\n"),
    (Disconnected("it went away", started="yes"), 1, "lazyipc: it went away\n"),
    (RemoteProtocolError("odd"), 1, "lazyipc: odd\n"),
    (LocalProtocolError("closed"), 1, "lazyipc: closed\n"),
    (IpcError("any"), 1, "lazyipc: any\n"),
    (DecodeError("too large", offset=3, path="a.b"), 2, "lazyipc: byte 3, a.b: too large\n"),
    (DecodeError("bad", offset=0, path="a.b", line=7, column=9), 2, "lazyipc: a.b: bad\n"),
    (DecodeError("bad", offset=0, line=7, column=9), 2, "lazyipc: bad\n"),
    (EncodeError("no number", path="a"), 2, "lazyipc: a: no number\n"),
    (
        MessageTooLarge("the command", size_bytes=9, limit_bytes=8),
        2,
        "lazyipc: the command: 9 is over the limit of 8\n",
    ),
    (SchemaError("no wire form"), 2, "lazyipc: no wire form\n"),
    (UnknownName("command", "ad", ["add"], "train"), 2, 'lazyipc: no command "ad" in train; '),
    (BadWord("a number is wanted", "a"), 2, "lazyipc: a: a number is wanted\n"),
    (ValueError("a name"), 2, "lazyipc: a name\n"),
    (MISUSE, 2, "Usage: app X\nTry 'app --help' for help.\n\nError: no such thing\n"),
    (ServerNotRunning("nobody", path="/s"), 3, "lazyipc: nobody\n"),
    (SocketRefused("a file"), 3, "lazyipc: a file\n"),
    (SocketInUse("in use", pid=1), 3, "lazyipc: in use\n"),
    (ChildExited("gone", returncode=1), 3, "lazyipc: gone\n"),
    (TransportError("no descriptors", errno=24), 3, "lazyipc: no descriptors\n"),
    (ReplyTimeout("late", started="unknown"), 4, "lazyipc: late\n"),
    (ReplyTimeout("late (see timeout=)", started="no"), 4, "lazyipc: late (see --timeout)\n"),
    (SocketRefused("uid 1 (see server_uids=)"), 3, "lazyipc: uid 1\n"),
    (
        MessageTooLarge("line 1 in bytes (see Limits.line_bytes)", size_bytes=2000, limit_bytes=9),
        2,
        "lazyipc: the command is longer as a line of JSON than the 9 bytes that this server "
        "takes\n",
    ),
    (HostBusy("busy", last_poll_seconds=2.0), 4, "lazyipc: busy\n"),
    (SchemaMismatch("a.b differs"), 5, "lazyipc: a.b differs\n"),
    (KeyboardInterrupt(), 130, ""),
    (BrokenPipeError(32, "Broken pipe"), 141, ""),
    (FileNotFoundError(2, "No such file", "f"), 1, "lazyipc: f: No such file\n"),
    (OSError(28, "No space left"), 1, "lazyipc: stdout: No space left\n"),
    (OSError(24, "Too many open files"), 1, "lazyipc: Too many open files\n"),
    (OSError("odd"), 1, "lazyipc: odd\n"),
    (SystemExit(7), 7, ""),
    (SystemExit(None), 0, ""),
    (SystemExit("text"), 1, ""),
    (ModuleNotFoundError("no", name="rich"), 2, "needs rich: pip install 'lazyipc[cli]'\n"),
]


@pytest.mark.parametrize(
    ("error", "code", "text"), ENDS, ids=[type(error).__name__ for error, _, _ in ENDS]
)
def test_each_end_has_its_code_and_text(
    error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> int:
        raise error

    if isinstance(error, BrokenPipeError):  # it lets go of stdout for good
        script = "from lazyipc.cli._failure import told\ndef run(): raise BrokenPipeError\n"
        script += "code = told(run)\nprint('unread')\nraise SystemExit(code)"
        done = run_script(script, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
        return
    assert told(run) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(text) if "needs rich" in text else err.startswith(text)
    assert bool(err) == bool(text)


def test_no_error_of_ours_is_left_out() -> None:
    tested = {type(error) for error, _, _ in ENDS}
    every = {getattr(errors, name) for name in errors.__all__ if name != "Started"}
    assert every - tested == {errors.ProtocolError}


def test_a_bug_keeps_its_traceback() -> None:
    for error in (TypeError("bug"), ModuleNotFoundError("no", name="json")):
        with pytest.raises(type(error)):
            told(lambda error=error: (_ for _ in ()).throw(error))  # type: ignore[misc]


@pytest.mark.parametrize("words", [["call", "./nobody", "add"], ["ls", "--nope"], ["nope"]])
def test_a_full_stderr_changes_no_exit_code(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*LAZYIPC, *words], stderr=full, stdout=subprocess.PIPE, cwd=ROOT)
    assert (done.returncode, done.stdout) == (3 if words[0] == "call" else 2, b"")


def test_a_full_stdout_is_named() -> None:
    for words in (["ls"], ["completion", "bash"], ["call", "--help"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [*LAZYIPC, *words], stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT
            )
        assert done.returncode == 1
        assert done.stderr == "lazyipc: stdout: No space left on device\n"


def test_what_a_terminal_would_obey_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        raise CommandFailed("a\x1b[2J\nb\u202e")

    assert told(run, "app\x07") == 1
    assert capsys.readouterr().err == "app\\x07: a\\x1b[2J\n  b\\u202e\n"


def test_so_is_what_a_usage_line_has_of_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        raise Misuse("no\nway", usage="Usage: app \x1b[2J\n", program="app")

    assert told(run) == 2
    usage, hint, _, *error = capsys.readouterr().err.splitlines()
    assert (usage, hint[:3]) == ("Usage: app \\x1b[2J\\n", "Try")
    assert error == ["Error: no", "  way"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CommandFailed("no"), {"code": 2, "kind": "CommandFailed", "message": "no", "line": 3}),
        (NotPermitted("no"), {"code": 3, "kind": "NotPermitted", "message": "no", "line": 3}),
        (RemoteError("x", kind="E"), {"code": 1, "kind": "E", "message": "x", "line": 3}),
        (
            DecodeError("bad", offset=0, path="a", line=9, column=9),
            {"code": 5, "kind": "DecodeError", "message": "line 3: a: bad", "line": 3, "path": "a"},
        ),
        (
            Disconnected("gone", started="no"),
            {"kind": "Disconnected", "message": "line 3: gone", "line": 3, "started": "no"},
        ),
        (
            HostBusy("busy", last_poll_seconds=1),
            {"code": 8, "kind": "HostBusy", "message": "line 3: busy", "line": 3, "started": "no"},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_a_line(error: IpcError, expected: dict[str, object]) -> None:
    assert problem(error, 3) == expected


def test_an_exit_code_is_known_of_anything() -> None:
    assert exit_code(KeyError("x")) == 1


@pytest.mark.parametrize("words", [["ls"], ["describe", "x"], ["--help"]])
def test_without_the_extra_one_line_says_what_to_install(words: list[str]) -> None:
    script = """
import sys
for name in ("click", "rich", "prompt_toolkit"):
    sys.modules[name] = None
from lazyipc.cli import main
raise SystemExit(main(arguments=sys.argv[1:], prog="lazyipc"))
"""
    done = run_script(script, *words, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "lazyipc: this needs click: pip install 'lazyipc[cli]'\n"


def test_a_call_needs_no_extra(path: str) -> None:
    script = """
import sys
for name in ("click", "rich", "prompt_toolkit"):
    sys.modules[name] = None
from lazyipc.cli import main
raise SystemExit(main(arguments=["call", sys.argv[1], "add"], prog="lazyipc"))
"""
    done = run_script(script, path, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith(f"lazyipc: {path}: no server is running there")


def test_words_of_its_own_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/lazyipc", "nope"])
    assert main() == 2
    assert main(prog="lazyipc", arguments=["ls", "--nope"]) == 2


@pytest.mark.parametrize("arguments", [{"path": "/s"}, {"command": int}])
def test_main_takes_both_or_neither(arguments: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="main takes"):
        main(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("words", [[], ["ls"], ["call"]])
def test_help_is_a_word_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments=["help", *words], prog="lazyipc") == 0
    told = capsys.readouterr().out
    assert main(arguments=[*words, "--help"], prog="lazyipc") == 0
    assert told == capsys.readouterr().out


def test_the_version_is_told() -> None:
    script = "from lazyipc.cli import main; raise SystemExit(main(arguments=['--version']))"
    done = run_script(script)
    assert done.stdout.startswith("lazyipc, version ")


def test_a_hint_is_of_where_it_is_read() -> None:
    late = ReplyTimeout("late (see timeout=)", started="no")
    assert message_of(late, "help timeout") == "late (see help timeout)"
