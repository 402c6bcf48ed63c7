"""Descriptions of running servers, kept so that a second call waits one poll of the host, not two.

A description cannot change while its server lives; which server that is, its status page tells.
Whatever is wrong with what was kept, the server is asked. Knows no connection.
"""

from __future__ import annotations

import json
import os
from binascii import crc32
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lazyipc._core.description.model import Description
from lazyipc._core.description.reading import read_description
from lazyipc._io.private_file import cache_folder, keep_newest, read_private, replace_private
from lazyipc._io.status_page import read_status
from lazyipc.errors import DecodeError

if TYPE_CHECKING:
    from lazyipc._io.status_page import Status

FOLDER = "lazyipc"
SUFFIX = ".description.json"
MOST_FILES = 64
"""How many are kept: one for each server, and those of servers that are gone."""
MOST_BYTES = 4 * 2**20
"""The longest that is kept; to read a longer one takes as long as to ask for it."""


def cached_description(path: str, fetch: Callable[[], Description]) -> Description:
    """The description of the server at a path: as it was kept, else as it is fetched now.

    Args:
        path: the server's socket.
        fetch: asks the server.

    Raises: as `fetch`.
    """
    page = read_status(path)
    if page is None or not page.is_locked:
        return fetch()
    file = _file_of(path, page)
    if file is None:
        return fetch()
    kept = _read(file, page)
    if kept is not None:
        return kept
    description = fetch()
    if _is_of(description, page):
        _keep(file, description)
    return description


def _file_of(path: str, page: Status) -> str | None:
    """Where a server's description is kept; None where nothing can be."""
    folder = cache_folder(FOLDER)
    if folder is None:
        return None
    try:
        whole = os.path.realpath(path)
    except OSError:
        return None
    # Two paths with one checksum are told apart by their servers' starts.
    key = f"{crc32(os.fsencode(whole)):08x}-{page.pid}-{page.start_ns}-{page.clock.hex()}"
    return os.path.join(folder, key + SUFFIX)


def _is_of(description: Description, page: Status) -> bool:
    """Whether it is what this very server told: another may have taken its place."""
    server = description.server
    told = (server.pid, server.start_ns, server.clock)
    return told == (page.pid, page.start_ns, page.clock.hex())


def _read(file: str, page: Status) -> Description | None:
    data = read_private(file, MOST_BYTES)
    if data is None:
        return None
    try:
        document: Any = json.loads(data)
        description = read_description(document)
    except (DecodeError, RecursionError, ValueError):
        return None
    return description if _is_of(description, page) else None


def _keep(file: str, description: Description) -> None:
    data = json.dumps(description.document, separators=(",", ":")).encode()
    if len(data) <= MOST_BYTES and replace_private(file, data):
        keep_newest(os.path.dirname(file), SUFFIX, MOST_FILES)
