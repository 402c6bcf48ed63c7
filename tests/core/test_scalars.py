"""Numbers: widths, bounds, rounding, and what pydantic refuses because of them."""

from __future__ import annotations

import math
import struct
from typing import Annotated, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from lazyipc import F32, F64, I8, I16, I32, I64, I128, U8, U16, U32, U64, U128
from lazyipc._core.scalars import FORMATS, Number, round_f32
from tests.core.matrix import THOROUGH

INTEGERS: dict[str, tuple[Any, int, int, int]] = {
    "u8": (U8, 1, 0, 255),
    "u16": (U16, 2, 0, 65_535),
    "u32": (U32, 4, 0, 4_294_967_295),
    "u64": (U64, 8, 0, 18_446_744_073_709_551_615),
    "u128": (U128, 16, 0, 340_282_366_920_938_463_463_374_607_431_768_211_455),
    "i8": (I8, 1, -128, 127),
    "i16": (I16, 2, -32_768, 32_767),
    "i32": (I32, 4, -2_147_483_648, 2_147_483_647),
    "i64": (I64, 8, -9_223_372_036_854_775_808, 9_223_372_036_854_775_807),
    "i128": (
        I128,
        16,
        -170_141_183_460_469_231_731_687_303_715_884_105_728,
        170_141_183_460_469_231_731_687_303_715_884_105_727,
    ),
}
FLOATS: dict[str, tuple[Any, int]] = {"f32": (F32, 4), "f64": (F64, 8)}


def checked(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(strict=True))


def number_of(annotation: Any) -> Number:
    (number,) = annotation.__metadata__
    assert isinstance(number, Number)
    return number


def test_each_number_is_in_a_table() -> None:
    assert set(INTEGERS) | set(FLOATS) == set(FORMATS)


@pytest.mark.parametrize("name", INTEGERS)
def test_an_integer_has_the_bounds_of_its_width(name: str) -> None:
    annotation, width, low, high = INTEGERS[name]
    number = number_of(annotation)
    assert (number.name, number.width_bytes) == (name, width)
    assert (number.minimum, number.maximum, number.is_float) == (low, high, False)
    assert get_args(annotation)[0] is int
    for value in (low, high):
        assert checked(annotation).validate_python(value) == value
        if number.format:
            assert struct.unpack(f"<{number.format}", struct.pack(f"<{number.format}", value))
    for value in (low - 1, high + 1):
        with pytest.raises(ValidationError):
            checked(annotation).validate_python(value)


@pytest.mark.parametrize("name", FLOATS)
def test_a_float_has_its_width(name: str) -> None:
    annotation, width = FLOATS[name]
    number = number_of(annotation)
    assert (number.name, number.width_bytes, number.is_float) == (name, width, True)
    assert get_args(annotation)[0] is float


@pytest.mark.parametrize("value", ["5", 5.0, True, None, b"5"])
@pytest.mark.parametrize("annotation", [U8, I64, U128, Annotated[U8, Field(gt=1)]])
def test_what_is_no_int_is_refused(annotation: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        checked(annotation).validate_python(value)


def test_narrower_bounds_are_kept() -> None:
    narrow = checked(Annotated[U8, Field(ge=10, le=20)])
    assert narrow.validate_python(20) == 20
    for value in (9, 21):
        with pytest.raises(ValidationError):
            narrow.validate_python(value)


@THOROUGH
@given(value=st.floats(allow_nan=False))
def test_f32_rounds_to_the_nearest_as_the_wire_does(value: float) -> None:
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        with pytest.raises(ValueError, match="32-bit float"):
            round_f32(value)
        with pytest.raises(ValidationError):
            checked(F32).validate_python(value)
        return
    rounded = checked(F32).validate_python(value)
    assert struct.pack("<f", rounded) == packed
    assert round_f32(rounded) == rounded == round_f32(value)


def test_f32_keeps_what_has_no_nearest() -> None:
    assert math.isnan(checked(F32).validate_python(math.nan))
    assert checked(F32).validate_python(-math.inf) == -math.inf
    assert math.copysign(1, checked(F32).validate_python(-0.0)) == -1


@THOROUGH
@given(value=st.floats(allow_nan=False))
def test_f64_changes_nothing(value: float) -> None:
    assert checked(F64).validate_python(value) == value
