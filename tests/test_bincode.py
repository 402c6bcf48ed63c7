"""`lazyipc.bincode`: the codec by itself, with its limits and what it does with bytes left over."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import construct
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import core_schema
from typing_extensions import TypeAliasType

from lazyipc import U8, U16, U32, Array, TaggedUnion, bincode
from lazyipc._core.compiled import codec_of
from lazyipc.bincode import LEGACY, STANDARD, Config
from lazyipc.errors import DecodeError, EncodeError, MessageTooLarge, SchemaError


class Pixel(BaseModel):
    x: U16
    y: U16


class Drawing(TaggedUnion):
    pass


class Clear(Drawing):
    pass


class Plot(Drawing):
    pixel: Pixel
    color: tuple[U8, U8, U8] | None


class Empty(BaseModel):
    pass


class Folder(BaseModel):
    inner: Folder | None


PLOT = Plot(pixel=Pixel(x=1, y=2), color=(3, 4, 5))
PLOT_BYTES = bytes.fromhex("01000000 0100 0200 01 03 04 05")

TRAILING = Config(allow_trailing=True)


# Types -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "annotation", "encoded"),
    [
        (7, U8, "07"),
        (7, int, "0700000000000000"),
        (-1, int, "ffffffffffffffff"),
        ("é", str, "0200000000000000c3a9"),
        ([1, 2], list[U16], "020000000000000001000200"),
        (None, None, ""),
        (None, U8 | None, "00"),
        (Pixel(x=1, y=2), Pixel, "01000200"),
        (Clear(), Drawing, "00000000"),
        (PLOT, Drawing, PLOT_BYTES.hex()),
        (PLOT, Plot, PLOT_BYTES[4:].hex()),
        (Empty(), Empty, ""),
    ],
)
def test_a_value_of_a_type_has_its_bytes(value: Any, annotation: Any, encoded: str) -> None:
    assert bincode.encode(value, annotation).hex() == encoded
    assert bincode.decode(bytes.fromhex(encoded), annotation) == value


@pytest.mark.parametrize("value", [PLOT, Pixel(x=1, y=2), Empty()])
def test_a_model_needs_no_type_and_is_its_fields(value: Any) -> None:
    assert bincode.encode(value) == bincode.encode(value, type(value))
    assert bincode.decode(bincode.encode(value), type(value)) == value


@pytest.mark.parametrize("value", [5, "text", True, 1.5, b"\0"])
def test_a_plain_value_of_one_type_needs_none_either(value: Any) -> None:
    assert bincode.decode(bincode.encode(value), type(value)) == value


@pytest.mark.parametrize("value", [[1], {"a": 1}, (1,), object(), 1j])
def test_a_value_that_does_not_say_what_it_holds_needs_a_type(value: Any) -> None:
    with pytest.raises(SchemaError, match="has no wire form"):
        bincode.encode(value)


@pytest.mark.parametrize("held", [bytes, bytearray, memoryview])
def test_bytes_may_be_held_in_any_way(held: Any) -> None:
    assert bincode.decode(held(PLOT_BYTES), Drawing) == PLOT
    assert bincode.decode(held(PLOT_BYTES + b"more"), Drawing, TRAILING) == PLOT


def test_a_value_does_not_keep_the_bytes_it_came_from() -> None:
    received = bytearray(bincode.encode(b"abc", bytes))
    value = bincode.decode(memoryview(received), bytes)
    received[-1] = 0
    assert value == b"abc"
    assert type(value) is bytes


def test_errors_are_those_of_the_tree() -> None:
    with pytest.raises(DecodeError) as decoded:
        bincode.decode(PLOT_BYTES[:-1], Drawing)
    assert (decoded.value.path, decoded.value.offset) == ("Plot.color[2]", 11)
    with pytest.raises(EncodeError) as encoded:
        bincode.encode([PLOT, 5], list[Drawing])
    assert encoded.value.path == "[1]"
    for call in (bincode.encode, bincode.decode):
        with pytest.raises(SchemaError):
            call(b"", complex)
    with pytest.raises(SchemaError):
        bincode.construct_for(complex)


# Config ------------------------------------------------------------------------------------------


def test_the_defaults_are_named() -> None:
    assert Config() == LEGACY
    assert (LEGACY.limit_bytes, LEGACY.elements) == (16 * 1024 * 1024, 1_000_000)
    assert LEGACY.allow_trailing is False


BIG = Config(byte_order="big")
BIG_VARINT = Config(int_encoding="varint", byte_order="big")

BY_CONFIG: list[tuple[Any, Any, str, str, str, str]] = [
    (300, U16, "2c01", "fb2c01", "012c", "fb012c"),
    (7, U16, "0700", "07", "0007", "07"),
    (-3, int, "fdffffffffffffff", "05", "fffffffffffffffd", "05"),
    (7, U8, "07", "07", "07", "07"),
    (0.5, float, "000000000000e03f", "000000000000e03f", "3fe0000000000000", "3fe0000000000000"),
    ("é", str, "0200000000000000c3a9", "02c3a9", "0000000000000002c3a9", "02c3a9"),
    ([1, 300], list[U16], "02000000000000000100" + "2c01", "0201fb2c01",
     "00000000000000020001012c", "0201fb012c"),
    (PLOT, Drawing, "01000000" + "01000200" + "01030405", "01" + "0102" + "01030405",
     "00000001" + "00010002" + "01030405", "01" + "0102" + "01030405"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "annotation", "legacy", "standard", "big", "big_varint"), BY_CONFIG
)
def test_a_config_decides_how_integers_are_written(
    value: Any, annotation: Any, legacy: str, standard: str, big: str, big_varint: str
) -> None:
    for config, text in (
        (LEGACY, legacy), (STANDARD, standard), (BIG, big), (BIG_VARINT, big_varint),
    ):  # fmt: skip
        data = bytes.fromhex(text)
        assert bincode.encode(value, annotation, config) == data
        assert bincode.decode(data, annotation, config) == value
        trailing = replace(config, allow_trailing=True)
        assert bincode.decode(data + b"more", annotation, trailing) == value
        made = bincode.construct_for(annotation, config)
        assert made.build(value) == data
        assert made.parse(data) == value
        explained = bincode.explain(data, annotation, config)
        assert explained.error is None
        assert sum(row.size_bytes for row in explained.rows) == len(data)


@pytest.mark.parametrize(
    "setting",
    [
        {"int_encoding": "var"},
        {"int_encoding": None},
        {"byte_order": "network"},
        {"byte_order": "LITTLE"},
        {"depth": -1},
        {"depth": 129},
        {"depth": 1.5},
        {"limit_bytes": -1},
        {"limit_bytes": None},
        {"elements": -1},
        {"elements": 2.0},
    ],
)
def test_a_setting_that_is_none_is_refused(setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(ValueError, match=name):
        Config(**setting)


def test_configs_are_equal_where_they_mean_the_same() -> None:
    assert Config(int_encoding="varint") == STANDARD != LEGACY
    assert hash(Config()) == hash(LEGACY)
    assert repr(BIG) == (
        "Config(int_encoding='fixed', byte_order='big', limit_bytes=16777216, elements=1000000, "
        "depth=64, allow_trailing=False)"
    )


def test_a_config_is_frozen_and_by_keyword() -> None:
    with pytest.raises(AttributeError):
        LEGACY.elements = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        Config(5)  # type: ignore[misc]


@pytest.mark.parametrize("trailing", [False, True])
def test_a_message_of_the_largest_size_is_taken_and_no_longer_one(trailing: bool) -> None:
    fits = Config(limit_bytes=len(PLOT_BYTES), allow_trailing=trailing)
    tight = Config(limit_bytes=len(PLOT_BYTES) - 1, allow_trailing=trailing)
    assert bincode.encode(PLOT, Drawing, fits) == PLOT_BYTES
    assert bincode.decode(PLOT_BYTES, Drawing, fits) == PLOT
    for call, argument in ((bincode.encode, PLOT), (bincode.decode, PLOT_BYTES)):
        with pytest.raises(MessageTooLarge) as caught:
            call(argument, Drawing, tight)  # type: ignore[operator]
        assert caught.value.limit_bytes == len(PLOT_BYTES) - 1
        assert caught.value.size_bytes == len(PLOT_BYTES)


def test_bytes_left_over_do_not_count_as_message() -> None:
    config = Config(limit_bytes=len(PLOT_BYTES), allow_trailing=True)
    assert bincode.decode(PLOT_BYTES + bytes(1000), Drawing, config) == PLOT


@pytest.mark.parametrize("trailing", [False, True])
@pytest.mark.parametrize("annotation", [list[bool], list[U8], dict[U8, None], tuple[U8, ...]])
def test_the_elements_are_limited(annotation: Any, trailing: bool) -> None:
    encoded = (3).to_bytes(8, "little") + b"\1\0\1"
    if annotation == dict[U8, None]:
        encoded = encoded[:8] + b"\1\2\3"
    assert bincode.decode(encoded, annotation, Config(elements=3, allow_trailing=trailing))
    with pytest.raises(MessageTooLarge) as caught:
        bincode.decode(encoded, annotation, Config(elements=2, allow_trailing=trailing))
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (3, 2)


@pytest.mark.parametrize("trailing", [False, True])
def test_an_element_that_takes_no_bytes_counts_as_a_thousand(trailing: bool) -> None:
    encoded = (3).to_bytes(8, "little")
    fits = Config(elements=3000, allow_trailing=trailing)
    assert bincode.decode(encoded, list[None], fits) == [None] * 3
    with pytest.raises(MessageTooLarge) as caught:
        bincode.decode(encoded, list[None], Config(elements=2999, allow_trailing=trailing))
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (3, 2)


@pytest.mark.parametrize("trailing", [False, True])
def test_the_levels_of_nesting_are_limited(trailing: bool) -> None:
    value = Folder(inner=Folder(inner=Folder(inner=None)))
    fits = Config(depth=2, allow_trailing=trailing)
    tight = Config(depth=1, allow_trailing=trailing)
    encoded = bincode.encode(value, Folder, fits)
    assert encoded == b"\1\1\0"
    assert bincode.decode(encoded, Folder, fits) == value
    with pytest.raises(MessageTooLarge, match="levels of nesting") as caught:
        bincode.decode(encoded, Folder, tight)
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (2, 1)
    with pytest.raises(EncodeError, match="stands inside itself more than 1 times"):
        bincode.encode(value, Folder, tight)


def test_sixty_four_levels_are_taken_unless_more_are_asked_for() -> None:
    assert LEGACY.depth == STANDARD.depth == 64
    encoded = b"\1" * 64 + b"\0"
    assert bincode.encode(bincode.decode(encoded, Folder), Folder) == encoded
    with pytest.raises(MessageTooLarge):
        bincode.decode(b"\1" + encoded, Folder)
    deep = Config(depth=128)
    encoded = b"\1" * 128 + b"\0"
    assert bincode.encode(bincode.decode(encoded, Folder, deep), Folder, deep) == encoded


@pytest.mark.parametrize("trailing", [False, True])
def test_no_elements_at_all_may_be_allowed(trailing: bool) -> None:
    config = Config(elements=0, allow_trailing=trailing)
    assert bincode.decode(bytes(8), list[U8], config) == []
    with pytest.raises(MessageTooLarge):
        bincode.decode(b"\1" + bytes(8), list[U8], config)


TYPES: list[tuple[Any, Any]] = [
    (PLOT, Drawing),
    (Clear(), Drawing),
    ("text", str),
    ([], list[str]),
    (None, U32 | None),
    (None, None),
    ((), tuple[()]),
    (Empty(), Empty),
]


@pytest.mark.parametrize(("value", "annotation"), TYPES)
@pytest.mark.parametrize("behind", [b"\0", b"\xff\xff\xff", bytes(100)], ids=len)
def test_bytes_left_over_are_refused_unless_allowed(
    value: Any, annotation: Any, behind: bytes
) -> None:
    received = bincode.encode(value, annotation) + behind
    with pytest.raises(DecodeError, match="are left over") as caught:
        bincode.decode(received, annotation)
    assert caught.value.offset == len(received) - len(behind)
    assert bincode.decode(received, annotation, TRAILING) == value


@pytest.mark.parametrize(("value", "annotation"), TYPES)
def test_nothing_need_be_left_over_where_it_may(value: Any, annotation: Any) -> None:
    received = bincode.encode(value, annotation)
    assert bincode.decode(received, annotation, TRAILING) == value
    for length in range(len(received)):
        with pytest.raises(DecodeError):
            bincode.decode(received[:length], annotation, TRAILING)


@pytest.mark.parametrize(
    ("received", "annotation", "offset"),
    [(b"\2more", bool, 0), (b"\1\7more", tuple[U8, U8 | None], 1), (b"\5\0\0\0", Drawing, 0)],
)
def test_bad_bytes_are_refused_where_trailing_ones_are_not(
    received: bytes, annotation: Any, offset: int
) -> None:
    with pytest.raises(DecodeError) as caught:
        bincode.decode(received, annotation, TRAILING)
    assert caught.value.offset == offset


@settings(max_examples=100, deadline=None)
@given(received=st.binary(max_size=60))
def test_any_bytes_are_a_value_or_refused(received: bytes) -> None:
    for annotation in (Drawing, list[str], dict[str, U16 | None], Folder):
        for config in (LEGACY, TRAILING, STANDARD, BIG, BIG_VARINT):
            try:
                value = bincode.decode(received, annotation, config)
            except (DecodeError, MessageTooLarge):
                continue
            encoded = bincode.encode(value, annotation, config)
            assert received.startswith(encoded) or annotation == dict[str, U16 | None]
            assert bincode.decode(encoded, annotation, config) == value


# construct_for -----------------------------------------------------------------------------------


def test_the_construct_is_a_construct_that_builds_and_parses() -> None:
    layout = bincode.construct_for(Drawing)
    assert isinstance(layout, construct.Construct)
    assert layout.build(PLOT) == PLOT_BYTES
    assert layout.parse(PLOT_BYTES) == PLOT


def test_a_construct_can_be_part_of_another() -> None:
    layout = construct.Struct("before" / construct.Byte, "pixel" / bincode.construct_for(Pixel))
    parsed = layout.parse(b"\7" + struct.pack("<HH", 1, 2))
    assert (parsed.before, parsed.pixel) == (7, Pixel(x=1, y=2))


# What was found by use ---------------------------------------------------------------------------


class Twice(TaggedUnion):
    """A family with a variant that no code can be made for."""


class Endless(Twice):
    x: Annotated[list[None], Array(2000)]


class Fine(Twice):
    y: U8


def test_a_type_that_was_refused_once_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(SchemaError, match="take no bytes"):
            bincode.encode([Fine(y=1)], list[Twice])


def test_the_given_value_travels_and_not_what_its_validators_make_of_it() -> None:
    raised = Annotated[U8, AfterValidator(lambda value: value + 1)]
    assert bincode.encode(1, raised) == b"\1"
    assert bincode.decode(b"\1", raised) == 2


@dataclass
class OwnSchema:
    a: U8

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(lambda value: value)


def test_a_dataclass_with_a_schema_of_its_own_is_refused() -> None:
    with pytest.raises(SchemaError, match="use a model"):
        bincode.encode(OwnSchema(1), OwnSchema)


@pytest.mark.parametrize("call", [
    lambda: bincode.encode([1], bincode.STANDARD),
    lambda: bincode.encode([1], bincode.STANDARD, list[U8]),
    lambda: bincode.decode(b"", bincode.STANDARD),
    lambda: bincode.explain(b"", bincode.STANDARD),
    lambda: bincode.construct_for(bincode.STANDARD),
])  # fmt: skip
def test_a_configuration_in_the_place_of_the_type_is_told(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="the type comes before the configuration"):
        call()


def test_what_stands_behind_a_message_says_nothing_of_it() -> None:
    class Number(TaggedUnion):
        """A family of one."""

    class Small(Number):
        value: Annotated[U8, Field(le=100)]

    codec = codec_of(Number)
    with pytest.raises(DecodeError, match="needs 1 bytes, 0 are left"):
        codec.decode(memoryview(b"\0\0\0\0\xf0"), 0, 4)


def test_buffers_are_let_go_of_before_an_error_is_handled() -> None:
    received = bytearray(b"\2")
    with pytest.raises(DecodeError):
        bincode.decode(received, bool)
    received.append(0)


def test_values_are_taken_from_bytes_one_by_one() -> None:
    data = bincode.encode("a", str, STANDARD) + bincode.encode("bc", str, STANDARD)
    assert bincode.decode_from_slice(data, str, STANDARD) == ("a", 2)
    assert bincode.decode_from_slice(bytearray(data)[2:], str, STANDARD) == ("bc", 3)
    with pytest.raises(DecodeError) as caught:
        bincode.decode_from_slice(data[:4], list[str], STANDARD)
    assert caught.value.offset == 2
    with pytest.raises(MessageTooLarge):
        bincode.decode_from_slice(data, str, replace(STANDARD, limit_bytes=1))


def test_two_fields_that_are_read_by_one_key_are_refused() -> None:
    class Alike(BaseModel):
        a: U8 = Field(alias="x")
        b: U8 = Field(alias="x")

    with pytest.raises(SchemaError, match="fields a and b are both read as 'x'"):
        bincode.construct_for(Alike)


class Chain(BaseModel):
    next: Chain | None = None


def test_an_alias_of_a_recursive_model_travels_in_each_encoding() -> None:
    alias = TypeAliasType("alias", Chain)
    for config in (LEGACY, STANDARD, Config(byte_order="big")):
        assert bincode.decode(bincode.encode(Chain(next=Chain()), alias, config), alias, config)
