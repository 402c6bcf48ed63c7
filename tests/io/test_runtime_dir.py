"""`runtime_path`: the same path for both sides, in a directory that is nobody else's."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lazyipc import SocketRefused, TransportError, runtime_path
from lazyipc._io import runtime_dir, sockets
from lazyipc._io.ownership import claim
from tests.harness import NOBODY, become_nobody, need_root, told_by_child
from tests.io.container import READ_ONLY_ROOT, in_container, tmpfs

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

UID = os.geteuid()
RANDOM_UID = 1_000_620_000
"""As a container platform picks one: no user has it."""


class Places:
    """The directories that are tried, made up: what stands in for /run/user and for /tmp."""

    def __init__(self, folder: Path) -> None:
        self.run_user = folder / "run-user"
        self.own = self.run_user / str(UID)
        self.tmp = folder / "tmp"
        self.shm = folder / "shm"
        for place in (self.run_user, self.tmp, self.shm):
            place.mkdir()
        self.tmp.chmod(0o1777)

    def make_own(self) -> Path:
        self.own.mkdir(mode=0o700)
        return self.own

    @property
    def in_tmp(self) -> Path:
        return self.tmp / f"lazyipc-{UID}"


@pytest.fixture
def places(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    made = Places(folder)
    monkeypatch.setattr(runtime_dir, "RUN_USER", str(made.run_user))
    monkeypatch.setattr(runtime_dir, "SHARED", (str(made.tmp), str(made.shm)))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    return made


@contextlib.contextmanager
def living(path: Path) -> Iterator[None]:
    """A live server at a path."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    owned = claim(str(path))
    try:
        with sockets.listen(owned):
            yield
    finally:
        owned.release()


# Where it is --------------------------------------------------------------------------------------


def test_it_lies_in_the_users_runtime_directory(
    places: Places, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = folder / "xdg"
    own.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
    assert runtime_path("app") == own / "lazyipc" / "app.sock"
    assert stat.S_IMODE((own / "lazyipc").stat().st_mode) == 0o700
    assert os.listdir(own / "lazyipc") == []
    assert runtime_path("app") == own / "lazyipc" / "app.sock", "again, now that it is there"


def test_it_is_one_for_each_instance(places: Places) -> None:
    places.make_own()
    base = places.own / "lazyipc"
    assert runtime_path("train", instance=7) == base / "train@7.sock"
    assert runtime_path("train", instance="left") == base / "train@left.sock"
    assert runtime_path("train@7") == runtime_path("train", instance=7)
    assert runtime_path("train", instance=0) == base / "train@0.sock"
    assert runtime_path("train") == base / "train.sock"


@pytest.mark.parametrize("given", [None, "", "{run_user}/4711", "{tmp}", "{tmp}/", "{shm}"])
def test_without_the_variable_it_is_where_the_variable_would_point(
    places: Places, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    """A server from a session and a client from cron find the same path.

    So do they where it names another user's, as sudo leaves it, or a directory for all, as some
    containers do.
    """
    places.make_own()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(places.own))
    from_session = runtime_path("app")
    if given is None:
        monkeypatch.delenv("XDG_RUNTIME_DIR")
    else:
        named = given.format(run_user=places.run_user, tmp=places.tmp, shm=places.shm)
        monkeypatch.setenv("XDG_RUNTIME_DIR", named)
    assert runtime_path("app") == from_session == places.own / "lazyipc" / "app.sock"


def test_the_usual_runtime_directory_may_be_gone(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session ended; what it started still has the variable."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(places.own))
    assert runtime_path("app") == places.in_tmp / "app.sock"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("relative", "not an absolute path"),
        ("a\n/b", "not an absolute path"),
        ("/nonexistent", "No such file or directory"),
        ("/etc/passwd", "a file, not a directory"),
        ("/etc/passwd/x", "Not a directory"),
        ("/" + "x" * 5000, "File name too long"),
    ],
)
def test_an_xdg_runtime_dir_that_cannot_be_used_leads_nowhere_else(
    places: Places, monkeypatch: pytest.MonkeyPatch, given: str, words: str
) -> None:
    """Whoever set it must not reach the server of every day."""
    with living(places.in_tmp / "app.sock"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", given)
        with pytest.raises(SocketRefused) as caught:
            runtime_path("app")
    told = str(caught.value)
    assert told.startswith(f"XDG_RUNTIME_DIR is {given!r}")
    assert words in told
    assert caught.value.path == given


def test_without_a_runtime_directory_it_lies_in_a_private_one_for_temporary_files(
    places: Places,
) -> None:
    assert runtime_path("app") == places.in_tmp / "app.sock"
    assert stat.S_IMODE(places.in_tmp.stat().st_mode) == 0o700


def test_tmpdir_does_not_part_server_and_client(
    places: Places, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = runtime_path("app")
    monkeypatch.setenv("TMPDIR", str(folder))
    assert runtime_path("app") == before


def test_a_relative_xdg_runtime_dir_is_refused(
    places: Places, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Server and client may run in two directories."""
    (folder / "here").mkdir(mode=0o700)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "here")
    with pytest.raises(SocketRefused, match="not an absolute path"):
        runtime_path("app")


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777, 0o702], ids=oct)
def test_an_xdg_runtime_dir_that_others_can_write_to_is_refused(
    places: Places, folder: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    own = folder / "xdg"
    own.mkdir()
    own.chmod(mode)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
    with pytest.raises(SocketRefused, match=f"others can write there .mode {mode:04o}"):
        runtime_path("app")
    assert os.listdir(own) == []


def test_another_users_xdg_runtime_dir_is_not_used(
    places: Places, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As sudo leaves it in the environment."""
    need_root()
    theirs = folder / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, NOBODY, NOBODY)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(theirs))
    assert runtime_path("app") == places.in_tmp / "app.sock"
    assert os.listdir(theirs) == []


def test_an_xdg_runtime_dir_within_another_users_is_not_used(
    places: Places, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_root()
    folder.chmod(0o755)
    (folder / "theirs" / "run").mkdir(parents=True)
    (folder / "theirs").chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "theirs" / "run"))
    assert told_as_nobody(lambda: str(runtime_path("app"))) == str(
        places.tmp / f"lazyipc-{NOBODY}" / "app.sock"
    )


@pytest.mark.parametrize("is_made", [False, True])
def test_an_xdg_runtime_dir_that_is_not_writable_is_refused(
    places: Places, folder: Path, monkeypatch: pytest.MonkeyPatch, is_made: bool
) -> None:
    need_root()  # for whom modes are no bar, so it takes a child that is not root
    folder.chmod(0o755)
    own = folder / "xdg"
    own.mkdir(mode=0o700)
    if is_made:
        (own / "lazyipc").mkdir(mode=0o500)
        os.chown(own / "lazyipc", NOBODY, NOBODY)
    own.chmod(0o500)
    os.chown(own, NOBODY, NOBODY)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
    told = told_as_nobody(refusal)
    assert told.startswith(f"XDG_RUNTIME_DIR is '{own}', which cannot be used ({own}/lazyipc: ")
    assert ("not writable" if is_made else "Permission denied") in told


def test_a_private_directory_that_is_not_writable_is_passed_over(
    places: Places, folder: Path
) -> None:
    need_root()
    folder.chmod(0o755)
    closed, other = (place / f"lazyipc-{NOBODY}" for place in (places.tmp, places.shm))
    for place, mode in ((closed, 0o500), (other, 0o700)):
        place.mkdir(mode=mode)
        os.chown(place, NOBODY, NOBODY)
    assert told_as_nobody(lambda: str(runtime_path("app"))) == str(other / "app.sock")


def refusal() -> str:
    with pytest.raises(SocketRefused) as caught:
        runtime_path("app")
    return str(caught.value)


def told_as_nobody(work: Callable[[], str]) -> str:
    def become_and_work() -> str:
        become_nobody()
        return work()

    return told_by_child(become_and_work)


# Where a server lives already ---------------------------------------------------------------------


def test_a_server_from_before_the_users_session_is_found_from_within_it(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cron started it at boot, when there was no /run/user/UID yet."""
    with living(runtime_path("app")):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(places.make_own()))
        assert runtime_path("app") == places.in_tmp / "app.sock"
        assert runtime_path("other") == places.own / "lazyipc" / "other.sock"
    assert runtime_path("app") == places.own / "lazyipc" / "app.sock", "it lives no longer"


def test_a_live_server_in_the_first_place_is_the_one(places: Places) -> None:
    with living(places.in_tmp / "app.sock"):
        places.make_own()
        with living(places.own / "lazyipc" / "app.sock"):
            assert runtime_path("app") == places.own / "lazyipc" / "app.sock"


def test_an_unusual_xdg_runtime_dir_is_final(
    places: Places, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sets one means to be apart: a test must not reach the server of every day."""
    own = folder / "xdg"
    own.mkdir(mode=0o700)
    with living(places.in_tmp / "app.sock"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
        assert runtime_path("app") == own / "lazyipc" / "app.sock"


def test_the_usual_runtime_directory_by_another_name_is_the_usual_one(
    places: Places, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As /var/run is /run."""
    with living(runtime_path("app")):
        places.make_own()
        (folder / "link").symlink_to(places.run_user)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "link" / str(UID)))
        assert runtime_path("app") == places.in_tmp / "app.sock"
        assert runtime_path("other") == places.own / "lazyipc" / "other.sock"


def test_a_server_in_a_directory_that_is_not_private_is_not_looked_at(places: Places) -> None:
    with living(places.in_tmp / "app.sock"):
        places.make_own()
        places.in_tmp.chmod(0o755)
        assert runtime_path("app") == places.own / "lazyipc" / "app.sock"


# Attacks ------------------------------------------------------------------------------------------


def make_file(place: Path) -> None:
    place.write_text("precious")


def make_link(place: Path) -> None:
    target = place.parent / "target"
    target.mkdir(mode=0o700)
    place.symlink_to(target)


def make_dangling_link(place: Path) -> None:
    place.symlink_to("/nonexistent")


def make_open(place: Path) -> None:
    place.mkdir()
    place.chmod(0o755)


def make_group_open(place: Path) -> None:
    place.mkdir()
    place.chmod(0o710)


def make_foreign(place: Path) -> None:
    need_root()
    place.mkdir(mode=0o700)
    os.chown(place, NOBODY, NOBODY)


ATTACKS = [
    (make_file, "is a file, not a directory"),
    (make_link, "is a symbolic link, not a directory"),
    (make_dangling_link, "is a symbolic link, not a directory"),
    (make_open, r"is open to others \(mode 0755, not 0700\)"),
    (make_group_open, r"is open to others \(mode 0710, not 0700\)"),
    (make_foreign, f"belongs to uid {NOBODY}, not to {UID}"),
]


@pytest.mark.parametrize(
    ("make", "words"), ATTACKS, ids=lambda value: getattr(value, "__name__", "")
)
def test_what_stands_where_the_directory_should_be_is_refused_and_left(
    places: Places, make: Callable[[Path], None], words: str
) -> None:
    make(places.in_tmp)
    before = places.in_tmp.lstat()
    with pytest.raises(SocketRefused, match=words) as caught:
        runtime_path("app")
    assert str(caught.value).startswith(str(places.in_tmp))
    assert "set XDG_RUNTIME_DIR" in str(caught.value)
    assert places.in_tmp.lstat() == before
    assert not places.shm.joinpath(f"lazyipc-{UID}").exists()


def test_the_directory_has_its_mode_under_any_umask(places: Places) -> None:
    before = os.umask(0o777)
    try:
        assert runtime_path("app") == places.in_tmp / "app.sock"
    finally:
        os.umask(before)
    assert stat.S_IMODE(places.in_tmp.stat().st_mode) == 0o700


def test_the_directory_is_never_open_to_others(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    real = os.mkdir

    def mkdir(path: str, mode: int = 0o777) -> None:
        real(path, mode)
        modes.append(stat.S_IMODE(os.stat(path).st_mode))

    monkeypatch.setattr(os, "mkdir", mkdir)
    before = os.umask(0)
    try:
        runtime_path("app")
    finally:
        os.umask(before)
    assert modes == [0o700]


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\0b", "a\nb", "a\x7f", "\ud800"])
def test_what_is_no_name_is_refused(places: Places, name: str) -> None:
    with pytest.raises(ValueError, match=r"^name "):
        runtime_path(name)
    with pytest.raises(ValueError, match=r"^instance "):
        runtime_path("app", instance=name)
    assert os.listdir(places.tmp) == []


@pytest.mark.parametrize("name", ["a", "my app", "é", "a.b", "-x", "...", "a@b@c", "n" * 245])
def test_a_name_that_a_file_can_have_is_one(places: Places, name: str) -> None:
    path = runtime_path(name)
    assert path.parent == places.in_tmp
    with living(path):
        sockets.connect(str(path), 1e9, frozenset((UID,))).close()


def test_a_name_that_is_too_long_is_refused_with_the_limit(places: Places) -> None:
    with pytest.raises(ValueError, match="have 246 bytes, of at most 245"):
        runtime_path("n" * 246)
    with pytest.raises(ValueError, match="have 246 bytes, of at most 245"):
        runtime_path("é" * 120, instance="12345")


# Real containers ----------------------------------------------------------------------------------


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_RUNTIME_DIR", "TMPDIR", "USER", "LOGNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")


def path_that_works() -> str:
    """The path, once a server was made there and reached."""
    path = runtime_path("app")
    owned = claim(str(path))
    with sockets.listen(owned):
        assert runtime_path("app") == path
        sockets.connect(str(path), 1e9, frozenset((os.geteuid(),))).close()
    owned.release()
    return str(path)


@pytest.mark.usefixtures("bare_environment")
def test_a_random_uid_without_a_name_or_a_home() -> None:
    mounts = [tmpfs("/tmp"), tmpfs("/run")]
    told = in_container(mounts, path_that_works, RANDOM_UID)
    assert told == f"/tmp/lazyipc-{RANDOM_UID}/app.sock"


@pytest.mark.usefixtures("bare_environment")
def test_a_read_only_root_with_one_writable_tmpfs() -> None:
    mounts = [READ_ONLY_ROOT, tmpfs("/tmp", "ro"), tmpfs("/dev/shm"), tmpfs("/run", "ro")]
    told = in_container(mounts, path_that_works, RANDOM_UID)
    assert told == f"/dev/shm/lazyipc-{RANDOM_UID}/app.sock"


def test_a_read_only_root_where_only_tmpdir_is_writable(
    bare_environment: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = "/var"
    mounts = [
        READ_ONLY_ROOT, tmpfs("/tmp", "ro"), tmpfs("/dev/shm", "ro"), tmpfs("/run", "ro"),
        tmpfs(scratch),
    ]  # fmt: skip
    monkeypatch.setenv("TMPDIR", scratch)
    told = in_container(mounts, path_that_works, RANDOM_UID)
    assert told == f"{scratch}/lazyipc-{RANDOM_UID}/app.sock"


@pytest.mark.usefixtures("bare_environment")
def test_nothing_writable_at_all_is_told_place_by_place() -> None:
    def refusal() -> str:
        try:
            return str(runtime_path("app"))
        except TransportError as error:
            return str(error)

    mounts = [
        READ_ONLY_ROOT,
        *(tmpfs(place, "ro") for place in ("/tmp", "/dev/shm", "/run", "/var")),
    ]
    told = in_container(mounts, refusal, RANDOM_UID)
    for place in ("/tmp", "/dev/shm", "/var/tmp"):
        assert f"{place}/lazyipc-{RANDOM_UID}: " in told
    assert "Read-only file system" in told
    assert "set XDG_RUNTIME_DIR to one, or give the socket's path" in told


def test_a_server_on_a_mount_that_is_read_only_for_its_client_is_found(
    bare_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container whose sockets are shown to another one, read-only."""

    def reach() -> str:
        monkeypatch.setattr(runtime_dir, "SHARED", ("/dev/shm",))
        with living(runtime_path("app")):
            monkeypatch.setattr(runtime_dir, "SHARED", ("/tmp", "/var/tmp"))
            path = runtime_path("app")
            sockets.connect(str(path), 1e9, frozenset((0,))).close()
        return str(path)

    shown = ["--bind /dev/shm /tmp", "-o remount,bind,ro /tmp"]
    told = in_container([tmpfs("/dev/shm"), tmpfs("/run"), *shown], reach)
    assert told == f"/tmp/lazyipc-{UID}/app.sock"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"name": 1}, "name must be a str, is int"),
        ({"name": None}, "name must be a str, is NoneType"),
        ({"name": "app", "instance": True}, "instance must be an int or a str, is bool"),
        ({"name": "app", "instance": 2.5}, "instance must be an int or a str, is float"),
    ],
)
def test_what_is_no_name_is_refused_by_name(arguments: dict[str, Any], what: str) -> None:
    with pytest.raises(TypeError, match=what):
        runtime_path(**arguments)
