"""A file that somebody names on the command line, read as a whole."""

from __future__ import annotations

import sys

MOST_BYTES = 64 * 2**20
"""How long it may be: four of the longest messages."""


def file_bytes(file: str) -> bytes:
    """The bytes that a file holds; those of stdin for `-`.

    Raises:
        ValueError: it cannot be read, or is too long.
    """
    if file == "-" and sys.stdin is None:
        raise ValueError("there is no stdin to read")
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with open(file, "rb") as opened:
                data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise ValueError(f"{file}: more than {MOST_BYTES} bytes")
    return data
