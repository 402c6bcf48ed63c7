"""A line of the shell as words: quoted as in a shell, each with the place where it stands.

The same words as `shlex.split` makes, which tells neither where they stand nor which were quoted,
and gives up at a quote that somebody is about to close. Knows no commands.
"""

from __future__ import annotations

from collections.abc import Iterator

from lazyipc._core.record import Value

SPACE = " \t\r\n"
QUOTES = "'\""
ESCAPE = "\\"


class Word(Value):
    """One word of a line.

    Args:
        text: what it means.
        start: where it begins, quotes included.
        end: where it ends.
        is_plain: whether it was written without quotes and backslashes.
        open: what it lacks at the line's end: a quote, what stands behind a backslash, or nothing.
        open_at: where that quote or backslash stands.
    """

    text: str
    start: int
    end: int
    is_plain: bool = True
    open: str = ""
    open_at: int = 0


class BadLine(ValueError):
    """A line that has no end; `column` is where what is open begins, from 1."""

    def __init__(self, reason: str, column: int) -> None:
        super().__init__(reason, column)
        self.reason = reason
        self.column = column

    def __str__(self) -> str:
        return f"column {self.column}: {self.reason}"


def words_of(text: str) -> list[Word]:
    """The words of a line; the last one may be open.

    >>> [word.text for word in words_of("say 'good day' a\\\\ b")]
    ['say', 'good day', 'a b']
    """
    return list(_words(text))


def read_words(text: str) -> list[Word]:
    """The words of a line that is done.

    Raises:
        BadLine: a quote is open, or nothing stands behind a backslash.

    >>> read_words("say 'good day")
    Traceback (most recent call last):
    lazyipc.cli._shell.line.BadLine: column 5: the quote ' is never closed
    """
    words = words_of(text)
    if words and words[-1].open:
        last = words[-1]
        if last.open == ESCAPE:
            raise BadLine("nothing stands behind the backslash", last.open_at + 1)
        raise BadLine(f"the quote {last.open} is never closed", last.open_at + 1)
    return words


def lines_of(text: str) -> list[str]:
    """What was pasted, as lines; a line feed within quotes ends none.

    >>> lines_of("add 1 2\\nsay 'a\\nb'")
    ['add 1 2', "say 'a\\nb'"]
    """
    inside = {place for word in words_of(text) for place in range(word.start, word.end)}
    lines, start = [], 0
    for place, character in enumerate(text):
        if character == "\n" and place not in inside:
            lines.append(text[start:place])
            start = place + 1
    return [*lines, text[start:]]


def quoted(text: str) -> str:
    """A text as one word, quoted only where it must be.

    >>> quoted("red"), quoted("light blue"), quoted("it's")
    ('red', "'light blue'", '"it\\'s"')
    """
    if text and not any(character in SPACE + QUOTES + ESCAPE for character in text):
        return text
    if "'" not in text:
        return f"'{text}'"
    return '"' + text.replace(ESCAPE, ESCAPE * 2).replace('"', ESCAPE + '"') + '"'


def _words(text: str) -> Iterator[Word]:
    place, end = 0, len(text)
    while True:
        while place < end and text[place] in SPACE:
            place += 1
        if place == end:
            return
        word = _word(text, place)
        yield word
        place = word.end


def _word(text: str, start: int) -> Word:
    """The word that begins at a place where no space is."""
    parts: list[str] = []
    quote, quote_at = "", 0
    is_plain = True
    place, end = start, len(text)
    while place < end and (quote or text[place] not in SPACE):
        character = text[place]
        place += 1
        if character == quote:
            quote = ""
        elif character == ESCAPE and quote != "'":
            is_plain = False
            if place == end:
                open_at = quote_at if quote else place - 1
                return Word("".join(parts), start, end, False, quote or ESCAPE, open_at)
            if quote and text[place] not in (ESCAPE, quote):
                parts.append(ESCAPE)  # within quotes it escapes only these two
            parts.append(text[place])
            place += 1
        elif character in QUOTES and not quote:
            quote, quote_at, is_plain = character, place - 1, False
        else:
            parts.append(character)
    return Word("".join(parts), start, place, is_plain, quote, quote_at)
