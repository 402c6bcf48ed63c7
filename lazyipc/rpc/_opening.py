"""What makes a connection: awaited for it, or entered for as long as it is needed."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Protocol, Self, TypeVar


class _Entered(Protocol):
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc_info: object) -> None: ...


T = TypeVar("T", bound=_Entered)


class Opening(Coroutine[Any, Any, T]):
    """`await` it, or `async with` it.

    Args:
        steps: makes what is opened.
    """

    __slots__ = ("__name__", "_opened", "_steps")

    def __init__(self, steps: Coroutine[Any, Any, T]) -> None:
        self._steps = steps
        self._opened: T | None = None
        self.__name__ = str(getattr(steps, "__qualname__", "opening"))

    def __await__(self) -> Generator[Any, None, T]:
        return self._steps.__await__()

    def send(self, value: Any) -> Any:
        """Go on; what a task does."""
        return self._steps.send(value)

    def throw(self, *raised: Any) -> Any:
        """Go on with an exception; what a task does that is cancelled."""
        return self._steps.throw(*raised)

    def close(self) -> None:
        """Give up."""
        self._steps.close()

    async def __aenter__(self) -> T:
        self._opened = opened = await self._steps
        await opened.__aenter__()
        return opened

    async def __aexit__(self, *exc_info: object) -> None:
        if self._opened is not None:
            await self._opened.__aexit__(*exc_info)
