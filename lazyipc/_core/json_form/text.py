"""One line of JSON: parsed within limits, and searched for where something in it stands.

What can be said of a text without making values of it is checked first: a line of two bytes may
ask for a hundred times as many in memory. Knows no types.

Source: RFC 8259; what serde_json refuses beyond it is refused too: a number or a string that
stands for no value, a key that stands twice.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic_core import from_json

from lazyipc._core.json_bounds import STRING, builds_more, count
from lazyipc._core.json_form.rule import EntryKey, Key, Misfit, Step, found, path_of
from lazyipc.errors import DecodeError, MessageTooLarge, RemoteProtocolError

DEEPEST_TEXT = 201
"""How deep arrays and objects may stand inside one another: a limit of pydantic's parser. It takes
none of Python's stack, so the host's is safe whatever its recursion limit."""

LONGEST_SEARCH = 100_000
"""How many brackets and strings are looked at to find which key stands twice: some hundredths of a
second, which is more than a host should spend on it."""

_KEY = re.compile(rf'(?!\Z)(?:[^"]++|{STRING}(?!\s*+:))*+(?:{STRING}\s*+:|.*+)'.encode(), re.DOTALL)
"""A key, and all that is before it; or all that is left."""
_TOKEN = re.compile(rf"({STRING})(\s*+:)?|[\[\]{{}},]", re.DOTALL)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SPACE = re.compile(r"[ \t\n\r]*")
_COMPLAINT = re.compile(r"(.*) at line \d+ column (\d+)", re.DOTALL)
"""What pydantic's parser says; it counts bytes from 1."""

_decoder = json.JSONDecoder(parse_int=str, parse_float=str)
"""Passes values: it makes no numbers, which may be of any length."""

_REASONS = {
    "EOF": "it ends too early",
    "expected ident": "no word of JSON, which are null, true and false",
    "expected value": "no value begins like this",
    "recursion limit": f"arrays and objects nest more than {DEEPEST_TEXT} levels deep",
    "number out of range": "a number of more digits than any has",
    "unexpected end of hex escape": "half a surrogate pair, which is no character",
    "lone leading surrogate": "half a surrogate pair, which is no character",
    "invalid unicode code point": "no UTF-8",
    "control character": "a control character in a string; write it as \\u and four digits",
    "trailing characters": "more stands behind the value; each line holds one",
}
"""The parser's own words that say too little, by how they begin."""


@dataclass(slots=True)
class Line:
    """One line.

    Args:
        data: what it says, without its end.
        number: which one it is on its connection, from 1.
    """

    data: bytes
    number: int = 1

    def parse(self, elements: int) -> Any:
        """What the line says.

        Args:
            elements: how many arrays, objects and strings it may hold.

        Raises:
            DecodeError: it is no JSON.
            MessageTooLarge: it holds more than may be built.
        """
        data = self.data
        if builds_more(data, elements):
            what = f"line {self.number}: arrays, objects and strings"
            raise MessageTooLarge(what, size_bytes=elements + 1, limit_bytes=elements)
        try:
            return from_json(data, allow_inf_nan=False)
        except ValueError as error:
            raise self._no_json(str(error)) from error

    def _no_json(self, complaint: str) -> DecodeError:
        told = _COMPLAINT.fullmatch(complaint)
        reason, place = (told[1], max(int(told[2]), 1) - 1) if told else (complaint, 0)
        reason = next((_REASONS[start] for start in _REASONS if reason.startswith(start)), reason)
        if self.data.startswith(_BYTE_ORDER_MARK):
            reason = "a byte order mark, which JSON has none of"
        column = len(self.data[:place].decode(errors="replace")) + 1
        return self._error(f"no JSON: {reason}", column, ())

    def refuse_twice(self, keys: int) -> None:
        """Refuse keys that stand twice in one object.

        Args:
            keys: how many the parsed objects had, which kept the last of each.

        Raises:
            DecodeError: one does.
        """
        data = self.data
        if data.count(b":") == keys or count(_KEY, data, None) == keys + 1:
            return
        raise self._stands_twice(*_twice(data.decode()))

    def _stands_twice(self, steps: tuple[Step, ...], start: int) -> DecodeError:
        which = found(steps[-1]) if steps else "one of many"
        return self._error(f"a key stands twice in one object: {which}", start + 1, steps)

    def error(self, misfit: Misfit) -> RemoteProtocolError:
        """What to tell of a value in the line that has no place."""
        if misfit.limit is not None:
            where = path_of(misfit.steps) or "message"
            what = f"line {self.number}, {where}: {misfit.reason}"
            return MessageTooLarge(what, size_bytes=misfit.size, limit_bytes=misfit.limit)
        text = self.data.decode()
        try:
            steps, start = _twice(text)  # else the place would be that of the wrong one
            if steps:
                return self._stands_twice(steps, start)
            column = _find(text, misfit.steps) + 1
        except (LookupError, RecursionError, ValueError):
            column = 1  # the host's stack is full, or the place is none of the text's own
        return self._error(misfit.reason, column, misfit.steps)

    def _error(self, reason: str, column: int, steps: tuple[Step, ...]) -> DecodeError:
        offset = len(self.data.decode(errors="replace")[: column - 1].encode())
        return DecodeError(
            reason, offset=offset, path=path_of(steps), line=self.number, column=column
        )


def _find(text: str, steps: tuple[Step, ...]) -> int:
    """Where a value stands, or a key; the text is known to be JSON that has it."""
    place = _skip(text, 0)
    for step in steps:
        place = _skip(text, place + 1)
        if isinstance(step, int):
            for _ in range(step):
                place = _next(text, place)
            continue
        key, value = _member(text, place, step if isinstance(step, str) else step.text)
        place = key if isinstance(step, Key | EntryKey) else value
    return place


def _member(text: str, place: int, name: str) -> tuple[int, int]:
    """Where a key stands, and its value, of an object whose first key is at `place`."""
    while True:
        key, end = _decoder.raw_decode(text, place)
        value = _skip(text, _skip(text, end) + 1)
        if key == name:
            return place, value
        place = _next(text, value)


def _next(text: str, place: int) -> int:
    """Pass a value and the comma behind it."""
    _, end = _decoder.raw_decode(text, place)
    return _skip(text, _skip(text, end) + 1)


def _skip(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    assert space is not None
    return space.end()


def _twice(text: str) -> tuple[tuple[str | int, ...], int]:
    """The steps to the first key that stands twice in its object, and where it does so again."""
    around: list[tuple[set[str | int], str | int]] = []
    keys: set[str | int] = set()
    step: str | int = ""
    for token in islice(_TOKEN.finditer(text), LONGEST_SEARCH):
        match token[0][0]:
            case '"':
                if token[2] is None:
                    continue
                step = json.loads(token[1])
                if step in keys:
                    return (*(outer for _, outer in around[1:]), step), token.start()
                keys.add(step)
            case "[" | "{" as bracket:
                around.append((keys, step))
                keys, step = set(), 0 if bracket == "[" else ""
            case "]" | "}":
                keys, step = around.pop()
            case _ if isinstance(step, int):
                step += 1
    return (), 0
