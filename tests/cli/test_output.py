"""For whom the output is: people on a terminal, or programs."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import pytest

from lazyipc.cli._shown.output import Output
from tests.cli.host import SCARE
from tests.cli.terminal import Terminal

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def tty() -> Iterator[TextIO]:
    """A stream that is a terminal; what is written stays in its buffer."""
    parent, child = pty.openpty()
    with open(child, "w") as stream:
        yield stream
    os.close(parent)


def test_a_pipe_gets_json(tty: TextIO) -> None:
    assert not Output(stream=io.StringIO()).is_terminal
    assert Output(stream=tty).is_terminal
    assert not Output(json=True, stream=tty).is_terminal


@pytest.mark.parametrize(
    ("variables", "is_terminal", "has_colours", "can_move"),
    [
        ({}, True, True, True),
        ({"NO_COLOR": "1"}, True, False, True),
        ({"NO_COLOR": ""}, True, True, True),
        ({"TERM": "dumb"}, True, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False, True),
    ],
)
def test_what_a_terminal_gets(
    tty: TextIO,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    is_terminal: bool,
    has_colours: bool,
    can_move: bool,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out = Output(stream=tty)
    assert (out.is_terminal, out.has_colours, out.can_move) == (is_terminal, has_colours, can_move)


def test_colours_can_be_forced_into_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()
    out = Output(stream=stream)
    assert not out.can_move
    out.text(("alive", "bold green"), " plain", ("", "red"), ("x", ""))
    assert stream.getvalue() == "\x1b[1;32malive\x1b[0m plainx\n"
    assert not Output(json=True, stream=stream).is_terminal


def pretty(monkeypatch: pytest.MonkeyPatch, **variables: str) -> tuple[Output, io.StringIO]:
    """Output as a terminal without colours would get it."""
    for name, value in {"FORCE_COLOR": "1", "NO_COLOR": "1", **variables}.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    return Output(stream=stream), stream


def test_nothing_of_a_servers_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    out, stream = pretty(monkeypatch, COLUMNS="200")
    out.text(SCARE, (SCARE, "red"))
    out.table(("A", "B"), [[SCARE, (SCARE, "bold")]])
    out.print_json({SCARE: SCARE})
    told = stream.getvalue()
    assert not [c for c in told if c != "\n" and not c.isprintable()]
    assert told.count("[bold]no markup[/bold]") == 6


def test_a_line_feed_forges_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    out, stream = pretty(monkeypatch)
    out.text("a\nb", ("c\nd", "bold"))
    out.text("ours:\ntwo lines", multiline=True)
    out.table(("A", "B"), [["one\nrow", ("two\nrow", "red")]])
    first, *others = stream.getvalue().splitlines()
    assert (first, others[:2]) == ("a\\nbc\\nd", ["ours:", "two lines"])
    assert [line.split() for line in others[4:]] == [["one\\nrow", "two\\nrow"]]


def test_json_is_one_line_and_means_the_same() -> None:
    stream = io.StringIO()
    value: Any = {"text": SCARE, "é": ["\ud800", 1, None], "long": "x" * 500}
    Output(stream=stream).print_json(value)
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line) == value
    assert "é" in line


def test_json_on_a_terminal_is_indented(tty: TextIO) -> None:
    out = Output(json=True, stream=tty)
    written: list[str] = []
    out._write = written.append  # type: ignore[method-assign]
    out.print_json({"a": [1]})
    assert "".join(written) == '{\n  "a": [\n    1\n  ]\n}\n'


def test_json_that_is_one_of_many_is_one_line(tty: TextIO) -> None:
    out = Output(json=True, stream=tty)
    written: list[str] = []
    out._write = written.append  # type: ignore[method-assign]
    out.print_json({"a": [1]}, is_line=True)
    assert written == ['{"a":[1]}\n']


def test_json_too_deep_to_be_spread_is_one_line(
    tty: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Output(json=True, stream=tty)
    written: list[str] = []
    out._write = written.append  # type: ignore[method-assign]
    in_one_line = json.dumps

    def dumps(value: Any, *, indent: int | None, **options: Any) -> str:
        if indent:
            raise RecursionError
        return in_one_line(value, **options)

    monkeypatch.setattr(json, "dumps", dumps)
    out.print_json([[1]])
    assert written == ["[[1]]\n"]


@pytest.mark.parametrize("columns", ["²", "1", "-3", "0", "١٢", "9" * 5000, "x"])
def test_a_width_that_is_none(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    out, stream = pretty(monkeypatch, COLUMNS=columns, LINES=columns)
    assert out.width in (20, 80)
    out.table(("NAME", "COUNT"), [["a name", "7"]])
    assert "a name" in stream.getvalue()


def test_a_table_is_as_wide_as_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in ("40", "20"):
        out, stream = pretty(monkeypatch, COLUMNS=columns)
        assert out.width == int(columns)
        out.table(("NAME", "COUNT"), [["a name with words " * 5, "7"], ["x", "1,000"]])
        lines = stream.getvalue().splitlines()
        assert max(map(len, lines)) <= int(columns)
        assert sum(line.count("words") for line in lines) == 5
    assert lines[-1].rstrip().endswith("1,000")


def test_a_long_word_is_folded_before_the_table_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, stream = pretty(monkeypatch, COLUMNS="60")
    out.table(("NAME", "PATH"), [["x", "/folder" * 12]])
    lines = stream.getvalue().splitlines()
    assert lines[0].split() == ["NAME", "PATH"]
    assert max(map(len, lines)) <= 60


def test_numbers_stand_right_and_words_left(monkeypatch: pytest.MonkeyPatch) -> None:
    out, stream = pretty(monkeypatch)
    out.table(("N", "AGO", "HEX"), [["7", "2 ms ago", "01 02"], ["100", "-", "03 04 05"]])
    assert [line.rstrip() for line in stream.getvalue().splitlines()[-2:]] == [
        "  7   2 ms ago   01 02",
        "100          -   03 04 05",
    ]


def test_a_locale_without_a_letter_shows_it_as_an_escape() -> None:
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding="ascii")
    out = Output(stream=stream)
    out.print_json("é")
    out.text("日本")
    assert data.getvalue() == b'"\\xe9"\n\\u65e5\\u672c\n'


def test_no_width_is_nonsense(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in ("0", "-1", "wide"):
        assert pretty(monkeypatch, COLUMNS=columns)[0].width == 80


PROGRAM = """
import sys
from lazyipc.cli._shown.output import Output
from lazyipc.cli._shown.form import form
Output().text(form({"c": 3}, None, {}))
print(sorted({"rich", "click", "pydantic", "construct", "typing", "asyncio"} & set(sys.modules)))
"""


def test_a_line_needs_neither_rich_nor_typing() -> None:
    """A call from a shell is shown with this."""
    environment = {**os.environ, "FORCE_COLOR": "1"}
    run = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM], capture_output=True, text=True, env=environment
    )
    assert run.stdout.splitlines()[-1] in ("[]", "['typing']"), run


def test_columns_of_a_real_terminal() -> None:
    source = "from lazyipc.cli._shown.output import Output; Output().text(str(Output().width))"
    with Terminal([sys.executable, "-c", source], columns=57, rows=5) as terminal:
        terminal.wait_for_end()
        assert terminal.screen() == "57"
