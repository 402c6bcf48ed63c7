"""A frame on its way in: whole in any steps, in no more memory than has come, and not copied."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazyipc._core.intake import (
    LONGEST_STEP_BYTES,
    PIECE_BYTES,
    ROOM_FACTOR,
    Intake,
    Spliced,
    Unread,
)

SIZE = 6 * 2**20 + 5
FRAME = bytes(range(256)) * (SIZE // 256) + b"\1\2\3\4\5"


def fill(intake: Intake, begun: int, steps: list[int]) -> bytes:
    """Bring the rest of the frame, so many bytes at once, again and again."""
    place = 0
    for step in range(SIZE):
        if intake.is_full:
            break
        space = intake.space()
        assert 0 < len(space) <= PIECE_BYTES
        count = min(len(space), steps[step % len(steps)])
        space[:count] = FRAME[begun + place : begun + place + count]
        place += count
        intake.received(count)
    return intake.taken()


@pytest.mark.parametrize("border", [0, 56, 5000])
@settings(max_examples=20, deadline=None)
@given(
    begun=st.integers(5000, 400_000),
    steps=st.lists(st.integers(100_000, 2 * PIECE_BYTES), min_size=1, max_size=5),
)
def test_a_frame_comes_whole_in_any_steps(border: int, begun: int, steps: list[int]) -> None:
    frame = fill(Intake(memoryview(FRAME)[:begun], SIZE, border), begun, steps)
    assert len(frame) == SIZE
    if border:
        assert isinstance(frame, Spliced)
        assert frame.joined() == FRAME
        assert frame[border:SIZE] is frame.tail
    else:
        assert frame == FRAME


def test_what_has_come_is_given_when_asked_for_early() -> None:
    intake = Intake(memoryview(FRAME)[:5000], SIZE, 100)
    space = intake.space()
    space[:7] = FRAME[5000:5007]
    intake.received(7)
    taken = intake.taken()
    assert isinstance(taken, Spliced)
    assert taken.joined() == FRAME[:5007]


def test_room_is_made_for_what_came_not_for_what_is_announced() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        intake = Intake(memoryview(FRAME)[:5000], SIZE, 56)
        come = 5000
        while not intake.is_full:
            space = intake.space()
            held = tracemalloc.get_traced_memory()[0] - before
            most = ROOM_FACTOR * come
            assert held <= min(most, come + LONGEST_STEP_BYTES, SIZE) + 10_000
            come += len(space)
            intake.received(len(space))
        tracemalloc.reset_peak()
        frame = intake.taken()
        assert tracemalloc.get_traced_memory()[1] - before <= SIZE + 10_000, "it was copied"
        assert len(frame) == SIZE
    finally:
        tracemalloc.stop()


def test_a_kept_place_does_not_keep_the_frame_from_growing() -> None:
    """An error that is kept may keep the frame of a function that had it."""
    intake = Intake(memoryview(FRAME)[:5000], SIZE, 0)
    kept = []
    while not intake.is_full:
        kept.append(intake.space())
        intake.received(len(kept[-1]))
    assert len(intake.taken()) == SIZE


@pytest.mark.parametrize(
    "asked", [slice(3, 6), slice(4, 7), slice(5, 8), slice(0, None), slice(0, 8), slice(6, 7)]
)
def test_what_lies_in_both_halves_is_not_read(asked: slice) -> None:
    frame = Spliced(b"head")
    frame.tail = b"tail"
    with pytest.raises(Unread):
        frame[asked]


def test_what_lies_in_one_half_is_read() -> None:
    frame = Spliced(b"head")
    frame.tail = b"tail"
    assert (frame[0], frame[1:3], frame[0:4], frame[4:8]) == (ord("h"), b"ea", b"head", b"tail")
    assert (len(frame), frame.joined(), bytes(memoryview(frame))) == (8, b"headtail", b"head")
