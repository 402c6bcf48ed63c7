"""Files that people keep: replaced as a whole, so that nobody ever reads half of one."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil


def replace_text(path: str, text: str) -> None:
    """Put a file of this text in the place of another; a symbolic link stays one.

    Raises:
        OSError: it cannot be written; what stood there still does.
    """
    target = os.path.realpath(path)
    unfinished = f"{target}.{secrets.token_hex(4)}"
    try:
        with open(unfinished, "x", encoding="utf-8", newline="") as file:
            file.write(text)
        if os.path.exists(target):
            shutil.copymode(target, unfinished)
        os.replace(unfinished, target)
    finally:
        with contextlib.suppress(OSError):  # it is gone already if all went well
            os.unlink(unfinished)
