"""What the words of a command line gave for one field, made into its JSON value.

A field gets words (`--a 1`), further ones that append (`--x 1 --x 2`), or words for the parts of it
(`--point.x 1`). Knows types and words; no options, no commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazyipc._core.nearest import UnknownName, folded, nearest
from lazyipc.cli._words.atoms import BadWord, atom, is_atom, quoted

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    ReadFile = Callable[[str], bytes]

SEQUENCES = frozenset({"vec", "set", "array", "tuple"})
TEXTS = frozenset({"str", "path", "bytes"})
"""Types of which `null` is a value like any other word."""
ADDRESSES = frozenset({"ipv4addr", "ipv6addr"})
FILES = frozenset({"vec", "array"})
"""Sequences of u8 that may be given as bytes are."""


class Given:
    """What was given for a field, or for a part of one.

    Args:
        name: the field's, such as `point.x`.
    """

    __slots__ = ("is_null", "name", "parts", "words")

    def __init__(self, name: str) -> None:
        self.name = name
        self.words: list[str] = []
        self.parts: dict[str, Given] = {}
        self.is_null = False

    def part(self, name: str) -> Given:
        """What was given for a part, so far."""
        return self.parts.setdefault(name, Given(f"{self.name}.{name}"))

    def refuse(self, reason: str) -> NoReturn:
        raise BadWord(reason, self.name)


def kind_of(wire: Any) -> str:
    """What kind of type a description is of."""
    return wire if isinstance(wire, str) else wire[0]


def unwrapped(wire: Any) -> Any:
    """The type that words are of where there is a value: an Option's item."""
    while kind_of(wire) == "option":
        wire = wire[1]
    return wire


def value_given(given: Given, wire: Any, read_file: ReadFile) -> Any:
    """The JSON value of a field.

    Raises:
        BadWord: a word is no value of its type.
    """
    try:
        return _value(given, wire, read_file)
    except BadWord as error:
        if error.field:
            raise
        raise BadWord(error.reason, given.name) from None


def _value(given: Given, wire: Any, read_file: ReadFile) -> Any:
    if given.parts:
        if given.words or given.is_null:
            given.refuse("it is given as a whole and in parts")
        return _of_parts(given, unwrapped(wire), read_file)
    if kind_of(wire) == "option":
        wire = unwrapped(wire)
        if given.is_null or (given.words == ["null"] and kind_of(wire) not in TEXTS):
            if given.is_null and given.words:
                given.refuse("it is given twice")
            return None
    kind = kind_of(wire)
    if kind in SEQUENCES:
        return _sequence(given.words, wire, read_file)
    if len(given.words) > 1:
        given.refuse("it is given twice")
    return _single(given.words[0], wire, read_file)


def _of_parts(given: Given, wire: Any, read_file: ReadFile) -> dict[str, Any]:
    match wire:
        case ["struct", fields]:
            return _fields(given, fields, read_file)
        case ["map", "str" | "path", item]:
            return {key: value_given(part, item, read_file) for key, part in given.parts.items()}
        case ["map", key_type, item]:
            return {
                _key(part, key, key_type): value_given(part, item, read_file)
                for key, part in given.parts.items()
            }
        case ["choice", cases]:
            ((name, part), *others) = given.parts.items()
            if others:
                given.refuse(f"it is one of {', '.join(case[1] for case in cases)}, not several")
            case = _named(name, [case[1] for case in cases], given.name, "variant")
            inner = next(each[2] for each in cases if each[1] == case)
            if part.words or not isinstance(inner, list) or (inner and isinstance(inner[0], str)):
                return {case: value_given(part, inner, read_file)}
            return {case: _fields(part, inner, read_file)}
    inside = next(iter(given.parts.values()))
    raise BadWord(f"{given.name} has no fields by that name", inside.name)


def _fields(given: Given, fields: list[Any], read_file: ReadFile) -> dict[str, Any]:
    types = dict(fields)
    values = {}
    for name, part in given.parts.items():
        field = _named(name, list(types), given.name)
        if field in values:
            part.refuse("it is given twice")
        values[field] = value_given(part, types[field], read_file)
    return values


def _key(given: Given, key: str, wire: Any) -> str:
    """A map's key as JSON has it, which is text."""
    if kind_of(wire) == "enum":
        return _named(key, wire[1], given.name, "member")
    try:
        value = atom(key, wire) if is_atom(wire) else key
    except BadWord as error:
        raise BadWord(error.reason, given.name) from None
    return value if isinstance(value, str) else _dumped(value)


def _named(name: str, known: list[str], where: str, what: str = "field") -> str:
    """The one of the names that a name means, whatever its case and hyphens.

    Raises:
        BadWord: none, or several.
    """
    found = _alike(name, known)
    if found is None:
        raise BadWord(str(UnknownName(what, name, known, where)))
    return found


def _alike(name: str, known: list[str]) -> str | None:
    if name in known:
        return name
    sought = folded(name)
    alike = [each for each in known if folded(each) == sought]
    return alike[0] if len(alike) == 1 else None


# Sequences ---------------------------------------------------------------------------------------


def _sequence(words: list[str], wire: Any, read_file: ReadFile) -> list[Any]:
    """Each word is an item, but a JSON array of all that it may stand for."""
    if wire[0] in FILES and wire[1] == "u8" and len(words) == 1:
        data = _raw(words[0], read_file)
        if data is not None:
            return list(data)
    items: list[Any] = []
    for word in words:
        if word.startswith("["):
            read = _parsed(word)
            if not _is_item(read, wire, len(items)):
                items += read
                continue
        if wire[0] == "tuple" and len(items) >= len(wire[1]):
            raise BadWord(f"{len(wire[1])} items are wanted, {quoted(word)} is one more")
        item = wire[1][len(items)] if wire[0] == "tuple" else wire[1]
        items.append(_item(word, item, read_file, len(items)))
    wanted = wire[2] if wire[0] == "array" else len(wire[1]) if wire[0] == "tuple" else len(items)
    if len(items) != wanted:
        raise BadWord(f"{wanted} items are wanted, not {len(items)}")
    return items


def _is_item(read: list[Any], wire: Any, position: int) -> bool:
    """Whether an array is one item of a sequence whose items are sequences themselves."""
    if wire[0] == "tuple":
        item = wire[1][position] if position < len(wire[1]) else "unit"
        return kind_of(unwrapped(item)) in SEQUENCES and len(read) != len(wire[1])
    is_nested = kind_of(unwrapped(wire[1])) in SEQUENCES
    return is_nested and bool(read) and not all(isinstance(each, list | None) for each in read)


def _item(word: str, wire: Any, read_file: ReadFile, position: int) -> Any:
    given = Given(f"[{position}]")
    given.words.append(word)
    try:
        return _value(given, wire, read_file)
    except BadWord as error:
        raise BadWord(f"item {position + 1}: {error.reason}") from None


# One word ----------------------------------------------------------------------------------------


def _single(word: str, wire: Any, read_file: ReadFile) -> Any:
    if is_atom(wire):
        return atom(word, wire)
    match wire:
        case "bytes":
            data = _raw(word, read_file)
            return list(atom(word, "str").encode() if data is None else data)
        case ["enum", names]:
            return _named_case(word, names)
        case ["choice", cases]:
            return _choice(word, cases)
    return _parsed(word)


def _choice(word: str, cases: list[Any]) -> Any:
    if {case[2] for case in cases if isinstance(case[2], str)} == ADDRESSES:
        return atom(word, "ipv6addr" if ":" in word else "ipv4addr")
    if word[:1] in ("{", '"'):
        return _parsed(word)
    name = _named_case(word, [case[1] for case in cases])
    inner = next(case[2] for case in cases if case[1] == name)
    if inner:
        field = inner[0][0] if isinstance(inner, list) and isinstance(inner[0], list) else ""
        parts = f"in parts, with .{name}.{field} behind the option's name, or " if field else ""
        raise BadWord(f"{name} holds more than its name: give it {parts}as JSON")
    return name


def _named_case(word: str, names: list[str]) -> str:
    """The member or variant of a name."""
    found = _alike(word, names)
    if found is None:
        near = nearest(word, names)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise BadWord(f"one of {', '.join(names)} is wanted, not {quoted(word)}{hint}")
    return found


def _raw(word: str, read_file: ReadFile) -> bytes | None:
    """The bytes of a word that says how it means them; None of any other."""
    if word.startswith("hex:"):
        try:
            return bytes.fromhex(word[4:])
        except ValueError:
            raise BadWord(
                f"an even number of hexadecimal digits is wanted, not {quoted(word)}"
            ) from None
    if word.startswith("@"):
        try:
            return read_file(word[1:])
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BadWord(f"{quoted(word[1:])} cannot be read: {reason}") from None
    return None


def _parsed(word: str) -> Any:
    from lazyipc.cli._words.json import parsed  # JSON is needed for what has parts only

    return parsed(word)


def _dumped(value: Any) -> str:
    import json

    return json.dumps(value)
