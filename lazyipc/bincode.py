"""bincode for Python: the codec's public face, usable by itself.

The bytes are those that Rust writes through serde: with `LEGACY`, which is meant where nothing is
said, those of bincode 1's plain functions (`bincode::serialize`: little-endian, fixed width, u64
lengths, u32 variant indices); with `STANDARD` those of bincode 2's `config::standard()`.
docs/bincode.md has the format, and which Rust type is which Python type.

>>> from lazyipc import U8, bincode
>>> bincode.encode((1, "é"), tuple[U8, str]).hex(" ")
'01 02 00 00 00 00 00 00 00 c3 a9'
>>> bincode.decode(bytes.fromhex("01 0200000000000000 c3a9"), tuple[U8, str])
(1, 'é')
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from lazyipc._core import layout
from lazyipc._core.codec import (
    DEFAULT_DEPTH,
    DEFAULT_ELEMENTS,
    DEFAULT_MESSAGE_BYTES,
    MAX_DEPTH,
    Codec,
)
from lazyipc._core.compiled import codec_of
from lazyipc._core.cursor import Cursor
from lazyipc._core.encoding import ENCODINGS, Encoding
from lazyipc._core.explanation import Explanation, rows_of
from lazyipc._core.rust import declaration
from lazyipc.errors import DecodeError, IpcError, MessageTooLarge

if TYPE_CHECKING:
    import construct

__all__ = [
    "LEGACY",
    "STANDARD",
    "Config",
    "Explanation",
    "construct_for",
    "decode",
    "decode_from_slice",
    "encode",
    "explain",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How bytes are laid out, and how many are taken.

    Args:
        int_encoding: "fixed" writes each integer in its own width, "varint" in as few bytes as its
            value needs, signed ones zigzagged; u8, i8 and floats are the same in both.
        byte_order: "little" or "big".
        limit_bytes: the longest message encoded or decoded.
        elements: how many elements its sequences may have together.
        depth: how many times a recursive type may stand inside itself, up to 128; what is not
            recursive is as deep as its declaration.
        allow_trailing: ignore bytes behind the value, as Rust's plain `deserialize` does.

    Raises:
        ValueError: a setting is none of these.

    >>> big = Config(byte_order="big")
    >>> encode(1, int, big).hex()
    '0000000000000001'
    """

    int_encoding: Literal["fixed", "varint"] = "fixed"
    byte_order: Literal["little", "big"] = "little"
    limit_bytes: int = DEFAULT_MESSAGE_BYTES
    elements: int = DEFAULT_ELEMENTS
    depth: int = DEFAULT_DEPTH
    allow_trailing: bool = False
    _encoding: Encoding = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.int_encoding not in ("fixed", "varint"):
            raise ValueError(f"int_encoding is 'fixed' or 'varint', not {self.int_encoding!r}")
        if self.byte_order not in ("little", "big"):
            raise ValueError(f"byte_order is 'little' or 'big', not {self.byte_order!r}")
        for name in ("limit_bytes", "elements"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 0:
                raise ValueError(f"{name} is a whole number, not {getattr(self, name)!r}")
        if type(self.depth) is not int or not 0 <= self.depth <= MAX_DEPTH:
            raise ValueError(f"depth is between 0 and {MAX_DEPTH}, not {self.depth!r}")
        encoding = Encoding(self.int_encoding == "varint", self.byte_order)
        object.__setattr__(self, "_encoding", ENCODINGS[encoding.number])


LEGACY = Config()
"""What bincode 1's plain functions write, and bincode 2 with `config::legacy()`: fixed width,
little-endian. Bytes left over are refused unless asked for."""

STANDARD = Config(int_encoding="varint")
"""What bincode 2 writes with `config::standard()`: varints, little-endian."""


def encode(value: Any, type: Any = None, config: Config = LEGACY) -> bytes:
    """Encode a value.

    Args:
        type: its type; needed unless the value is a model. A family's root gives the variant's
            index before its fields, as Rust writes an enum; without it a variant is its fields.

    Raises:
        EncodeError: the value does not fit the type; names the field.
        MessageTooLarge: more bytes than `config.limit_bytes`.
        SchemaError: the type has no wire form.

    >>> from lazyipc import U16
    >>> encode([1, 2], list[U16]).hex(" ")
    '02 00 00 00 00 00 00 00 01 00 02 00'
    """
    codec = _codec(value.__class__ if type is None else type, config)
    data = codec.encode(value, config.depth)
    _refuse_over(len(data), config)
    return data


@overload
def decode(data: bytes | bytearray | memoryview, type: type[T], config: Config = ...) -> T: ...
@overload
def decode(data: bytes | bytearray | memoryview, type: Any, config: Config = ...) -> Any: ...
def decode(data: bytes | bytearray | memoryview, type: Any, config: Config = LEGACY) -> Any:
    """Decode bytes to a value of a type.

    Raises:
        DecodeError: the bytes are no such value; offset, path and reason say where and why.
        MessageTooLarge: more bytes, elements or levels of nesting than `config` allows.
        SchemaError: the type has no wire form.

    >>> decode(bytes([2]), bool)
    Traceback (most recent call last):
    lazyipc.errors.DecodeError: byte 0, message: a bool is 0 or 1, not 2
    """
    codec = _codec(type, config)
    if config.allow_trailing:
        return decode_from_slice(data, type, config)[0]
    if data.__class__ is bytes:
        _refuse_over(len(data), config)
        return codec.decode(data, 0, None, config.elements, config.depth)
    with memoryview(data) as view, view.cast("B") as held:
        _refuse_over(len(held), config)
        return codec.decode(held, 0, None, config.elements, config.depth)


def decode_from_slice(
    data: bytes | bytearray | memoryview, type: Any, config: Config = LEGACY
) -> tuple[Any, int]:
    """Decode the value that bytes begin with; it and how many bytes it took.

    For values that stand one behind the other, as in a file.

    Raises:
        DecodeError, MessageTooLarge, SchemaError, TypeError: as `decode`.

    Source: bincode 2, `decode_from_slice`.

    >>> from lazyipc import U8
    >>> decode_from_slice(bytes([7, 8, 9]), U8)
    (7, 1)
    """
    codec = _codec(type, config)
    with memoryview(data) as view, view.cast("B") as held:
        value, size_bytes = codec.decode_first(held, config.elements, config.depth)
    _refuse_over(size_bytes, config)
    return value, size_bytes


def construct_for(type: Any, config: Config = LEGACY) -> construct.Construct:
    """The layout of a type as a `construct` declaration: to read, to print, to parse by hand.

    It builds from the same values `encode` takes and parses to those `decode` gives. Printed, it is
    the declaration of the type in Rust, with what each field takes.

    Raises:
        SchemaError: the type has no wire form.

    >>> from lazyipc import U16
    >>> construct_for(tuple[U16, bool]).parse(bytes.fromhex("0100 01"))
    (1, True)
    """
    shape, encoding = _codec(type, config).shape, config._encoding
    return layout.readable(layout.construct_of(shape, encoding), declaration(shape, encoding))


def explain(
    data: bytes | bytearray | memoryview, type: Any, config: Config = LEGACY
) -> Explanation:
    """Walk over bytes and tell what each part of them says, and where they are refused.

    Args:
        data: the bytes, right or wrong.
        type: what they are meant to be.

    Returns:
        The parts, and what `decode` raises for them; printed, a table.

    Raises:
        SchemaError: the type has no wire form.

    >>> from lazyipc import U8
    >>> print(explain(bytes.fromhex("07 01 02"), tuple[U8, bool, bool]))
    offset  bytes  path  type  value
         0  07     [0]   u8    7
         1  01     [1]   bool  True
    refused: byte 2, [2]: a bool is 0 or 1, not 2
    """
    codec, held = _codec(type, config), bytes(memoryview(data))
    error: IpcError | None = None
    try:
        decode(held, type, config)
    except (DecodeError, MessageTooLarge) as caught:
        error = caught
    cursor = Cursor(
        held,
        0,
        len(held),
        limit_bytes=config.limit_bytes,
        elements=config.elements,
        depth=config.depth,
        encoding=config._encoding,
    )
    return Explanation(held, rows_of(codec.shape, cursor), error)


def _codec(type: Any, config: Config) -> Codec[Any]:
    if config.__class__ is not Config or type.__class__ is Config:
        raise TypeError("the type comes before the configuration; or give that as config=…")
    return codec_of(type, config._encoding)


def _refuse_over(size_bytes: int, config: Config) -> None:
    if size_bytes > config.limit_bytes:
        raise MessageTooLarge(
            "message size in bytes", size_bytes=size_bytes, limit_bytes=config.limit_bytes
        )
