"""Bytes told part by part: right ones, wrong ones, too many."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lazyipc import U8, U16, bincode
from lazyipc._core.explanation import MOST_ROWS, Explanation, Row
from lazyipc.bincode import LEGACY, STANDARD, Config, explain
from lazyipc.errors import DecodeError, IpcError, MessageTooLarge, SchemaError
from tests.core.declared_types import Color, Disc, Figure, Label, Point
from tests.core.matrix import MATRIX, MODERATE
from tests.core.matrix import Row as TypeRow

CONFIGS = [
    LEGACY,
    STANDARD,
    Config(byte_order="big"),
    Config(int_encoding="varint", byte_order="big"),
]


class Chain(BaseModel):
    value: U8
    next: Chain | None


class Drawing(BaseModel):
    name: str
    figures: list[Figure]
    sizes: dict[str, U16]


DRAWING = Drawing(
    name="é",
    figures=[
        Label(size=3, text="hi", color=Color.GREEN),
        Disc(center=Point(x=1, y=2), radius=0.5),
    ],
    sizes={"a": 7},
)


def paths(explained: Explanation) -> list[tuple[int, int, str, str, str]]:
    return [(r.offset, r.size_bytes, r.path, r.type, r.value) for r in explained.rows]


def test_each_part_is_told_where_it_stands() -> None:
    explained = explain(bincode.encode(DRAWING), Drawing)
    assert explained.error is None
    assert paths(explained) == [
        (0, 10, "name", "String", "'é'"),
        (10, 8, "figures", "Vec<Figure>", "2 items"),
        (18, 4, "figures[0]", "Figure", "a label"),
        (22, 1, "figures[0].a label.size", "u8", "3"),
        (23, 10, "figures[0].a label.text", "String", "'hi'"),
        (33, 1, "figures[0].a label.color", "Option<Color>", "Some"),
        (34, 4, "figures[0].a label.color", "Color", "<Color.GREEN: 'green'>"),
        (38, 4, "figures[1]", "Figure", "Disc"),
        (42, 4, "figures[1].Disc.center.x", "i32", "1"),
        (46, 4, "figures[1].Disc.center.y", "i32", "2"),
        (50, 8, "figures[1].Disc.radius", "f64", "0.5"),
        (58, 8, "sizes", "HashMap<String, u16>", "1 item"),
        (66, 9, "sizes[pair 0].key", "String", "'a'"),
        (75, 2, "sizes[pair 0].value", "u16", "7"),
    ]


def test_it_prints_as_a_table() -> None:
    explained = explain(bytes.fromhex("01 0200 0300 ff"), tuple[bool, U16, U16, U16])
    assert str(explained).splitlines() == [
        "offset  bytes  path  type  value",
        "     0  01     [0]   bool  True",
        "     1  02 00  [1]   u16   2",
        "     3  03 00  [2]   u16   3",
        "refused: byte 5, [3]: needs 2 bytes, 1 are left",
    ]


def test_long_bytes_are_shortened() -> None:
    table = str(explain(bincode.encode("x" * 100, str), str))
    assert "64 00 00 00 00 00 00 00 …" in table
    assert len(table.splitlines()[1]) < 150


def test_what_the_bytes_allow_and_the_type_refuses_is_told_in_full() -> None:
    class Even(BaseModel):
        value: U8

        def model_post_init(self, _: Any) -> None:
            if self.value % 2:
                raise ValueError("odd")

    explained = explain(b"\1", tuple[Even])
    assert len(explained.rows) == 1
    assert isinstance(explained.error, DecodeError)
    assert "odd" in str(explained).splitlines()[-1]


def test_bytes_left_over_are_told() -> None:
    explained = explain(b"\1\2", bool)
    assert len(explained.rows) == 1
    assert str(explained).endswith("refused: byte 1, message: 1 bytes are left over")
    assert explain(b"\1\2", bool, Config(allow_trailing=True)).error is None


def test_numbers_in_a_list_are_one_row() -> None:
    assert paths(explain(bincode.encode([1, 2], list[U16]), list[U16])) == [
        (0, 12, "", "Vec<u16>", "[1, 2]")
    ]


def test_a_long_message_is_told_as_far_as_anyone_reads() -> None:
    explained = explain(bincode.encode(["a"] * 2 * MOST_ROWS, list[str]), list[str])
    assert len(explained.rows) == MOST_ROWS
    assert explained.error is None
    assert str(explained).endswith("… and so on; these are the first 1,000 parts")


def test_a_type_inside_itself_is_told_down_to_its_limit() -> None:
    chain = None
    for value in range(9):
        chain = Chain(value=value, next=chain)
    data = bincode.encode(chain)
    assert explain(data, Chain).rows[-1].path == ".".join(["next"] * 9)
    shallow = explain(data, Chain, Config(depth=3))
    assert isinstance(shallow.error, MessageTooLarge)
    assert shallow.rows[-1].path == ".".join(["next"] * 4)


def test_no_bytes_at_all() -> None:
    assert str(explain(b"", U8)).splitlines() == [
        "offset  bytes  path  type  value",
        "refused: byte 0, message: needs 1 bytes, 0 are left",
    ]
    assert paths(explain(b"", None)) == [(0, 0, "", "()", "None")]


def test_a_type_without_a_wire_form_is_still_refused() -> None:
    with pytest.raises(SchemaError):
        explain(b"", object)


@pytest.mark.parametrize("row", MATRIX, ids=str)
@MODERATE
@given(data=st.data())
def test_the_rows_cover_the_message(row: TypeRow, data: st.DataObject) -> None:
    config = data.draw(st.sampled_from(CONFIGS))
    encoded = bincode.encode(data.draw(row.values), row.annotation, config)
    explained = explain(encoded, row.annotation, config)
    assert explained.error is None
    end = 0
    for part in explained.rows:
        assert part.offset == end
        end += part.size_bytes
    assert end == len(encoded)


@pytest.mark.parametrize("row", MATRIX, ids=str)
@MODERATE
@given(data=st.data(), garbage=st.binary(max_size=40))
def test_wrong_bytes_are_told_up_to_where_decode_refuses(
    row: TypeRow, data: st.DataObject, garbage: bytes
) -> None:
    config = data.draw(st.sampled_from(CONFIGS))
    explained = explain(garbage, row.annotation, config)
    refusal: IpcError | None = None
    try:
        bincode.decode(garbage, row.annotation, config)
    except IpcError as error:
        refusal = error
    assert (explained.error is None) == (refusal is None)
    if refusal is not None:
        assert str(explained.error) == str(refusal)
        assert str(explained).endswith(f"refused: {refusal}")
    ends = [part.offset + part.size_bytes for part in explained.rows]
    assert ends == sorted(ends)
    assert all(isinstance(part, Row) for part in explained.rows)
