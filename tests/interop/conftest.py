"""The Rust programs of these tests, each built once."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import give_up
from tests.interop.json_program import JsonProgram
from tests.interop.rust_program import RustProgram

BUILD_SECONDS = 300.0
"""A first build fetches and compiles up to 18 crates: 15 s on two cores, more where all is cold."""


def built(name: str) -> Path:
    """A program built from the folder of its name; without cargo this is a failure where CI=true,
    else a skip."""
    if shutil.which("cargo") is None:
        give_up("cargo is not installed, so there is no Rust to compare with")
    source = Path(__file__).parent / name
    target = Path(os.environ.get("CARGO_TARGET_DIR", source / "target")).absolute()
    command = ["cargo", "build", "--release", "--locked", "--quiet"]
    places = ["--manifest-path", str(source / "Cargo.toml"), "--target-dir", str(target)]
    done = subprocess.run(
        command + places, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return target / "release" / name


@pytest.fixture(scope="session")
def peer() -> Path:
    """The `ipc-server` crate behind a command line."""
    return built("peer")


@pytest.fixture(scope="session")
def rust() -> Iterator[RustProgram]:
    """Both versions of bincode, and values they made."""
    with RustProgram(built("bytes")) as program:
        yield program


@pytest.fixture(scope="session")
def json_peer() -> Iterator[JsonProgram]:
    """serde_json, and values it wrote."""
    with JsonProgram(built("json")) as program:
        yield program
