"""For users' own tests: commands tried without a socket, and a real server that a test polls.

`joined` runs commands through the true protocol in memory, in time that moves only when told:

>>> from lazyipc import Command
>>> from lazyipc.testing import joined
>>> class Order(Command[dict[str, float]]): "What a training run can be told."
>>> class SetRate(Order):
...     lr: float
...     def process(self, context: dict[str, float]) -> float:
...         before, context["lr"] = context["lr"], self.lr
...         return before
>>> state = {"lr": 3e-4}
>>> with joined(Order, state) as link:
...     link.send(SetRate(lr=1e-4))
0.0003
>>> state
{'lr': 0.0001}

`hosted` is a real server at a private path. `lazyipc.testing.fixtures` has it for pytest. Each name
is imported when it is first used, so that a plugin costs nothing until a test asks for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lazyipc.testing._caller import Call, PendingCallsWarning
    from lazyipc.testing._hosted import Host, HostMaker, hosted
    from lazyipc.testing._joined import Joined, joined
    from lazyipc.testing._joined_client import JoinedClient

__all__ = [
    # in memory
    "joined",
    "Joined",
    "JoinedClient",
    # over a real socket
    "hosted",
    "Host",
    "HostMaker",
    # calls
    "Call",
    "PendingCallsWarning",
]

_HOMES = {
    **dict.fromkeys(["joined", "Joined"], "_joined"),
    "JoinedClient": "_joined_client",
    **dict.fromkeys(["hosted", "Host", "HostMaker"], "_hosted"),
    **dict.fromkeys(["Call", "PendingCallsWarning"], "_caller"),
}
"""Where each name lives."""


if not TYPE_CHECKING:  # so that a misspelt name is an error for type checkers

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'lazyipc.testing' has no attribute {name!r}")
        home = importlib.import_module("lazyipc.testing." + _HOMES[name])
        value: object = getattr(home, name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
