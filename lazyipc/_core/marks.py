"""Annotations that say how a sequence or a character travels: `Array`, `Vec`, `Char`.

Pydantic reads them to check values, the codec to lay them out. NumPy is imported by its users only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, get_args

from lazyipc._core.record import Value
from lazyipc._core.scalars import Number
from lazyipc.errors import SchemaError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

_KINDS = {"u": "u", "i": "i", "f": "f"}
"""NumPy's letter of each kind of number."""


LONGEST_ARRAY = 2**31 - 1
"""More than any message holds."""


class OneCharacter(Value):
    """What makes `Char` of a str: one Unicode scalar value.

    Wire: its UTF-8, one to four bytes, with no length before it.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return {**handler(source), "min_length": 1, "max_length": 1}


Char = Annotated[str, OneCharacter()]
"""One character (Rust: char): its UTF-8, one to four bytes."""


class Array(Value):
    """Exactly `length` items with no count before them (Rust: `[T; N]`).

    Args:
        length: how many items.
        item: for a `numpy.ndarray`, which number its items are; a list says so itself.

    Wire: the items, one after the other.

    >>> from typing import Annotated
    >>> from lazyipc import Array, U16, bincode
    >>> bincode.encode([1, 2], Annotated[list[U16], Array(2)]).hex(" ")
    '01 00 02 00'
    >>> bincode.encode(b"key", Annotated[bytes, Array(3)])
    b'key'
    """

    length: int
    number: Number | None

    def __init__(self, length: int, item: Any = None) -> None:
        if type(length) is not int or not 0 <= length <= LONGEST_ARRAY:
            raise SchemaError(f"Array: a length is between 0 and {LONGEST_ARRAY}, not {length!r}")
        object.__setattr__(self, "length", length)
        object.__setattr__(self, "number", None if item is None else _number_of(item))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        if self.number is not None:
            return _ndarray_schema(self.number, self.length)
        return {**handler(source), "min_length": self.length, "max_length": self.length}


class Vec(Value):
    """Any number of items in a one-dimensional `numpy.ndarray` (Rust: `Vec<T>`).

    Args:
        item: which number the items are, such as F64.

    Wire: u64 count, then the items.

    >>> from typing import Annotated
    >>> import numpy as np
    >>> from lazyipc import F32, Vec, bincode
    >>> Samples = Annotated[np.ndarray, Vec(F32)]
    >>> bincode.decode(bincode.encode(np.ones(3, np.float32), Samples), Samples)
    array([1., 1., 1.], dtype=float32)
    """

    number: Number

    def __init__(self, item: Any) -> None:
        object.__setattr__(self, "number", _number_of(item))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return _ndarray_schema(self.number, None)


def _number_of(item: Any) -> Number:
    marks = [mark for mark in get_args(item)[1:] if isinstance(mark, Number)]
    if not marks:
        raise SchemaError(f"a NumPy array holds U8 … U64, I8 … I64, F32 or F64, not {item!r}")
    if not marks[0].format:
        raise SchemaError(f"NumPy has no {marks[0].name}")
    return marks[0]


def is_ndarray(annotation: Any) -> bool:
    """Whether a type is `numpy.ndarray` or one of its parametrised forms."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and numpy.ndarray in (
        annotation,
        getattr(annotation, "__origin__", None),
    )


def dtype_text(number: Number) -> str:
    """NumPy's name of a number in the machine's byte order, such as `f8`."""
    return f"{_KINDS[number.name[0]]}{number.width_bytes}"


def array_check(number: Number, length: int | None) -> Callable[[Any], Any]:
    """A function that gives back a NumPy array which can travel as it is declared.

    It raises ValueError for everything else.
    """
    wanted = dtype_text(number)

    def check(value: Any) -> Any:
        numpy = sys.modules.get("numpy")
        if numpy is None or not isinstance(value, numpy.ndarray):
            raise ValueError(f"a numpy.ndarray of {number.name} is wanted")
        if value.ndim != 1:
            raise ValueError(f"one dimension is wanted, {value.ndim} given; flatten it")
        if f"{value.dtype.kind}{value.dtype.itemsize}" != wanted:
            raise ValueError(f"dtype {numpy.dtype(wanted)} is wanted, {value.dtype} given")
        if length is not None and len(value) != length:
            raise ValueError(f"{length} items are wanted, {len(value)} given")
        return value

    return check


def _ndarray_schema(number: Number, length: int | None) -> dict[str, Any]:
    check = array_check(number, length)

    def from_list(value: list[Any]) -> Any:
        import numpy

        return check(numpy.array(value, dtype=dtype_text(number)))

    item = {"type": "float"} if number.is_float else {
        "type": "int", "ge": number.minimum, "le": number.maximum}  # fmt: skip
    items = {"type": "list", "items_schema": item}
    function = {"type": "no-info", "function": from_list}
    return {
        "type": "json-or-python",
        "json_schema": {"type": "function-after", "function": function, "schema": items},
        "python_schema": {
            "type": "function-plain",
            "function": {"type": "no-info", "function": check},
        },
        "serialization": {
            "type": "function-plain",
            "function": lambda value: value.tolist(),
            "when_used": "json",
        },
    }
