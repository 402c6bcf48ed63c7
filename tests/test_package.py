"""The wheel, alone in a fresh environment with what it declares, runs the example."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.harness import ROOT

pytestmark = pytest.mark.timeout(300)  # the registry may be slow

BUILD_SECONDS = 240
QUIET = ("--quiet", "--disable-pip-version-check", "--no-input")


def run(*words: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """Run to the end; its output."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sources as they are, in an environment of the build's own."""
    folder = tmp_path_factory.mktemp("wheel")
    command = (sys.executable, "-m", "pip", "wheel", *QUIET, "--no-deps", "--wheel-dir", folder)
    run(*command, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_library_and_its_types_and_no_more(wheel: Path) -> None:
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "lazyipc").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    beside = {name for name in names if ".dist-info/" in name or ".data/" in name}
    assert names - beside == sources
    pages = [name for name in names if ".data/" in name]
    assert [name.split(".data/")[1] for name in pages] == ["data/share/man/man1/lazyipc.1"]
    assert "lazyipc/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_wheel_declares_two_dependencies(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(line.split(">")[0] for line in needed) == ["construct", "pydantic"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"


def test_the_wheel_alone_runs_the_example(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "alone"
    run(sys.executable, "-m", "venv", home / "venv", cwd=tmp_path)
    python = home / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", *QUIET, wheel, cwd=home)
    shutil.copytree(ROOT / "examples", home / "examples")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    where = run(
        python,
        "-c",
        "import lazyipc; print(lazyipc.__file__)",
        cwd=home,
        environment=environment,
    )
    assert Path(where.strip()).is_relative_to(home / "venv")
    shown = run(python, "-m", "examples.simple.demo", cwd=home, environment=environment)
    assert "client | Sum(c=8)" in shown
    assert "server | Push command received: 69" in shown
    assert (
        "no broken requirements"
        in run(python, "-m", "pip", "check", "--disable-pip-version-check", cwd=home).lower()
    )
