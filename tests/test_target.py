"""Which path a name means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lazyipc import IpcServer, ServerNotRunning, runtime_path
from lazyipc._io.runtime_dir import name_of
from lazyipc._target import path_of
from tests.harness import Job


@pytest.fixture(autouse=True)
def apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory, and a current one, of the test's own."""
    runtime, here = folder / "run", folder / "here"
    runtime.mkdir(0o700)
    here.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.chdir(here)
    return here


@pytest.mark.parametrize("name", ["./train", "/run/train.sock", "folder/train.sock", "a/"])
def test_a_name_with_a_slash_is_a_path(name: str) -> None:
    assert path_of(name) == name


def test_what_is_no_text_is_a_path() -> None:
    assert path_of(Path("train.sock")) == "train.sock"


@pytest.mark.parametrize("name", ["train", "train@2", "a b", "tråd"])
def test_a_name_is_where_its_server_is(name: str) -> None:
    assert path_of(name) == str(runtime_path(name))
    with IpcServer(runtime_path(name), Job) as server:
        assert path_of(name) == server.path


def test_an_instance_is_part_of_the_name() -> None:
    assert path_of("train@2") == str(runtime_path("train", instance=2))


@pytest.mark.parametrize("file", ["train", "train.sock"])
def test_a_socket_right_here_is_pointed_at(apart: Path, file: str) -> None:
    (apart / file).touch()
    with pytest.raises(ServerNotRunning, match=rf"for {file} in this directory, write \./{file}$"):
        path_of("train")


def test_but_not_if_the_name_runs(apart: Path) -> None:
    (apart / "train").touch()
    with IpcServer(runtime_path("train"), Job) as server:
        assert path_of("train") == server.path


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb", "x" * 300])
def test_what_no_program_is_called(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        path_of(name)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/run/lazyipc/train.sock", "train"),
        ("train@2.sock", "train@2"),
        ("/tmp/s", "s"),
        (Path("/tmp/a.b.sock"), "a.b"),
        ("/tmp/.sock.sock", ".sock"),
    ],
)
def test_the_name_of_a_path(path: str | os.PathLike[str], name: str) -> None:
    assert name_of(path) == name
