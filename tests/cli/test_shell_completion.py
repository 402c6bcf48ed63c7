"""What the shell offers and tells while a line is typed; no terminal, no server."""

from __future__ import annotations

import copy
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc._core.catalog import Catalog
from lazyipc._core.description.model import CommandInfo, Description
from lazyipc._core.description.published.document import description_of
from lazyipc._core.description.reading import read_description
from lazyipc.cli._shell.builtins import BUILTINS
from lazyipc.cli._shell.completion import (
    MOST_CANDIDATES,
    candidates_for,
    completions,
    first_line,
)
from lazyipc.cli._shell.help import hidden_text
from lazyipc.cli._shell.hint import hint
from lazyipc.cli._shell.line import BadLine, lines_of, quoted, read_words, words_of
from tests.cli.host import Order

SERVER = {
    "name": "train", "version": "1.4.0", "pid": 4711, "uptime": 12.5, "start_ns": 98765,
    "clock": "00112233445566aa", "library": "0.1.0", "path": "/run/train.sock",
    "wires": ["FRAMED", "JSON"],
}  # fmt: skip
DOCUMENT = {**description_of(Catalog(Order)), "server": SERVER}
TRAIN = read_description(DOCUMENT)
SCARE = "\x1b[31mred\u202e\nexit"


def renamed(**commands: str) -> Description:
    """The same server with other names for commands, which no class could have."""
    document: Any = copy.deepcopy(DOCUMENT)
    for command in document["commands"]:
        command["name"] = commands.get(command["name"], command["name"])
    return read_description(document)


def offered(line: str, description: Description | None = TRAIN) -> list[str]:
    """What may stand at the end of a line."""
    return [candidate.text for candidate in completions(line, description)[1]]


def metas(line: str) -> dict[str, str]:
    return {each.text: each.meta for each in completions(line, TRAIN)[1]}


# Lines --------------------------------------------------------------------------------------------


@given(st.text(alphabet=" \t\nab'\"\\é#-="))
def test_words_are_those_of_a_shell(line: str) -> None:
    try:
        expected = shlex.split(line)
    except ValueError:
        with pytest.raises(BadLine):
            read_words(line)
        return
    assert [word.text for word in read_words(line)] == expected


@given(st.text())
def test_a_quoted_text_is_one_word(text: str) -> None:
    assert [word.text for word in read_words(quoted(text))] == [text]


@given(st.text(alphabet=" ab'\"\\"))
def test_words_stand_where_they_say(line: str) -> None:
    for word in words_of(line):
        assert not line[word.start : word.end].isspace()
        if word.is_plain:
            assert line[word.start : word.end] == word.text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("say 'good day", "column 5: the quote ' is never closed"),
        ('say a"b', 'column 6: the quote " is never closed'),
        ('say "a\\', 'column 5: the quote " is never closed'),
        ("say \\", "column 5: nothing stands behind the backslash"),
    ],
)
def test_a_line_without_an_end_is_told_where(line: str, said: str) -> None:
    with pytest.raises(BadLine) as caught:
        read_words(line)
    assert str(caught.value) == said


def test_names_are_made_once_for_each_command(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def option_name(command: CommandInfo) -> str:
        made.append(command.name)
        return command.method_name

    monkeypatch.setattr(CommandInfo, "option_name", property(option_name))
    assert completions("", TRAIN)[1]
    hidden_text(TRAIN)
    assert len(made) == 2 * len(TRAIN.commands)


def test_not_more_of_a_doc_is_told_than_anybody_reads() -> None:
    assert first_line("x" * 1_000_000) == "x" * 200 + "… (999,800 characters more)"


def test_what_was_pasted_is_several_lines_but_for_line_feeds_in_quotes() -> None:
    assert lines_of("add 1 2\nadd --json '{\n}'\n") == ["add 1 2", "add --json '{\n}'", ""]


# The menu -----------------------------------------------------------------------------------------


def test_an_empty_line_offers_all_commands_and_the_shells_own_words() -> None:
    assert offered("") == [command.option_name for command in TRAIN.commands] + [*BUILTINS]
    assert metas("")["set-rate"] == "Change the learning rate."
    assert metas("")["help"].startswith("What can be typed")


@pytest.mark.parametrize("typed", ["set-r", "set_r", "SetR", "  setr", "SETR", "'set-r"])
def test_a_command_is_offered_however_its_name_is_written(typed: str) -> None:
    assert offered(typed) == ["set-rate"]


def test_what_is_offered_replaces_the_whole_word() -> None:
    assert completions("  'set-r", TRAIN)[0] == 2
    assert completions("set-level lo", TRAIN)[0] == 10


def test_what_stands_there_already_is_not_offered() -> None:
    assert offered("set-rate") == []
    assert offered("stop") == []
    assert offered("add") == ["add", "added"]


def test_fields_are_offered_with_type_default_and_doc() -> None:
    assert metas("add --") == {"--a": "u64, required · The first one.", "--b": "u64 = 1"}
    assert metas("add -") == metas("add ") == metas("add --")


def test_fields_that_have_their_value_are_offered_no_more() -> None:
    assert offered("add --a 1 --") == ["--b"]
    assert offered("add 1 --") == ["--b"]
    assert offered("add --a=1 --b 2 ") == []
    assert offered("tag --names x --") == ["--names", "--note"]  # a sequence takes more


def test_members_of_enums_are_offered_for_their_fields() -> None:
    assert offered("set-level l") == ["LOW"]
    assert offered("set-level --level ") == ["LOW", "MEDIUM", "HIGH"]
    assert offered("set-level --level=me") == ["--level=MEDIUM"]
    assert offered("set-level LOW --of ") == ["LOW", "MEDIUM", "HIGH", "null"]
    assert offered("set-level LOW --is-quiet h") == ["HIGH"]  # the flag took no value
    assert offered("set-level LOW t") == ["true"]


def test_a_flag_is_offered_with_its_opposite() -> None:
    assert offered("set-level --is") == ["--is-quiet"]
    assert offered("set-level --no") == ["--no-is-quiet"]
    assert "--is-quiet" not in offered("set-level --no-is-quiet --")


def test_members_of_structs_are_offered_as_options() -> None:
    assert offered("move --p") == ["--point", "--point.x", "--point.y"]
    assert metas("move --p")["--point.y"] == "f64 · Upwards."
    assert offered("move --point.x 1 --point.") == ["--point.y"]
    assert offered("move --by.") == ["--by.x", "--by.y"]
    assert offered("draw --shape.ci") == ["--shape.Circle", "--shape.Circle.radius"]
    assert offered("draw n") == ["Nothing"]


def test_nothing_is_offered_where_a_number_or_a_text_is_wanted() -> None:
    assert offered("add -5") == []
    assert offered("add --a ") == []
    assert offered("echo te") == []
    assert offered("add -- -") == []
    assert offered("nothing of the kind ") == []
    assert offered("add --nothing ") == []


def test_commands_are_offered_behind_help_and_describe() -> None:
    assert offered("describe set-r") == ["set-rate"]
    assert offered("help sta") == ["status", "stats"]
    assert offered("help sto") == ["store", "stop"]
    assert offered("help add ") == offered("status ") == []


def test_a_command_of_a_builtins_name_is_offered_with_a_backslash() -> None:
    both = renamed(Stop="Help", Echo="Exit")
    assert offered("he", both) == ["\\help", "help"]
    assert offered("\\he", both) == ["\\help"]
    assert offered("'he", both) == ["\\help"]
    assert offered("\\exit --", both) == ["--text"]
    assert offered("exit --", both) == []


def test_two_commands_that_are_typed_alike_are_offered_by_their_own_names() -> None:
    assert offered("SetR", renamed(SetRate="SetRate", Stop="Set_Rate")) == ["SetRate", "Set_Rate"]


def test_a_name_that_a_terminal_would_obey_is_not_offered_and_not_shown() -> None:
    scary = renamed(Stop=SCARE)
    assert SCARE not in offered("", scary)
    assert all(each.text.isprintable() and each.meta.isprintable() for each in _everything(scary))
    assert metas("sca")["scare"] == "Say \\x1b[31mboo\\x1b[0m."


def _everything(description: Description) -> list[Any]:
    lines = ["", *(f"{command.name} --" for command in description.commands)]
    return [each for line in lines for each in completions(line, description)[1]]


def test_values_are_quoted_where_they_must_be() -> None:
    document: Any = copy.deepcopy(DOCUMENT)
    level = next(each for each in document["commands"] if each["name"] == "SetLevel")["fields"][0]
    level["wire"] = ["enum", ["light blue", "it's", SCARE]]
    read = read_description(document)
    assert offered("set-level ", read)[:2] == ["'light blue'", '"it\'s"']
    assert candidates_for(read, ["set-level"], "li")[0].text == "light blue"
    assert not any("exit" in each for each in offered("set-level ", read))


def test_a_menu_has_an_end() -> None:
    document: Any = copy.deepcopy(DOCUMENT)
    level = next(each for each in document["commands"] if each["name"] == "SetLevel")["fields"][0]
    level["wire"] = ["enum", [f"LEVEL_{number}" for number in range(5_000)]]
    assert len(offered("set-level ", read_description(document))) == MOST_CANDIDATES


def test_without_a_description_the_shells_own_words_are_offered() -> None:
    assert offered("", None) == [*BUILTINS]
    assert offered("add ", None) == []


@given(st.text(alphabet="ad set-rl.=0'\"\\\n5"))
def test_no_line_is_too_odd_for_menu_and_toolbar(line: str) -> None:
    start, found = completions(line, TRAIN)
    assert 0 <= start <= len(line)
    assert all(each.text.isprintable() for each in found)
    assert hint(line, TRAIN)


# The toolbar --------------------------------------------------------------------------------------


def told(line: str, width: int = 120, description: Description | None = TRAIN) -> list[str]:
    """The toolbar's lines, what is marked between angles."""
    return [
        "".join(f"<{text}>" if style == "current" else text for text, style in parts)
        for parts in hint(line, description, width)
    ]


def test_the_toolbar_tells_the_signature_and_the_doc_of_the_command() -> None:
    assert told("set-rate") == ["set-rate(lr: f64) -> Answer", "Change the learning rate."]
    assert told("stop ") == ["stop() -> Answer", "Stop after this step."]
    assert told("move")[0].endswith(", by: option[Point] = None, times: i32 = 1) -> Point")


@pytest.mark.parametrize(
    ("line", "marked"),
    [
        ("add ", "a"),
        ("add 1", "a"),
        ("add 1 ", "b"),
        ("add --b ", "b"),
        ("add --b 2 ", "a"),
        ("add --b=", "b"),
        ("add 1 2 ", None),
        ("add --nothing ", None),
        ("move --point.y ", "point"),
        ("move --point.y 1 ", "by"),
        ("tag a ", "note"),
        ("tag a b ", None),
        ("tag --note x a b ", "names"),
    ],
)
def test_the_field_under_the_cursor_is_marked(line: str, marked: str | None) -> None:
    signature = told(line)[0]
    assert signature.partition("<")[2].partition(":")[0] == (marked or ""), signature


def test_the_second_line_tells_all_of_the_field() -> None:
    assert told("set-rate ")[1] == "lr: f64, > 0, < 1 · The new rate."
    assert told("move --point.y ")[1] == "point.y: f64 · Upwards."
    assert told("name ")[1].startswith("name: str, at least 2 characters, at most 8 characters")


def test_the_field_one_is_at_stays_in_sight_however_narrow_the_terminal() -> None:
    wide = told("configure --home ", 200)[0]
    assert wide.startswith("configure(values: map[str, u16], ")
    narrow = told("configure --home ", 50)[0]
    assert narrow == 'configure(…, <home: path = "/">) -> map[str, u16]'
    for width in range(1, 60):
        for parts in hint("configure --home ", TRAIN, width):
            assert sum(len(text) for text, _ in parts) <= width


def test_the_toolbar_helps_where_nothing_is_known() -> None:
    assert told("") == told("se") == ["Tab shows what can be typed; help tells more."]
    assert told("ad 1")[0].startswith('no command "ad" in train; did you mean add')
    assert "not known yet" in told("add 1", description=None)[0]
    assert told("timeout ") == ["timeout [SECONDS]", BUILTINS["timeout"].doc]


def test_a_servers_text_is_shown_in_the_toolbar_never_obeyed() -> None:
    assert told("scare")[1] == "Say \\x1b[31mboo\\x1b[0m."
    scary = renamed(Stop=SCARE)
    lines = [*told(quoted(SCARE) + " ", description=scary), *told("zzz 1", 2000, scary)]
    assert all(line.isprintable() for line in lines)
    assert "\\x1b" in lines[0]
