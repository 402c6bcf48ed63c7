"""`Codec`: what it refuses, and that every refusal says where and why."""

from __future__ import annotations

import array
import dataclasses
import enum
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import UUID

import numpy as np
import pytest
from pydantic import BaseModel, Field, create_model, field_validator

from lazyipc import (
    F32,
    U8,
    U16,
    U32,
    U64,
    U128,
    Array,
    Char,
    Duration,
    SystemTime,
    TaggedUnion,
    Vec,
)
from lazyipc._core import layout
from lazyipc._core.annotation import shape_of
from lazyipc._core.codec import DEFAULT_ELEMENTS, Codec
from lazyipc._core.compiled import codec_of, structure_codec
from lazyipc._core.encoding import EMPTY_WEIGHT, ENCODINGS, MOST_EMPTY, Encoding
from lazyipc.errors import DecodeError, EncodeError, IpcError, MessageTooLarge, SchemaError
from tests.core.declared_types import (
    Color,
    Disc,
    Dot,
    Figure,
    Label,
    Nothing,
    Point,
    Segment,
    Spot,
    Tree,
)
from tests.core.declared_types import Plain as PlainClass


class Limited(BaseModel):
    name: str
    level: Annotated[int, Field(gt=5)]


@dataclasses.dataclass
class Dial:
    """Of a fixed size, which no bool would be."""

    level: Annotated[U8, Field(gt=5)]
    unit: U8


class Ranged(BaseModel):
    level: Annotated[U8, Field(gt=5)]
    unit: U8


class Crew(BaseModel):
    captain: Limited | None
    others: list[Limited]


class Task(TaggedUnion):
    pass


class Wait(Task):
    pass


class Work(Task):
    name: str
    level: Annotated[int, Field(gt=5)]


class Plan(BaseModel):
    tasks: list[Task]


class Choosing(BaseModel):
    head: U8
    choice: Point | Nothing


class Plain(BaseModel):
    """A field of each kind, none of which is checked again after the model is built."""

    flag: bool = True
    number: U8 = 1
    whole: int = 1
    real: F32 = 1.0
    text: str = ""
    blob: bytes = b""
    color: Color = Color.RED
    note: str | None = None
    numbers: list[int] = []
    names: list[str] = []
    pair: tuple[U8, str] = (1, "")
    by_name: dict[str, U8] = {}
    point: Point = Point(x=1, y=1)
    figure: Figure = Dot()
    wide: U128 = 1
    char: Char = "a"
    tags: set[str] = {"b", "a"}
    key: Annotated[bytes, Array(2)] = b"ab"
    three: Annotated[list[U8], Array(3)] = [1, 2, 3]
    data: Annotated[np.ndarray, Vec(F32)] = Field(default_factory=lambda: np.ones(2, np.float32))
    grid: Annotated[np.ndarray, Array(2, U8)] = Field(default_factory=lambda: np.ones(2, np.uint8))
    path: Path = Path("a")
    uuid: UUID = UUID(int=1)
    length: Duration = Duration(1)
    delta: timedelta = timedelta(1)
    moment: SystemTime = SystemTime(1)
    when: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    v4: IPv4Address = IPv4Address(1)
    address: IPv4Address | IPv6Address = IPv6Address(1)
    spot: Spot = Spot("a", 1)
    plain: PlainClass = Field(default_factory=lambda: PlainClass("a", 1))
    tree: Tree = Tree(value=1, left=None, right=None)


class Chest(BaseModel):
    plain: Plain
    many: list[Plain]


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def text(value: str) -> bytes:
    return u64(len(value)) + value.encode()


# Bytes that are refused --------------------------------------------------------------------------

BAD_BYTES: dict[str, tuple[Any, bytes, int, str, str]] = {
    "bool": (bool, b"\2", 0, "", "a bool is 0 or 1, not 2"),
    "bool in a list": (list[bool], u64(2) + b"\1\xff", 9, "[1]", "a bool is 0 or 1, not 255"),
    "option": (U8 | None, b"\7", 0, "", "an Option begins with 0 or 1, not 7"),
    "option in a product": (
        tuple[U8, U8 | None], b"\1\2", 1, "[1]", "an Option begins with 0 or 1, not 2",
    ),
    "variant": (
        Figure, u32(1), 0, "", "Figure has no variant 1 (it has 0 Dot, 700 Disc, 2 a label)",
    ),
    "variant in a list": (
        list[Figure], u64(2) + u32(0) + u32(3), 12, "[1]",
        "Figure has no variant 3 (it has 0 Dot, 700 Disc, 2 a label)",
    ),
    "alternative of a union": (
        Choosing, b"\1" + u32(2), 1, "choice",
        "Point | Nothing has no variant 2 (it has 0 Point, 1 Nothing)",
    ),
    "within a variant": (
        Figure, u32(2) + b"\1" + text("x") + b"\1" + u32(9), 15, "a label.color",
        "Color has no member 9, only 0 to 2",
    ),
    "member": (Color, u32(3), 0, "", "Color has no member 3, only 0 to 2"),
    "member of 4 bytes": (Color, b"\0\0\0\1", 0, "", "Color has no member 16777216, only 0 to 2"),
    "not UTF-8": (str, u64(2) + b"a\xff", 9, "", "not UTF-8: invalid start byte"),
    "half a character": (str, u64(1) + b"\xc3", 8, "", "not UTF-8: unexpected end of data"),
    "a surrogate": (str, u64(3) + b"\xed\xa0\x80", 8, "", "not UTF-8: invalid continuation byte"),
    "not UTF-8 in a key": (
        dict[str, U8], u64(2) + text("a") + b"\1" + u64(1) + b"\x80\1", 26, "[pair 1].key",
        "not UTF-8: invalid start byte",
    ),
    "length of a str": (str, u64(2**63) + b"abc", 8, "", f"needs {2**63} bytes, 3 are left"),
    "length of bytes": (bytes, u64(2**63), 8, "", f"needs {2**63} bytes, 0 are left"),
    "largest length": (bytes, u64(2**64 - 1), 8, "", f"needs {2**64 - 1} bytes, 0 are left"),
    "length one too large": (bytes, u64(3) + b"ab", 8, "", "needs 3 bytes, 2 are left"),
    "count one too large": (
        list[U16], u64(2) + b"\1\0\2", 0, "", "2 elements do not fit what is left of the message",
    ),
    "count of strings": (
        list[str], u64(2) + text("abcdefg"), 0, "",
        "2 elements do not fit what is left of the message",
    ),
    "count of pairs": (
        dict[U8, U16], u64(2) + bytes(5), 0, "",
        "2 elements do not fit what is left of the message",
    ),
    "truncated": (U32, b"\1\2", 0, "", "needs 4 bytes, 2 are left"),
    "truncated field": (Point, bytes(7), 4, "y", "needs 4 bytes, 3 are left"),
    "truncated in depth": (
        Segment, text("") + bytes(12), 20, "end.y", "needs 4 bytes, 0 are left",
    ),
    "truncated in an item": (
        list[tuple[str, U16]], u64(1) + text("ab"), 18, "[0][1]", "needs 2 bytes, 0 are left",
    ),
    "one left over": (U8, b"\1\2", 1, "", "1 bytes are left over"),
    "left over behind nothing": (None, b"abc", 0, "", "3 bytes are left over"),
    "left over behind a model": (Point, bytes(11), 8, "", "3 bytes are left over"),
    "a rule of the model": (
        Limited, text("x") + u64(5), 9, "level", "Input should be greater than 5 (got 5)",
    ),
    "a rule in an option": (
        Crew, b"\1" + text("x") + u64(5) + u64(0), 10, "captain.level",
        "Input should be greater than 5 (got 5)",
    ),
    "a rule in a list": (
        Crew, b"\0" + u64(2) + text("long name") + u64(6) + text("x") + u64(5), 43,
        "others[1].level", "Input should be greater than 5 (got 5)",
    ),
    "a rule in a bare list": (
        list[Limited], u64(2) + text("a") + u64(6) + text("b") + u64(4), 34, "[1].level",
        "Input should be greater than 5 (got 4)",
    ),
    "a rule in a tuple": (
        tuple[U8, Limited], b"\1" + text("b") + u64(4), 10, "[1].level",
        "Input should be greater than 5 (got 4)",
    ),
    "a rule in a list of a fixed size": (
        tuple[U8, list[Dial]], b"\1" + u64(2) + b"\6\1" + b"\5\0", 11, "[1][1].level",
        "Input should be greater than 5 (got 5)",
    ),
    "a rule in an array of a fixed size": (
        Annotated[tuple[Dial, ...], Array(2)], b"\6\1" + b"\5\0", 2, "[1].level",
        "Input should be greater than 5 (got 5)",
    ),
    "a rule in a tuple of a fixed size": (
        tuple[U32, tuple[Dial, Dial]], u32(0) + b"\6\1" + b"\5\0", 6, "[1][1].level",
        "Input should be greater than 5 (got 5)",
    ),
    "a rule in a list of models of a fixed size": (
        list[tuple[U8, Ranged]], u64(2) + b"\7\6\1" + b"\7\5\0", 12, "[1][1].level",
        "Input should be greater than 5 (got 5)",
    ),
    "a rule in the first of many": (
        list[Limited], u64(30_000) + text("") + u64(5) + (text("") + u64(6)) * 29_999, 16,
        "[0].level", "Input should be greater than 5 (got 5)",
    ),
    "a rule in a set": (
        tuple[U8, set[Annotated[U8, Field(le=50)]]], b"\7" + u64(3) + bytes((9, 100, 8)), 1, "[1]",
        "Input should be less than or equal to 50 (got 100)",
    ),
    "a rule in a set with an element twice": (
        set[Annotated[U8, Field(le=50)]], u64(3) + bytes((9, 9, 100)), 0, "",
        "Input should be less than or equal to 50 (got 100)",
    ),
    "a rule in a variant": (
        Task, u32(1) + text("b") + u64(4), 13, "Work.level",
        "Input should be greater than 5 (got 4)",
    ),
    "a rule in a list of variants": (
        Plan, u64(3) + u32(0) + u32(1) + text("ok") + u64(6) + u32(1) + text("b") + u64(4), 47,
        "tasks[2].Work.level", "Input should be greater than 5 (got 4)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_BYTES)
def test_refused_bytes_say_where_and_why(name: str) -> None:
    annotation, received, offset, path, reason = BAD_BYTES[name]
    with pytest.raises(DecodeError) as caught:
        codec_of(annotation).decode(received)
    error = caught.value
    assert (error.offset, error.path, error.reason) == (offset, path, reason)


@pytest.mark.parametrize("name", BAD_BYTES)
def test_the_offset_counts_from_where_the_message_starts(name: str) -> None:
    annotation, received, offset, path, _ = BAD_BYTES[name]
    padded = b"\xff" * 5 + received + b"\xff" * 7
    with pytest.raises(DecodeError) as caught:
        codec_of(annotation).decode(padded, 5, 5 + len(received))
    assert (caught.value.offset, caught.value.path) == (offset, path)


@dataclasses.dataclass
class Gauge:
    readings: list[U8]
    level: Annotated[U8, Field(gt=5)]


def test_a_place_is_found_with_no_element_to_spare() -> None:
    """What was counted on the way to a class is not counted once more inside of it."""
    received = u64(2) + (u64(2) + b"\1\2" + b"\6") + (u64(3) + b"\1\2\3" + b"\5")
    with pytest.raises(DecodeError) as caught:
        codec_of(list[Gauge]).decode(received, elements=2 + 2 + 3)
    error = caught.value
    assert (error.offset, error.path) == (len(received) - 1, "[1].level")
    assert error.reason == "Input should be greater than 5 (got 5)"


def test_a_negative_count_of_bytes_is_never_asked_for() -> None:
    """The fields before it reach past the message's end, into the next message."""
    with pytest.raises(DecodeError, match="needs 4 bytes, 2 are left"):
        codec_of(tuple[U32, list[U8]]).decode(bytes(20), 0, 2)


# Bombs -------------------------------------------------------------------------------------------

MANY, EMPTY = "message: number of elements", "message: number of elements without bytes"

BOMBS: dict[str, tuple[Any, bytes, str, int]] = {
    "a list": (list[U8], u64(2**63), MANY, 2**63),
    "the largest": (list[str], u64(2**64 - 1), MANY, 2**64 - 1),
    "a set": (set[str], u64(2**63), MANY, 2**63),
    "a dict": (dict[str, str], u64(2**63), MANY, 2**63),
    "one more than may be": (list[bool], u64(DEFAULT_ELEMENTS + 1), MANY, 1_000_001),
    "nothings": (list[None], u64(MOST_EMPTY + 1), EMPTY, MOST_EMPTY + 1),
    "a set of nothings": (set[tuple[()]], u64(2**40), EMPTY, 2**40),
    "empty models": (list[Nothing], u64(2**40), EMPTY, 2**40),
    "empty tuples": (tuple[tuple[()], ...], u64(2**40), EMPTY, 2**40),
    "pairs of nothing": (dict[None, None], u64(2**40), EMPTY, 2**40),
    "empty arrays": (list[Annotated[bytes, Array(0)]], u64(2**64 - 1), EMPTY, 2**64 - 1),
    "lists of nothings": (
        list[list[None]],
        u64(3) + u64(400) * 3,
        "[2]: number of elements without bytes",
        400 + 400 + 400,
    ),
    "lists of lists": (
        list[list[list[bool]]],
        u64(2) + u64(0) + u64(10**6 - 1),
        "[1]: number of elements",
        2 + 10**6 - 1,
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_too_large_before_memory_is_taken_for_it(name: str) -> None:
    annotation, received, what, size = BOMBS[name]
    with pytest.raises(MessageTooLarge) as caught:
        codec_of(annotation).decode(received)
    error = caught.value
    limit = MOST_EMPTY if "without bytes" in what else DEFAULT_ELEMENTS
    assert (error.what, error.size_bytes, error.limit_bytes) == (what, size, limit)


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_too_large_while_it_still_comes(name: str) -> None:
    annotation, received, what, size = BOMBS[name]
    with pytest.raises(MessageTooLarge) as caught:
        codec_of(annotation).extent(received, limit_bytes=2**30).find(received)
    assert (caught.value.what, caught.value.size_bytes) == (what, size)


def test_a_length_over_the_limit_is_too_large_before_its_bytes_come() -> None:
    received = text("") + bytes(16) + b"\0" + u32(2) + b"\1" + u64(2**62)
    with pytest.raises(MessageTooLarge) as caught:
        codec_of(Segment).extent(received, limit_bytes=1000).find(received)
    assert caught.value.what == "figure.a label.text: size in bytes"
    assert caught.value.limit_bytes == 1000
    assert caught.value.size_bytes == len(received) + 2**62


COUNTED: dict[str, tuple[Any, Any, int]] = {
    "numbers": (list[U8], [0] * 7, 7),
    "lists of numbers": (list[list[U8]], [[0] * 2, [0] * 3], 2 + 2 + 3),
    "pairs": (dict[U8, None], dict.fromkeys(range(7)), 7),
    "a set": (set[U8], set(range(7)), 7),
    "an array": (Annotated[list[U8], Array(7)], [0] * 7, 7),
    "an array in a list": (
        list[Annotated[tuple[bool, ...], Array(2)]], [(True, False)] * 2, 2 + 2 * 2,
    ),
    "in classes": (
        tuple[Crew, list[U8]],
        (Crew(captain=None, others=[Limited(name="a", level=6)]), [1, 2]),
        3,
    ),
    "nothings": (list[None], [None] * 7, 7 * EMPTY_WEIGHT),
    "lists of nothings": (list[list[None]], [[None] * 2, [None] * 3], 2 + 5 * EMPTY_WEIGHT),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
def test_the_elements_of_one_message_are_counted_together(name: str) -> None:
    annotation, value, elements = COUNTED[name]
    codec = codec_of(annotation)
    encoded = codec.encode(value)
    assert codec.decode(encoded, elements=elements) == value
    extent = codec.extent(encoded, limit_bytes=len(encoded), elements=elements)
    assert extent.find(encoded) == len(encoded)
    with pytest.raises(MessageTooLarge) as caught:
        codec.decode(encoded, elements=elements - 1)
    unit = EMPTY_WEIGHT if "nothings" in name else 1
    assert caught.value.size_bytes == elements // unit
    assert caught.value.limit_bytes == (elements - 1) // unit
    with pytest.raises(MessageTooLarge):
        codec.extent(encoded, limit_bytes=len(encoded), elements=elements - 1).find(encoded)


def test_where_no_element_is_allowed_one_is_too_many() -> None:
    codec = codec_of(list[U8])
    assert codec.decode(u64(0), elements=0) == []
    with pytest.raises(MessageTooLarge):
        codec.decode(u64(1) + b"\1", elements=0)


def test_as_many_elements_as_the_default_allows_are_taken() -> None:
    codec = codec_of(list[bool])
    assert len(codec.decode(u64(DEFAULT_ELEMENTS) + bytes(DEFAULT_ELEMENTS))) == DEFAULT_ELEMENTS


@pytest.mark.parametrize("annotation", [list[None], list[Nothing], tuple[tuple[()], ...]])
def test_as_many_elements_without_bytes_as_may_be_are_taken(annotation: Any) -> None:
    codec = codec_of(annotation)
    value = codec.decode(u64(MOST_EMPTY))
    assert len(value) == MOST_EMPTY
    assert codec.encode(value) == u64(MOST_EMPTY)
    with pytest.raises(EncodeError, match="1001 elements that take no bytes; at most 1000 may"):
        codec.encode(value + type(value)(value[:1]))


# Validators of the user --------------------------------------------------------------------------


class Odd(Exception):
    """Something nobody expects."""


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("by nought"), KeyError("k"), TypeError("t"), Odd("o"), OSError(5)]
)
@pytest.mark.parametrize("within", ["model", "list", "variant"])
def test_what_a_validator_raises_is_a_decode_error(error: Exception, within: str) -> None:
    class Touchy(BaseModel):
        value: U8

        @field_validator("value")
        @classmethod
        def refuse(cls, value: int) -> int:
            raise error

    class Root(TaggedUnion):
        pass

    class Only(Root):
        value: U8

        @field_validator("value")
        @classmethod
        def refuse(cls, value: int) -> int:
            raise error

    annotation, received = {
        "model": (Touchy, b"\1"),
        "list": (list[Touchy], u64(1) + b"\1"),
        "variant": (Root, u32(0) + b"\1"),
    }[within]
    with pytest.raises(DecodeError, match=type(error).__name__) as caught:
        codec_of(annotation).decode(received)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [ValueError("not that"), AssertionError("not that")])
def test_what_a_validator_says_is_the_reason(error: Exception) -> None:
    class Picky(BaseModel):
        head: U16
        value: U8

        @field_validator("value")
        @classmethod
        def refuse(cls, value: int) -> int:
            raise error

    with pytest.raises(DecodeError, match="not that") as caught:
        codec_of(list[Picky]).decode(u64(1) + bytes(3))
    assert (caught.value.offset, caught.value.path) == (10, "[0].value")


def test_what_only_the_host_may_see_goes_through() -> None:
    class Interrupted(BaseModel):
        value: U8

        @field_validator("value")
        @classmethod
        def stop(cls, value: int) -> int:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        codec_of(Interrupted).decode(b"\1")


# Values that do not fit --------------------------------------------------------------------------

BAD_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "a number over its width": ({"number": 256}, "number"),
    "a number under its width": ({"number": -1}, "number"),
    "a plain int beyond an I64": ({"whole": 2**63}, "whole"),
    "a str for a number": ({"number": "1"}, "number"),
    "a float for an int": ({"whole": 1.0}, "whole"),
    "None for an int": ({"whole": None}, "whole"),
    "a real over 32 bits": ({"real": 1e300}, "real"),
    "a str for a real": ({"real": "1"}, "real"),
    "a str for a bool": ({"flag": "no"}, "flag"),
    "None for a bool": ({"flag": None}, "flag"),
    "a surrogate": ({"text": "\ud800"}, "text"),
    "bytes for a str": ({"text": b"a"}, "text"),
    "a str for bytes": ({"blob": "a"}, "blob"),
    "None for bytes": ({"blob": None}, "blob"),
    "wide items for bytes": ({"blob": array.array("H", [1, 2])}, "blob"),
    "a view for bytes": ({"blob": memoryview(b"ab")}, "blob"),
    "no member": ({"color": "red"}, "color"),
    "an unhashable member": ({"color": []}, "color"),
    "a number for an optional str": ({"note": 5}, "note"),
    "a surrogate in an option": ({"note": "\udfff"}, "note"),
    "a number for a list": ({"numbers": 5}, "numbers"),
    "a list's item": ({"numbers": [1, 2, 2**63]}, "numbers[2]"),
    "a surrogate in a list": ({"names": ["", "\ud800"]}, "names[1]"),
    "a tuple too short": ({"pair": (1,)}, "pair"),
    "a tuple too long": ({"pair": (1, "", 2)}, "pair"),
    "a tuple's item": ({"pair": (256, "")}, "pair[0]"),
    "a list for a dict": ({"by_name": [1]}, "by_name"),
    "a dict's value": ({"by_name": {"a": 1, "b": 256}}, "by_name['b']"),
    "a dict's key": ({"by_name": {"\ud800": 1}}, "by_name[key '\\ud800']"),
    "a number over 128 bits": ({"wide": 2**128}, "wide"),
    "a number below 0 of 128 bits": ({"wide": -1}, "wide"),
    "a str for 128 bits": ({"wide": "1"}, "wide"),
    "two characters": ({"char": "ab"}, "char"),
    "no character": ({"char": ""}, "char"),
    "half a character": ({"char": "\ud800"}, "char"),
    "a set's element": ({"tags": {1}}, "tags"),
    "a surrogate in a set": ({"tags": {"\ud800"}}, "tags"),
    "a number for a set": ({"tags": 5}, "tags"),
    "an array too short": ({"key": b"a"}, "key"),
    "an array too long": ({"three": [1, 2, 3, 4]}, "three"),
    "an array's item": ({"three": [1, 2, 256]}, "three[2]"),
    "no array at all": ({"three": None}, "three"),
    "a list for a NumPy array": ({"data": [1.0, 2.0]}, "data"),
    "two dimensions": ({"data": np.ones((2, 3), np.float32)}, "data"),
    "no dimension": ({"data": np.array(1.0, np.float32)}, "data"),
    "another dtype": ({"data": np.ones(2)}, "data"),
    "another kind of number": ({"grid": np.ones(2, np.int8)}, "grid"),
    "another length": ({"grid": np.ones(3, np.uint8)}, "grid"),
    "two dimensions of that length": ({"grid": np.ones((2, 2), np.uint8)}, "grid"),
    "a str for a path": ({"path": "a"}, "path"),
    "a path that is no UTF-8": ({"path": Path("\udcff")}, "path"),
    "bytes for a UUID": ({"uuid": bytes(16)}, "uuid"),
    "a timedelta for a duration": ({"length": timedelta(1)}, "length"),
    "a number for a duration": ({"length": 5}, "length"),
    "a negative timedelta": ({"delta": timedelta(-1)}, "delta"),
    "a number for a time": ({"moment": 5}, "moment"),
    "a naive datetime": ({"when": datetime(2024, 1, 1)}, "when"),
    "a time before 1970": ({"when": datetime(1969, 1, 1, tzinfo=UTC)}, "when"),
    "the other address": ({"v4": IPv6Address(1)}, "v4"),
    "a str for an address": ({"address": "1.2.3.4"}, "address"),
    "an address with a scope": ({"address": IPv6Address("fe80::1%1")}, "address"),
    "a tuple for a NamedTuple": ({"spot": ("a", 1)}, "spot"),
    "a field of a NamedTuple": ({"spot": Spot("a", 256)}, "spot.level"),
    "a field of a dataclass": ({"plain": PlainClass("a", 2**16)}, "plain.number"),
    "another field of a dataclass": ({"plain": PlainClass(b"a", 1)}, "plain.text"),
    "a model for a dataclass": ({"plain": Point(x=1, y=1)}, "plain"),
    "a field in depth": (
        {"tree": Tree(value=1, left=Tree.model_construct(value=256, left=None, right=None),
                      right=None)},
        "tree.left.value",
    ),
    "None for a model": ({"point": None}, "point"),
    "a field of a model": ({"point": Point.model_construct(x=2**31, y=0)}, "point.x"),
    "another model": ({"point": Dot()}, "point"),
    "no variant": ({"figure": Point(x=1, y=1)}, "figure"),
    "a field of a variant": (
        {"figure": Label.model_construct(size=256, text="", color=None)}, "figure.size",
    ),
    "a model in a variant": (
        {"figure": Disc.model_construct(center=Point.model_construct(x=1, y="1"), radius=1.0)},
        "figure.center.y",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_a_value_that_does_not_fit_names_its_field(name: str) -> None:
    changed, path = BAD_FIELDS[name]
    with pytest.raises(EncodeError) as caught:
        codec_of(Plain).encode(Plain.model_construct(**changed))
    assert caught.value.path == path
    assert caught.value.reason
    assert str(caught.value) == f"{path}: {caught.value.reason}"


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_a_value_that_does_not_fit_names_its_field_in_depth(name: str) -> None:
    changed, path = BAD_FIELDS[name]
    bad = Plain.model_construct(**changed)
    with pytest.raises(EncodeError) as caught:
        codec_of(Chest).encode(Chest(plain=Plain(), many=[Plain(), bad]))
    assert caught.value.path == f"many[1].{path}"


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_code_and_construct_agree_that_a_value_does_not_fit(name: str) -> None:
    bad = Plain.model_construct(**BAD_FIELDS[name][0])
    with pytest.raises(Exception):  # noqa: B017, PT011 whatever construct raises
        layout.construct_of(codec_of(Plain).shape).build(bad)


def test_a_member_that_is_none_names_its_enum() -> None:
    with pytest.raises(EncodeError, match=r"color: .*Color"):
        codec_of(Plain).encode(Plain.model_construct(color="red"))


def test_bytes_in_the_place_of_numbers_are_their_numbers() -> None:
    class Wide(BaseModel):
        numbers: list[U32]

    value = Wide(numbers=[])
    value.numbers = b"abcd"  # type: ignore[assignment]
    assert codec_of(Wide).encode(value) == u64(4) + b"".join(map(u32, b"abcd"))


def test_elements_that_cannot_be_put_in_order_are_refused() -> None:
    with pytest.raises(EncodeError, match="tags"):
        codec_of(Plain).encode(Plain.model_construct(tags={"a", 1}))


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(EncodeError, match=r"point.*'y'"):
        codec_of(Plain).encode(Plain(point=Point.model_construct(x=1)))


def test_a_plain_model_takes_an_int_that_the_codec_refuses() -> None:
    value = Plain(whole=2**63, numbers=[2**70])
    with pytest.raises(EncodeError) as caught:
        codec_of(Plain).encode(value)
    assert caught.value.path == "whole"


def test_a_model_changed_after_it_was_built_is_refused() -> None:
    value = Plain()
    value.by_name = {"a": 1000}
    with pytest.raises(EncodeError) as caught:
        codec_of(Plain).encode(value)
    assert caught.value.path == "by_name['a']"


class Shade(enum.Enum):
    RED = "red"


WRONG_VALUES: dict[str, tuple[Any, Any, str | None, str]] = {
    "another class": (Point, Nothing(), "", "Point is wanted, Nothing given"),
    "no model": (Point, {"x": 1, "y": 2}, "", "Point is wanted, dict given"),
    "none of a family": (Figure, 5, "", "int is none of Figure: Dot, Disc, a label"),
    "None of a family": (Figure, None, "", "NoneType is none of Figure: Dot, Disc, a label"),
    "a bad field of a variant": (
        Figure, Label.model_construct(size=300, text="", color=None), "size", "255",
    ),
    "a number too large": (U8, 256, "", "less than or equal to 255 (got 256)"),
    "a number too small": (U8, -1, "", "greater than or equal to 0 (got -1)"),
    "a str for a number": (U8, "1", "", "valid integer (got '1')"),
    "a bool for a number": (int, True, "", "valid integer (got True)"),
    "a number for a bool": (bool, 1, "", "valid boolean (got 1)"),
    "a number for a str": (str, 1, "", "valid string (got 1)"),
    "a str for bytes": (bytes, "a", "", "valid bytes (got 'a')"),
    "another enum": (Color, Shade.RED, "", "Color"),
    "a member's value": (Color, "red", "", "Color"),
    "a tuple for a list": (list[U8], (1, 2), "", "valid list (got (1, 2))"),
    "an item too large": (list[U8], [1, 256], "[1]", "256 is no u8 (0 to 255)"),
    "an item of another type": (list[U8], [1, "2"], "[1]", "valid integer (got '2')"),
    "a bool among numbers": (list[U8], [1, True], "[1]", "valid integer (got True)"),
    "an item of a dict": (dict[str, U8], {"a": 256}, "a", "less than or equal to 255"),
    "an int beyond an I64": (int, 2**63, "", ""),
    "an item beyond an I64": (list[int], [1, 2**63], "[1]", ""),
    "a surrogate": (str, "\ud800", "", ""),
    "something for None": (None, 5, "", "None"),
    "a tuple too long": (tuple[U8], (1, 2), "", ""),
    "none of a union": (Point | Nothing, Dot(), None, "Point"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_VALUES)
def test_a_value_of_another_type_is_refused(name: str) -> None:
    annotation, value, path, reason = WRONG_VALUES[name]
    with pytest.raises(EncodeError) as caught:
        codec_of(annotation).encode(value)
    assert reason in caught.value.reason
    assert path is None or caught.value.path == path


def test_a_huge_value_is_told_briefly() -> None:
    with pytest.raises(EncodeError) as caught:
        codec_of(list[U8]).encode("x" * 100_000)
    assert len(str(caught.value)) < 300


def test_the_first_cause_is_kept() -> None:
    with pytest.raises(EncodeError) as caught:
        codec_of(str).encode("\ud800")
    assert isinstance(caught.value.__cause__, UnicodeEncodeError)


# Codecs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_a_codec_is_compiled_once_for_each_encoding(encoding: Encoding) -> None:
    types = (Point, Figure, list[Point], PlainClass, Spot, U8, Annotated[bytes, Array(3)])
    for annotation in types:
        codec = codec_of(annotation, encoding)
        assert codec_of(annotation, encoding) is codec
        assert codec.encoding is encoding
        others = [codec_of(annotation, other) for other in ENCODINGS if other != encoding]
        assert codec not in others
    assert codec_of(list[Point], encoding) is codec_of(list[Point], encoding)


def test_the_codecs_of_more_types_than_are_kept_are_right() -> None:
    """Types written where they are used are new each time; no other may be taken for one."""
    for length in range(1500):
        annotation = Annotated[bytes, Array(length % 700)]
        assert len(codec_of(annotation).encode(bytes(length % 700))) == length % 700
    for _ in range(3):
        assert codec_of(list[Nothing | Point]).encode([Point(x=0, y=0)])[8:12] == u32(1)
        assert codec_of(list[Point | Nothing]).encode([Point(x=0, y=0)])[8:12] == u32(0)


def test_what_was_encoded_once_can_still_be_pickled_with_its_class() -> None:
    """By value, as notebooks send classes to workers: its codecs are left behind."""
    for annotation in (Point, Figure):
        codec_of(annotation)
    known = Point.__dict__["__lazyipc_codecs__"]
    assert pickle.loads(pickle.dumps(known)) is None


def test_a_codec_is_put_together_of_a_shape_and_its_checks() -> None:
    def refuse(value: Any) -> Any:
        raise ZeroDivisionError("not that")

    shape = shape_of(U8)
    assert Codec(shape).encode(7) == b"\7"
    assert Codec(shape).decode(b"\7") == 7
    assert Codec(shape, encoding=ENCODINGS[1]).encoding is ENCODINGS[1]
    assert Codec(shape, offer=lambda value: value + 1).encode(7) == b"\7"
    assert Codec(shape, accept=lambda value: value + 1).decode(b"\7") == 8
    assert Codec(shape, accept=refuse).encode(7) == b"\7"
    with pytest.raises(EncodeError):
        Codec(shape, offer=refuse).encode(7)
    with pytest.raises(DecodeError, match="ZeroDivisionError"):
        Codec(shape, accept=refuse).decode(b"\7")
    with pytest.raises(TypeError):
        Codec(shape, refuse)  # type: ignore[misc]


@dataclasses.dataclass
class Doubled:
    number: U64
    built: ClassVar[int] = 0

    def __post_init__(self) -> None:
        self.number *= 2
        type(self).built += 1


@dataclasses.dataclass
class Pair:
    left: Doubled
    right: list[Doubled]


class PairHolder(BaseModel):
    pair: Pair


def test_a_dataclass_is_written_as_it_is_and_its_own_code_is_not_run_again() -> None:
    one = Doubled(5)
    pair = Pair(one, [one])
    values = (
        (Doubled, one),
        (Pair, pair),
        (list[Doubled], [one]),
        (PairHolder, PairHolder(pair=pair)),
    )
    built = Doubled.built
    for annotation, value in values:
        encoded = codec_of(annotation).encode(value)
        assert encoded.replace(u64(1), b"") in (u64(10), u64(10) * 2)
    assert Doubled.built == built
    assert codec_of(Doubled).decode(u64(10)).number == 20  # it is built then


def test_an_instance_of_a_dataclass_of_its_own_kind_is_no_other() -> None:
    """What the derived class adds would be left out in silence."""

    @dataclasses.dataclass
    class Base:
        x: U8

    @dataclasses.dataclass
    class Derived(Base):
        y: U8

    for annotation, value in ((Base, Derived(1, 2)), (list[Base], [Derived(1, 2)])):
        with pytest.raises(EncodeError, match=r"Base is wanted, .*Derived given"):
            codec_of(annotation).encode(value)


def test_a_subclass_has_a_codec_of_its_own() -> None:
    class Spot(Point):
        z: U8

    assert codec_of(Point).encode(Point(x=0, y=0)) == bytes(8)
    assert codec_of(Spot).encode(Spot(x=0, y=0, z=7)) == bytes(8) + b"\7"


def test_unions_keep_the_order_in_which_they_are_written() -> None:
    """Python holds `A | B` and `B | A` for equal; on the wire they are not."""

    class First(BaseModel):
        pass

    class Second(BaseModel):
        pass

    assert codec_of(First | Second).encode(First()) == u32(0)
    assert codec_of(Second | First).encode(First()) == u32(1)
    assert codec_of(list[Second | First]).encode([First()]) == u64(1) + u32(1)
    assert codec_of(list[First | Second]).encode([First()]) == u64(1) + u32(0)


def named_item(number: Any) -> Any:
    return dataclasses.make_dataclass("Item", [("x", number)])


def test_unions_of_classes_of_one_name_keep_their_order_too() -> None:
    """Such unions are equal and print alike."""
    one, other = named_item(U8), named_item(U16)
    for annotation, value, expected in (
        (one | other, one(1), u32(0) + b"\1"),
        (other | one, one(1), u32(1) + b"\1"),
        (one | other, other(1), u32(1) + b"\1\0"),
        (other | one, other(1), u32(0) + b"\1\0"),
    ):
        assert codec_of(annotation).encode(value) == expected
        assert codec_of(list[annotation]).encode([value]) == u64(1) + expected
        assert codec_of(list[annotation]).decode(u64(1) + expected) == [value]


def test_a_variant_by_itself_has_no_index() -> None:
    label = Label(size=1, text="", color=None)
    assert codec_of(Figure).encode(label) == u32(2) + codec_of(Label).encode(label)
    assert structure_codec(Label).encode(label) == codec_of(Label).encode(label)


def test_annotations_that_cannot_be_hashed_have_a_codec() -> None:
    codec = codec_of(list[Annotated[U8, Field(gt=5, json_schema_extra={"unit": ["m"]})]])
    assert codec.decode(codec.encode([6, 7])) == [6, 7]


@pytest.mark.parametrize("annotation", [list, dict, complex, 5, "int", Figure.__class__])
def test_what_has_no_wire_form_has_no_codec(annotation: Any) -> None:
    with pytest.raises(SchemaError):
        codec_of(annotation)


def test_a_refused_type_is_refused_again() -> None:
    class Bad(BaseModel):
        value: Callable[[], None]

    for _ in range(2):
        with pytest.raises(SchemaError, match="value"):
            codec_of(Bad)


def test_what_a_codec_raises_is_of_the_tree() -> None:
    for error in (DecodeError, EncodeError, MessageTooLarge, SchemaError):
        assert issubclass(error, IpcError)


@pytest.mark.parametrize("depth", [10, 20, 64, 120])
def test_a_type_of_any_depth_has_a_codec_or_is_refused(depth: int) -> None:
    """The code it becomes is nested as deep, and Python nests code only so far."""
    nested: Any = U8
    optional: Any = U8
    value: Any = 7
    for _ in range(depth):
        nested, value = list[nested], [value]
        optional = create_model("Optional", item=(optional | None, ...))
    for annotation, sample in ((nested, value), (optional, optional(item=None))):
        try:
            codec = codec_of(annotation)
        except SchemaError:
            continue
        assert codec.decode(codec.encode(sample)) == sample
