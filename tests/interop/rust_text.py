"""What a Python value is in Rust, as text: the text that `bytes/src/describe.rs` writes of it.

`text_of` goes over a value by Rust's own declarations alone. It knows no wire, nor how lazyipc sees
a type: what both sides say alike was understood alike.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from lazyipc import TaggedUnion
from tests.interop.rust_grammar import Body, Declaration, Field, Reader, Rust

STANDARD_LIBRARY = [
    "struct Range<T> { start: T, end: T }",
    "struct RangeInclusive<T> { start: T, end: T }",
    "enum Result<T, E> { Ok(T), Err(E) }",
    "enum Bound<T> { Unbounded, Included(T), Excluded(T) }",
    "enum SocketAddr { V4((Ipv4Addr, u16)), V6((Ipv6Addr, u16)) }",
]
"""How serde takes apart what is not declared by ourselves."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Declared:
    """All declarations, and what can be said with them."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = {}
        for text in [*STANDARD_LIBRARY, *texts]:
            words = re.search(r"\b(?:struct|enum) (\w+)", text)
            assert words is not None
            self._texts[words[1]] = text
        self._known: dict[Rust, Declaration] = {}

    def type(self, text: str) -> Rust:
        """A type as Rust writes it."""
        return Reader(text).type({})

    def declaration(self, rust: Rust) -> Declaration:
        """The declaration of a struct or an enum, its type parameters filled in."""
        if rust not in self._known:
            self._known[rust] = Reader(self._texts[rust.name]).declaration(rust.arguments)
        return self._known[rust]

    def text_of(self, value: Any, rust: Rust) -> str:
        """What a value of this type is, in Rust's words."""
        if rust.integer is not None:
            return f"{rust.integer}:{int(value)}"
        match rust:
            case Rust("bool"):
                assert type(value) is bool
                return f"bool:{str(value).lower()}"
            case Rust("f32"):
                return f"f32:{struct.pack('>f', value).hex()}"
            case Rust("f64"):
                return f"f64:{struct.pack('>d', value).hex()}"
            case Rust("char"):
                return f"char:{ord(value):x}"
            case Rust("String" | "PathBuf"):
                return f"str:{str(value).encode().hex()}"
            case Rust("Uuid"):
                return f"bytes:{value.hex}"
            case Rust("Duration"):
                seconds, nanoseconds = duration_parts(value)
                return f"Duration{{secs=u64:{seconds},nanos=u32:{nanoseconds}}}"
            case Rust("SystemTime"):
                seconds, nanoseconds = time_parts(value)
                parts = f"secs_since_epoch=u64:{seconds},nanos_since_epoch=u32:{nanoseconds}"
                return f"SystemTime{{{parts}}}"
            case Rust("Ipv4Addr" | "Ipv6Addr"):
                return f"({','.join(f'u8:{byte}' for byte in value.packed)})"
            case Rust("IpAddr"):
                kind = Rust(f"Ipv{value.version}Addr")
                return f"IpAddr::V{value.version}({self.text_of(value, kind)})"
            case Rust("Option", (item,)):
                return "None" if value is None else f"Some({self.text_of(value, item)})"
            case Rust("()", items):
                values = () if value is None else value
                return f"({self._joined(zip(values, items, strict=True))})"
            case Rust("[]", (item,), length):
                assert len(value) == length
                return f"({self._joined((one, item) for one in value)})"
            case Rust("Vec" | "VecDeque" | "LinkedList", (item,)):
                return f"[{self._joined((one, item) for one in value)}]"
            case Rust("BTreeSet", (item,)):
                ordered = sorted(value, key=lambda one: self.key_of(one, item))
                return f"[{self._joined((one, item) for one in ordered)}]"
            case Rust("HashSet", (item,)):
                return f"HashSet([{','.join(sorted(self.text_of(one, item) for one in value))}])"
            case Rust("BTreeMap" | "HashMap", (key, item)):
                pairs = value.items()
                entries = [f"{self.text_of(k, key)}={self.text_of(v, item)}" for k, v in pairs]
                return f"{{{','.join(sorted(entries))}}}"
        return self._text_of_declared(value, rust)

    def _joined(self, parts: Any) -> str:
        return ",".join(self.text_of(value, rust) for value, rust in parts)

    def _text_of_declared(self, value: Any, rust: Rust) -> str:
        declaration = self.declaration(rust)
        body, parts = self.taken_apart(value, declaration)
        name = f"{declaration.name}::{body.name}" if declaration.is_enum else body.name
        texts = [self.text_of(part, field.type) for part, field in parts]
        if body.kind == "unit":
            return name
        if body.kind == "tuple":
            return f"{name}({','.join(texts)})"
        entries = (f"{field.key}={text}" for field, text in zip(body.fields, texts, strict=True))
        return f"{name}{{{','.join(entries)}}}"

    def taken_apart(
        self, value: Any, declaration: Declaration
    ) -> tuple[Body, list[tuple[Any, Field]]]:
        """Which body a value is of, and its parts beside that body's fields."""
        parts = fields_of(value)
        if not declaration.is_enum:
            body = declaration.bodies[0]
            parts = {"": value} if parts is None else parts  # a newtype that is none in Python
        elif isinstance(value, enum.Enum):
            body, parts = declaration.bodies[list(type(value)).index(value)], {}
        elif isinstance(value, TaggedUnion):
            body = declaration.bodies[variants_of(type(value).__bases__[0]).index(type(value))]
            parts = parts or {field.key: None for field in body.fields}
        else:  # of a union each member is what a newtype variant of its name holds
            body = next(body for body in declaration.bodies if body.name == type(value).__name__)
            parts = {"": value}
        assert parts is not None
        if body.kind == "named":
            return body, [(parts[field.name], field) for field in body.fields if field.name]
        return body, list(zip(parts.values(), body.fields, strict=True))

    def key_of(self, value: Any, rust: Rust) -> Any:
        """What Rust's Ord compares of a value that can be in a set."""
        match rust:
            case Rust("Option", (item,)):
                return [] if value is None else [self.key_of(value, item)]
            case Rust("()", items):
                values = () if value is None else value
                return [self.key_of(one, item) for one, item in zip(values, items, strict=True)]
            case Rust("Vec" | "[]", (item,)):
                return [self.key_of(one, item) for one in value]
            case Rust("BTreeSet", (item,)):
                return sorted(self.key_of(one, item) for one in value)
            case Rust("PathBuf"):
                return [component_key(part) for part in value.parts or (".",)]
            case Rust("Ipv4Addr" | "Ipv6Addr" | "IpAddr"):
                return value.version, value.packed
            case Rust("Duration"):
                return duration_parts(value)
            case Rust("SystemTime"):
                return time_parts(value)
            case Rust("Uuid"):
                return value.bytes
        if rust.name not in self._texts:
            return value
        body, parts = self.taken_apart(value, self.declaration(rust))
        return body.discriminant, [self.key_of(part, field.type) for part, field in parts]


def fields_of(value: Any) -> dict[str, Any] | None:
    """The fields of a model, dataclass or NamedTuple by name; None of what is none of these."""
    if isinstance(value, BaseModel):
        names = list(type(value).model_fields)
    elif dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
    elif hasattr(value, "_fields"):
        names = list(value._fields)
    else:
        return None
    return {name.rstrip("_"): getattr(value, name) for name in names}


def variants_of(family: type) -> list[type]:
    """A family's classes in the order of their definition."""
    return family.__subclasses__()


def component_key(part: str) -> tuple[int, bytes]:
    """How Rust orders a path's components: the root, `.`, `..`, names."""
    special = ("/", ".", "..")
    return (special.index(part), b"") if part in special else (len(special), part.encode())


def duration_parts(value: Any) -> tuple[int, int]:
    """Seconds and nanoseconds."""
    if isinstance(value, timedelta):
        seconds, microseconds = divmod(value // MICROSECOND, 1_000_000)
        return seconds, microseconds * 1000
    return value.seconds, value.nanoseconds


def time_parts(value: Any) -> tuple[int, int]:
    """Seconds and nanoseconds since the epoch."""
    return duration_parts(value - EPOCH if isinstance(value, datetime) else value)
