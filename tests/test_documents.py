"""What the documents show is what happens: examples run, links lead somewhere, output is real."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def readme_programs() -> dict[str, str]:
    """The README's Python blocks by the file name their paragraph gives them."""
    text = (ROOT / "README.md").read_text()
    found = re.findall(r"\(`(\w+\.py)`\):\n\n```python\n(.*?)```", text, re.DOTALL)
    return dict(found)


@pytest.fixture(scope="module")
def demo_output() -> str:
    """What `make demo` prints."""
    demo = [sys.executable, "-m", "examples.simple.demo"]
    done = subprocess.run(demo, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines_by_source(text: str) -> dict[str, list[str]]:
    """The lines of a dialogue by who said them: two processes may interleave either way."""
    sources: dict[str, list[str]] = {"server": [], "client": [], "$": []}
    for line in text.splitlines():
        source = line.split(" ", 1)[0] if line.startswith("$") else line.split(" |")[0].strip()
        sources[source].append(re.sub(r"/tmp/\S+", "PATH", line))
    return sources


def test_the_readme_shows_the_demo_as_it_is(demo_output: str) -> None:
    block = re.search(r"```\n\$ make demo\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    assert lines_by_source(block[1]) == lines_by_source(demo_output)


def test_the_readme_programs_run(tmp_path: Path) -> None:
    programs = readme_programs()
    assert set(programs) == {"commands.py", "train.py", "steer.py", "sweep.py", "sandwich.py"}
    for name, source in programs.items():
        (tmp_path / name).write_text(source)
    with subprocess.Popen([sys.executable, "-u", "train.py"], cwd=tmp_path) as host:
        try:
            steer = "import os\nwhile not os.path.exists('train.sock'): pass\n"
            steer += "import sweep, steer, sandwich\n"
            done = subprocess.run(
                [sys.executable, "-c", steer],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert done.returncode == 0, done.stderr
            assert host.wait(timeout=10) == 0
        finally:
            host.kill()
    swept, told = done.stdout.splitlines()[:3], done.stdout.splitlines()[3:]
    assert swept == ["rates [0.1, 0.2]", "rate 0.3", "rate 0.4"]
    assert re.fullmatch(r"at step \d+ with rate 0\.0001", told[0])
    assert told[1] == "refused: a learning rate of 7.0 makes no sense"
    assert told[2] == "a sandwich of bread jelly bread"
    assert not (tmp_path / "train.sock").exists()


def test_the_readme_programs_satisfy_a_type_checker(tmp_path: Path) -> None:
    for name, source in readme_programs().items():
        (tmp_path / name).write_text(source)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "commands.py",
            "train.py",
            "steer.py",
            "sweep.py",
            "sandwich.py",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


def test_the_readme_talks_to_the_example_as_it_says(tmp_path: Path) -> None:
    """Each line that a newcomer is told to type, and the answers shown."""
    text = (ROOT / "README.md").read_text()
    _, block = text.split("\nand in another one", 1)
    block = block[: block.index("\nFor programs") if "\nFor programs" in block else 1500]
    tmp_path.chmod(0o700)
    for_people = {"FORCE_COLOR": "1", "NO_COLOR": "1", "XDG_RUNTIME_DIR": str(tmp_path)}
    environment = {**os.environ, **for_people, "XDG_CACHE_HOME": str(tmp_path)}

    def output(words: list[str], typed: str = "") -> str:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    server = [sys.executable, "-m", "examples.simple", "server"]
    with subprocess.Popen(
        server, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as host:
        try:
            assert host.stdout is not None
            path = host.stdout.readline().removeprefix("listening on ").strip()
            lines = re.findall(r"^\$ \.venv/bin/(lazyipc .*)$", block, re.MULTILINE)
            assert [line.split()[1] for line in lines] == ["ls", "describe", "call", "shell"]
            command = [sys.executable, "-m"]
            assert "example" in output([*command, *lines[0].split()])
            assert "Add two numbers." in output([*command, *lines[1].split()])
            answer = output([*command, *lines[2].split()])
            assert f"{lines[2]}\n{answer}" in block
            assert '{"Pushed":{"x":7}}' in output([*command, *lines[3].split()], "push 7\n")
            snippet = re.search(r"```python\n(.*?)```", block, re.DOTALL)
            assert snippet is not None
            told = snippet[1].replace("run.add(1, 2)", "print(run.add(1, 2)); run.close()")
            assert output([sys.executable, "-c", told]) == "Sum(c=3)\n"
            example = output([*command, "lazyipc", "describe", "example", "add"])
            assert f"nc -N -U {path}" in example
        finally:
            host.terminate()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert target.startswith("https://") or (document.parent / target).exists(), target


def test_the_readme_names_both_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert "make demo" in text
    assert "make test" in text


def test_each_figure_names_its_command() -> None:
    """A number of nanoseconds or calls a second in a document must say what prints it."""
    for document in DOCUMENTS:
        for paragraph in document.read_text().split("\n\n"):
            if re.search(r"\d ?(ns|us|µs|/s)\b", paragraph):
                assert "make bench" in paragraph, paragraph
