"""How much a JSON text makes in memory, known before any of it is made.

A text of two bytes may ask for a hundred times as many. Knows no types and no lines.
"""

from __future__ import annotations

import re
from itertools import islice

STRING = r'"(?:[^"\\]++|\\.)*+"'
"""A string, as a pattern that never goes back."""
_BUILT = rf'(?!\Z)(?:[^"\[{{]++|{STRING}\s*+:)*+(?:[\[{{]|{STRING}|.*+)'.encode()
"""An array, an object or a string, but for keys, and all that is before it; or all that is left."""


def builds_more(data: bytes, elements: int) -> bool:
    """Whether a text has more than so many arrays, objects and strings, keys not counted.

    >>> builds_more(b'{"a": ["b", []]}', 4), builds_more(b'{"a": ["b", []]}', 3)
    (False, True)
    """
    most = data.count(b"[") + data.count(b"{") + data.count(b'"') // 2
    if most <= elements:
        return False
    # One more than there are is counted: what is left behind the last of them.
    return count(re.compile(_BUILT, re.DOTALL), data, elements + 2) > elements + 1


def count(pattern: re.Pattern[bytes], data: bytes, most: int | None) -> int:
    """How often a pattern is found; no further than so often."""
    return sum(1 for _ in islice(pattern.finditer(data), most))
