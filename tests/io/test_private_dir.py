"""A directory for a server that was given no path: private, removed, and swept after a death."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lazyipc import SocketInUse, SocketRefused, TransportError
from lazyipc._io import ownership, private_dir, sockets
from lazyipc._io.private_dir import PrivateDir, make, sweep
from tests.harness import Line, forked, need_root

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture
def parent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the directories are made."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder / "lazyipc"


def listening(made: PrivateDir) -> object:
    return sockets.listen(made.ownership)


def names(parent: Path) -> set[str]:
    return {str(path.relative_to(parent)) for path in parent.rglob("*")}


def dies(work: Callable[[], object]) -> None:
    """Do something in a process that is killed over it."""

    def killed(line: Line) -> None:
        kept = work()
        line.say("done")
        line.hear()
        del kept

    with forked(killed) as child:
        assert child.hear() == "done"
        child.kill()


# Made and removed ---------------------------------------------------------------------------------


def test_it_is_made_where_sockets_are_and_removed(parent: Path) -> None:
    made = make()
    folder = Path(made.path)
    assert folder.parent == parent
    assert folder.name.startswith("rpc-")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert made.ownership.path == f"{made.path}/s"
    with sockets.listen(made.ownership):
        assert names(folder) == {"s", "s.lock"}
        assert stat.S_IMODE((folder / "s").lstat().st_mode) == 0o600
        made.release()
    assert names(parent) == set()
    made.release()


def test_no_two_are_alike(parent: Path) -> None:
    several = [make() for _ in range(20)]
    assert len({made.path for made in several}) == 20
    for made in several:
        made.release()
    assert names(parent) == set()


def test_a_narrow_umask_leaves_it_usable(parent: Path) -> None:
    before = os.umask(0o777)
    try:
        made = make()
        with sockets.listen(made.ownership):
            assert stat.S_IMODE(os.lstat(made.path).st_mode) == 0o700
    finally:
        os.umask(before)
    made.release()
    assert names(parent) == set()


def test_what_somebody_put_into_it_stays(parent: Path) -> None:
    made = make()
    (Path(made.path) / "notes").write_text("mine")
    made.release()
    assert names(parent) == {Path(made.path).name, f"{Path(made.path).name}/notes"}


def test_abandoned_it_is_somebody_elses_to_remove(parent: Path) -> None:
    """A forked child ends, and with it whatever would have released it."""
    made = make()
    before = names(parent)
    made.abandon()
    made.release()
    assert names(parent) == before
    sweep(str(parent))
    assert names(parent) == set()


def test_it_may_be_gone_before_it_is_released(parent: Path) -> None:
    made = make()
    os.unlink(made.ownership.path + ".lock")
    os.rmdir(made.path)
    made.release()
    assert names(parent) == set()


def test_a_forked_child_leaves_it_alone(parent: Path) -> None:
    made = make()
    with sockets.listen(made.ownership), forked(lambda line: made.abandon()) as child:
        assert child.finish() == 0
        assert names(Path(made.path)) == {"s", "s.lock"}
        sweep(str(parent))
        assert names(Path(made.path)) == {"s", "s.lock"}
    made.release()


def test_what_cannot_be_made_is_told(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.mkdir

    def full(path: str, mode: int = 0o777) -> None:
        if "rpc-" in path:
            raise OSError(28, "No space left on device")
        real(path, mode)

    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(TransportError, match="no directory for a socket can be made") as caught:
        make()
    assert caught.value.errno == 28


def test_a_claim_that_fails_leaves_nothing(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> None:
        Path(path + ".lock").touch()
        raise SocketRefused(f"{path}: not today", path=path)

    monkeypatch.setattr(ownership, "claim", refused)
    with pytest.raises(SocketRefused, match="not today"):
        make()
    assert names(parent) == set()


# What the dead left -------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["directory", "lock", "socket"])
def test_what_a_killed_server_left_is_removed_by_the_next(parent: Path, step: str) -> None:
    def begun() -> object:
        if step == "directory":
            parent.mkdir(mode=0o700)
            return (parent / "rpc-0123").mkdir(mode=0o700)
        made = make()
        return made if step == "lock" else (made, listening(made))

    dies(begun)
    assert len(list(parent.iterdir())) == 1
    made = make()
    assert [str(path) for path in parent.iterdir()] == [made.path]
    made.release()
    assert names(parent) == set()


@pytest.mark.parametrize("step", ["lock", "socket"])
def test_what_lives_is_left_alone(parent: Path, step: str) -> None:
    living = make()
    listener = sockets.listen(living.ownership) if step == "socket" else None
    before = names(parent)
    other = make()
    other.release()
    assert names(parent) == before
    if listener is not None:
        listener.close()
    living.release()
    assert names(parent) == set()


def test_what_lives_is_not_claimed(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its pid cannot be seen, that would wait for it to be written."""
    living = make()
    monkeypatch.setattr(ownership, "claim", lambda path: pytest.fail("claimed"))
    sweep(str(parent))
    living.release()


def test_a_start_whose_directory_was_swept_makes_another(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ownership.claim
    met: list[str] = []

    def swept_once(path: str) -> ownership.Ownership:
        if not met:
            met.append(path)
            sweep(str(parent))  # by a start that finds it without a lock
            assert not os.path.exists(os.path.dirname(path))
        return real(path)

    monkeypatch.setattr(ownership, "claim", swept_once)
    made = make()
    assert made.ownership.path not in met
    made.release()
    assert names(parent) == set()


def test_a_start_whose_lock_is_held_by_a_sweep_makes_another(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ownership.claim
    sweeping: list[ownership.Ownership] = []

    def held_once(path: str) -> ownership.Ownership:
        if not sweeping:
            sweeping.append(real(path))
        return real(path)

    monkeypatch.setattr(ownership, "claim", held_once)
    made = make()
    assert made.ownership.path != sweeping[0].path
    PrivateDir(os.path.dirname(sweeping[0].path), sweeping[0]).release()
    made.release()
    assert names(parent) == set()


def test_a_start_that_is_always_swept_gives_up(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[str] = []

    def held(path: str) -> ownership.Ownership:
        met.append(path)
        raise SocketInUse(f"{path}: taken", path=path)

    monkeypatch.setattr(ownership, "claim", held)
    with pytest.raises(SocketInUse, match="taken"):
        make()
    assert len(met) == len(set(met)) == private_dir.MAKE_ATTEMPTS
    assert names(parent) == set()


FOREIGN: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.touch(),
    "a link": lambda path: path.symlink_to("/"),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a pipe": os.mkfifo,
    "an open directory": lambda path: (path.mkdir(), path.chmod(0o755)),
    "a directory with files": lambda path: (path.mkdir(mode=0o700), (path / "x").touch()),
    "a directory that is another's": lambda path: (path.mkdir(mode=0o700), os.chown(path, 1, 1)),
    "another name": lambda path: path.with_name("app.sock").touch(),
    "another directory": lambda path: path.with_name("mine").mkdir(mode=0o700),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_not_of_this_kind_is_left_alone(parent: Path, kind: str) -> None:
    if "another's" in kind:
        need_root()
    parent.mkdir(mode=0o700)
    FOREIGN[kind](parent / "rpc-0123")
    before = names(parent)
    assert before
    make().release()
    assert names(parent) == before


@pytest.mark.parametrize("what", ["a link", "a file", "another's content"])
def test_a_socket_or_a_lock_that_is_not_ours_is_left_alone(parent: Path, what: str) -> None:
    parent.mkdir(mode=0o700)
    left = parent / "rpc-0123"
    left.mkdir(mode=0o700)
    if what == "a link":
        (left / "s.lock").symlink_to("/dev/null")
    elif what == "a file":
        (left / "s").write_text("no socket")
        (left / "s.lock").touch(mode=0o600)
    else:
        (left / "s.lock").write_text("mine")
        (left / "s.lock").chmod(0o600)
    before = names(parent)
    make().release()
    assert names(parent) == before


def test_a_sweep_looks_into_so_many(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_dir, "SWEEP_COUNT", 3)
    parent.mkdir(mode=0o700)
    for number in range(5):
        (parent / f"rpc-{number}").mkdir(mode=0o700)
    sweep(str(parent))
    assert len(list(parent.iterdir())) == 2


def test_a_sweep_of_what_is_not_there_is_quiet(parent: Path) -> None:
    sweep(str(parent))
    assert not parent.exists()


def test_starts_at_once_disturb_nobody(parent: Path) -> None:
    """Several processes make and remove theirs, each sweeping, and none fails."""

    def many(line: Line) -> None:
        for _ in range(20):
            made = make()
            with sockets.listen(made.ownership):
                made.release()
        line.say("well")

    with forked(many) as one, forked(many) as two, forked(many) as three:
        assert [child.hear() for child in (one, two, three)] == ["well"] * 3
    assert names(parent) == set()
