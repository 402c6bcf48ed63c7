"""The pytest fixture `ipc_server`, for whoever asks for it in the root conftest.py:

    pytest_plugins = ["lazyipc.testing.fixtures"]

It is no entry point: pytest would load it in every run of everybody who has lazyipc installed, and
would rewrite the asserts of the whole package there, which is not how the package runs elsewhere.
Loading it loads neither pydantic nor anything of the library. (PYTEST_DONT_REWRITE: there is no
assert here, and pytest would warn whoever has imported this module before.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lazyipc.testing._hosted import HostMaker


@pytest.fixture
def ipc_server() -> Iterator[HostMaker]:
    """Makes real servers at private paths, and closes them at the test's end.

    `host = ipc_server(Order, context)`; see `lazyipc.testing.Host`.
    """
    from lazyipc.testing._hosted import HostMaker

    with contextlib.ExitStack() as stack:
        yield HostMaker(stack)
