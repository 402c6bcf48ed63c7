"""A user's own small files: read back whole, replaced at once, and never a reason to fail."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from lazyipc._io.private_file import cache_folder, keep_newest, read_private, replace_private
from tests.harness import become_nobody, need_root, told_by_child

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

LIMIT = 1000


def test_what_was_put_is_read(folder: Path) -> None:
    path = str(folder / "a" / "b" / "file")
    assert replace_private(path, b"one")
    assert replace_private(path, b"two" * 100)
    assert read_private(path, LIMIT) == b"two" * 100
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE((folder / "a" / "b").stat().st_mode) == 0o700
    assert os.listdir(folder / "a" / "b") == ["file"]


def test_the_longest(folder: Path) -> None:
    path = str(folder / "file")
    assert replace_private(path, b"x" * LIMIT)
    assert read_private(path, LIMIT) == b"x" * LIMIT
    assert read_private(path, LIMIT - 1) is None


@pytest.mark.parametrize("name", ["missing", "folder", "link", "pipe", "open", "a\0b", "x" * 300])
def test_what_is_no_file_of_ours(folder: Path, name: str) -> None:
    (folder / "folder").mkdir()
    (folder / "file").write_bytes(b"x")
    (folder / "link").symlink_to("file")
    os.mkfifo(folder / "pipe")
    (folder / "open").write_bytes(b"x")
    (folder / "open").chmod(0o666)
    assert read_private(f"{folder}/{name}", LIMIT) is None


def test_another_users_file(folder: Path) -> None:
    need_root()
    (folder / "file").write_bytes(b"x")
    os.chown(folder / "file", 4242, 4242)
    assert read_private(str(folder / "file"), LIMIT) is None


def test_nothing_can_be_put(folder: Path) -> None:
    (folder / "file").touch()
    (folder / "folder").mkdir()
    assert not replace_private(str(folder / "file" / "x"), b"x")
    assert not replace_private(str(folder / "folder"), b"x")
    assert not replace_private(str(folder / "a\0b"), b"x")
    assert sorted(os.listdir(folder)) == ["file", "folder"]


def test_nothing_is_put_in_another_users_folder(folder: Path) -> None:
    need_root()
    folder.chmod(0o777)

    def put() -> str:
        become_nobody()
        return str(replace_private(str(folder / "file"), b"x"))

    assert told_by_child(put) == "False"
    assert os.listdir(folder) == []


def test_a_full_disk_leaves_what_was(folder: Path) -> None:
    path = str(folder / "file")
    assert replace_private(path, b"old")

    def put() -> str:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        return str(replace_private(path, b"x" * 100))

    assert told_by_child(put) == "False"
    assert read_private(path, LIMIT) == b"old"
    assert os.listdir(folder) == ["file"]


def test_what_a_killed_process_left_does_not_stay_in_the_way(folder: Path) -> None:
    path = str(folder / "file")
    Path(f"{path}.{os.getpid()}.new").touch()
    replace_private(path, b"x")
    assert replace_private(path, b"x")
    assert os.listdir(folder) == ["file"]


def test_the_newest_are_kept(folder: Path) -> None:
    for number in range(5):
        (folder / f"{number}.kept").touch()
        os.utime(folder / f"{number}.kept", ns=(0, number))
    (folder / "other").touch()
    keep_newest(str(folder), ".kept", 3)
    assert sorted(os.listdir(folder)) == ["2.kept", "3.kept", "4.kept", "other"]
    keep_newest(str(folder), ".kept", 3)
    keep_newest(str(folder / "missing"), ".kept", 3)
    assert len(os.listdir(folder)) == 4


@pytest.mark.parametrize(
    ("given", "home", "expected"),
    [
        ("/cache", "/home/me", "/cache/app"),
        ("", "/home/me", "/home/me/.cache/app"),
        ("relative", "/home/me", "/home/me/.cache/app"),
        (None, "/home/me", "/home/me/.cache/app"),
        (None, "relative", None),
        (None, None, None),
    ],
)
def test_where_caches_are(
    monkeypatch: pytest.MonkeyPatch, given: str | None, home: str | None, expected: str | None
) -> None:
    for name, value in (("XDG_CACHE_HOME", given), ("HOME", home)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert cache_folder("app") == expected
