"""The width of a number, as an annotation that pydantic and the codec both read.

`U8` is `Annotated[int, Number("u8")]`: a type checker sees an `int`, pydantic refuses what does not
fit when the model is built, and the codec writes one byte. Knows numbers only; no model, no wire.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated, Any

from lazyipc._core.record import Value

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

FORMATS = {
    "u8": "B",
    "u16": "H",
    "u32": "L",
    "u64": "Q",
    "u128": "",
    "i8": "b",
    "i16": "h",
    "i32": "l",
    "i64": "q",
    "i128": "",
    "f32": "f",
    "f64": "d",
}
"""Rust's name of each number and its letter in `struct`, which has none for 128 bits."""


WIDTH = "lazyipc_width"
"""The key in a pydantic schema's metadata that says its integer has its width already."""


class Number(Value):
    """A number of a known width. Wire: `width_bytes`, little-endian, in bincode 1.

    Source: Rust's primitive types as serde's data model names them.
    """

    name: str

    @property
    def format(self) -> str:
        return FORMATS[self.name]

    @property
    def width_bytes(self) -> int:
        return int(self.name[1:]) // 8

    @property
    def is_float(self) -> bool:
        return self.name.startswith("f")

    @property
    def is_signed(self) -> bool:
        return self.name.startswith("i")

    @property
    def minimum(self) -> int:
        return -(1 << (8 * self.width_bytes - 1)) if self.is_signed else 0

    @property
    def maximum(self) -> int:
        return (1 << (8 * self.width_bytes - (1 if self.is_signed else 0))) - 1

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> Any:  # pydantic's schemas are plain dicts; writing them so keeps pydantic unimported
        schema: dict[str, Any] = dict(handler(source))
        if not self.is_float:
            return clamp(schema, self)
        if self.name == "f64":
            return schema
        rounding = {"type": "no-info", "function": round_f32}
        return {"type": "function-after", "function": rounding, "schema": schema}


def clamp(schema: dict[str, Any], number: Number) -> dict[str, Any]:
    """Give an integer schema the bounds of `number`, keeping narrower ones."""
    low = schema.get("ge", number.minimum)
    high = schema.get("le", number.maximum)
    metadata = {**schema.get("metadata", {}), WIDTH: number.name}
    bounds = {"ge": max(low, number.minimum), "le": min(high, number.maximum)}
    return {**schema, **bounds, "metadata": metadata}


def round_f32(value: float) -> float:
    """Round to the nearest 32-bit float, as the wire will."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        raise ValueError("does not fit a 32-bit float") from None


U8 = Annotated[int, Number("u8")]
"""0 to 2⁸ - 1, one byte."""
U16 = Annotated[int, Number("u16")]
"""0 to 2¹⁶ - 1, two bytes."""
U32 = Annotated[int, Number("u32")]
"""0 to 2³² - 1, four bytes."""
U64 = Annotated[int, Number("u64")]
"""0 to 2⁶⁴ - 1, eight bytes."""
U128 = Annotated[int, Number("u128")]
"""0 to 2¹²⁸ - 1, sixteen bytes."""
I8 = Annotated[int, Number("i8")]
"""-2⁷ to 2⁷ - 1, one byte."""
I16 = Annotated[int, Number("i16")]
"""-2¹⁵ to 2¹⁵ - 1, two bytes."""
I32 = Annotated[int, Number("i32")]
"""-2³¹ to 2³¹ - 1, four bytes."""
I64 = Annotated[int, Number("i64")]
"""-2⁶³ to 2⁶³ - 1, eight bytes; what a plain `int` is."""
I128 = Annotated[int, Number("i128")]
"""-2¹²⁷ to 2¹²⁷ - 1, sixteen bytes."""
F32 = Annotated[float, Number("f32")]
"""A 32-bit float, four bytes; values are rounded to it when validated."""
F64 = Annotated[float, Number("f64")]
"""A 64-bit float, eight bytes; what a plain `float` is."""
