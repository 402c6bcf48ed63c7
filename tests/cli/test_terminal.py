"""The terminal of the tests: it must show what a person's would, and leave nothing behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import CTRL_C, CTRL_D, ENTER, Terminal, environment

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

SHORT = 0.2
"""How long to wait for what does not come."""


def shell(script: str, columns: int = 40, rows: int = 8) -> Terminal:
    return Terminal(["sh", "-c", script], columns, rows)


def python(source: str, columns: int = 40, rows: int = 8) -> Terminal:
    return Terminal([sys.executable, "-c", source], columns, rows)


def test_a_screen_and_an_exit_code() -> None:
    with shell("printf 'one\\ntwo  \\n'; exit 3") as terminal:
        assert terminal.wait_for_end() == 3
        assert terminal.screen() == "one\ntwo"
        assert terminal.raw == b"one\r\ntwo  \r\n"


def test_what_is_awaited_is_the_screen_not_the_bytes() -> None:
    with shell("printf 'xxcd\\rab'; cat") as terminal:
        assert terminal.wait_for("^(a)bcd$")[1] == "a"


def test_a_program_is_told_the_size_and_the_user_is_nobody(tmp_path: Path) -> None:
    with shell("stty size; echo $HOME $TERM; echo ${NO_COLOR-unset}; ls -A $HOME", 60, 9) as plain:
        plain.wait_for_end()
        size, user, color, *files = plain.screen().splitlines()
    assert size == "9 60"
    assert user.startswith("/tmp/lazyipc-")
    assert not Path(user.split()[0]).exists()
    assert color == "unset"
    assert not files
    with Terminal(
        ["sh", "-c", "echo $HOME; pwd"], 200, env=environment(tmp_path), cwd="/"
    ) as named:
        named.wait_for_end()
        assert named.screen() == f"{tmp_path}\n/"


def test_typing_and_interrupting() -> None:
    with shell(
        "trap 'echo stopped; exit 9' INT; read x; echo got $x; while :; do read x; done"
    ) as terminal:
        terminal.type(f"word{ENTER}")
        terminal.wait_for("^got word$")
        terminal.type(CTRL_C)
        assert terminal.wait_for_end() == 9
        terminal.wait_for("stopped")


def test_a_signal_is_told() -> None:
    with shell("kill -TERM $$") as terminal:
        assert terminal.wait_for_end() == -15


def test_the_end_of_input() -> None:
    with shell("cat") as terminal:
        terminal.type(CTRL_D)
        assert terminal.wait_for_end() == 0


def test_resizing_tells_the_program() -> None:
    with shell("trap 'stty size' WINCH; echo ready; while :; do read x; done") as terminal:
        terminal.wait_for("ready")
        terminal.resize(60, 20)
        terminal.wait_for("^20 60$")


def test_resizing_moves_the_edge() -> None:
    with shell("read x; printf %050d 7") as terminal:
        terminal.resize(60, 8)
        terminal.type(ENTER)
        terminal.wait_for(r"^0{49}7$")


def test_colors_and_styles() -> None:
    with shell("printf '\\033[1;31mred\\033[0m plain \\033[38;5;208mx\\033[0m'") as terminal:
        terminal.wait_for_end()
        cells = terminal.styled()[0]
        assert (cells[0].data, cells[0].fg, cells[0].bold) == ("r", "red", True)
        assert (cells[4].data, cells[4].fg, cells[4].bold) == ("p", "default", False)
        assert terminal.colors == {"red", "ff8700"}


def test_faint_text() -> None:
    with shell("printf '\\033[2mf\\033[22mn\\033[2;31mf\\033[0mn\\033[38;2;2;5;22mn'") as terminal:
        terminal.wait_for_end()
        cells = terminal.styled()[0]
        assert "".join("f" if cell.blink else "n" for cell in cells[:5]) == "fnfnn"
        assert cells[4].fg == "020516"


def test_wide_characters() -> None:
    with shell("printf '日本 é ok'") as terminal:
        terminal.wait_for_end()
        assert terminal.screen() == "日本 é ok"


QUIET = "import os, termios\na = termios.tcgetattr(0)\na[3] &= ~termios.ECHO\n"
QUIET += "termios.tcsetattr(0, termios.TCSANOW, a)\n"
"""The beginning of a program that does not want its keys shown."""


def test_a_character_in_two_reads() -> None:
    source = "os.write(1, b'<\\xc3'); input(); os.write(1, b'\\xa9')"
    with python(QUIET + source) as terminal:
        terminal.wait_for("<")
        terminal.type(ENTER)
        terminal.wait_for("^<é$")


def test_what_is_obeyed_unseen_is_told() -> None:
    script = r"printf '\033]0;new\007\033]52;c;aGk=\033\\a\007b\033[2Jc'"
    script += r"; printf '\033P+q\033\\d\033]8;;x\033\\'"
    with shell(script) as terminal:
        terminal.wait_for_end()
        assert terminal.strings == ["0;new", "52;c;aGk=", "+q", "8;;x"]
        assert terminal.bell_count == 1
        assert terminal.clear_count == 1
        assert terminal.screen().split() == ["cd"]


def test_a_command_in_pieces_is_not_shown() -> None:
    pieces = r"b'<\x1b]2;ti\x1b\\\x1b[>4;1m>'"
    with python(f"{QUIET}for b in {pieces}: os.write(1, bytes([b])); input()") as terminal:
        for number in range(1, 18):
            terminal.wait_until(lambda _, size=number: len(terminal.raw) >= size)
            terminal.type(ENTER)
        assert terminal.wait_for_end() == 0
        assert terminal.strings == ["2;ti"]
        assert terminal.screen() == "<>"
        assert not any(cell.underscore for row in terminal.styled() for cell in row)


def test_a_question_is_answered() -> None:
    source = (
        "import sys,tty,os\ntty.setraw(0)\nos.write(1,b'abc\\x1b[6n')\nprint(repr(os.read(0,20)))\n"
    )
    with python(source) as terminal:
        terminal.wait_for(r"\\x1b\[1;4R")


def test_a_second_screen_comes_and_goes() -> None:
    with shell(r"printf 'first\033[?1049h\033[Hsecond'; read x; printf '\033[?1049l+'") as terminal:
        terminal.wait_for("second")
        assert "first" not in terminal.screen()
        terminal.type(ENTER)
        assert terminal.wait_for_end() == 0
        assert terminal.screen().startswith("first+")


def test_the_cursor() -> None:
    with shell(r"printf 'ab\n\033[?25lc'; read x; printf '\033[?25h'") as terminal:
        terminal.wait_for("c")
        assert terminal.cursor == (1, 1)
        assert not terminal.is_cursor_shown
        terminal.type(ENTER)
        terminal.wait_for_end()
        assert terminal.is_cursor_shown


def test_a_failure_shows_the_screen() -> None:
    with shell("echo what stands there; cat", 24) as terminal:
        terminal.wait_for("there")
        with pytest.raises(AssertionError) as caught:
            terminal.wait_for("something else", SHORT)
    assert "0.2 s passed without /something else/" in str(caught.value)
    assert "|what stands there       |" in str(caught.value)


def test_an_end_before_its_time_is_told_at_once() -> None:
    with shell("echo over") as terminal, pytest.raises(AssertionError, match="the program ended"):
        terminal.wait_for("something else")


def test_a_program_that_does_not_end_is_told_and_killed() -> None:
    with shell("echo on; trap '' HUP TERM INT; while :; do read x; done") as terminal:
        terminal.wait_for("on")
        with pytest.raises(AssertionError, match=r"goes on after 0\.2 s"):
            terminal.wait_for_end(SHORT)
        pid = terminal.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_closing_twice_does_nothing() -> None:
    terminal = shell("cat")
    terminal.close()
    terminal.close()


def test_waiting_for_something_to_go() -> None:
    with shell("stty -echo; printf word; read x; printf '\\r\\033[J'; read x") as terminal:
        terminal.wait_for("word")
        terminal.type(ENTER)
        terminal.type(ENTER)
        terminal.wait_while("word")
