"""The measured messages as other libraries declare them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import construct
import msgspec
from msgspec import Meta
from pydantic import BaseModel

from benchmarks.messages import Add, Role, Side, market, player

# msgspec: positional, as bincode is; its integers are bounded by what they are given here --------

U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
U64 = Annotated[int, Meta(ge=0)]
"""MessagePack has none above 2⁶⁴ - 1."""


class Twin(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a message's struct is like."""


class AddTwin(Twin):
    """Add."""

    a: U64
    b: U64


class PlaceTwin(Twin):
    """Place."""

    x: float
    y: float
    z: float


class PlayerTwin(Twin):
    """Player."""

    id: U64
    name: str
    role: Role
    place: PlaceTwin
    guild: str | None
    scores: list[U32]
    is_online: bool


class TradeTwin(Twin):
    """Trade."""

    id: U64
    symbol: str
    side: Side
    price: float
    size: U32
    note: str | None


class MarketTwin(Twin):
    """Market."""

    trades: list[TradeTwin]


# construct: the same bytes by parts that it can compile, so without adapters ---------------------

TEXT = construct.PascalString(construct.Int64ul, "utf8")


def _option(item: Any) -> Any:
    is_some = construct.Rebuild(construct.Flag, construct.this.value != None)  # noqa: E711 an expression
    value = construct.If(construct.this.is_some, item)
    return construct.FocusedSeq("value", "is_some" / is_some, "value" / value)


def _enum(members: Any) -> Any:
    numbers = {member.value: number for number, member in enumerate(members)}
    return construct.Enum(construct.Int32ul, **numbers)


ADD = construct.Struct("a" / construct.Int64ul, "b" / construct.Int64ul)
PLACE = construct.Struct(
    "x" / construct.Float64l, "y" / construct.Float64l, "z" / construct.Float64l
)
PLAYER = construct.Struct(
    "id" / construct.Int64ul,
    "name" / TEXT,
    "role" / _enum(Role),
    "place" / PLACE,
    "guild" / _option(TEXT),
    "scores" / construct.PrefixedArray(construct.Int64ul, construct.Int32ul),
    "is_online" / construct.Flag,
)
TRADE = construct.Struct(
    "id" / construct.Int64ul,
    "symbol" / TEXT,
    "side" / _enum(Side),
    "price" / construct.Float64l,
    "size" / construct.Int32ul,
    "note" / _option(TEXT),
)
MARKET = construct.Struct("trades" / construct.PrefixedArray(construct.Int64ul, TRADE))


@dataclass(frozen=True, slots=True)
class Sample:
    """A message and its twins."""

    name: str
    value: BaseModel
    twin: type[Twin]
    layout: construct.Construct

    @property
    def plain(self) -> dict[str, Any]:
        """The value as dicts, lists, strings and numbers."""
        return self.value.model_dump(mode="json")

    @property
    def twin_value(self) -> Twin:
        """The value as msgspec's structs."""
        return msgspec.convert(_by_position(self.plain), self.twin)


def _by_position(plain: Any) -> Any:
    """The same with each dict, which here is always a model, as a list of its values."""
    if isinstance(plain, dict):
        return [_by_position(value) for value in plain.values()]
    return [_by_position(value) for value in plain] if isinstance(plain, list) else plain


def samples() -> tuple[Sample, ...]:
    """A small message, a nested one and a large one."""
    return (
        Sample("two integers", Add(a=1, b=2), AddTwin, ADD),
        Sample("nested", player(), PlayerTwin, PLAYER),
        Sample("1,000 structs", market(), MarketTwin, MARKET),
    )
