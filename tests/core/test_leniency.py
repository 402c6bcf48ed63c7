"""What people write for a value: taken where it is clear, refused by name where it is not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import numpy as np
import pytest
from pydantic import BaseModel, Field, ValidationError, create_model

from lazyipc import F32, U8, U32, Array, Duration, SystemTime, TaggedUnion
from lazyipc._core.annotation import structure_of
from lazyipc._core.description.rebuilt.leniency import lenient_call


class Color(enum.Enum):
    RED = 1
    Green = 2
    GREEN = 3


class Spot(BaseModel):
    x: int
    y: int = Field(default=2, alias="why")


class Figure(TaggedUnion):
    pass


class Disc(Figure):
    radius: F32
    at: Spot | None = None


class Dot(Figure, name="a dot"):
    pass


class Tree(BaseModel):
    children: list[Tree] = []
    color: Color = Color.RED


@dataclasses.dataclass
class Plain:
    text: str
    color: Color = Color.RED


class Named(NamedTuple):
    text: str
    number: U8 = 1


ID = UUID(int=5)
NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)


def taken(annotation: Any, value: Any) -> Any:
    """What a field of a type has, where it is given a value."""
    model = create_model("Go", __config__={"strict": True}, x=(annotation, ...))
    return lenient_call(structure_of(model), {"x": value}).x


@pytest.mark.parametrize(
    ("annotation", "given", "wanted"),
    [
        (Color, "RED", Color.RED),
        (Color, "red", Color.RED),
        (Color, "GREEN", Color.GREEN),
        (Color, enum.Enum("Color", "RED").RED, Color.RED),  # type: ignore[attr-defined]
        (Color | None, None, None),
        (Spot, {"x": 1}, Spot(x=1)),
        (Spot, {"x": 1, "y": 7}, Spot(x=1, why=7)),
        (Spot, {"x": 1, "why": 7}, Spot(x=1, why=7)),
        (Spot, create_model("Spot", x=(int, 4), y=(int, 5))(), Spot(x=4, why=5)),
        (Plain, {"text": "a", "color": "green"}, None),
        (Plain, {"text": "a", "color": "red"}, Plain("a")),
        (Named, {"text": "a"}, Named("a")),
        (Figure, {"Disc": {"radius": 1, "at": {"x": 1}}}, Disc(radius=1, at=Spot(x=1))),
        (Figure, "a dot", Dot()),
        (Figure, {"a dot": None}, Dot()),
        (Figure, create_model("Dot")(), Dot()),
        (Tree, {"children": [{"color": "red"}, {}]}, Tree(children=[Tree(), Tree()])),
        (list[U8], (1, 2), [1, 2]),
        (list[U8], range(3), [0, 1, 2]),
        (list[U8], np.arange(3, dtype=np.uint16), [0, 1, 2]),
        (list[U8], b"\1\2", [1, 2]),
        (list[list[float]], np.ones((1, 2)), [[1.0, 1.0]]),
        (tuple[U8, ...], [1, 2], (1, 2)),
        (tuple[U8, Color], [1, "RED"], (1, Color.RED)),
        (set[U8], [1, 1], {1}),
        (frozenset[Color], ["RED"], frozenset({Color.RED})),
        (Annotated[list[U8], Array(2)], (1, 2), [1, 2]),
        (Annotated[bytes, Array(2)], [1, 2], b"\1\2"),
        (bytes, bytearray(b"ab"), b"ab"),
        (bytes, [1, 2], b"\1\2"),
        (dict[Color, Spot], {"RED": {"x": 1}}, {Color.RED: Spot(x=1)}),
        (U32, np.int8(3), 3),
        (float, np.float32(0.5), 0.5),
        (float, 3, 3.0),
        (bool, np.True_, True),
        (Path, "/a", Path("/a")),
        (UUID, str(ID), ID),
        (Duration, 1.5, Duration(1, 500_000_000)),
        (Duration, 2**62, Duration(2**62)),
        (Duration, dt.timedelta(seconds=2), Duration(2)),
        (SystemTime, NOON, SystemTime.from_datetime(NOON)),
        (SystemTime, "2026-01-02T12:00:00Z", SystemTime.from_datetime(NOON)),
        (IPv4Address | IPv6Address, "::1", IPv6Address("::1")),
        (IPv4Address, "127.0.0.1", IPv4Address("127.0.0.1")),
    ],
    ids=repr,
)
def test_what_is_clear_is_taken(annotation: Any, given: Any, wanted: Any) -> None:
    if wanted is None and given is not None:  # two members of that name, but for their case
        with pytest.raises(ValidationError):
            taken(annotation, given)
        return
    assert taken(annotation, given) == wanted


@pytest.mark.parametrize(
    ("annotation", "given", "told"),
    [
        (Color, "BLUE", "x\n  Input should be one of RED, Green, GREEN"),
        (Color, 1, "x\n  Input should be one of RED"),
        (Spot, 3, "x\n  Input should be a Spot, or a dict of x, y"),
        (Spot, {"x": 1, "z": 2}, "x.z\n  There is no such field; Spot has x, y"),
        (Spot, {1: 2}, "x.1\n  There is no such field"),
        (Spot, {"x": 1.5}, "x.x\n  Input should be a valid integer"),
        (Spot, {}, "x.x\n  Field required"),
        (list[Spot], [{"x": 1}, {"x": "a"}], "x.1.x\n  Input should be a valid"),
        (Named, {}, "x\n  Named: "),
        (Plain, {"text": "a", "text2": "b"}, "x.text2\n"),
        (Figure, "Disk", "x\n  Input should be one of {'Disc': {…}}, {'a dot': {…}}"),
        (Figure, {"Disc": {"radius": "r"}}, "x.Disc.radius\n  Input should be a valid number"),
        (Figure, {"Disc": 3}, "x.Disc\n  Input should be a Disc"),
        (list[U8], "12", "x\n  Input should be a valid list"),
        (list[U8], 3, "x\n  Input should be a valid list"),
        (list[U8], [300], "x.0\n  Input should be less than or equal to 255"),
        (tuple[U8, U8], [1], "x\n  2 items are wanted, 1 given"),
        (set[U8], [[]], "x\n"),
        (bytes, "ab", "x\n  Input should be a valid bytes"),
        (bytes, [256], "x\n  Input should be bytes"),
        (U8, 1.5, "x\n  Input should be a valid integer"),
        (bool, 1, "x\n  Input should be a valid boolean"),
        (str, 1, "x\n  Input should be a valid string"),
        (UUID, "5", "x\n  badly formed"),
        (Duration, -1, "x\n  "),
        (Duration, True, "x\n  "),
        (Duration, float("inf"), "x\n  "),
        (Duration, float("nan"), "x\n  "),
        (SystemTime, "noon", "x\n  Invalid isoformat"),
        (SystemTime, dt.datetime(2026, 1, 2), "x\n  2026-01-02T00:00:00 has no time zone"),
        (IPv4Address, "1.2.3", "x\n  '1.2.3' does not appear"),
    ],
    ids=repr,
)
def test_what_is_not_names_its_place(annotation: Any, given: Any, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        taken(annotation, given)
    assert told in str(caught.value)


def test_each_field_that_is_wrong_is_told() -> None:
    class Go(BaseModel):
        color: Color
        spot: Spot
        text: str

    with pytest.raises(ValidationError) as caught:
        lenient_call(structure_of(Go), {"color": "no", "spot": 1, "text": "a"})
    assert [each["loc"] for each in caught.value.errors()] == [("color",), ("spot",)]
