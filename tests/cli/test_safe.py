"""Text of others on a terminal: what would act there is shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyipc.cli._shown.safe import safe_json, shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("plain é 日本 🙂", "plain é 日本 🙂"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("a\rb\tc\x08\x7f\x00", "a\\rb\\tc\\x08\\x7f\\x00"),
        ("one\ntwo", "one\\ntwo"),
        ("\u202eback\u2066\u200e\u061c", "\\u202eback\\u2066\\u200e\\u061c"),
        ("\u2028\u2029\u0085", "\\u2028\\u2029\\x85"),
        ("in\u200bvisible\ufeff", "in\\u200bvisible\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800half", "\\ud800half"),
        ("narrow\u202fno-break\u00a0wide\u3000", "narrow\u202fno-break\u00a0wide\u3000"),
        ("👨\u200d👩", "👨\u200d👩"),
        ("C:\\x1b", "C:\\x1b"),
        ("[bold]no markup[/bold]", "[bold]no markup[/bold]"),
    ],
)
def test_what_acts_is_shown(text: str, told: str) -> None:
    assert shown(text) == told


def test_lines_stay_where_they_may() -> None:
    assert shown("one\ntwo\r\n", multiline=True) == "one\ntwo\\r\n"


def test_anything_is_text() -> None:
    assert shown(7) == "7"


@given(st.text(st.characters(exclude_categories=[])))
def test_nothing_acts(text: str) -> None:
    told = shown(text)
    assert "\x1b" not in told
    assert all(ord(c) >= 0x20 and not 0x7F <= ord(c) < 0xA0 for c in told)
    told.encode()
    assert shown(told) == told


@given(st.recursive(st.text(st.characters(exclude_categories=[])), st.lists))
def test_json_means_the_same_and_does_not_act(value: object) -> None:
    told = safe_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(told) == value
    assert shown(told) == told
    told.encode()
