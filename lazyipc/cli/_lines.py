"""Lines of JSON on stdin: read as they come, sent pipelined, answered one line each.

Everything is bounded: what is read ahead, one line, and what is sent and unanswered (which is the
client's own bound). Knows lines and a client; what a line means is told it.
"""

from __future__ import annotations

import os
import select
from collections import deque
from typing import TYPE_CHECKING

from lazyipc._plain_stream import PAUSE
from lazyipc.cli._shown.answer import encoded, problem
from lazyipc.cli._words.atoms import BadWord
from lazyipc.errors import Disconnected, IpcError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, BinaryIO

CHUNK_BYTES = 64 * 1024
LONGEST_LINE_BYTES = 17 * 1024 * 1024
"""More than a line of any server may have whose `Limits.message_bytes` were not raised."""


class Lines:
    """The lines of a descriptor.

    Args:
        fd: where they come from; it is not closed.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._left = bytearray()
        """The beginning of a line whose end has not come."""
        self._ready: deque[tuple[int, bytes | None]] = deque()
        self._count = 0
        self._is_too_long = False
        self._is_at_end = False
        self._readiness = select.poll()
        self._readiness.register(fd, select.POLLIN)

    @property
    def fd(self) -> int:
        """Readable when there may be more."""
        return self._fd

    @property
    def is_at_end(self) -> bool:
        """Whether no line will come any more."""
        return self._is_at_end and not self._ready

    def at_hand(self) -> Iterator[tuple[int, bytes | None]]:
        """The lines that can be had without sleeping, with their numbers; None: it is too long."""
        while True:
            while self._ready:
                yield self._ready.popleft()
            if self._is_at_end or not self._readiness.poll(0):
                return
            self._read()

    def _read(self) -> None:
        try:
            data = os.read(self._fd, CHUNK_BYTES)
        except OSError as error:
            raise OSError(error.errno, error.strerror, "stdin") from error
        if not data:
            self._is_at_end = True
            if self._left or self._is_too_long:
                self._end_line()
            return
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._append(part)
            self._end_line()
        self._append(rest)

    def _append(self, part: bytes) -> None:
        if len(self._left) + len(part) > LONGEST_LINE_BYTES:
            self._is_too_long = True
            self._left.clear()
        if not self._is_too_long:
            self._left += part

    def _end_line(self) -> None:
        self._count += 1
        line = None if self._is_too_long else bytes(self._left)
        self._left.clear()
        self._is_too_long = False
        if line is None or line.strip():
            self._ready.append((self._count, line))


def answer_lines(
    lines: Lines,
    command_of: Callable[[str], Any],
    call_many: Callable[[Iterable[Any]], Iterator[Any]],
    out: BinaryIO,
) -> int:
    """Send each line's command and write its answer, in order; how many failed.

    Whoever writes a line and waits for its answer gets it: what is written here is kept back only
    while there are more lines at hand.

    Args:
        command_of: the command of a line's text; raises BadWord.
        call_many: sends commands pipelined and gives their answers, or errors, in order; waits
            for them, or for lines, at a PAUSE.

    Raises:
        TransportError: there is no server any more: what is left of the lines is not sent.
    """
    waiting: deque[tuple[int, BadWord | None]] = deque()
    failed = 0
    is_paused = False

    def refuse() -> None:
        """Answer the lines that are next and were not sent."""
        nonlocal failed
        while waiting and (error := waiting[0][1]) is not None:
            failed += 1
            out.write(encoded({"Err": problem(error, waiting.popleft()[0])}))

    def commands() -> Iterator[Any]:
        nonlocal is_paused
        while not lines.is_at_end:
            is_paused = False
            for number, line in lines.at_hand():
                try:
                    command = command_of(_text(line))
                except BadWord as error:
                    waiting.append((number, error))
                    refuse()
                    continue
                waiting.append((number, None))
                yield command
            out.flush()
            if not lines.is_at_end:
                is_paused = True
                yield PAUSE

    for answer in call_many(commands()):
        number, _ = waiting.popleft()
        if isinstance(answer, IpcError):
            failed += 1
            out.write(encoded({"Err": problem(answer, number)}))
            if isinstance(answer, TransportError) and not isinstance(answer, Disconnected):
                out.flush()
                raise answer
        else:
            out.write(encoded({"Ok": answer}))
        refuse()
        if is_paused:
            out.flush()
    out.flush()
    return failed


def _text(line: bytes | None) -> str:
    if line is None:
        raise BadWord(f"the line has more than {LONGEST_LINE_BYTES} bytes")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise BadWord(f"byte {error.start + 1} of the line is no UTF-8") from None
