"""A running server is asked for its description once, and again if what was kept is wrong."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.simple.commands import ClientCommand
from lazyipc import IpcServer, ServerNotRunning
from lazyipc import _description_cache as cache
from lazyipc._core.description.model import Description
from lazyipc._core.description.reading import read_description
from lazyipc._description_cache import MOST_FILES, cached_description
from tests.conftest import Serve

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture(autouse=True)
def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where descriptions are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return folder / "cache" / "lazyipc"


class Asking:
    """Asks a server, and counts how often."""

    def __init__(self, server: IpcServer[Any]) -> None:
        self._server = server
        self.count = 0

    def __call__(self) -> Description:
        self.count += 1
        return read_description(json.loads(self._server.description))


@pytest.fixture
def asking(serve: Serve) -> Asking:
    return Asking(serve(ClientCommand))


def the_file(kept: Path) -> Path:
    (name,) = os.listdir(kept)
    return kept / name


def test_a_second_call_asks_nobody(asking: Asking, path: str, kept: Path) -> None:
    first = cached_description(path, asking)
    second = cached_description(path, asking)
    assert asking.count == 1
    assert first.document == second.document
    assert second.command("add").fields
    assert stat.S_IMODE(the_file(kept).stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700


def test_another_way_to_the_same_socket(
    asking: Asking, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_description(path, asking)
    monkeypatch.chdir(os.path.dirname(path))
    cached_description(os.path.basename(path), asking)
    assert asking.count == 1


def test_a_restarted_server_is_asked_anew(serve: Serve, path: str) -> None:
    for _ in range(2):
        with serve(ClientCommand) as server:
            asking = Asking(server)
            cached_description(path, asking)
            assert asking.count == 1


def test_two_servers_are_two(folder: Path, kept: Path) -> None:
    for name in "ab":
        with IpcServer(folder / name, ClientCommand) as server:
            asking = Asking(server)
            assert cached_description(str(folder / name), asking).server.name == name
            assert asking.count == 1
    assert len(os.listdir(kept)) == 2


Spoil = Callable[[Path], object]


def change(**server: Any) -> Spoil:
    """Keep what another server told."""

    def spoil(file: Path) -> None:
        told = json.loads(file.read_bytes())
        told["server"] |= server
        file.write_text(json.dumps(told))

    return spoil


SPOILS: dict[str, Spoil] = {
    "removed": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-10]),
    "no text": lambda file: file.write_bytes(b"\xff\xfe\x00"),
    "deep": lambda file: file.write_bytes(b"[" * 100_000),
    "no description": lambda file: file.write_bytes(b"{}"),
    "of another pid": change(pid=1),
    "of another start": change(start_ns=1),
    "of another clock": change(clock="00"),
    "writable for others": lambda file: file.chmod(0o666),
    "a link": lambda file: (file.rename(file.parent / "x"), file.symlink_to("x")),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS.keys())
def test_whatever_is_wrong_with_it_the_server_is_asked(
    asking: Asking, path: str, kept: Path, spoil: Spoil
) -> None:
    cached_description(path, asking)
    spoil(the_file(kept))
    assert cached_description(path, asking).name == "ClientCommand"
    assert asking.count == 2


def test_one_that_is_too_long_is_not_kept(
    asking: Asking, path: str, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MOST_BYTES", 100)
    cached_description(path, asking)
    assert not kept.exists()


def test_what_another_server_answered_is_not_kept(asking: Asking, path: str, kept: Path) -> None:
    """It took the place of the one whose page was read."""

    def ask() -> Description:
        told = json.loads(json.dumps(asking().document))
        told["server"]["start_ns"] += 1
        return read_description(told)

    cached_description(path, ask)
    assert not kept.exists()


def test_a_server_without_a_page_is_asked(asking: Asking, path: str, kept: Path) -> None:
    os.unlink(path + ".lock")
    cached_description(path, asking)
    cached_description(path, asking)
    assert asking.count == 2
    assert not kept.exists()


def test_a_dead_ones_is_not_told(asking: Asking, path: str) -> None:
    def nobody() -> Description:
        raise ServerNotRunning("nobody")

    cached_description(path, asking)
    page = Path(path + ".lock")
    left = page.read_bytes()
    page.unlink()
    page.write_bytes(left)  # as after a crash: a page that nobody holds
    with pytest.raises(ServerNotRunning):
        cached_description(path, nobody)


@pytest.mark.parametrize("names", [["HOME", "XDG_CACHE_HOME"], []])
def test_nowhere_to_keep_it(
    asking: Asking, path: str, monkeypatch: pytest.MonkeyPatch, kept: Path, names: list[str]
) -> None:
    for name in names:
        monkeypatch.delenv(name, raising=False)
    if not names:
        kept.parent.write_text("a file in the way")
    for _ in range(2):
        assert cached_description(path, asking).commands
    assert asking.count == 2


def test_a_bounded_number_is_kept(asking: Asking, path: str, kept: Path) -> None:
    kept.mkdir(0o700, parents=True)
    for number in range(MOST_FILES + 10):
        (kept / f"{number}{cache.SUFFIX}").touch()
        os.utime(kept / f"{number}{cache.SUFFIX}", ns=(0, number))
    (kept / "history").touch()
    cached_description(path, asking)
    assert len(os.listdir(kept)) == MOST_FILES + 1
    cached_description(path, asking)
    assert asking.count == 1
