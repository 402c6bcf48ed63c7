"""Hostile bytes: each is refused by its name, place and reason, in each encoding."""

from __future__ import annotations

import contextlib
import dataclasses
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from pydantic.dataclasses import dataclass as pydantic_dataclass

from lazyipc import (
    F64,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    Array,
    Char,
    TaggedUnion,
    Vec,
    bincode,
)
from lazyipc._core.compiled import codec_of
from lazyipc._core.encoding import ENCODINGS, MOST_EMPTY, Encoding
from lazyipc.bincode import LEGACY, Config
from lazyipc.errors import DecodeError, EncodeError, MessageTooLarge
from tests.core.declared_types import Chain, Color, Figure, Nested
from tests.core.matrix import MATRIX, NAMES, Row, encodings
from tests.core.refusals import (
    BIG_VARINT,
    LIMIT_BYTES,
    STANDARD,
    each_encoding,
    number,
    refusal,
    told,
)

# Lengths and counts ------------------------------------------------------------------------------

LENGTHS = [2**64 - 1, 2**63, 2**63 - 1, 2**32, 2**31, 65_536, 251]


class Post(BaseModel):
    head: U8
    body: bytes
    tail: U8


LONG: dict[str, Any] = {"str": str, "bytes": bytes, "Path": Path}


@each_encoding
@pytest.mark.parametrize("name", LONG)
def test_a_length_that_is_not_there_is_refused_behind_it(name: str, encoding: Encoding) -> None:
    for length in LENGTHS:
        at = len(number(length, encoding))
        received = number(length, encoding) + b"abc"
        reason = f"needs {length} bytes, 3 are left"
        assert told(refusal(LONG[name], received, encoding)) == (at, "", reason)
        received = b"\7" + received
        wrapped = tuple[U8, LONG[name]]
        assert told(refusal(wrapped, received, encoding)) == (at + 1, "[1]", reason)


@each_encoding
def test_a_length_one_too_long_is_refused_and_the_right_one_taken(encoding: Encoding) -> None:
    good = b"\1" + number(3, encoding) + b"abc\2"
    assert codec_of(Post, encoding).decode(good) == Post(head=1, body=b"abc", tail=2)
    for length, expected in (
        (4, (len(good), "tail", "needs 1 bytes, 0 are left")),
        (5, (len(good) - 4, "body", "needs 5 bytes, 4 are left")),
        (2, (len(good) - 1, "", "1 bytes are left over")),
    ):
        received = b"\1" + number(length, encoding) + b"abc\2"
        assert told(refusal(Post, received, encoding)) == expected


COUNTED: dict[str, tuple[Any, Callable[[Encoding], int]]] = {
    "list of U8": (list[U8], lambda encoding: 1),
    "list of U32": (list[U32], lambda encoding: 1 if encoding.varint else 4),
    "list of U128": (list[U128], lambda encoding: 1 if encoding.varint else 16),
    "list of F64": (list[F64], lambda encoding: 8),
    "list of str": (list[str], lambda encoding: 1 if encoding.varint else 8),
    "tuple of bool": (tuple[bool, ...], lambda encoding: 1),
    "set of str": (set[str], lambda encoding: 1 if encoding.varint else 8),
    "dict": (dict[U8, bool], lambda encoding: 2),
    "list of options": (list[str | None], lambda encoding: 1),
    "list of arrays": (list[Annotated[bytes, Array(5)]], lambda encoding: 5),
    "list of families": (list[Figure], lambda encoding: 1 if encoding.varint else 4),
    "list of dataclasses": (list[Chain], lambda encoding: 2),
    "recursive alias": (Nested, lambda encoding: 1 if encoding.varint else 8),
}


@each_encoding
@pytest.mark.parametrize("name", COUNTED)
def test_a_count_that_cannot_fit_is_refused_at_the_count(name: str, encoding: Encoding) -> None:
    annotation, smallest = COUNTED[name]
    for count in (3, 251, 65_536, 999_999):
        head = number(count, encoding)
        room = count * smallest(encoding) - 1
        if room > 100_000:
            room = 10
        reason = f"{count} elements do not fit what is left of the message"
        received = b"\7" + head + bytes(room)
        assert told(refusal(tuple[U8, annotation], received, encoding)) == (1, "[1]", reason)


@each_encoding
@pytest.mark.parametrize("name", COUNTED)
def test_a_count_over_the_limit_is_too_large_while_it_comes_and_after(
    name: str, encoding: Encoding
) -> None:
    annotation, _ = COUNTED[name]
    for count in (2**64 - 1, 2**63, 1_000_001):
        received = number(count, encoding) + bytes(20)
        error = refusal(annotation, received, encoding)
        assert isinstance(error, MessageTooLarge)
        assert (error.what, error.size_bytes, error.limit_bytes) == (
            "message: number of elements", count, 1_000_000,
        )  # fmt: skip
        with pytest.raises(MessageTooLarge) as caught:
            codec_of(annotation, encoding).extent(received, limit_bytes=LIMIT_BYTES).find(received)
        assert caught.value.size_bytes == count


@each_encoding
@pytest.mark.parametrize("mark", [Vec(U8), Vec(I32), Vec(F64)], ids=str)
def test_a_count_of_numpy_numbers_that_cannot_fit_is_refused(mark: Any, encoding: Encoding) -> None:
    annotation = Annotated[np.ndarray, mark]
    for count in LENGTHS:
        received = number(count, encoding) + bytes(10)
        reason = f"{count} elements do not fit what is left of the message"
        assert told(refusal(annotation, received, encoding)) == (0, "", reason)
        extent = codec_of(annotation, encoding).extent(received, limit_bytes=len(received))
        with pytest.raises(MessageTooLarge):
            extent.find(received + bytes(10))


EMPTIES: dict[str, Any] = {
    "None": list[None],
    "empty tuples": tuple[tuple[()], ...],
    "models without fields": list[tuple[()] | None] | None,
    "empty arrays": list[Annotated[list[U64], Array(0)]],
    "a set": set[tuple[None, None]],
    "a dict": dict[None, tuple[()]],
}
EMPTIES["models without fields"] = list[type("Empty", (BaseModel,), {"__module__": __name__})]


@each_encoding
@pytest.mark.parametrize("name", EMPTIES)
def test_a_count_of_what_takes_no_bytes_is_bounded(name: str, encoding: Encoding) -> None:
    for count in (MOST_EMPTY + 1, 10**6, 2**64 - 1):
        received = number(count, encoding)
        error = refusal(EMPTIES[name], received, encoding)
        assert isinstance(error, MessageTooLarge)
        assert (error.what, error.size_bytes, error.limit_bytes) == (
            "message: number of elements without bytes", count, MOST_EMPTY,
        )  # fmt: skip
    assert codec_of(EMPTIES[name], encoding).decode(number(MOST_EMPTY, encoding)) is not None
    deep = number(2, encoding) + number(3, encoding) + number(2**40, encoding)
    assert "[1]: number of elements" in str(refusal(list[EMPTIES[name]], deep, encoding))


# Varints -----------------------------------------------------------------------------------------

WIDTHS: dict[str, tuple[Any, int]] = {
    "u16": (U16, 2), "u32": (U32, 4), "u64": (U64, 8), "u128": (U128, 16),
    "i16": (I16, 2), "i32": (I32, 4), "i64": (I64, 8), "i128": (I128, 16),
}  # fmt: skip
MARKERS = {251: 2, 252: 4, 253: 8, 254: 16}


@pytest.mark.parametrize("encoding", [STANDARD, BIG_VARINT], ids=NAMES.get)
@pytest.mark.parametrize("place", ["alone", "list", "model", "array", "numpy"])
@pytest.mark.parametrize("name", WIDTHS)
def test_an_overlong_varint_is_refused_where_it_begins(
    name: str, place: str, encoding: Encoding
) -> None:
    kind, width = WIDTHS[name]
    if place == "numpy" and width == 16:
        return
    for marker, size in MARKERS.items():
        if size > width:
            continue
        most = 250 if size == 2 else (1 << (4 * size)) - 1
        for value in {0, 1, 250, most}:
            bad = bytes((marker,)) + value.to_bytes(size, encoding.byte_order)
            reason = f"overlong: {value} takes fewer bytes than {size + 1}"
            check_place(kind, place, bad, reason, encoding)


@pytest.mark.parametrize("encoding", [STANDARD, BIG_VARINT], ids=NAMES.get)
@pytest.mark.parametrize("place", ["alone", "list", "model", "array", "numpy"])
@pytest.mark.parametrize("name", WIDTHS)
def test_a_marker_too_wide_for_its_type_is_refused(
    name: str, place: str, encoding: Encoding
) -> None:
    kind, width = WIDTHS[name]
    if place == "numpy" and width == 16:
        return
    for marker in (251, 252, 253, 254, 255):
        if MARKERS.get(marker, 99) > width:
            bad = bytes((marker,)) + b"\xff" * 16
            check_place(kind, place, bad, f"byte {marker} begins no {name}", encoding)


def check_place(kind: Any, place: str, bad: bytes, reason: str, encoding: Encoding) -> None:
    """Refused at the same part, wherever numbers stand: by themselves or many at a time."""
    annotation, before, path = {
        "alone": (kind, b"", ""),
        "list": (list[kind], b"\3\7\7", "[2]"),
        "model": (tuple[U8, kind], b"\7", "[1]"),
        "array": (Annotated[list[kind], Array(2)], b"\7", "[1]"),
        "numpy": (Annotated[np.ndarray, Vec(kind)] if kind not in (U128, I128) else kind,
                  b"\2\7", ""),
    }[place]  # fmt: skip
    error = refusal(annotation, before + bad + b"\0" * (2 if place == "list" else 0), encoding)
    if place == "list":
        bad += b"\0\0"
    assert told(error) == (len(before), path, reason)
    received = before + bad
    extent = codec_of(annotation, encoding).extent(received, limit_bytes=LIMIT_BYTES)
    with pytest.raises(DecodeError) as caught:
        extent.find(received)
    assert told(caught.value) == (len(before), path, reason)


@pytest.mark.parametrize("encoding", [STANDARD, BIG_VARINT], ids=NAMES.get)
def test_overlong_lengths_counts_and_indices_are_refused_too(encoding: Encoding) -> None:
    three = b"\xfb" + (3).to_bytes(2, encoding.byte_order)
    reason = "overlong: 3 takes fewer bytes than 3"
    for annotation in (str, bytes, Path, list[U8], dict[U8, U8], set[str], Color, Figure):
        assert told(refusal(annotation, three + b"abc", encoding)) == (0, "", reason)
    for annotation in (Color, Figure):
        wide = b"\xfd" + b"\xff" * 8
        assert told(refusal(annotation, wide, encoding)) == (0, "", "byte 253 begins no u32")
        assert told(refusal(annotation, b"\xff", encoding)) == (0, "", "byte 255 begins no u32")
    assert told(refusal(str, b"\xfe" + b"\xff" * 16, encoding))[2] == "byte 254 begins no u64"


# Text --------------------------------------------------------------------------------------------

NOT_UTF8: dict[str, tuple[bytes, int, str]] = {
    "a lone continuation byte": (b"\x80", 0, "invalid start byte"),
    "an overlong slash of two bytes": (b"\xc0\xaf", 0, "invalid start byte"),
    "an overlong NUL": (b"\xc0\x80", 0, "invalid start byte"),
    "an overlong letter": (b"\xc1\xbf", 0, "invalid start byte"),
    "overlong in three bytes": (b"\xe0\x80\xaf", 0, "invalid continuation byte"),
    "overlong in four bytes": (b"\xf0\x80\x80\xaf", 0, "invalid continuation byte"),
    "the first high surrogate": (b"\xed\xa0\x80", 0, "invalid continuation byte"),
    "the last low surrogate": (b"\xed\xbf\xbf", 0, "invalid continuation byte"),
    "a pair of surrogates": (b"\xed\xa0\xbd\xed\xb8\x80", 0, "invalid continuation byte"),
    "beyond U+10FFFF": (b"\xf4\x90\x80\x80", 0, "invalid continuation byte"),
    "far beyond U+10FFFF": (b"\xf5\x80\x80\x80", 0, "invalid start byte"),
    "five bytes": (b"\xf8\x88\x80\x80\x80", 0, "invalid start byte"),
    "a byte that never occurs": (b"\xff", 0, "invalid start byte"),
    "half of two bytes": (b"\xc3", 0, "unexpected end of data"),
    "part of three bytes": (b"\xe2\x82", 0, "unexpected end of data"),
    "part of four bytes": (b"\xf0\x9f\xa6", 0, "unexpected end of data"),
    "not continued": (b"\xc3(", 0, "invalid continuation byte"),
}


@each_encoding
@pytest.mark.parametrize("name", NOT_UTF8)
def test_what_is_no_utf8_is_refused_at_its_byte(name: str, encoding: Encoding) -> None:
    bad, at, reason = NOT_UTF8[name]
    for annotation in (str, Path):
        received = number(len(bad) + 2, encoding) + b"ab" + bad
        offset = len(received) - len(bad) + at
        assert told(refusal(annotation, received, encoding)) == (offset, "", f"not UTF-8: {reason}")
        listed = number(2, encoding) + number(0, encoding) + received
        expected = (len(listed) - len(bad) + at, "[1]", f"not UTF-8: {reason}")
        assert told(refusal(list[annotation], listed, encoding)) == expected


@pytest.mark.parametrize("name", NOT_UTF8)
def test_what_is_no_char_is_refused_at_its_byte(name: str) -> None:
    """By its first byte where that begins none, else once its bytes are there."""
    bad, _, reason = NOT_UTF8[name]
    received = b"\7" + bad + b"\7\7\7"
    annotation = tuple[U8, Char, U8]
    error = refusal(annotation, received)
    assert isinstance(error, DecodeError)
    assert (error.offset, error.path) == (1, "[1]")
    if reason == "invalid start byte":
        assert error.reason == f"byte {bad[0]} begins no UTF-8 character"
    else:
        assert error.reason == "not UTF-8: invalid continuation byte"
    with pytest.raises(DecodeError):
        codec_of(annotation).extent(received, limit_bytes=LIMIT_BYTES).find(received)
    if reason == "unexpected end of data":
        cut = refusal(tuple[U8, Char], received[: 1 + len(bad)])
        assert told(cut)[0] in (1, 2)
        assert "bytes, " in told(cut)[2]


@pytest.mark.parametrize("text", ["\ud800", "a\udc80", "\ud83d\ude00", "b\udfff"], ids=ascii)
def test_surrogates_are_never_written(text: str) -> None:
    for annotation, value in ((str, text), (Path, Path(text)), (list[str], ["", text]),
                              (dict[str, str], {text: ""}), (set[str], {text})):  # fmt: skip
        with pytest.raises(EncodeError):
            codec_of(annotation).encode(value)
    for half in text:
        if half > "\ud7ff":
            with pytest.raises(EncodeError):
                codec_of(Char).encode(half)


@pytest.mark.parametrize("first", range(256))
def test_each_first_byte_of_a_char_is_taken_or_refused_alike(first: int) -> None:
    for rest in (
        b"",
        b"\x80",
        b"\x80\x80",
        b"\x80\x80\x80",
        b"\xbf\xbf\xbf",
        b"abc",
        b"\x90\x80\x80",
    ):
        received = bytes((first,)) + rest
        try:
            value = received.decode()
            expected = value if len(value) == 1 else None
        except UnicodeDecodeError:
            expected = None
        codec = codec_of(Char)
        if expected is not None:
            assert codec.decode(received) == expected
            assert codec.extent(received, limit_bytes=9).find(received) == len(received)
        else:
            refusal(Char, received)


# Bytes of which only some are values -------------------------------------------------------------


@pytest.mark.parametrize("byte", range(2, 256))
def test_a_bool_and_the_tag_of_an_option_are_0_or_1(byte: int) -> None:
    bad = bytes((byte,))
    assert told(refusal(bool, bad)) == (0, "", f"a bool is 0 or 1, not {byte}")
    expected = (0, "", f"an Option begins with 0 or 1, not {byte}")
    assert told(refusal(U8 | None, bad + b"\1")) == expected
    listed = struct.pack("<Q", 3) + b"\1\0" + bad
    assert told(refusal(list[bool], listed)) == (10, "[2]", f"a bool is 0 or 1, not {byte}")
    annotation = Annotated[tuple[bool, ...], Array(3)]
    assert told(refusal(annotation, b"\0\1" + bad))[:2] == (2, "[2]")


@each_encoding
@pytest.mark.parametrize("index", [3, 4, 250, 251, 699, 701, 65_536, 2**32 - 1])
def test_an_index_out_of_range_is_refused_and_told_what_there_is(
    index: int, encoding: Encoding
) -> None:
    received = number(index, encoding, 32) + bytes(40)
    assert told(refusal(Figure, received, encoding)) == (
        0, "", f"Figure has no variant {index} (it has 0 Dot, 700 Disc, 2 a label)",
    )  # fmt: skip
    assert told(refusal(Color, received, encoding)) == (
        0, "", f"Color has no member {index}, only 0 to 2",
    )  # fmt: skip
    reason = f"IpAddr has no variant {index} (it has 0 V4, 1 V6)"
    address = IPv4Address | IPv6Address
    assert told(refusal(address, received, encoding)) == (0, "", reason)


# Constraints -------------------------------------------------------------------------------------


@dataclasses.dataclass
class Reading:
    level: Annotated[U8, Field(gt=5)]
    name: Annotated[str, Field(pattern="^[a-z]*$", max_length=3)] = ""


@pydantic_dataclass
class Checked:
    level: Annotated[U8, Field(gt=5)]
    name: Annotated[str, Field(pattern="^[a-z]*$", max_length=3)] = ""


class Named(NamedTuple):
    level: Annotated[U8, Field(gt=5)]
    name: Annotated[str, Field(pattern="^[a-z]*$", max_length=3)] = ""


class Model(BaseModel):
    level: Annotated[U8, Field(gt=5)]
    name: Annotated[str, Field(pattern="^[a-z]*$", max_length=3)] = ""


class Family(TaggedUnion):
    pass


class Other(Family):
    pass


class Some(Family):
    level: Annotated[U8, Field(gt=5)]
    name: Annotated[str, Field(pattern="^[a-z]*$", max_length=3)] = ""


WRONG: list[tuple[bytes, str, str, int, str]] = [
    (b"\5", "", "level", 0, "Input should be greater than 5 (got 5)"),
    (b"\6", "A", "name", 1, "String should match pattern '^[a-z]*$' (got 'A')"),
    (b"\7", "abcd", "name", 1, "String should have at most 3 characters (got 'abcd')"),
    (b"\0", "A", "level", 0, "Input should be greater than 5 (got 0)"),
]


def steps(kind: Any, field: str) -> str:
    """What a path calls a field: a NamedTuple's has a position."""
    return f"[{Named._fields.index(field)}]" if kind is Named else f".{field}"


@each_encoding
@pytest.mark.parametrize("kind", [Reading, Checked, Named, Model])
@pytest.mark.parametrize(("level", "name", "field", "at", "reason"), WRONG)
def test_what_a_class_demands_is_demanded_of_bytes_wherever_it_stands(
    kind: Any, level: bytes, name: str, field: str, at: int, reason: str, encoding: Encoding
) -> None:
    def text(value: str) -> bytes:
        return number(len(value), encoding) + value.encode()

    bad, good = level + text(name), b"\x07" + text("ok")
    step = steps(kind, field)
    two, one = number(2, encoding), number(1, encoding)
    for annotation, before, path in (
        (kind, b"", step.lstrip(".")),
        (list[kind], two + good, f"[1]{step}"),
        (tuple[U8, kind], b"\7", f"[1]{step}"),
        (kind | None, b"\1", step.lstrip(".")),
        (Annotated[list[kind], Array(2)], good, f"[1]{step}"),
        (list[kind | None], two + b"\0\1", f"[1]{step}"),
        (list[list[kind]], two + one + good + one, f"[1][0]{step}"),
    ):
        error = refusal(annotation, before + bad, encoding)
        assert told(error) == (len(before) + at, path, reason)


@each_encoding
@pytest.mark.parametrize(("level", "name", "field", "at", "reason"), WRONG)
def test_what_a_variant_demands_is_demanded_of_bytes(
    level: bytes, name: str, field: str, at: int, reason: str, encoding: Encoding
) -> None:
    index = number(1, encoding, 32)
    bad = index + level + number(len(name), encoding) + name.encode()
    offset = len(index) + at
    assert told(refusal(Family, bad, encoding)) == (offset, f"Some.{field}", reason)
    listed = number(2, encoding) + number(0, encoding, 32) + bad
    error = refusal(list[Family], listed, encoding)
    assert told(error) == (len(listed) - len(bad) + offset, f"[1].Some.{field}", reason)


@pytest.mark.parametrize("kind", [Reading, Checked, Named, Model])
def test_what_a_class_demands_is_demanded_of_values(kind: Any) -> None:
    for level, name, field in (
        (5, "", "level"),
        (6, "A", "name"),
        (7, "abcd", "name"),
        (256, "", "level"),
        ("6", "", "level"),
        (6, None, "name"),
    ):
        if kind is Model:
            value: Any = Model.model_construct(level=level, name=name)
        elif kind is Checked:
            value = Checked(level=7)
            value.level, value.name = level, name
        else:
            value = kind(level, name)
        fits_bytes = isinstance(level, int) and level < 256 and isinstance(name, str)
        for annotation, wrapped, prefix in (
            (kind, value, ""), (list[kind], [value], "[0]."), (kind | None, value, ""),
        ):  # fmt: skip
            if kind is Model and fits_bytes:
                continue  # a model is checked when it is built, and then trusted
            with pytest.raises(EncodeError) as caught:
                codec_of(annotation).encode(wrapped)
            assert caught.value.path == prefix + field


# Anything at all ---------------------------------------------------------------------------------


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_bytes_of_one_kind_are_a_value_or_refused(row: Row) -> None:
    """Runs of 00, 01, 7f, fa, fb … ff reach the ends of every range."""
    for encoding in ENCODINGS:
        codec = codec_of(row.annotation, encoding)
        for byte in (0x00, 0x01, 0x7F, 0x80, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF):
            for length in (1, 9, 40):
                received = bytes((byte,)) * length
                with contextlib.suppress(DecodeError, MessageTooLarge):
                    codec.decode(received, elements=1000)


@given(row=st.sampled_from(MATRIX), encoding=encodings, received=st.binary(max_size=64))
def test_a_config_takes_or_refuses_any_bytes(row: Row, encoding: Encoding, received: bytes) -> None:
    for trailing in (False, True):
        config = Config(
            int_encoding="varint" if encoding.varint else "fixed",
            byte_order=encoding.byte_order,
            limit_bytes=32,
            elements=5,
            depth=2,
            allow_trailing=trailing,
        )
        try:
            value = bincode.decode(received, row.annotation, config)
        except (DecodeError, MessageTooLarge):
            continue
        encoded = bincode.encode(value, row.annotation, config)
        assert len(encoded) <= 32
        assert LEGACY.limit_bytes > 32
