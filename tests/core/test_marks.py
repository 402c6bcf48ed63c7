"""`Array`, `Vec`, `Char`: what they take, what pydantic refuses because of them, their JSON."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from lazyipc import F32, F64, I16, I128, U8, U64, U128, Array, Char, Command, Vec
from lazyipc._core.marks import dtype_text, is_ndarray
from lazyipc._core.scalars import Number
from lazyipc.errors import SchemaError
from tests.core.declared_types import NUMPY_NUMBERS


def checked(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=ConfigDict(strict=True))


# Declaring ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [-1, 1.0, "3", True, None, 2**31, 10**30])
def test_a_length_is_a_whole_number_that_can_be(length: Any) -> None:
    with pytest.raises(SchemaError, match="a length is between 0 and 2147483647, not"):
        Array(length)


@pytest.mark.parametrize("item", [int, float, str, "f8", np.float64, list[U8], 5])
def test_a_numpy_array_holds_numbers_of_a_known_width(item: Any) -> None:
    for declare in (Vec, lambda item: Array(3, item)):
        with pytest.raises(SchemaError, match="a NumPy array holds U8 … U64, I8 … I64, F32 or F64"):
            declare(item)


@pytest.mark.parametrize("item", [U128, I128])
def test_numpy_has_no_128_bits(item: Any) -> None:
    for declare in (Vec, lambda item: Array(3, item)):
        with pytest.raises(SchemaError, match=r"NumPy has no [ui]128"):
            declare(item)


def test_marks_are_equal_where_they_mean_the_same() -> None:
    assert Array(3) == Array(3) != Array(4)
    assert Array(3, U8) == Array(3, U8) != Array(3)
    assert Vec(U8) == Vec(U8) != Vec(I16)
    assert len({Array(3), Array(3), Vec(U8), Vec(U8)}) == 2
    with pytest.raises(AttributeError):
        Array(3).length = 4  # type: ignore[misc]


@pytest.mark.parametrize(("name", "number"), NUMPY_NUMBERS.items())
def test_each_number_has_its_dtype(name: str, number: Any) -> None:
    (mark,) = number.__metadata__
    assert isinstance(mark, Number)
    assert np.dtype(dtype_text(mark)) == np.dtype(name)
    assert np.dtype(name).isnative


def test_ndarrays_are_told_with_and_without_their_parameters() -> None:
    assert is_ndarray(np.ndarray)
    assert is_ndarray(np.typing.NDArray[np.uint8])
    for other in (list, list[int], np.float64, np.dtype, None, 5):
        assert not is_ndarray(other)


# What pydantic refuses ---------------------------------------------------------------------------

Four = Annotated[list[U8], Array(4)]


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (Four, [1, 2, 3, 4], [[1, 2, 3], [1] * 5, [], (1, 2, 3, 4), [1, 2, 3, 256], b"1234"]),
        (Annotated[tuple[str, ...], Array(1)], ("a",), [(), ("a", "b"), ["a"], (1,)]),
        (Annotated[bytes, Array(2)], b"ab", [b"a", b"abc", "ab", bytearray(b"ab")]),
        (Annotated[bytes, Array(0)], b"", [b"a"]),
        (Char, "a", ["", "ab", b"a", 1, None, "\ud800"]),
        (Char, "🦀", ["🦀🦀", "e\u0301"]),
        (Char, "\0", []),
    ],
)
def test_what_does_not_fit_is_refused(annotation: Any, good: Any, bad: list[Any]) -> None:
    assert checked(annotation).validate_python(good) == good
    for value in bad:
        with pytest.raises(ValidationError):
            checked(annotation).validate_python(value)


def test_what_else_a_field_demands_holds_too() -> None:
    named = checked(Annotated[Char, Field(pattern="[a-c]")])
    assert named.validate_python("b") == "b"
    with pytest.raises(ValidationError):
        named.validate_python("d")


NUMPY_REFUSED: dict[str, tuple[Any, Any, str]] = {
    "a list": (Vec(F64), [1.0], "a numpy.ndarray of f64 is wanted"),
    "a scalar": (Vec(F64), np.float64(1), "a numpy.ndarray of f64 is wanted"),
    "no dimension": (Vec(F64), np.array(1.0), "one dimension is wanted, 0 given"),
    "two dimensions": (Vec(F64), np.ones((1, 1)), "one dimension is wanted, 2 given; flatten it"),
    "another width": (Vec(F64), np.ones(1, np.float32), "dtype float64 is wanted, float32 given"),
    "another kind": (Vec(U8), np.ones(1, np.int8), "dtype uint8 is wanted, int8 given"),
    "bools": (Vec(U8), np.ones(1, bool), "dtype uint8 is wanted, bool given"),
    "objects": (Vec(U64), np.array([object()]), "dtype uint64 is wanted, object given"),
    "complex": (Vec(F64), np.ones(1, complex), "dtype float64 is wanted, complex128 given"),
    "times": (Vec(F64), np.zeros(1, "M8[s]"), "dtype float64 is wanted, datetime64[s] given"),
    "too few": (Array(3, F64), np.ones(2), "3 items are wanted, 2 given"),
    "too many": (Array(0, F64), np.ones(1), "0 items are wanted, 1 given"),
}


@pytest.mark.parametrize("name", NUMPY_REFUSED)
def test_an_array_that_does_not_fit_says_why(name: str) -> None:
    mark, value, told = NUMPY_REFUSED[name]
    with pytest.raises(ValidationError) as caught:
        checked(Annotated[np.ndarray, mark]).validate_python(value)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=np.float32),
        np.arange(6, dtype=">f4"),
        np.arange(12, dtype=np.float32)[::2],
        np.arange(6, dtype=np.float32)[::-1],
        np.ma.array(np.arange(6, dtype=np.float32)),
        np.arange(7, dtype=np.float32)[1:],
    ],
    ids=["plain", "big-endian", "strided", "backwards", "subclass", "offset"],
)
def test_arrays_of_any_memory_layout_are_taken_as_they_are(value: Any) -> None:
    for mark in (Vec(F32), Array(6, F32)):
        assert checked(Annotated[np.ndarray, mark]).validate_python(value) is value


def test_a_model_needs_no_leave_for_arrays() -> None:
    """Pydantic asks for `arbitrary_types_allowed` where it has no schema of its own."""

    class Sample(BaseModel):
        data: Annotated[np.ndarray, Vec(F64)]

    class Samples(Command):
        many: list[Sample]
        grid: Annotated[np.ndarray, Array(2, I16)]

        def process(self, context: object) -> None: ...

    made = Samples(many=[Sample(data=np.ones(3))], grid=np.zeros(2, np.int16))
    assert made.many[0].data.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValidationError):
        Samples(many=[], grid=np.zeros(3, np.int16))


# JSON --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (Annotated[np.ndarray, Vec(F64)], np.array([1.5, 2.0]), b"[1.5,2.0]"),
        (Annotated[np.ndarray, Array(2, U64)], np.array([1, 2**64 - 1], np.uint64),
         b"[1,18446744073709551615]"),
        (Annotated[np.ndarray, Vec(U8)], np.array([], np.uint8), b"[]"),
    ],
)  # fmt: skip
def test_an_array_is_a_list_in_json_and_comes_back(
    annotation: Any, value: Any, text: bytes
) -> None:
    adapter = checked(annotation)
    assert adapter.dump_json(value) == text
    back = adapter.validate_json(text)
    assert back.dtype == value.dtype
    assert np.array_equal(back, value)
    assert adapter.dump_python(value) is value


@pytest.mark.parametrize("text", ["[256]", "[-1]", "[1.5]", '["1"]', "[[1]]", "1", "null", "[1,2]"])
def test_json_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        checked(Annotated[np.ndarray, Array(1, U8)]).validate_json(text)
