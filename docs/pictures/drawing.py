"""A terminal's screen as SVG: its cells as rich's text, and rich's own export of that.

The text stays text, in the reader's own fixed-width font: nothing is loaded from anywhere. The
window is dark in itself and has a line around it, so it is seen on a light page and on a dark one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from itertools import groupby

from pyte.screens import Char
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

Row = list[Char]

THEME = TerminalTheme(
    (22, 27, 34),
    (214, 221, 229),
    [
        (72, 79, 88),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (214, 221, 229),
    ],
    [
        (139, 148, 158),
        (255, 161, 152),
        (126, 231, 135),
        (242, 204, 96),
        (165, 214, 255),
        (226, 197, 255),
        (179, 240, 255),
        (255, 255, 255),
    ],
)
"""A dark window: each colour reaches a contrast of at least 4.5 with its background but the first,
black, that nobody writes in."""

FONT_ASPECT_RATIO = 0.6
"""A character's width by its height: what most fixed-width fonts have."""

TEMPLATE = """\
<svg viewBox="0 0 {width} {height}" role="img" aria-label="LABEL" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, \
"DejaVu Sans Mono", "Liberation Mono", monospace; font-size: {char_height}px; \
line-height: {line_height}px; white-space: pre; }}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 16px; opacity: 0.7; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" \
height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""What rich fills in: its own template has a font from the web instead."""

ANSI_NUMBERS = {
    name: number
    for number, names in enumerate(
        ("black", "red", "green", "brown yellow", "blue", "magenta", "cyan", "white")
    )
    for name in names.split()
}
"""What pyte calls the eight colours, and their numbers; its brown is yellow elsewhere."""

BEHIND_WIDE = "\0"
"""Stands for the cell behind a wide character, which holds none."""


def drawing(rows: Sequence[Row], name: str, title: str) -> str:
    """The SVG text of a screen.

    Args:
        rows: the cells.
        name: what the picture's parts are named after; one page may hold several pictures.
        title: what the window's bar says.
    """
    columns = max(len(row) for row in rows)
    console = Console(
        file=io.StringIO(),
        record=True,
        width=columns,
        color_system="truecolor",
        force_terminal=True,
        legacy_windows=False,
    )
    for row in rows:
        console.print(text_of(row), no_wrap=True, overflow="crop", end="")
        console.print()
    console.print()  # room below; and rich makes no frame for the last line, but names it
    svg = console.export_svg(
        title=title,
        theme=THEME,
        code_format=TEMPLATE.replace("LABEL", title),
        font_aspect_ratio=FONT_ASPECT_RATIO,
        unique_id=name,
    )
    return tidied(svg)


def tidied(svg: str) -> str:
    """Each piece of text on a line of its own, so that a change is seen as what it is.

    Rich makes a text of each line feed, too; those go.
    """
    svg = re.sub(r"<text [^>]*>\n</text>", "", svg)
    svg = re.sub(r"(?<=>)(?=<(?:text|rect|circle) )", "\n", svg)
    return "\n".join(line.strip() for line in svg.splitlines() if line.strip()) + "\n"


def text_of(row: Row) -> Text:
    """A row as rich's text, in runs of one style, without the blanks at its end."""
    text = Text()
    for style, cells in groupby(row, style_of):
        run = "".join(cell.data for cell in cells)
        # Blanks get pieces of their own: programs that drop them from a text's beginning, or whose
        # font is a bit wider than thought, still begin each word of a table where it belongs.
        for piece in re.split(r"(^ +| {2,})", run):
            text.append(piece, style)
    end = len(text.plain.rstrip())
    while end < len(row) and end < len(text) and row[end].bg != "default":
        end += 1  # a bar's colour goes on to the edge
    text.truncate(end)
    return text


def style_of(cell: Char) -> Style:
    """A cell's style; `blink` stands for faint text (see `tests.cli.terminal`)."""
    return Style(
        color=color_of(cell.fg),
        bgcolor=color_of(cell.bg),
        bold=cell.bold,
        italic=cell.italics,
        underline=cell.underscore,
        strike=cell.strikethrough,
        reverse=cell.reverse,
        dim=cell.blink,
    )


def color_of(name: str) -> Color | None:
    """A colour as rich has it; None is the terminal's own."""
    if name == "default":
        return None
    is_bright = name.startswith(("bright", "bfight"))  # as pyte writes one of them
    number = ANSI_NUMBERS.get(name[6:] if is_bright else name)
    if number is None:
        return Color.parse(f"#{name}")
    return Color.from_ansi(number + 8 * is_bright)


# What differs from run to run ---------------------------------------------------------------------


def line_of(row: Row) -> str:
    """A row's text, a character for each cell."""
    return "".join(cell.data or BEHIND_WIDE for cell in row)


def replaced(row: Row, pattern: re.Pattern[str], replacement: str) -> Row:
    """A row with a text in place of each that a pattern finds; what stands behind moves up to it.

    Args:
        row: the cells.
        pattern: what to find; its group, where it has one, is what is replaced.
        replacement: what to show.
    """
    cells = list(row)
    for found in reversed([*pattern.finditer(line_of(row))]):
        start, end = found.span(1) if pattern.groups else found.span()
        style = cells[start]
        cells[start:end] = [style._replace(data=character) for character in replacement]
    blank = row[-1]._replace(data=" ")
    return (cells + [blank] * len(row))[: len(row)]
