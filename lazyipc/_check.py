"""check_schema: holds a family to the lock file that stands beside a user's tests.

Reads and writes that file. What it says, and what breaks whom, is `_core.lock`'s.
"""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING

from lazyipc._core.framing import Wire
from lazyipc._core.lock import Break, Lock, breaks_between, parse, text_of
from lazyipc._core.lock.taken import lock_of
from lazyipc._io.whole_file import replace_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel


def check_schema(
    family: type[BaseModel], path: str | os.PathLike[str], *, wires: Wire = Wire.ALL
) -> None:
    """Fail if a family no longer fits the programs that were built against its lock file.

    For a test: it writes the file when there is none, adds to it what is new and breaks nobody,
    and fails on any change that would break peers already out there. Where the environment has
    `CI=true` it writes nothing and fails instead: a file written there is gone with the checkout,
    so a test that writes what it expects could never fail. It seals the family.

    Args:
        family: the root of a command set, or its one model; or any other family's root.
        path: the lock file, which belongs under version control; best beside the test, as
            `Path(__file__).with_name("commands.lock")`.
        wires: the wires that servers of this command set take. Without `Wire.BARE` a command may
            change its index, which no other wire knows.

    Raises:
        AssertionError: what the change breaks, and for whom; or the file had to be written in CI.
            Test runners count it as a failure, and no program's `except IpcError` hides it.
        ValueError: the file is no lock that can be read; it is left as it is.
        OSError: the file cannot be read or written.
        SchemaError: the family cannot travel.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from unittest import mock
    >>> from lazyipc import TaggedUnion, check_schema
    >>> class Shape(TaggedUnion): "What can be drawn."
    >>> class Square(Shape):
    ...     side: float
    >>> with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, CI=""):
    ...     path = Path(folder) / "shapes.lock"
    ...     check_schema(Shape, path)
    ...     print(path.read_text().splitlines()[-1].strip())
    Square = 0 {side: f64}
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    now = lock_of(family)
    path, name = os.fspath(path), family.__name__
    read = _read(path)
    if read is None:
        _refuse_in_ci(f"{path} is missing")
        _write(path, text_of(now, name))
        return
    old, newline = read
    found = breaks_between(old, now, bare=Wire.BARE in wires)
    if found:
        raise AssertionError(_told(found, name, path))
    if old != now:
        _refuse_in_ci(f"{path} does not tell all of {name}", _added(old, now, name))
        _write(path, text_of(now, name).replace("\n", newline))


def _told(found: list[Break], name: str, path: str) -> str:
    lines = [f"{name} no longer fits programs that are built against {path}", ""]
    lines += map(str, found)
    lines += [
        "",
        f"Undo this. Or, to break them on purpose, delete {path}, run this again and commit it.",
    ]
    if any(one.is_bare_only for one in found):
        lines.append(
            "What names BARE clients alone is met by no others: if no server takes Wire.BARE, "
            "give wires=Wire.FRAMED."
        )
    return "\n".join(lines)


def _added(old: Lock, now: Lock, name: str) -> list[str]:
    """What the file lacks, as a difference of its lines."""
    before, after = (text_of(lock, name).splitlines() for lock in (old, now))
    return [*list(difflib.unified_diff(before, after, lineterm="", n=1))[2:], ""]


def _refuse_in_ci(what: str, lacking: Iterable[str] = ()) -> None:
    """Fail where writing would be of no use: the file would be gone with the checkout.

    Raises:
        AssertionError: this is a CI run.
    """
    __tracebackhide__ = True
    said = os.environ.get("CI", "")
    if said.lower() not in ("", "0", "false"):
        lines = [f"{what}, and where CI={said} it is not written", "", *lacking]
        lines += ["Run this test where CI is not set, and commit the file."]
        raise AssertionError("\n".join(lines))


# The file ----------------------------------------------------------------------------------------


def _read(path: str) -> tuple[Lock, str] | None:
    """The lock in a file, and its line ends; None if there is no file.

    Raises:
        ValueError: what it holds is no lock.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    try:
        text = data.decode("utf-8-sig")
        return parse(text), "\r\n" if "\r\n" in text else "\n"
    except ValueError as error:
        told = str(error)
        if isinstance(error, UnicodeDecodeError):
            line = 1 + data.count(b"\n", 0, error.start)
            told = f"line {line}: not UTF-8"
        raise ValueError(
            f"{path}, {told}. It was left as it is: restore it from version control, or delete it "
            "to have it written anew"
        ) from error


def _write(path: str, text: str) -> None:
    """Write the lock file.

    Raises:
        OSError: it cannot be written; what stood there still does.
    """
    try:
        replace_text(path, text)
    except OSError as error:
        told = f"the lock cannot be written: {error.strerror}"
        raise OSError(error.errno, told, path) from error
