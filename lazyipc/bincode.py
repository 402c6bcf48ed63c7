"""bincode for Python: the codec's public face, usable by itself.

The bytes are those of the plain functions of Rust's bincode 1 (`bincode::serialize`):
little-endian, fixed width, u64 lengths, u32 variant indices.

>>> from lazyipc import U8, bincode
>>> bincode.encode((1, "é"), tuple[U8, str]).hex(" ")
'01 02 00 00 00 00 00 00 00 c3 a9'
>>> bincode.decode(bytes.fromhex("01 0200000000000000 c3a9"), tuple[U8, str])
(1, 'é')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from lazyipc._core import layout
from lazyipc._core.codec import DEFAULT_ELEMENTS, DEFAULT_MESSAGE_BYTES, codec_of
from lazyipc.errors import MessageTooLarge

if TYPE_CHECKING:
    import construct

__all__ = ["LEGACY", "Config", "construct_for", "decode", "encode"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How bytes are laid out, and how many are taken.

    Args:
        limit_bytes: the longest message encoded or decoded.
        elements: how many elements its sequences may have together.
        allow_trailing: ignore bytes behind the value, as Rust's plain `deserialize` does.
    """

    limit_bytes: int = DEFAULT_MESSAGE_BYTES
    elements: int = DEFAULT_ELEMENTS
    allow_trailing: bool = False


LEGACY = Config()
"""What bincode 1's plain functions write. Bytes left over are refused unless asked for."""


def encode(value: Any, type: Any = None, config: Config = LEGACY) -> bytes:
    """Encode a value.

    Args:
        type: its type; needed unless the value is a model. A family's root gives the variant's
            index before its fields, as Rust writes an enum.

    Raises:
        EncodeError: the value does not fit the type; names the field.
        MessageTooLarge: more bytes than `config.limit_bytes`.
        SchemaError: the type has no wire form.

    >>> from lazyipc import U16
    >>> encode([1, 2], list[U16]).hex(" ")
    '02 00 00 00 00 00 00 00 01 00 02 00'
    """
    data = codec_of(value.__class__ if type is None else type).encode(value)
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
        MessageTooLarge: more bytes or elements than `config` allows.
        SchemaError: the type has no wire form.

    >>> decode(b"\\x02", bool)
    Traceback (most recent call last):
    lazyipc.errors.DecodeError: byte 0, message: a bool is 0 or 1, not 2
    """
    codec = codec_of(type)
    end = len(data)
    if config.allow_trailing:
        extent = codec.extent(bytes(data), limit_bytes=config.limit_bytes, elements=config.elements)
        found = extent.find(bytes(data))
        end = end if found is None else found
    else:
        _refuse_over(end, config)
    return codec.decode(data, 0, end, elements=config.elements)


def construct_for(type: Any) -> construct.Construct:
    """The layout of a type as a `construct` declaration: to read, to print, to parse by hand.

    It builds from the same values `encode` takes and parses to those `decode` gives.

    Raises:
        SchemaError: the type has no wire form.

    >>> from lazyipc import U16
    >>> construct_for(tuple[U16, bool]).parse(bytes.fromhex("0100 01"))
    (1, True)
    """
    return layout.construct_of(codec_of(type).shape)


def _refuse_over(size_bytes: int, config: Config) -> None:
    if size_bytes > config.limit_bytes:
        raise MessageTooLarge(
            "message size in bytes", size_bytes=size_bytes, limit_bytes=config.limit_bytes
        )
