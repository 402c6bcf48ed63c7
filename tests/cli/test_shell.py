"""`lazyipc shell` as a person has it: keys in, a screen out, and a real server behind it."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lazyipc import Command, IpcServer
from tests.cli import running
from tests.cli.running import host, is_asleep
from tests.cli.terminal import (
    CTRL_C,
    CTRL_D,
    CTRL_U,
    ENTER,
    LAZYIPC,
    RIGHT,
    TAB,
    UP,
    Terminal,
    environment,
)
from tests.harness import ROOT, hosted

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

PASTE, PASTED = "\x1b[200~", "\x1b[201~"


@contextmanager
def shell(
    path: str | Path, home: Path, *options: str, columns: int = 100, rows: int = 30, **more: str
) -> Iterator[Terminal]:
    """A shell on the server at a path, with a prompt."""
    command = [LAZYIPC, "shell", *options, str(path)]
    with Terminal(command, columns, rows, env=environment(home, **more)) as terminal:
        terminal.wait_for("^train>")
        yield terminal


def ask(terminal: Terminal, line: str, answer: str) -> re.Match[str]:
    """Type a line, and wait for what comes of it and the next prompt."""
    terminal.type(line + ENTER)
    return terminal.wait_for(rf"^train> {re.escape(line)}\n[\s\S]*{answer}[\s\S]*^train>$")


@pytest.fixture(scope="module")
def train() -> Iterator[str]:
    """The test program, for all tests that leave it as it is."""
    with tempfile.TemporaryDirectory(prefix="lazyipc-", dir="/tmp") as name:
        path = f"{name}/train.sock"
        with host(path):
            yield path


@pytest.fixture
def path(folder: Path) -> Path:
    """Where a test starts a server of its own."""
    return folder / "train.sock"


# Lines --------------------------------------------------------------------------------------------


def test_commands_and_their_responses(train: str, folder: Path) -> None:
    with shell(train, folder) as terminal:
        terminal.wait_for(r"^train 1\.4\.0 \(pid \d+\): Tab completes, help tells more")
        ask(terminal, "add 1 2", r"^Sum\(c=3\)  \d[\d.]* (us|ms|s)$")
        ask(terminal, "Add --a=5", r"^Sum\(c=6\)")
        ask(terminal, "echo 'a  b\"c'", r'^a  b"c  ')
        ask(terminal, "set-level high --of low", r"^\[HIGH, False, LOW\]")
        ask(terminal, "move --point.x 1 --by.x 2", r"^Point\(x=3\.0, y=0\.0\)")
        ask(terminal, "# nothing", "")


def test_an_error_is_a_line_that_names_the_field(train: str, folder: Path) -> None:
    with shell(train, folder) as terminal:
        ask(terminal, "set-rate 7", r"^error: SetRate\.lr: .*less than 1.*$")
        ask(terminal, "add x", r"^error: a: a whole number from 0 to \d+ \(u64\) is wanted.*$")
        ask(terminal, "add", r"^error: add needs a as well$")
        ask(terminal, "ad 1", r'^error: no command "ad" in train; did you mean add')
        ask(terminal, "add --aa 1", r'^error: no field "aa" in add; did you mean a\?')
        ask(terminal, "echo 'open", r"^error: column 6: the quote ' is never closed$")
        ask(terminal, "fail", r"^error: .*no such player$")
        ask(terminal, "crash", r"^error: .*RuntimeError.*$")
        ask(terminal, "add 1", r"^Sum\(c=2\)")


def test_what_a_terminal_would_obey_is_shown(train: str, folder: Path) -> None:
    with shell(train, folder) as terminal:
        ask(terminal, "scare", r"\\x1b\[31mred\\x1b\]0;title\\x07\\x9b2J\\u202eback")
        ask(terminal, "scare-more", r"^error: .*\\x1b\[31mred.*\[bold\]no markup\[/bold\]$")
        ask(terminal, "help scare", r"Say \\x1b\[31mboo\\x1b\[0m\.")
        terminal.type("scare")
        terminal.wait_for(r"scare +Say \\x1b\[31mboo")  # in the menu
        terminal.wait_for(r"^Say \\x1b\[31mboo")  # in the toolbar
        assert not terminal.strings
        assert not terminal.bell_count


def test_what_was_pasted_is_run_line_by_line(train: str, folder: Path) -> None:
    with shell(train, folder) as terminal:
        terminal.type(f"{PASTE}add 1 2\nadd --json '{{\n\"a\": 5}}'\nadd x\nadd 9 9{PASTED}{ENTER}")
        terminal.wait_for(
            r"^Sum\(c=3\)[\s\S]*^Sum\(c=6\)[\s\S]*^error: a: [\s\S]*"
            r"^1 line behind it was not run$[\s\S]*^train>$"
        )
        assert "c=18" not in terminal.screen()  # what follows an error is not run


def test_help_and_what_the_server_tells_of_itself(train: str, folder: Path) -> None:
    with shell(train, folder, rows=60) as terminal:
        ask(terminal, "help", r"^set-rate +Change the learning rate\.$[\s\S]*^timeout \[SECONDS\] ")
        ask(terminal, "help add", r"^Usage: add [\s\S]*--a u64  The first one\.")
        ask(terminal, "help timeout", r"^timeout \[SECONDS\]: How long")
        ask(terminal, "tag --help", r"^Usage: tag ")
        ask(terminal, "help nothing", r'^error: no command "nothing" in train')
        ask(terminal, "describe set-rate", r"The new rate")
        ask(terminal, "status", r"^train: alive \(pid \d+\)")
        ask(terminal, "stats", r"described +\d+ ")
        ask(terminal, "status now", r'^error: "now" is one word too many: status$')
    with shell(train, folder, rows=90) as terminal:
        ask(terminal, "describe", r"^train  version 1\.4\.0, [\s\S]*^set-rate +lr: f64 ")


def test_json_on_a_terminal(train: str, folder: Path) -> None:
    with shell(train, folder, "--json") as terminal:
        ask(terminal, "add 1 2", r'"Sum": \{\n\s+"c": 3')
        terminal.type(f"quit{ENTER}")
        assert terminal.wait_for_end() == 0


class Odd(Command[None]):
    """Commands whose names the shell has taken."""


class Help(Odd):
    """No help at all."""

    def process(self, context: None) -> str:
        return "it was called"


class Exit(Odd):
    """It stays."""

    code: int = 0

    def process(self, context: None) -> int:
        return self.code


def test_a_command_of_a_builtins_name_is_called_with_a_backslash(path: Path, folder: Path) -> None:
    with (
        IpcServer(str(path), Odd) as server,
        hosted(server, None),
        shell(path, folder) as terminal,
    ):
        terminal.wait_for(r"help is of the shell, \\help is the server's command; exit leaves ")
        ask(terminal, r"\help", "^it was called  ")
        ask(terminal, "'exit' 7", "^7  ")
        terminal.type("\\ex")
        terminal.wait_for(r"\\exit +It stays\.")
        terminal.type(f"{TAB} --")
        terminal.wait_for(r"^train> \\exit --\n +--code +i64 = 0")
        terminal.type(f"{CTRL_U}exit{ENTER}")
        assert terminal.wait_for_end() == 0


# Menu, toolbar, history ---------------------------------------------------------------------------


def marked(terminal: Terminal) -> str:
    """What the toolbar marks."""
    cells = [cell for row in terminal.styled()[-3:] for cell in row]
    return "".join(cell.data for cell in cells if cell.reverse)


def test_the_menu_and_the_toolbar(train: str, folder: Path) -> None:
    with shell(train, folder) as terminal:
        terminal.type("set-")
        terminal.wait_for(r"set-rate +Change the learning rate\.\n +set-level +Say how much")
        terminal.type("l")
        terminal.wait_while("set-rate +Change")
        terminal.type(TAB)
        terminal.wait_for("^train> set-level$")
        terminal.type(" ")
        terminal.wait_for(r"^ +LOW\n +MEDIUM\n +HIGH\n +--level +Level = MEDIUM · How much")
        terminal.wait_for(r"^set-level\(level: Level = MEDIUM, is_quiet: bool = False, of:")
        terminal.wait_for(r"^level: enum\[LOW, MEDIUM, HIGH\] · How much is told\.$")
        assert marked(terminal) == "level: Level = MEDIUM"
        terminal.type("high --of ")
        terminal.wait_for(r"^of: option\[enum\[LOW, MEDIUM, HIGH\]\] · Instead of which\.$")
        assert marked(terminal).startswith("of: option[Level] = None")
        terminal.type("me")
        terminal.wait_while(r"^ +LOW$")
        terminal.type(TAB)
        terminal.wait_for("^train> set-level high --of MEDIUM$")
        terminal.type(ENTER)
        terminal.wait_for(r"^train> set-level high --of MEDIUM\n\[HIGH, False, MEDIUM\]")
        assert len(os.listdir(f"/proc/{terminal.pid}/task")) == 1  # no thread for any of this


def test_history_is_kept_and_suggested(train: str, folder: Path) -> None:
    with shell(train, folder) as terminal:
        ask(terminal, "add 40 2", r"^Sum\(c=42\)")
        ask(terminal, " echo hidden", "^hidden ")
        ask(terminal, "echo last", "^last ")
        terminal.type(CTRL_D)
        assert terminal.wait_for_end() == 0
    file = folder / ".local/state/lazyipc/history"
    assert file.read_text() == "add 40 2\necho last\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with shell(train, folder) as terminal:
        terminal.type("add 4")
        terminal.wait_for("^train> add 40 2$")  # suggested behind the cursor
        terminal.type(RIGHT + ENTER)
        terminal.wait_for(r"^Sum\(c=42\)[\s\S]*^train>$")
        terminal.type(UP + UP)
        terminal.wait_for(r"Sum[\s\S]*^train> echo last$")
        terminal.type(ENTER)
        terminal.wait_for("^last  ")


def test_without_a_history_the_shell_says_so_once_and_works(train: str, folder: Path) -> None:
    state = folder / "state"
    state.write_text("no folder")
    with shell(train, folder, XDG_STATE_HOME=str(state)) as terminal:
        terminal.wait_for(rf"^no history is kept: {state}/lazyipc/history: ")
        ask(terminal, "add 1", r"^Sum\(c=2\)")
        ask(terminal, "add 2", r"^Sum\(c=3\)")
        assert terminal.screen().count("no history") == 1


def test_without_colours_and_on_a_dumb_terminal(train: str, folder: Path) -> None:
    with shell(train, folder, NO_COLOR="1") as terminal:
        ask(terminal, "add x", "^error: a: ")
        terminal.type("set-")
        terminal.wait_for("set-rate +Change")
        assert not terminal.colors
    for variables in ({"TERM": "dumb"}, {}):
        env = {k: v for k, v in environment(folder).items() if k != "TERM"}
        with Terminal([LAZYIPC, "shell", train], env=env | variables) as terminal:
            terminal.wait_for("^train>")
            terminal.type(f"add 1 2{ENTER}")
            terminal.wait_for(r"^Sum\(c=3\)")
            assert b"\x1b[3" not in terminal.raw


def test_a_low_window_has_room_for_the_line_alone(train: str, folder: Path) -> None:
    with shell(train, folder, rows=6) as terminal:
        terminal.type(f"add 1 2{ENTER}")
        terminal.wait_for(r"^Sum\(c=3\)")
        assert "too small" not in terminal.screen()
        terminal.resize(80, 30)
        terminal.type(ENTER)
        terminal.wait_for("Tab shows")


# Waiting and giving up ----------------------------------------------------------------------------


def test_ctrl_c_clears_the_line(train: str, folder: Path) -> None:
    with shell(train, folder) as terminal:
        terminal.type(f"add 1{CTRL_C}")
        terminal.wait_for(r"^train> add 1\ntrain>$")
        ask(terminal, "echo on", "^on  ")


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that stands still meanwhile: a host that is busy."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_ctrl_d_during_a_call_leaves_behind_it(path: Path, folder: Path) -> None:
    with host(path) as process, shell(path, folder) as terminal, stopped(process.pid):
        terminal.type(f"add 1 --timeout 0.5{ENTER}")
        terminal.wait_until(lambda _: terminal.is_interruptible and is_asleep(terminal.pid))
        terminal.type(CTRL_D)
        assert terminal.wait_for_end() == 0
        assert "no reply within 0.5 s" in terminal.screen()


def has_echo(terminal: Terminal) -> bool:
    """Whether the terminal itself shows what is typed."""
    return bool(termios.tcgetattr(terminal._child.child_fd)[3] & termios.ECHO)


def test_a_busy_host_is_waited_for_in_sight(path: Path, folder: Path) -> None:
    with host(path) as process, shell(path, folder) as terminal:
        with stopped(process.pid):
            terminal.type(f"add 1 2{ENTER}")
            terminal.wait_for(r"^waiting: the host has not polled for \d+\.\d s; Ctrl-C ends it$")
            terminal.type("echo ahead")
        terminal.wait_for(r"^train> add 1 2\nSum\(c=3\)  [\d.]+ s\ntrain> echo ahead$")
        assert "waiting" not in terminal.screen()
        terminal.type(ENTER)
        terminal.wait_for(r"^train> echo ahead\nahead  [\s\S]*^train>$")
        assert not has_echo(terminal)
        terminal.type(CTRL_D)
        assert terminal.wait_for_end() == 0
        assert has_echo(terminal)


def test_a_call_that_is_given_up_before_its_turn_is_not_run(path: Path, folder: Path) -> None:
    with host(path) as process, shell(path, folder) as terminal:
        ask(terminal, "add 1", r"^Sum\(c=2\)")
        with stopped(process.pid):
            terminal.type(f"add 2{ENTER}")
            terminal.wait_for("^waiting: ")
            terminal.type(CTRL_C)
            terminal.wait_for(r"^given up; it was not run and will not be\ntrain>$")
        ask(terminal, "added", "^1 ")


def test_a_call_that_is_given_up_while_it_runs_may_have_run(train: str, folder: Path) -> None:
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    with shell(train, folder) as terminal:
        terminal.type(f"block {fifo}{ENTER}")
        with open(fifo, "wb"):  # it is read now
            terminal.type(CTRL_C)
            terminal.wait_for(r"^given up; whether it ran is not known\ntrain>$")
        ask(terminal, "add 1", r"^Sum\(c=2\)")


def test_a_call_takes_no_longer_than_it_may(path: Path, folder: Path) -> None:
    with host(path) as process, shell(path, folder) as terminal:
        with stopped(process.pid):
            ask(terminal, "timeout 0.1", "^0.1 s for each call$")
            ask(terminal, "add 1", "^error: .* no reply within 0.1 s")
            ask(terminal, "timeout 60", "^60 s for each call$")
            ask(terminal, "add 1 --timeout 0.2", "^error: .* no reply within 0.2 s")
        ask(terminal, "added", "^0 ")


def test_a_shell_may_begin_before_its_host_has_time(path: Path, folder: Path) -> None:
    with host(path) as process, ExitStack() as stack:
        with stopped(process.pid):
            terminal = stack.enter_context(shell(path, folder, "--timeout", "0.2"))
            terminal.wait_for(r"^error: .*no reply within 0.2 s[\s\S]*^train>$")
            terminal.type("add --")
            terminal.wait_for("^what the server understands is not known yet$")
        terminal.type(f"a 1{ENTER}")
        terminal.wait_for(r"^Sum\(c=2\)[\s\S]*^train>$")


def test_who_gives_up_before_the_first_prompt_leaves(path: Path, folder: Path) -> None:
    command = [LAZYIPC, "shell", str(path)]
    with (
        host(path) as process,
        stopped(process.pid),
        Terminal(command, env=environment(folder)) as terminal,
    ):
        terminal.wait_for("^waiting: the host has not polled for ")
        terminal.type(CTRL_C)
        assert terminal.wait_for_end() == 130
        assert terminal.screen() == ""


# Hosts that come and go ---------------------------------------------------------------------------


def test_a_host_that_is_down_is_tried_again_at_the_next_line(path: Path, folder: Path) -> None:
    with host(path) as process, shell(path, folder) as terminal:
        process.terminate()
        process.wait()
        ask(terminal, "add 1", "^error: .*no server is running")
        ask(terminal, "status", "^train: not running")
        with host(path) as again:
            ask(terminal, "add 1", rf"^train was restarted \(pid \d+ → {again.pid}\)")
            terminal.wait_for(r"its commands are the same\n[\s\S]*^Sum\(c=2\)")


def test_a_host_that_was_restarted_with_other_commands(path: Path, folder: Path) -> None:
    with host(path):
        pass
    with host(path) as old, shell(path, folder, rows=40) as terminal:
        ask(terminal, "set-rate 0.5", "^Progress")
        old.terminate()
        old.wait()
        with host(path, "--schema", "new") as new:
            terminal.type("set-rate 0.25")
            terminal.wait_for(rf"^train was restarted \(pid {old.pid} → {new.pid}\) and its")
            terminal.wait_for(r"commands have changed:$[\s\S]*^  SetRate\.warmup: ")
            terminal.wait_for(r"^set-rate\(lr: f64, warmup: u32 = 0\) -> Answer$")
            terminal.type(f" 7{ENTER}")
            terminal.wait_for(r"^Progress\(step=\d+, lr=0\.25\)")
            terminal.type("sa")
            terminal.wait_for(r"save +Write a checkpoint\.")


def test_a_line_whose_meaning_changed_is_not_sent(path: Path, folder: Path) -> None:
    with host(path) as old, shell(path, folder, rows=40) as terminal:
        terminal.type("set-rate 0.25")
        terminal.wait_for("^train> set-rate 0.25$")
        old.terminate()
        old.wait()
        with host(path, "--schema", "new"):
            terminal.type(ENTER)
            terminal.wait_for(r"have changed:$[\s\S]*^error: set-rate is not what it was when")
            terminal.wait_for("^train> set-rate 0.25\n[\\s\\S]*^train> set-rate 0.25$")
            terminal.type(ENTER)
            terminal.wait_for(r"^Progress\(step=\d+, lr=0\.25\)")


def test_a_server_that_takes_frames_alone(path: Path, folder: Path) -> None:
    with host(path, "--wires", "framed"), shell(path, folder) as terminal:
        ask(terminal, "add 1 2", r"^Sum\(c=3\)")
        ask(terminal, "set-rate 7", r"^error: .*lr.*$")
        ask(terminal, "fail", "^error: .*no such player$")


def test_where_nobody_answers_there_is_no_prompt(folder: Path) -> None:
    with Terminal([LAZYIPC, "shell", "nobody"], env=environment(folder)) as terminal:
        assert terminal.wait_for_end() == 3
        terminal.wait_for(r"^lazyipc: .*nobody\.sock: no server is running there")


# Lines from a pipe --------------------------------------------------------------------------------


def piped(path: str | Path, lines: str) -> tuple[list[object], list[str], int]:
    """What comes of lines: values, errors, exit code."""
    done = running.lazyipc("shell", path, given=lines)
    return (
        [json.loads(line) for line in done.stdout.splitlines()],
        done.stderr.splitlines(),
        (done.returncode),
    )


def test_piped_lines_give_lines_of_json(path: Path) -> None:
    with host(path):
        values, errors, code = piped(path, "add 1 2\n\n# nothing\necho 'a\\nb'\nstop")
    assert values == [{"Sum": {"c": 3}}, "a\\nb", "Stopping"]
    assert (errors, code) == ([], 0)


def test_piped_errors_have_their_lines_number_and_the_last_ones_code(train: str) -> None:
    values, errors, code = piped(train, "fail\nadd x\nadd 1\n")
    assert errors[0].startswith("lazyipc: line 1: ")
    assert errors[0].endswith("no such player")
    assert errors[1].startswith("lazyipc: line 2: a: ")
    assert values == [{"Sum": {"c": 2}}]
    assert code == 2
    assert piped(train, "add x\nfail\n")[2] == 1
    assert piped(train, "ad 1")[2] == 2
    assert piped(train, "echo 'a")[1] == ["lazyipc: line 1: column 6: the quote ' is never closed"]


def test_piped_text_that_is_no_text(train: str) -> None:
    done = running.lazyipc("shell", train, given=b"echo \xff\nadd 1\n")
    assert done.stderr == "lazyipc: line 1: text: it holds bytes that are no UTF-8\n"
    assert json.loads(done.stdout) == {"Sum": {"c": 2}}


def test_piped_builtins(train: str) -> None:
    values, errors, code = piped(
        train, "help\nhelp add\nhelp exit\ndescribe\nstatus\nstats\ntimeout 3\ntimeout\nexit\nadd 1"
    )
    helped, add, leaving, described, status, stats, seconds = values
    assert isinstance(helped, dict)
    assert helped["commands"]["Added"] == "How many additions have run."
    assert isinstance(add, dict)
    assert add["name"] == "Add"
    assert leaving == {"name": "exit", "usage": "", "doc": "Leave; so does Ctrl-D."}
    assert isinstance(described, dict)
    assert described["lazyipc"] == 1
    assert isinstance(status, dict)
    assert status["state"] == "alive"
    assert isinstance(stats, dict)
    assert "commands" in stats
    assert seconds == 3
    assert (errors, code) == ([], 0)


def test_piped_lines_to_nobody(folder: Path) -> None:
    values, errors, code = piped(folder / "nobody", "add 1\n")
    assert (values, code) == ([], 3)
    assert len(errors) == 1
    assert "no server is running" in errors[0]


def test_ctrl_c_ends_piped_lines_too(train: str, folder: Path) -> None:
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(
        [LAZYIPC, "shell", train], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        process.stdin.write(f"block {fifo}\nadd 1\n")
        process.stdin.flush()
        with open(fifo, "wb"):  # it is read now
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
    assert errors == "lazyipc: line 1: given up; whether it ran is not known\n"
    assert process.returncode == 130


def test_the_prompts_library_is_loaded_for_a_prompt_alone(train: str) -> None:
    code = (
        "import sys; from lazyipc.cli import main; main(arguments=sys.argv[1:]);"
        "print({'prompt_toolkit', 'asyncio', 'rich', 'pydantic'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "shell", train],
        input="add 1\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines() == ['{"Sum":{"c":2}}', "set()"]
    users = [
        path.name
        for path in (ROOT / "lazyipc").rglob("*.py")
        if "from prompt_toolkit" in path.read_text()
    ]
    assert users == ["prompt.py"]


def test_stdin_may_be_closed(train: str) -> None:
    done = running.lazyipc("shell", train)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
