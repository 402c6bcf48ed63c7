"""Text of others, made fit for a terminal: what would act there is shown instead.

A server's names, docs and replies are whatever somebody put into them. Knows characters only.
"""

from __future__ import annotations

_SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f"
_KEPT = frozenset(_SPACES + "\u205f\u3000\u200c\u200d")
"""Text, though Python calls it not printable: spaces, and what joins letters or parts them."""

_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def shown(text: object, *, multiline: bool = False) -> str:
    """Text with everything that a terminal would obey, hide or reorder written as an escape.

    Control characters (so escape sequences, too), bidirectional and invisible ones, line
    separators, halves of surrogate pairs, and characters that this Python does not know. A
    backslash stays as it is.

    Args:
        text: the text; anything else is taken as `str` writes it.
        multiline: whether line feeds stay.

    >>> shown("a\\x1b[31mred\\u202e")
    'a\\\\x1b[31mred\\\\u202e'
    >>> shown("one\\ntwo"), shown("one\\ntwo", multiline=True)
    ('one\\\\ntwo', 'one\\ntwo')
    """
    text = str(text)
    if text.isprintable():
        return text
    kept = "\n" if multiline else ""
    return "".join(
        c if c.isprintable() or c in _KEPT or c == kept else _SHORT.get(c) or escape(c)
        for c in text
    )


def clipped(text: str, most: int) -> str:
    """Text of which no more than so many characters are shown, and how many are not.

    >>> clipped("abc", 3), clipped("abcd", 3)
    ('abc', 'abc… (1 character more)')
    """
    left = len(text) - most
    if left <= 0:
        return text
    return f"{text[:most]}… ({left:,} character{'s' * (left > 1)} more)"


def escape(character: str) -> str:
    """One character as an escape that Python reads back.

    >>> print(escape("\\x9b"), escape("\\u2066"), escape("\\U000e0041"))
    \\x9b \\u2066 \\U000e0041
    """
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def safe_json(text: str) -> str:
    """JSON text with the same characters as escapes that JSON knows; it means what it meant.

    >>> print(safe_json('"\\u202eé"'))
    "\\u202eé"
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in _KEPT or c == "\n" else _json_escape(c) for c in text
    )


def _json_escape(character: str) -> str:
    number = ord(character)
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
