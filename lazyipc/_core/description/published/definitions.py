"""The shared parts of one JSON Schema document: `$defs`, and under which key each part stands.

Knows no types: what tells one part from another is given as a key.

Source: JSON Schema 2020-12, "Core", section 8.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any

Schema = dict[str, Any]

_ODD = re.compile(r"[^A-Za-z0-9_.-]+")
"""What has no place in the name of a definition, which stands in a URI."""


class Definitions:
    """Definitions by name: `command.Add`, `type.Point`; where names collide, `type.Point.2`.

    >>> definitions = Definitions()
    >>> definitions.shared("a", "type", "Page[u16]", lambda: {"type": "null"})
    {'$ref': '#/$defs/type.Page_u16'}
    >>> definitions.shared("b", "type", "Page[u16]", lambda: {"type": "string"})
    {'$ref': '#/$defs/type.Page_u16.2'}
    >>> definitions.known
    {'type.Page_u16': {'type': 'null'}, 'type.Page_u16.2': {'type': 'string'}}
    """

    def __init__(self) -> None:
        self.known: dict[str, Schema] = {}
        """Each definition, in the order in which they were first referred to."""
        self._names: dict[Hashable, str] = {}
        self._taken: set[str] = set()

    def reserve(self, key: Hashable, prefix: str, name: str) -> None:
        """Give a name to what will be defined once somebody refers to it."""
        self._names[key] = self._free(prefix, name)

    def shared(self, key: Hashable, prefix: str, name: str, build: Callable[[], Schema]) -> Schema:
        """A reference to what is known by a key; it is built if it is new."""
        if key not in self._names:
            self.reserve(key, prefix, name)
        known = self._names[key]
        if known not in self.known:
            self.known[known] = {}  # it may contain itself
            self.known[known].update(build())
        return _reference(known)

    def add(self, prefix: str, name: str, schema: Schema) -> Schema:
        """A reference to a definition that has no other."""
        known = self._free(prefix, name)
        self.known[known] = schema
        return _reference(known)

    def forget(self, count: int) -> None:
        """Forget the definitions beyond the first so many, of which some may be half built."""
        gone = {name: self.known.pop(name) for name in list(self.known)[count:]}
        self._names = {key: name for key, name in self._names.items() if name not in gone}
        self._taken.difference_update(gone)

    def _free(self, prefix: str, name: str) -> str:
        wanted = free = f"{prefix}.{_ODD.sub('_', name).strip('_')}"
        number = 1
        while free in self._taken:
            number += 1
            free = f"{wanted}.{number}"
        self._taken.add(free)
        return free


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
