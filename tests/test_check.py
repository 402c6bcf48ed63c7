"""check_schema: when it writes its file, when it fails, and that it never spoils a file."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.simple.commands import ClientCommand
from lazyipc import U8, U16, U64, IpcError, SchemaError, TaggedUnion, Wire, check_schema
from lazyipc._core.lock import text_of
from lazyipc._core.lock.taken import lock_of
from tests.core.command_sets import command_set, family, variant_of
from tests.test_documents import readme_programs

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "schema-lock.md"


@pytest.fixture(autouse=True)
def _outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Where a lock goes; nothing else may be left beside it."""
    yield tmp_path / "commands.lock"
    assert {file.name for file in tmp_path.iterdir()} <= {"commands.lock"}


def orders(*names: str, width: Any = U64) -> Any:
    """A command set with commands of these names, which return one family."""
    told = family("Told", {"Done": {}, "Sum": {"c": U64}})
    return command_set(
        {name: ({"a": width}, variant_of(told, "Sum")) for name in names}, name="Order"
    )


def test_the_file_is_written_once(path: Path) -> None:
    check_schema(ClientCommand, path)
    assert path.read_text() == text_of(lock_of(ClientCommand), "ClientCommand")
    before = path.stat()
    check_schema(ClientCommand, str(path))
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_break_fails_with_all_that_there_is_to_tell_and_writes_nothing(path: Path) -> None:
    check_schema(orders("Add", "Push"), path)
    before = path.read_bytes()
    with pytest.raises(AssertionError) as caught:
        check_schema(orders("Push", "New", width=U16), path)
    assert (
        str(caught.value)
        == f"""\
Order no longer fits programs that are built against {path}

Add: gone, or the module that defines it was not imported
    Old clients that send Add get SchemaMismatch, and nothing runs.
    BARE clients that send Add would run Push.
Push.a: u64 before, u16 now
Push: index 1 before, 0 now
    Old clients that send Push get SchemaMismatch, and nothing runs.
    BARE clients that send Push would run New.

Undo this. Or, to break them on purpose, delete {path}, run this again and commit it."""
    )
    assert path.read_bytes() == before
    assert not isinstance(caught.value, IpcError)


def test_a_break_of_the_bare_wire_alone_says_how_to_leave_it_out(path: Path) -> None:
    check_schema(orders("Add", "Push"), path)
    with pytest.raises(AssertionError, match="BARE clients that send Add would run Push") as caught:
        check_schema(orders("Push", "Add"), path)
    assert str(caught.value).endswith("if no server takes Wire.BARE, give wires=Wire.FRAMED.")


def test_without_the_bare_wire_the_file_follows_the_indices(path: Path) -> None:
    check_schema(orders("Add", "Push"), path, wires=Wire.FRAMED)
    check_schema(orders("Push", "Add"), path, wires=Wire.FRAMED)
    assert "command Push = 0" in path.read_text()
    with pytest.raises(AssertionError, match="Add: gone"):
        check_schema(orders("Push"), path, wires=Wire.FRAMED)


def test_an_addition_is_written(path: Path) -> None:
    check_schema(orders("Add"), path)
    longer = orders("Add", "Push")
    check_schema(longer, path)
    assert path.read_text() == text_of(lock_of(longer), "Order")
    with pytest.raises(AssertionError, match="Push: gone"):
        check_schema(orders("Add"), path)


def test_deleting_the_file_accepts_a_break(path: Path) -> None:
    check_schema(orders("Add"), path)
    path.unlink()
    check_schema(orders("Push"), path)
    assert "command Push = 0" in path.read_text()


def test_an_edit_accepts_a_break(path: Path) -> None:
    check_schema(orders("Add"), path)
    path.write_text(path.read_text().replace("a: u64", "a: u16  # never released"))
    with pytest.raises(ValueError, match=re.escape(f"{path}, line 7: ")):
        check_schema(orders("Add", width=U16), path)
    path.write_text(path.read_text().replace("  # never", "\n    # never"))
    check_schema(orders("Add", width=U16), path)
    assert "# never released" in path.read_text()


def test_line_ends_are_kept(path: Path) -> None:
    check_schema(orders("Add"), path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    before = path.read_bytes()
    check_schema(orders("Add"), path)
    assert path.read_bytes() == before
    longer = orders("Add", "Push")
    check_schema(longer, path)
    assert path.read_bytes() == text_of(lock_of(longer), "Order").replace("\n", "\r\n").encode()


def test_a_byte_order_mark_is_no_damage(path: Path) -> None:
    check_schema(orders("Add"), path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    check_schema(orders("Add"), path)


def test_the_mode_and_a_link_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    check_schema(orders("Add"), real)
    real.chmod(0o640)
    link.symlink_to(real)
    check_schema(orders("Add", "Push"), link)
    assert link.is_symlink()
    assert "command Push" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    check_schema(orders("Add"), tmp_path / "lock")
    assert (tmp_path / "lock").stat().st_mode == (tmp_path / "any").stat().st_mode


def test_names_beyond_ascii_are_kept(path: Path) -> None:
    check_schema(orders("Größe", "Команда"), path)
    check_schema(orders("Größe", "Команда"), path)
    assert "command Größe = 0" in path.read_text("utf-8")


# Files that are no lock --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "line 1: it does not begin with `lock`"),
        (b"import os\n", "line 1: it does not begin with `lock`"),
        (b"# Newer\nlock 2\n", "line 2: a lock of version 2; this lazyipc reads version 1"),
        (b"lock 1\n\ncommand Add = 0\n    a: u64\n", "line 4: 'the end' where a name should stand"),
        (b"lock 1\n<<<<<<< HEAD\n", "line 2: '<<<<<<<' where a command or a family should begin"),
        (b"lock 1\n\ncommand \xff = 0\n", "line 3: not UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_lock_is_told_and_left_alone(
    path: Path, content: bytes, told: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{path}, {told}")) as caught:
        check_schema(orders("Add"), path)
    assert "It was left as it is: restore it from version control, or delete it" in str(
        caught.value
    )
    assert path.read_bytes() == content


def test_the_lock_of_another_kind_of_family_is_told(path: Path) -> None:
    class Figure(TaggedUnion):
        pass

    class Dot(Figure):
        x: U8

    check_schema(Figure, path)
    with pytest.raises(AssertionError, match="a family of data before, a command set now"):
        check_schema(orders("Add"), path)


def test_what_cannot_travel_is_a_schema_error_and_no_file(path: Path) -> None:
    with pytest.raises(SchemaError, match=r"Add\.a"):
        check_schema(orders("Add", width=object), path)
    with pytest.raises(SchemaError, match="not a model"):
        check_schema(7, path)  # type: ignore[arg-type]
    assert not path.exists()


# The system's errors -----------------------------------------------------------------------------


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "commands.lock"
    told = f"the lock cannot be written: No such file or directory: '{path}'"
    with pytest.raises(FileNotFoundError, match=re.escape(told)):
        check_schema(orders("Add"), path)


@pytest.mark.parametrize("existing", [True, False])
def test_a_file_that_cannot_be_replaced_is_told_and_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool
) -> None:
    def refuse(*paths: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), *paths)

    if existing:
        check_schema(orders("Add"), path)
    before = path.read_bytes() if existing else None
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError) as caught:
        check_schema(orders("Add", "Push"), path)
    assert str(caught.value) == (
        f"[Errno 13] the lock cannot be written: Permission denied: '{path}'"
    )
    assert (path.read_bytes() if existing else None) == before


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
        check_schema(orders("Add"), tmp_path)


# Where nothing is written ------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["true", "True", "1", "yes"])
def test_in_ci_a_missing_file_fails(path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("CI", said)
    with pytest.raises(AssertionError) as caught:
        check_schema(orders("Add"), path)
    assert str(caught.value) == (
        f"{path} is missing, and where CI={said} it is not written\n\n"
        "Run this test where CI is not set, and commit the file."
    )
    assert not path.exists()


@pytest.mark.parametrize("said", ["", "0", "false", "False"])
def test_what_does_not_say_ci_writes(
    path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("CI", said)
    check_schema(orders("Add"), path)
    assert path.exists()


def test_in_ci_an_addition_fails_and_is_shown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_schema(orders("Add"), path)
    monkeypatch.setenv("CI", "true")
    check_schema(orders("Add"), path)
    before = path.read_bytes()
    with pytest.raises(AssertionError) as caught:
        check_schema(orders("Add", "Push"), path)
    assert str(caught.value).splitlines() == [
        f"{path} does not tell all of Order, and where CI=true it is not written",
        "",
        "@@ -9,2 +9,6 @@",
        " ",
        "+command Push = 1",
        "+    a: u64",
        "+    -> response Sum {c: u64}",
        "+",
        " bare",
        "",
        "Run this test where CI is not set, and commit the file.",
    ]
    assert path.read_bytes() == before


def test_in_ci_a_break_is_told_as_a_break(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_schema(orders("Add"), path)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(AssertionError, match="Add: gone"):
        check_schema(orders("Push"), path)


# As the page shows it ----------------------------------------------------------------------------


def run_tests(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_commands.py"],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_pages_test_runs_under_pytest(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    commands = readme_programs()["commands.py"]
    (tmp_path / "test_commands.py").write_text(block)
    (tmp_path / "commands.py").write_text(commands)
    missing = run_tests(tmp_path, CI="true")
    assert missing.returncode == 1
    assert "commands.lock is missing" in missing.stdout
    assert run_tests(tmp_path).returncode == 0
    assert "command SetRate = 0" in (tmp_path / "commands.lock").read_text()
    assert run_tests(tmp_path, CI="true").returncode == 0
    (tmp_path / "commands.py").write_text(commands.replace("    lr: F64\n", "    lr: U64\n"))
    failed = run_tests(tmp_path)
    assert failed.returncode == 1
    assert "E       SetRate.lr: f64 before, u64 now\n" in failed.stdout
    assert "Progress.lr: f64 before, u64 now" in failed.stdout
    assert "check_schema(Order, Path(__file__)" in failed.stdout
    assert "_check.py" not in missing.stdout + failed.stdout  # its own lines are nothing to look at
