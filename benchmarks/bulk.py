"""A mebibyte of numbers or bytes, beside the bulk conversions of `struct`, `array` and NumPy.

A conversion moves 1 MiB, so a rate of these rows is one of MiB a second.
"""

from __future__ import annotations

import array
import random
import struct
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from benchmarks.rounds import Row, interleave, repeated, speed_row
from lazyipc import F64, U64, Vec
from lazyipc.bincode import decode, encode

COUNT = 131_072
SIZE_BYTES = 8 * COUNT
PREFIX = struct.Struct("<Q")
ROWS = 8
AT_LEAST = 0.5
TRIALS = 5
"""Rounds of each baseline before the faster one is picked."""

Step = Callable[[], Any]


def rows(seconds: float) -> Iterator[Row]:
    """Encoding and decoding of each, as public functions do it."""
    dice = random.Random(1)
    share = seconds / ROWS
    integers = [dice.getrandbits(64) for _ in range(COUNT)]  # as wide as ids and hashes are
    yield from _list_rows("list[U64]", list[U64], "Q", integers, share)
    yield from _list_rows("list[F64]", list[F64], "d", [dice.random() for _ in range(COUNT)], share)
    yield from _bytes_rows(dice.randbytes(SIZE_BYTES), share)
    yield from _array_rows(share)


def _list_rows(
    name: str, type: Any, letter: str, values: list[Any], seconds: float
) -> Iterator[Row]:
    data = encode(values, type)

    def by_struct() -> bytes:
        return struct.pack(f"<Q{COUNT}{letter}", COUNT, *values)

    def by_array() -> bytes:
        return PREFIX.pack(COUNT) + array.array(letter, values).tobytes()

    def from_struct() -> list[Any]:
        return list(struct.unpack_from(f"<{COUNT}{letter}", data, PREFIX.size))

    def from_array() -> list[Any]:
        made = array.array(letter)
        made.frombytes(memoryview(data)[PREFIX.size :])
        return made.tolist()

    if not data == by_struct() == by_array():
        raise RuntimeError("bytes differ")
    if not decode(data, type) == from_struct() == from_array() == values:
        raise RuntimeError("values came back changed")
    by, back = (by_struct, by_array), (from_struct, from_array)
    yield _row(f"1 MiB {name}, encode", lambda: encode(values, type), by, seconds)
    yield _row(f"1 MiB {name}, decode", lambda: decode(data, type), back, seconds)


def _bytes_rows(value: bytes, seconds: float) -> Iterator[Row]:
    data = encode(value, bytes)

    def by_struct() -> bytes:
        return struct.pack(f"<Q{SIZE_BYTES}s", SIZE_BYTES, value)

    def by_slice() -> bytes:
        return bytes(data[PREFIX.size :])

    if data != by_struct() or not decode(data, bytes) == by_slice() == value:
        raise RuntimeError("bytes differ")
    yield _row("1 MiB bytes, encode", lambda: encode(value, bytes), (by_struct,), seconds)
    yield _row("1 MiB bytes, decode", lambda: decode(data, bytes), (by_slice,), seconds)


def _array_rows(seconds: float) -> Iterator[Row]:
    # Imported here because it starts threads, and other rows fork.
    import numpy as np

    type = Annotated[np.ndarray, Vec(F64)]
    values = np.random.default_rng(1).random(COUNT)
    data = encode(values, type)

    def by_numpy() -> bytes:
        return PREFIX.pack(COUNT) + values.tobytes()

    def from_numpy() -> Any:
        return np.frombuffer(data, "<f8", offset=PREFIX.size).copy()

    if data != by_numpy():
        raise RuntimeError("bytes differ")
    if not (np.array_equal(decode(data, type), values) and np.array_equal(from_numpy(), values)):
        raise RuntimeError("values came back changed")
    yield _row("1 MiB ndarray, encode", lambda: encode(values, type), (by_numpy,), seconds)
    yield _row("1 MiB ndarray, decode", lambda: decode(data, type), (from_numpy,), seconds)


def _row(name: str, ours: Step, baselines: tuple[Step, ...], seconds: float) -> Row:
    """A row beside the fastest baseline; which that is differs between versions of Python."""
    raw = min(map(repeated, baselines), key=lambda measure: min(measure() for _ in range(TRIALS)))
    return speed_row(name, interleave(repeated(ours), raw, seconds), at_least=AT_LEAST)
