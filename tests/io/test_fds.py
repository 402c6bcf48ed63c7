"""Descriptors with one owner, and holders that let go in forked children."""

from __future__ import annotations

import gc
import os
import weakref

import pytest

from lazyipc._io.fds import OwnedFd, abandon_in_child
from tests.harness import told_by_child

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


class Holder:
    """Counts how often it is told to let go."""

    def __init__(self) -> None:
        self.times = 0

    def abandon(self) -> None:
        self.times += 1


def test_a_descriptor_is_closed_once_and_not_another_of_its_number() -> None:
    handle = OwnedFd(os.eventfd(0))
    number = handle.fileno()
    handle.close()
    assert handle.fileno() == -1
    other = os.eventfd(0)
    try:
        assert other == number, "the test needs the number to be used again"
        handle.close()
        os.fstat(other)
    finally:
        os.close(other)


def test_a_holder_lets_go_in_a_child_and_not_in_the_parent() -> None:
    holder = Holder()
    abandon_in_child(holder, Holder.abandon)
    assert told_by_child(lambda: str(holder.times)) == "1"
    assert holder.times == 0


def test_a_holder_lets_go_in_a_childs_child_too() -> None:
    holder = Holder()
    abandon_in_child(holder, Holder.abandon)
    told = told_by_child(lambda: told_by_child(lambda: str(holder.times)))
    assert told == "2", "what a child holds anew, its own child must let go of"


def test_being_told_to_keep_an_eye_on_a_holder_keeps_it_not_alive() -> None:
    holder = Holder()
    abandon_in_child(holder, Holder.abandon)
    seen = weakref.ref(holder)
    del holder
    gc.collect()
    assert seen() is None
