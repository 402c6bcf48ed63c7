"""Tables for a terminal. Knows rich, and no servers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from lazyipc.cli._shown.safe import shown

Part = str | tuple[str, str]
"""Text, or text and its style: words such as `bold red`."""


LONGEST_WORD = 20
"""What is longer (a path, a type) is folded before the table is given up."""

_NUMBER = re.compile(r"[\d.,]+( ([a-zµ]{1,3}|%)( ago)?)?")
"""A count, or a length of time."""


def fitting(
    console: Console, headings: Sequence[str], rows: Sequence[Sequence[Part]]
) -> Iterator[RenderableType]:
    """A table; or, where not even its longest words fit side by side, a small one for each row."""
    table = table_of(headings, rows)
    least = Measurement.get(console, console.options, table).minimum
    # Columns that may be folded claim to need a single letter.
    words = sum(max(_longest(column), default=0) for column in zip(headings, *rows, strict=True))
    if max(least, words + 3 * (len(headings) - 1)) <= console.width:
        yield table
        return
    for number, row in enumerate(rows):
        if number:
            yield ""
        record = Table.grid(padding=(0, 2, 0, 0))
        record.add_column(style="bold", overflow="fold")
        record.add_column(overflow="fold")
        for heading, part in zip(headings, row, strict=True):
            record.add_row(heading, styled(part))
        yield record


def _longest(column: Iterable[Part]) -> Iterator[int]:
    """How long the longest word of each cell is, as far as words are kept whole."""
    for part in column:
        text = part if isinstance(part, str) else part[0]
        yield min(max(map(len, text.split()), default=0), LONGEST_WORD)


def table_of(headings: Sequence[str], rows: Iterable[Sequence[Part]]) -> Table:
    """A table; a column whose every cell is a number with its unit, empty or `-`, stands right.

    A cell that does not fit is folded, never cut off.
    """
    rows = [tuple(row) for row in rows]
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for position, heading in enumerate(headings):
        is_number = bool(rows) and all(_is_number(row[position]) for row in rows)
        table.add_column(heading, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(styled, row))
    return table


def _is_number(part: Part) -> bool:
    text = part if isinstance(part, str) else part[0]
    return text in ("", "-") or _NUMBER.fullmatch(text) is not None


def styled(part: Part) -> Text:
    """A part as rich's text: safe, and without markup."""
    text, style = (part, "") if isinstance(part, str) else part
    return Text(shown(text), style=style)
