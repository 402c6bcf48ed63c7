"""How hostile bytes are made, and how their refusal is looked at."""

from __future__ import annotations

from typing import Any

import pytest

from lazyipc._core.compiled import codec_of
from lazyipc._core.encoding import ENCODINGS, Encoding
from lazyipc.errors import DecodeError, MessageTooLarge
from tests.core.matrix import NAMES

FIXED, STANDARD, BIG, BIG_VARINT = ENCODINGS
LIMIT_BYTES = 1 << 30
"""As long as any message here says it is."""

each_encoding = pytest.mark.parametrize("encoding", ENCODINGS, ids=NAMES.get)


def number(value: int, encoding: Encoding, bits: int = 64, *, signed: bool = False) -> bytes:
    """An integer as the encoding has it, written down without the library."""
    if not encoding.varint:
        return value.to_bytes(bits // 8, encoding.byte_order, signed=signed)
    if signed:
        value = 2 * value if value >= 0 else -2 * value - 1
    for size, end, marker in ((1, 251, b""), (2, 2**16, b"\xfb"), (4, 2**32, b"\xfc"),
                              (8, 2**64, b"\xfd"), (16, 2**128, b"\xfe")):  # fmt: skip
        if value < end:
            return marker + value.to_bytes(size, encoding.byte_order)
    raise AssertionError(value)


def refusal(
    annotation: Any, received: bytes, encoding: Encoding = FIXED, **limits: int
) -> DecodeError | MessageTooLarge:
    """The one error that decoding raises; the extent never finds an end before it."""
    codec = codec_of(annotation, encoding)
    with pytest.raises((DecodeError, MessageTooLarge)) as caught:
        codec.decode(received, **limits)
    return caught.value


def told(error: DecodeError | MessageTooLarge) -> tuple[int, str, str]:
    assert isinstance(error, DecodeError)
    return error.offset, error.path, error.reason
