"""Rust's types and declarations, read from what `bytes types` prints: no more grammar than that."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

INTEGERS = {f"{sign}{bits}" for sign in "ui" for bits in (8, 16, 32, 64, 128)}
SAME_AS = {"usize": "u64", "isize": "i64", "str": "String"}
TRANSPARENT = {"Box", "Rc", "Arc", "Cow", "Wrapping", "Reverse"}


@dataclass(frozen=True)
class Rust:
    """A type: `Vec<[u8; 4]>` is Vec of an array of u8; a tuple is called `()`."""

    name: str
    arguments: tuple[Rust, ...] = ()
    length: int = 0

    @property
    def integer(self) -> str | None:
        """Which integer it is, if it is one."""
        name = self.name
        if name.startswith("NonZero"):
            name = name.removeprefix("NonZero").lower()
        name = SAME_AS.get(name, name)
        return name if name in INTEGERS else None


@dataclass(frozen=True)
class Field:
    """A field: `key` is what serde calls it; one without a name is known by its position."""

    name: str | None
    key: str
    type: Rust


@dataclass(frozen=True)
class Body:
    """A struct or a variant: its name, kind ("unit", "tuple", "named") and fields."""

    name: str
    kind: str
    fields: tuple[Field, ...]
    discriminant: int = 0


@dataclass(frozen=True)
class Declaration:
    """A struct, which has one body, or an enum, which has one for each variant."""

    name: str
    is_enum: bool
    bodies: tuple[Body, ...]


class Reader:
    """Reads the little of Rust's grammar that is in use here."""

    def __init__(self, text: str) -> None:
        self.tokens = re.findall(r"'\w+|\"[^\"]*\"|\w+|[^\s\w]", text)
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        token = self.peek()
        assert not wanted or token in wanted, f"{token!r} is not {wanted} in {self.tokens}"
        self.at += 1
        return token

    def has(self, token: str) -> bool:
        """Take the token if it is the next one."""
        if self.peek() != token:
            return False
        self.at += 1
        return True

    def until(self, end: str) -> Iterator[None]:
        """Once for each part of a list whose parts are separated by commas, to its end."""
        while not self.has(end):
            yield
            if not self.has(","):
                self.take(end)
                return

    def type(self, given: dict[str, Rust]) -> Rust:
        if self.has("("):
            return Rust("()", tuple(self.type(given) for _ in self.until(")")))
        if self.has("["):
            item = self.type(given)
            if self.has("]"):
                return Rust("Vec", (item,))
            self.take(";")
            length = int(self.take())
            self.take("]")
            return Rust("[]", (item,), length)
        name = self.take()
        if name in given:
            return given[name]
        arguments = []
        if self.has("<"):
            for _ in self.until(">"):
                if self.peek().startswith("'"):
                    self.take()
                else:
                    arguments.append(self.type(given))
        if name in TRANSPARENT:
            return arguments[0]
        return Rust(SAME_AS.get(name, name), tuple(arguments))

    def attributes(self) -> str:
        """What stands between `#[` and `]` before an item, all of it."""
        found = []
        while self.has("#"):
            self.take("[")
            while not self.has("]"):
                found.append(self.take())
        return "".join(found)

    def declaration(self, arguments: Sequence[Rust]) -> Declaration:
        self.attributes()
        self.has("pub")
        word, name = self.take("struct", "enum"), self.take()
        given = {}
        if self.has("<"):
            names = [self.take() for _ in self.until(">")]
            given = dict(zip(names, arguments, strict=True))
        if word == "struct":
            return Declaration(name, False, (self.body(name, given),))
        self.take("{")
        bodies = []
        for _ in self.until("}"):
            body = self.body(self.take(), given)
            number = int(self.take()) if self.has("=") else len(bodies)
            bodies.append(dataclasses.replace(body, discriminant=number))
        return Declaration(name, True, tuple(bodies))

    def body(self, name: str, given: dict[str, Rust]) -> Body:
        if self.has("("):
            types = [self.type(given) for _ in self.until(")")]
            return Body(name, "tuple", tuple(Field(None, "", type) for type in types))
        if not self.has("{"):
            return Body(name, "unit", ())
        fields = []
        for _ in self.until("}"):
            attributes = self.attributes()
            field = self.take()
            self.take(":")
            renamed = re.search(r'serde\(rename="(\w+)"\)', attributes)
            key = renamed[1] if renamed else field
            type = self.type(given)
            if "serde(skip)" not in attributes:
                fields.append(Field(field, key, type))
        return Body(name, "named", tuple(fields))
