"""Who descends from whom: children, orphans, strangers, and processes that are gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lazyipc._io import ancestry
from lazyipc._io.ancestry import is_descendant, started_at
from tests.harness import Line, forked, program, python, until

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_process_descends_from_itself_and_from_its_parents() -> None:
    own = os.getpid()
    assert is_descendant(own, own, started_at(own))
    assert is_descendant(own, os.getppid(), started_at(os.getppid()))


def test_a_grandchild_descends_from_its_grandparent() -> None:
    def work(line: Line) -> None:
        with forked(lambda inner: line.say(str(os.getpid())) or inner.hear()):
            line.hear()

    with forked(work) as child:
        grandchild = int(child.hear())
        assert parent_of(grandchild) == child.pid
        for ancestor in (child.pid, os.getpid()):
            assert is_descendant(grandchild, ancestor, started_at(ancestor))
        child.say("end")
        child.finish()


def test_who_is_older_is_no_descendant() -> None:
    with forked(lambda line: line.hear()) as older:
        start = started_at(older.pid)
        assert start is not None
        until(lambda: (started_at_of_new() or 0) > start)  # the system's ticks are coarse
        with forked(lambda line: line.hear()) as younger:
            began = started_at(younger.pid)
            assert is_descendant(older.pid, younger.pid, began) is False
            assert is_descendant(os.getppid(), younger.pid, began) is False
            # It might be an orphan that somebody has taken in.
            assert is_descendant(younger.pid, older.pid, start) is None


def started_at_of_new() -> int | None:
    """The present, in the system's ticks."""
    with forked(lambda line: line.hear()) as child:
        return started_at(child.pid)


def test_an_orphan_may_be_anybodys() -> None:
    def work(line: Line) -> None:
        if os.fork() == 0:
            line.say(str(os.getpid()))
            line.hear()
            os._exit(0)

    with forked(work) as child:
        orphan = int(child.hear())
        start = started_at(child.pid)
        child.finish()
        until(lambda: parent_of(orphan) != child.pid)
        assert is_descendant(orphan, child.pid, start) is None
        child.say("end")


def test_a_name_with_parentheses_and_spaces_is_read_past(folder: Path) -> None:
    odd = folder / "a) R 7 (b"
    odd.symlink_to(os.path.realpath(python("")[0]))
    with program(str(odd), "-c", "print(flush=True); input()") as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert ") R 7 (" in Path(f"/proc/{child.pid}/stat").read_text()
        assert is_descendant(child.pid, os.getpid(), None)


@pytest.mark.parametrize("pid", [0, 1, -1, 2**22 + 1])
def test_who_is_out_of_sight_is_not_known(pid: int) -> None:
    assert is_descendant(pid, os.getpid(), started_at(os.getpid())) is None


def test_without_proc_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ancestry, "_parent_and_start", lambda pid: None)
    assert started_at(os.getpid()) is None
    assert is_descendant(os.getpid(), os.getppid(), None) is None


def test_a_line_is_not_followed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ancestry, "_parent_and_start", lambda pid: (pid + 1, 5))
    assert is_descendant(2, 1000, 1) is None
