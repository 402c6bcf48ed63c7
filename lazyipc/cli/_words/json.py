"""JSON text that somebody typed: read strictly, and what is wrong told by line and column.

Knows text and values; no types, no servers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lazyipc.cli._words.atoms import BadWord, quoted

if TYPE_CHECKING:
    from typing import Any, NoReturn


class BadJson(BadWord):
    """A text that is no JSON; `line` and `column` are where that shows, from 1."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(f"invalid JSON at line {line}, column {column}: {reason}")
        self.told = reason
        self.line = line
        self.column = column


def parsed(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        BadJson: it is none.
        BadWord: it holds a key twice, or a number that JSON or a double does not have.

    >>> parsed('{"a": }')
    Traceback (most recent call last):
    lazyipc.cli._words.json.BadJson: invalid JSON at line 1, column 7: Expecting value
    """
    try:
        value = _DECODER.decode(text)
        text.encode()
    except json.JSONDecodeError as error:
        raise BadJson(error.msg, error.lineno, error.colno) from None
    except UnicodeEncodeError:
        raise BadWord("it holds bytes that are no UTF-8") from None
    except RecursionError:
        raise BadWord("JSON that nests too deep") from None
    except BadWord:
        raise
    except ValueError:
        raise BadWord("a number in it has too many digits") from None
    return value


def object_of(text: str) -> dict[str, Any]:
    """The value of a JSON text that is an object.

    Raises:
        BadWord: it is none.
    """
    value = parsed(text)
    if not isinstance(value, dict):
        raise BadWord(
            f'a JSON object of the fields is wanted, such as {{"a":1}}, not {quoted(text)[1:-1]}'
        )
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadWord(f'the key "{twice}" stands twice in one object')
    return value


def _constant(text: str) -> NoReturn:
    raise BadWord(f"{text} is no number of JSON")


def _float(text: str) -> float:
    value = float(text)
    if value - value != 0.0:
        raise BadWord(f"the number {quoted(text)} is too large")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)
