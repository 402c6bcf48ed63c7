"""What a check raises when the codec is wrong, and how calls of the codec are watched."""

from __future__ import annotations

import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from lazyipc.errors import DecodeError, EncodeError, IpcError, MessageTooLarge
from tests.fuzz.told import told

Line = str | Callable[[], str]
"""A line of source text; a function where writing it takes time."""


class Finding(Exception):
    """Something that must not be.

    Args:
        check: which rule is broken; findings of one check, at one place, are one bug.
        detail: what was expected, and what was found.
        lines: source text that shows it, below the type's declarations.
    """

    def __init__(self, check: str, detail: str, lines: tuple[Line, ...] = ()) -> None:
        super().__init__(f"{check}: {detail}")
        self.check = check
        self.detail = detail
        with roomy():
            self.lines = [line if isinstance(line, str) else line() for line in lines]


@dataclass(frozen=True, slots=True)
class Watch:
    """Watches calls of the codec; knows the lines of source text that do the same."""

    lines: tuple[Line, ...]

    def also(self, *more: Line) -> Watch:
        """The same with more lines."""
        return replace(self, lines=(*self.lines, *more))

    def expect(self, condition: bool, check: str, detail: str) -> None:
        if not condition:
            raise Finding(check, detail, self.lines)

    def call(self, what: str, call: Callable[[], Any]) -> Any:
        """What a call gives: a value, or one of the errors that it may raise.

        Raises:
            Finding: it raised anything else.
        """
        try:
            return call()
        except (DecodeError, MessageTooLarge, EncodeError) as error:
            return error
        except (KeyboardInterrupt, Finding):
            raise
        except BaseException as error:
            found = f"{type(error).__name__} {place_of(error)}"
            raise Finding(f"{what} raises {found}", f"{error!s:.400}", self.lines) from error

    def same(self, found: Any, wanted: Any, check: str) -> None:
        """A value is told as is wanted."""
        with roomy():
            is_same = not is_error(found) and told(found) == wanted
        self.expect(is_same, check, f"got {shown(found)}")

    def error(self, error: IpcError, size: int | None) -> None:
        """An error says where and why, in text, and travels to another process.

        Args:
            size: how many bytes were decoded; None where a value was encoded.
        """
        again = pickle.loads(pickle.dumps(error))
        self.expect(same_error(again, error), "an error pickles", shown(error))
        if isinstance(error, MessageTooLarge):
            is_told = bool(error.what) and error.size_bytes > error.limit_bytes >= 0
            self.expect(is_told, "a MessageTooLarge tells what is over its limit", shown(error))
            return
        assert isinstance(error, DecodeError | EncodeError)
        is_told = (
            isinstance(error.reason, str) and error.reason != "" and (isinstance(error.path, str))
        )
        self.expect(is_told, "an error has a reason and a path", shown(error))
        if isinstance(error, DecodeError) and size is not None:
            inside = 0 <= error.offset <= size
            self.expect(inside, "an error's offset is inside the message", shown(error))


def is_error(found: Any) -> bool:
    return isinstance(found, IpcError)


def same_error(left: Any, right: Any) -> bool:
    same = type(left) is type(right) and str(left) == str(right)
    return same and left.__dict__ == right.__dict__


def same_outcome(left: Any, right: Any) -> bool:
    """Whether two calls gave the same value, or the same error."""
    if is_error(left) or is_error(right):
        return same_error(left, right)
    with roomy():
        same: bool = told(left) == told(right)
    return same


def shown(found: Any) -> str:
    """An outcome for people: the ends of it where it is long."""
    if is_error(found):
        text = f"{type(found).__name__}: {found}"
    else:
        with roomy():
            text = found.hex() if isinstance(found, bytes) else repr(found)
    return text if len(text) <= 400 else f"{text[:200]} … {text[-200:]}"


def place_of(error: BaseException) -> str:
    """The innermost place of ours that an exception passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "lazyipc/" in frame.filename]
    if not ours:
        return "outside lazyipc"
    return f"in {ours[-1].filename.rpartition('/')[2]}:{ours[-1].lineno}"


@contextmanager
def roomy() -> Iterator[None]:
    """A deeper stack for what the fuzzer does by itself; the codec gets the usual one."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
