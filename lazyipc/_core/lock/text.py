"""The schema lock as text, which people review and version control compares line by line.

One field stands on one line, and so does what is inside a type that is too long for one. Nothing
is left out: the text of a lock stands for no other lock. Knows no families and no files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from lazyipc._core.lock.pinned import Lock, Pinned
from lazyipc._core.schema import Description

VERSION = 1
"""The form of the text."""

LINE_LENGTH = 100
"""A type that does not fit is spread over lines, so that a difference shows where it is."""

T = TypeVar("T")


# Writing ------------------------------------------------------------------------------------------


_FORMS = {"choice", "enum", "family", "response", "struct"}
"""Kinds that are not written with `[`."""

_Layout = str | tuple[str, list["_Layout"], str]
"""Text that goes on one line, or what stands before, between and behind brackets."""


def text_of(lock: Lock, name: str) -> str:
    """The text of a lock: the same for the same lock, and for no other.

    Args:
        name: what the family is called, for readers; not part of the lock.
    """
    lines = [
        f"# What programs already out there depend on in {_name(name)}. Commit this file.",
        "# lazyipc.check_schema fails when a change would break them: undo it; or, to break them",
        "# on purpose, delete this file and run the check again. Comments are not kept.",
        f"lock {VERSION}",
    ]
    for command in lock.commands:
        index = "" if command.index is None else f" = {command.index}"
        lines += ["", f"command {_name(command.name)}{index}"]
        for called, description in command.fields:
            lines += _rendered(_layout(description, f"{_name(called)}: "), "    ")
        lines += _rendered(_layout(command.returns, "-> "), "    ")
    if lock.bare is not None:
        lines += ["", "bare", *_rendered(_layout(lock.bare, "-> "), "    ")]
    for key, variants in lock.families.items():
        lines += ["", exact(["family", *key])]
        for variant in variants:
            head = f"{_name(variant.name)} = {variant.index} "
            lines += _rendered(_layout(variant.structure, head), "    ")
    return "\n".join(lines) + "\n"


def exact(description: Any) -> str:
    """A description on one line, hiding nothing.

    >>> exact(["vec", ["struct", [["x", "u8"], ["colour", ["enum", ["RED", "GREEN"]]]]]])
    'vec[{x: u8, colour: enum {RED, GREEN}}]'
    """
    return _flat(_layout(description))


def content_of(held: Any) -> Description:
    """What a variant of a choice holds, as one description: a model's fields stand there bare.

    >>> content_of([["x", "u8"]]), content_of(["array", "u8", 4])
    (['struct', [['x', 'u8']]], ['array', 'u8', 4])
    """
    is_fields = isinstance(held, list) and not (held and isinstance(held[0], str))
    return ["struct", held] if is_fields else held


def _layout(description: Any, before: str = "") -> _Layout:
    match description:
        case str():
            return before + _word(description)
        case int():
            return f"{before}{description}"
        case ["struct", list(fields)]:
            return before + "{", [_layout(item, f"{_name(name)}: ") for name, item in fields], "}"
        case ["choice", list(cases)]:
            told = [_layout(content_of(held), f"{_name(name)} = {i} ") for i, name, held in cases]
            return f"{before}choice {{", told, "}"
        case ["enum", list(names)]:
            return f"{before}enum {{", [_name(name) for name in names], "}"
        case ["response", name, fields]:
            return _layout(["struct", fields], f"{before}response {_name(name)} ")
        case ["family", name, number]:
            return f"{before}family {_name(name)}" + (f" {number}" if number > 1 else "")
        case ["tuple", list(items)]:
            return f"{before}tuple[", [_layout(item) for item in items], "]"
        case [str(kind), *items]:
            return f"{before}{_word(kind)}[", [_layout(item) for item in items], "]"
        case _:
            return before + "(", [_layout(item) for item in description], ")"


def _word(name: str) -> str:
    """The name of a type, quoted where it could be taken for one of the forms."""
    return json.dumps(name) if name in _FORMS else _name(name)


def _name(name: str) -> str:
    """A name as it is, or quoted where it could be taken for something else."""
    return name if name.isidentifier() else json.dumps(name)


def _flat(layout: _Layout) -> str:
    if isinstance(layout, str):
        return layout
    before, items, behind = layout
    return before + ", ".join(map(_flat, items)) + behind


def _rendered(layout: _Layout, indent: str) -> list[str]:
    line = indent + _flat(layout)
    if isinstance(layout, str) or not layout[1] or len(line) <= LINE_LENGTH:
        return [line]
    before, items, behind = layout
    lines = [line for item in items for line in _rendered(item, indent + "    ")]
    return [indent + before, *lines, indent + behind]


# Reading -----------------------------------------------------------------------------------------


_TOKEN = re.compile(r'\s+|,|"(?:[^"\\]|\\.)*"|[{}()\[\]:=]|[^\s"{}()\[\]:=,]+|"')


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int


def parse(text: str) -> Lock:
    """The lock that a text stands for. Commas and the way lines are broken mean nothing.

    Raises:
        ValueError: it is no such text; says in which line and why.
    """
    blocks: list[list[_Token]] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line[0].isspace() or not blocks:
            blocks.append([])
        found = (_Token(match[0], number) for match in _TOKEN.finditer(line))
        blocks[-1].extend(t for t in found if t.text[0] != "," and not t.text.isspace())
    try:
        return _lock_from([_Reader(block) for block in blocks])
    except RecursionError:
        raise ValueError("types are nested too deeply") from None


def _lock_from(blocks: list[_Reader]) -> Lock:
    if not blocks or blocks[0].take() != "lock":
        raise ValueError("line 1: it does not begin with `lock`, so it is no schema lock")
    version = blocks[0].number()
    if version != VERSION:
        raise blocks[0].error(f"a lock of version {version}; this lazyipc reads version {VERSION}")
    blocks[0].end()
    commands: list[Pinned] = []
    families: dict[tuple[str, int], tuple[Pinned, ...]] = {}
    bare: list[Description] = []
    for block in blocks[1:]:
        match block.take():
            case "command":
                commands.append(block.command(commands))
            case "bare" if not bare:
                block.expect("->")
                bare.append(block.description())
            case "family":
                key = block.family()
                if key in families:
                    raise block.error(f"{exact(['family', *key])} for a second time")
                families[key] = tuple(block.variants(""))
            case word:
                raise block.error(f"{word!r} where a command or a family should begin")
        block.end()
    lock = Lock(tuple(commands), families, bare[0] if bare else None)
    _refuse_incomplete(lock)
    return lock


def _refuse_incomplete(lock: Lock) -> None:
    """See that what blocks say of each other holds.

    Raises:
        ValueError: a block is missing, or does not go with the others.
    """
    for returned in (*(command.returns for command in lock.commands), lock.bare):
        match returned:
            case ["family", *key] if tuple(key) not in lock.families:
                raise ValueError(f"{exact(returned)} is returned, but described nowhere")
    if len(lock.commands) > 1 and any(command.index is None for command in lock.commands):
        raise ValueError("a command without an index stands beside others")
    if not lock.commands and len(lock.families) != 1:
        raise ValueError("neither commands nor one family are described")


class _Reader:
    """Reads one block, token by token."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def error(self, what: str) -> ValueError:
        """What is wrong at the last token read."""
        return ValueError(f"line {self._tokens[max(self._position - 1, 0)].line}: {what}")

    def take(self) -> str:
        """The next token's text; empty at the end."""
        text = self._next()
        self._position += 1 if text else 0
        return text

    def _next(self) -> str:
        return self._tokens[self._position].text if self._position < len(self._tokens) else ""

    def follows(self, text: str) -> bool:
        """Take a token if it is the next one."""
        found = self._next() == text
        self._position += found
        return found

    def expect(self, text: str) -> None:
        found = self.take()
        if found != text:
            raise self.error(f"{found or 'the end'!r} where {text!r} should stand")

    def end(self) -> None:
        found = self.take()
        if found:
            raise self.error(f"{found!r} where nothing should follow")

    def name(self) -> str:
        text = self.take()
        if text.isidentifier():
            return text
        try:
            name = json.loads(text if text.startswith('"') else "")
        except ValueError:
            raise self.error(f"{text or 'the end'!r} where a name should stand") from None
        assert isinstance(name, str)
        return name

    def number(self) -> int:
        text = self.take()
        if not (text.isascii() and text.isdecimal()):
            raise self.error(f"{text or 'the end'!r} where a number should stand")
        return int(text)

    def items(self, closing: str, item: Callable[[], T]) -> list[T]:
        """What stands between brackets, the opening one read."""
        found = []
        while not self.follows(closing):
            found.append(item())
        return found

    def command(self, before: list[Pinned]) -> Pinned:
        name = self.name()
        index = self.number() if self.follows("=") else None
        self._refuse_twice(name, index, before)
        return Pinned(name, index, self.fields("->"), self.description())

    def family(self) -> tuple[str, int]:
        name = self.name()
        return name, self.number() if self._next().isdecimal() else 1

    def variants(self, closing: str) -> list[Pinned]:
        variants: list[Pinned] = []
        while not self.follows(closing):
            name, index = self.place(variants)
            self.expect("{")
            variants.append(Pinned(name, index, self.fields("}")))
        return variants

    def cases(self) -> list[Any]:
        cases: list[Any] = []
        places: list[Pinned] = []
        while not self.follows("}"):
            name, index = self.place(places)
            places.append(Pinned(name, index, []))
            held = self.description()
            cases.append([index, name, held[1] if held[0] == "struct" else held])
        return cases

    def place(self, before: list[Pinned]) -> tuple[str, int]:
        """A variant's name and index."""
        name = self.name()
        self.expect("=")
        index = self.number()
        self._refuse_twice(name, index, before)
        return name, index

    def _refuse_twice(self, name: str, index: int | None, before: list[Pinned]) -> None:
        for other in before:
            if name == other.name or index == other.index:
                raise self.error(
                    f"{_name(name)} = {index} beside {_name(other.name)} = {other.index}"
                )

    def fields(self, closing: str) -> list[Any]:
        fields = self.items(closing, self.field)
        names = [name for name, _ in fields]
        if len(set(names)) < len(names):
            raise self.error("two fields of one name")
        return fields

    def field(self) -> list[Any]:
        name = self.name()
        self.expect(":")
        return [name, self.description()]

    def description(self) -> Any:
        if self.follows("{"):
            return ["struct", self.fields("}")]
        written, word = self._next(), self.name()
        if not word:
            raise self.error("a type without a name")
        match written:
            case "choice" if self.follows("{"):
                return ["choice", self.cases()]
            case "enum" if self.follows("{"):
                return ["enum", self.items("}", self.name)]
            case "response":
                name = self.name()
                self.expect("{")
                return ["response", name, self.fields("}")]
            case "family":
                return ["family", *self.family()]
        if not self.follows("["):
            return word
        if word in _FORMS:
            raise self.error(f"{word} is not written with '['")
        items = self.items("]", self.part)
        return ["tuple", items] if word == "tuple" else [word, *items]

    def part(self) -> Any:
        """What may stand in square brackets: a type, a number, a list of such parts."""
        if self.follows("("):
            return self.items(")", self.part)
        return self.number() if self._next().isdecimal() else self.description()
