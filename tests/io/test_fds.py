"""Descriptors with one owner, and holders that let go in forked children."""

from __future__ import annotations

import contextlib
import gc
import os
import stat
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from lazyipc._io.fds import OwnedFd, abandon_in_child, opened, opened_file
from lazyipc._io.ownership import claim
from lazyipc._io.private_file import read_private, replace_private
from lazyipc._io.status_page import read_status
from tests.conftest import open_descriptors
from tests.harness import Interrupter, told_by_child

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


def test_what_is_opened(folder: Path) -> None:
    path = folder / "file"
    with opened(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL) as made:
        assert os.write(made.fileno(), b"text") == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with opened_file(str(path)) as file:
        assert file.read() == b"text"
    with pytest.raises(FileExistsError):
        opened(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    (folder / "link").symlink_to(path)
    os.mkfifo(folder / "pipe")
    for other in ("missing", "link", "pipe", ""):
        with pytest.raises(OSError, match=r"no file|No such file"):
            opened_file(f"{folder}/{other}")


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize(
    "use",
    [
        read_status,
        lambda path: read_private(path + ".file", 100),
        lambda path: replace_private(path + ".file", b"new"),
    ],
    ids=["read_status", "read_private", "replace_private"],
)
def test_an_interrupt_anywhere_leaves_no_file_open(path: str, use: Callable[[str], object]) -> None:
    ownership = claim(path)
    assert replace_private(path + ".file", b"old")
    before = open_descriptors()
    for at in range(1000):
        interrupter = Interrupter(at)
        with contextlib.suppress(KeyboardInterrupt), interrupter:
            use(path)
        assert open_descriptors() == before, interrupter.place
        if not interrupter.has_struck:
            break
    assert at > 3
    assert read_private(path + ".file", 100) in (b"old", b"new")
    ownership.release()


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
