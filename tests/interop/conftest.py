"""The Rust peer of these tests, built once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness import give_up

SOURCE = Path(__file__).parent / "peer"
BUILD_SECONDS = 300.0
"""A first build fetches and compiles 13 crates: 8 s on two cores, more where all is cold."""


@pytest.fixture(scope="session")
def peer() -> Path:
    """The built program; without cargo this is a failure where CI=true, else a skip."""
    if shutil.which("cargo") is None:
        give_up("cargo is not installed, so there is no Rust peer to talk to")
    target = Path(os.environ.get("CARGO_TARGET_DIR", SOURCE / "target")).absolute()
    command = ["cargo", "build", "--release", "--locked", "--quiet"]
    places = ["--manifest-path", str(SOURCE / "Cargo.toml"), "--target-dir", str(target)]
    built = subprocess.run(
        command + places, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert built.returncode == 0, built.stderr
    return target / "release" / "peer"
