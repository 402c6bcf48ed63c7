"""What a server says may hold whatever a terminal obeys: it is shown, never obeyed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.cli.home import Home
from tests.cli.host import SCARE
from tests.cli.terminal import CTRL_D, ENTER, Terminal

ORDERS = {
    "the title": "\x1b]0;pwned\x07",
    "the title, ended otherwise": "\x1b]2;pwned\x1b\\",
    "the clipboard": "\x1b]52;c;cHduZWQ=\x07",
    "a link": "\x1b]8;;http://pwned\x1b\\x\x1b]8;;\x1b\\",
    "an empty screen": "\x1b[2J\x1b[3J\x1b[H",
    "an empty screen by one byte": "\x9b2J",
    "the cursor": "\x1b[1;1H\x1b[5A\x1b[1G\r\b\b\b",
    "the bell": "\a\a",
    "a question": "\x1b[6n\x1b[c\x1bP$q\x1b\\",
    "colours": "\x1b[31;5;7mpwned",
    "a reset": "\x1bc\x1b[!p",
    "another screen": "\x1b[?1049h",
    "keys of its own": "\x1b[?1003h\x1b[>4;2m",
    "reordered": "a\u202eb\u2066c",
    "invisible": "a\u200b\u2060\U000e0041b",
    "lines": "a\u2028b\x0bc\x0cd\x85e",
    "markup": "[bold red]pwned[/] [link=http://pwned]x[/link] :skull:",
}
"""What a hostile server may want, and how it says it."""


SOON = 5.0
"""Seconds until a program ends that was told to."""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home() as made:
        made.host("run")
        yield made


STYLES = r"\x1b\[[\d;]*m"
"""What the program writes of itself to be pretty."""
NOTHING = "(?!)"
UNSEEN = "[\x80-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\U000e0000-\U000e007f]"


def assert_unharmed(terminal: Terminal, own: str = STYLES) -> None:
    """Nothing has reached the terminal but text, and what the program writes of itself."""
    assert terminal.strings == []
    assert terminal.bell_count == 0
    assert terminal.clear_count == 0
    text = re.sub(own, "", terminal.raw.decode())
    assert "\x1b" not in text, repr(text)
    assert not re.search(UNSEEN, text), repr(text)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_response_is_shown_and_not_obeyed(home: Home, order: str) -> None:
    with home.terminal("call", "run", "echo", order, rows=10, columns=200) as terminal:
        assert terminal.wait_for_end() == 0
        assert_unharmed(terminal, NOTHING)
        first = terminal.screen()
    for visible in re.findall(r"[a-z:/\[\]]{4,}", order):
        assert visible in first, first
    for hidden in re.findall("[\x00-\x1f\x7f-\x9f\u200b-\u206f\U000e0000-\U000e007f]", order):
        number = ord(hidden)
        escapes = {f"\\x{number:02x}", f"\\u{number:04x}", f"\\U{number:08x}"}
        escapes |= {{"\r": "\\r", "\n": "\\n", "\t": "\\t"}.get(hidden, f"\\x{number:02x}")}
        assert any(escape in first for escape in escapes), (hidden, first)


def test_lines_typed_on_a_terminal_are_answered_unharmed(home: Home) -> None:
    with home.terminal("call", "run", "echo", "-", columns=200, rows=80) as terminal:
        for number, order in enumerate(ORDERS.values(), 1):
            terminal.type(json.dumps({"text": order}) + ENTER)
            terminal.wait_until(lambda text, count=number: text.count('{"Ok":') == count)
        answers = re.findall('^{"Ok":(.*)}$', terminal.screen(), re.MULTILINE)
        assert [json.loads(answer) for answer in answers] == [*ORDERS.values()]
        terminal.type(CTRL_D)
        assert terminal.wait_for_end(SOON) == 0
        assert_unharmed(terminal, NOTHING)


SHOWING = {
    "describe": (("describe", "run"), 0, r"Say \\x1b\[31mboo\\x1b\[0m\."),
    "describe a command": (("describe", "run", "scare"), 0, r"Say \\x1b\[31mboo"),
    "help": (("call", "run", "--help"), 0, r"Say \\x1b\[31mboo"),
    "help of a command": (("call", "run", "scare", "--help"), 0, r"Say \\x1b\[31mboo"),
    "a response": (
        ("call", "run", "scare"),
        0,
        r"\\x1b\[31mred\\x1b\]0;title\\x07\\x9b2J\\u202eback",
    ),
    "an error": (("call", "run", "scare-more"), 1, r"\\x1b\[31mred\\x1b\]0;title\\x07\\x9b2J"),
    "typed": (("call", "run", "scare", "--wire", "framed"), 0, r"\\x1b\[31mred\\x1b\]0;title"),
    "a typed error": (("call", "run", "scare-more", "--wire", "framed"), 1, r"\\x1b\[31mred"),
    "JSON": (("--json", "call", "run", "scare"), 0, r"\\u001b\[31mred\\u001b\]0;title\\u0007"),
    "the description as JSON": (("--json", "describe", "run", "scare"), 0, r"Say \\u001b\[31mboo"),
    "the schema": (("schema", "run"), 0, None),
}


@pytest.mark.parametrize(("words", "code", "pattern"), SHOWING.values(), ids=SHOWING)
def test_each_sub_command_shows_it(
    home: Home, words: tuple[str, ...], code: int, pattern: str | None
) -> None:
    with home.terminal(*words, rows=100) as terminal:
        assert terminal.wait_for_end() == code
        if pattern is not None:
            assert re.search(pattern, terminal.screen()), terminal.screen()
        assert_unharmed(terminal)


def test_the_shell_shows_it_in_menu_toolbar_and_answers(home: Home) -> None:
    with home.terminal("shell", "run") as terminal:
        terminal.wait_for(r"^run>")
        terminal.type("scar")
        terminal.wait_for(r"scare +Say \\x1b\[31mboo")  # the menu
        terminal.type("e")
        terminal.wait_for(r"^scare\(\) -> str(.*\n)+Say \\x1b\[31mboo")  # the toolbar
        terminal.type(ENTER)
        terminal.wait_for(r"\\x1b\[31mred\\x1b\]0;title\\x07\\x9b2J\\u202eback(.*\n)+run>$")
        terminal.type(f"scare-more{ENTER}")
        terminal.wait_for(r"^error: \\x1b\[31mred.*\\x9b2J.*\nrun>$")
        assert terminal.strings == []
        assert terminal.bell_count == 0
        assert "\u202e" not in terminal.raw.decode()
        assert "\x9b" not in terminal.raw.decode()
        assert b"\x1b[31m" not in terminal.raw
        terminal.type(CTRL_D)
        assert terminal.wait_for_end() == 0


def test_json_in_a_pipe_means_what_was_said(home: Home) -> None:
    done = home.run("call", "run", "scare")
    assert json.loads(done.stdout) == SCARE
    assert "\x1b" not in done.stdout
