"""Places and turns of those who handle messages, without a message on the way."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from lazyipc import SchemaError
from lazyipc._core.messages import MessageSet
from lazyipc.rpc._crew import NO_CONTEXT, Crew, Handling
from tests.rpc.messages import Add, Note, Number, Order, Place, Text, Where, echo


def crew_of(limit: int) -> Crew:
    return Crew(MessageSet(Note), echo, NO_CONTEXT, limit)


class Line:
    """One peer's messages that wait for a place; each that begins is written down.

    Args:
        crew: whose places they wait for.
        began: the diary, of all lines.
        names: the messages.
        ends_at_once: each is over when it has begun, as with eager tasks.
    """

    def __init__(
        self, crew: Crew, began: list[str], *names: str, ends_at_once: bool = False
    ) -> None:
        self._crew = crew
        self._began = began
        self._names = deque(names)
        self._ends_at_once = ends_at_once

    def begin_next(self) -> bool:
        assert self._names, "there is nothing to begin"
        assert self._crew.try_begin(), "there is no place"
        self._began.append(self._names.popleft())
        if self._ends_at_once:
            self._crew.end()
        return bool(self._names)


# Places -------------------------------------------------------------------------------------------


def test_no_more_run_than_there_are_places() -> None:
    crew = crew_of(2)
    assert [crew.try_begin() for _ in range(3)] == [True, True, False]
    crew.end()
    assert [crew.try_begin() for _ in range(2)] == [True, False]


def test_who_waits_begins_when_one_has_ended() -> None:
    crew, began = crew_of(1), list[str]()
    crew.try_begin()
    crew.wait(Line(crew, began, "a", "b"))
    assert began == []
    crew.end()
    assert began == ["a"]
    crew.end()
    assert began == ["a", "b"]
    crew.end()
    assert crew.try_begin(), "a place was lost"
    assert not crew.try_begin(), "a place was won"


def test_where_there_is_a_place_nobody_waits() -> None:
    crew, began = crew_of(2), list[str]()
    crew.wait(Line(crew, began, "a", "b", "c"))
    assert began == ["a", "b"]


def test_each_line_has_its_turn() -> None:
    crew, began = crew_of(1), list[str]()
    crew.try_begin()
    for line in ("a", "b", "c"):
        crew.wait(Line(crew, began, *(f"{line}{n}" for n in range(3))))
    for _ in range(9):
        crew.end()
    assert began == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


def test_who_waits_twice_has_one_turn_and_keeps_it() -> None:
    crew, began = crew_of(1), list[str]()
    crew.try_begin()
    first, second = Line(crew, began, "a0", "a1"), Line(crew, began, "b0")
    crew.wait(first)
    crew.wait(second)
    crew.wait(first)
    for _ in range(3):
        crew.end()
    assert began == ["a0", "b0", "a1"]


def test_who_left_has_no_turn() -> None:
    crew, began = crew_of(1), list[str]()
    crew.try_begin()
    first, second = Line(crew, began, "a"), Line(crew, began, "b")
    crew.wait(first)
    crew.wait(second)
    crew.leave(first)
    crew.leave(first)
    crew.end()
    assert began == ["b"]


def test_those_that_end_as_they_begin_are_begun_in_a_loop_not_within_each_other() -> None:
    crew, began = crew_of(1), list[str]()
    crew.try_begin()
    for n in range(3000):
        crew.wait(Line(crew, began, f"{n}a", f"{n}b", ends_at_once=True))
    crew.end()
    assert began == [f"{n}{name}" for name in "ab" for n in range(3000)]
    assert crew.try_begin()
    assert not crew.try_begin()


def test_one_that_fails_to_begin_keeps_nobody_else_from_it() -> None:
    class Broken:
        def begin_next(self) -> bool:
            raise KeyboardInterrupt

    crew, began = crew_of(1), list[str]()
    crew.try_begin()
    crew.wait(Broken())
    crew.wait(Line(crew, began, "a"))
    with pytest.raises(KeyboardInterrupt):
        crew.end()
    assert began == []
    crew.wait(Line(crew, began, "b"))
    assert began == ["a"]


# One that is handled, and what it waits for ------------------------------------------------------


def handled(crew: Crew) -> Handling:
    """One that runs."""
    assert crew.try_begin()
    handling = Handling(crew, None, 1, Number(n=1), None, True)
    handling.has_place = True
    return handling


def places(crew: Crew) -> int:
    """How many there are; they are taken."""
    count = 0
    while crew.try_begin():
        count += 1
    return count


def test_a_handler_that_waits_for_a_reply_lends_its_place() -> None:
    crew, began = crew_of(1), list[str]()
    handling = handled(crew)
    crew.wait(Line(crew, began, "a", "b"))
    handling.pause()
    assert began == ["a"]
    handling.resume()
    crew.end()
    assert began == ["a"], "it has its place back, and nobody else begins"
    handling.end()
    assert began == ["a", "b"]


def test_it_goes_on_whoever_has_its_place_meanwhile() -> None:
    crew = crew_of(1)
    handling = handled(crew)
    handling.pause()
    assert crew.try_begin()
    handling.resume()
    handling.end()
    assert not crew.try_begin()
    crew.end()
    assert places(crew) == 1


def test_its_place_is_lent_once_however_many_replies_it_waits_for() -> None:
    crew = crew_of(1)
    handling = handled(crew)
    for _ in range(3):
        handling.pause()
    assert places(crew) == 1
    for _ in range(2):
        handling.resume()
    crew.end()
    assert crew.try_begin()
    crew.end()
    handling.resume()
    assert not crew.try_begin()
    handling.end()
    assert places(crew) == 1


def test_a_task_that_outlives_its_handler_waits_without_a_place() -> None:
    crew = crew_of(1)
    handling = handled(crew)
    handling.pause()
    handling.end()
    assert places(crew) == 1
    crew.end()
    handling.resume()
    handling.pause()
    handling.resume()
    assert places(crew) == 1


def test_a_message_that_has_no_place_lends_none() -> None:
    """Plain `process` may begin a task that waits for a reply."""
    crew = crew_of(1)
    handling = Handling(crew, None, 1, Number(n=1), None, True)
    handling.pause()
    assert places(crew) == 1
    handling.resume()
    crew.end()
    assert places(crew) == 1


# Who handles --------------------------------------------------------------------------------------


def test_who_handles_what() -> None:
    absent = Crew(MessageSet(Note), None, NO_CONTEXT, 1)
    assert absent.is_absent
    assert not absent.is_handler
    handler = crew_of(1)
    assert handler.is_handler
    assert not handler.is_plain(Text)
    orders = MessageSet(Order)
    processes = Crew(orders, None, None, 1)
    assert not processes.is_absent
    assert processes.is_plain(Where)
    assert not processes.is_plain(Add)
    assert Crew(orders, None, NO_CONTEXT, 1).is_absent
    with pytest.raises(SchemaError, match="leave one of them out"):
        Crew(orders, echo, Place(), 1)


@pytest.mark.parametrize("handler", [lambda message, peer: message, lambda message, peer: None])
def test_a_handler_that_answers_at_once_is_told_to_be_async(handler: Callable[..., Any]) -> None:
    crew = Crew(MessageSet(Note), handler, NO_CONTEXT, 1)
    handling = Handling(crew, None, 1, Number(n=1), None, True)
    own = contextvars.copy_context()  # what is handled here is not what the next tests handle
    with pytest.raises(TypeError, match="async def"):
        own.run(crew.answer, handling)
