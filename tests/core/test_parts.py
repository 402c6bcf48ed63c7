"""Messages in parts: nothing is lost, and what is large is not copied."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazyipc._core.parts import LARGE_BYTES, Parts, pass_written, views

sizes = st.lists(st.sampled_from([0, 1, 9, LARGE_BYTES - 1, LARGE_BYTES, LARGE_BYTES + 7]))


def of_sizes(sizes: list[int]) -> list[bytes]:
    return [bytes([number % 251]) * size for number, size in enumerate(sizes)]


@settings(deadline=None)
@given(sizes)
def test_parts_are_what_they_were_made_of(sizes: list[int]) -> None:
    pieces = of_sizes(sizes)
    parts = b"head" + Parts(pieces)
    assert bytes(parts) == b"head" + b"".join(pieces)
    assert len(parts) == len(bytes(parts))
    assert all(parts.pieces)


@settings(deadline=None)
@given(sizes)
def test_large_parts_stay_where_they_lie_and_small_ones_are_joined(sizes: list[int]) -> None:
    pieces = of_sizes(sizes)
    large = {id(piece) for piece in pieces if len(piece) >= LARGE_BYTES}
    kinds = [id(part) in large for part in Parts(pieces).pieces]
    assert kinds.count(True) == len(large)
    assert (False, False) not in pairwise(kinds)


@given(st.lists(st.binary(max_size=9)), st.integers(0, 90))
def test_what_was_written_is_passed_and_nothing_else(pieces: list[bytes], count: int) -> None:
    whole = b"".join(pieces)
    left = [memoryview(piece) for piece in pieces]
    count = min(count, len(whole))
    pass_written(left, count)
    assert b"".join(left) == whole[count:]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_views_are_of_all_messages(count: int) -> None:
    large = bytes(LARGE_BYTES)
    messages = [b"ab", Parts([b"c", large]), b"", b"d", Parts([large, b"e"])][:count]
    found = views(messages)
    assert b"".join(found) == b"".join(map(bytes, messages))
    assert all(view.obj is large for view in found if len(view) == LARGE_BYTES)
