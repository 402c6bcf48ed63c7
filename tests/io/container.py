"""A child with mounts of its own, and as a user of any number, as in a container."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence

from tests.harness import give_up, need_root, told_by_child

NEW_NAMESPACE = 0x20000
"""CLONE_NEWNS of unshare(2)."""

READ_ONLY_ROOT = "-o remount,bind,ro /"


def tmpfs(place: str, options: str = "mode=1777") -> str:
    """The words of a mount: an empty file system."""
    return f"-t tmpfs -o {options} none {place}"


def in_container(mounts: Sequence[str], work: Callable[[], str], uid: int = 0) -> str:
    """What a function returns in such a child; gives up where none can be made.

    Args:
        mounts: the words of each `mount` that is done first.
    """
    need_root()
    if shutil.which("mount") is None:
        give_up("there is no `mount` here")

    def enter_and_work() -> str:
        if ctypes.CDLL(None, use_errno=True).unshare(NEW_NAMESPACE) != 0:
            return f"no namespace: {os.strerror(ctypes.get_errno())}"
        for words in (["--make-rprivate", "/"], *map(str.split, mounts)):
            done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return f"no namespace: {done.stderr.strip()}"
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        return work()

    told = told_by_child(enter_and_work)
    if told.startswith("no namespace"):
        give_up(f"no mounts of one's own can be made here: {told}")
    return told
