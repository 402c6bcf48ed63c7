"""Runs the coroutines of tests: in asyncio's debug mode, within a time limit, leaving nothing over.

A run fails on any warning, on whatever asyncio reports to the loop's exception handler or logs as
a warning, on tasks that still run when the test's own coroutine is over, and on descriptors left
open.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import io
import logging
import sys
import time
import warnings
from asyncio import constants
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from tests.conftest import open_descriptors
from tests.harness import DEADLINE_SECONDS, give_up

T = TypeVar("T")

Main = Callable[[], Coroutine[Any, Any, T]]
NewLoop = Callable[[], asyncio.AbstractEventLoop]
Run = Callable[..., Any]
"""`run`, or `run` over one of LOOPS."""

STACK_DEPTH = 2
"""How many lines debug mode keeps of where each task and timer was made: they are most of what it
costs."""

LAST_SECONDS = 1.0
"""How long a task gets that was cancelled because it failed its test."""

LAST_TURNS = 50
"""How many turns of the loop a task that was told to end gets for it."""


@functools.cache
def uvloop() -> Any:
    """The module; libuv opens what it keeps for the whole process with the first loop."""
    try:
        import uvloop
    except ImportError as error:
        give_up(f"uvloop is not installed: {error}")
    uvloop.new_event_loop().close()
    return uvloop


def new_uvloop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = uvloop().new_event_loop()
    return loop


LOOPS: dict[str, NewLoop] = {"asyncio": asyncio.new_event_loop, "uvloop": new_uvloop}


class Watch:
    """Sees what a run complains of and what it leaves behind; leaving it fails where there is any.

    Not for two threads at once: warnings and descriptors belong to the whole process.
    """

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Watch:
        # What was there before is not looked through again by the collection at the end.
        gc.collect(0)
        gc.freeze()
        self._stack.callback(gc.unfreeze)
        self._descriptors = open_descriptors()
        self._warnings = self._stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        self._stack.callback(setattr, constants, "DEBUG_STACK_DEPTH", constants.DEBUG_STACK_DEPTH)
        constants.DEBUG_STACK_DEPTH = STACK_DEPTH
        hook = sys.unraisablehook
        self._stack.callback(setattr, sys, "unraisablehook", hook)
        sys.unraisablehook = self._on_unraisable
        self._stack.enter_context(_Heard(self.complaints))
        return self

    def _on_unraisable(self, told: Any) -> None:
        self.complaints.append(f"{told.err_msg or 'unraisable'}: {told.exc_value!r}")

    def on_report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The exception handler of a watched loop."""
        self.complaints.append("; ".join(f"{key}: {value!r}" for key, value in context.items()))

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with self._stack:
            if error is None:
                gc.collect()
                after = open_descriptors()
            self.complaints += [f"{w.category.__name__}: {w.message}" for w in self._warnings]
        if error is not None:  # it holds frames, and those what they had open
            for complaint in self.complaints:
                error.add_note(complaint)
            return
        assert not self.complaints, "\n".join(self.complaints)
        left = after.items() - self._descriptors.items()
        assert not left, f"descriptors left open: {left}"

    def run(
        self,
        main: Main[T],
        *,
        timeout: float = DEADLINE_SECONDS,
        new_loop: NewLoop = asyncio.new_event_loop,
        leaves_tasks: bool = False,
    ) -> T:
        """Run a coroutine in a loop of its own; in whichever thread."""
        loop = new_loop()
        loop.set_debug(True)
        loop.set_exception_handler(self.on_report)
        loop.slow_callback_duration = 60.0  # type: ignore[attr-defined]
        asyncio.set_event_loop(loop)
        try:
            return loop.run_until_complete(_bounded(main, timeout, leaves_tasks))
        finally:
            loop.run_until_complete(_cancel_the_rest())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            asyncio.set_event_loop(None)
            loop.close()


def run(main: Main[T], **settings: Any) -> T:
    """Run a test's coroutine, watched.

    Args:
        timeout: seconds, after which it fails and tells where each task stood.
        new_loop: what makes the loop.
        leaves_tasks: tasks may still run at its end, and are then cancelled, as by `asyncio.run`.
    """
    new_loop = settings.get("new_loop")
    if new_loop is new_uvloop:
        uvloop()  # before descriptors are counted
    with Watch() as watch:
        return watch.run(main, **settings)


async def _bounded(main: Main[T], timeout: float, leaves_tasks: bool) -> T:
    before = asyncio.all_tasks()
    task = asyncio.create_task(main())
    await asyncio.wait([task], timeout=timeout)
    if not task.done():
        stacks = [*map(_stack_of, asyncio.all_tasks() - before)]
        task.cancel()
        await asyncio.wait([task], timeout=LAST_SECONDS)
        raise AssertionError("\n".join([f"not over after {timeout} s", *stacks]))
    result = await task
    for _ in range(LAST_TURNS):
        left = asyncio.all_tasks() - before
        if not left:
            break
        await asyncio.sleep(0)
    assert leaves_tasks or not left, "\n".join(["tasks left over:", *map(_stack_of, left)])
    return result


async def _cancel_the_rest() -> None:
    """As `asyncio.run` does at its end, but not for ever."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=LAST_SECONDS)


def _stack_of(task: asyncio.Task[Any]) -> str:
    text = io.StringIO()
    task.print_stack(file=text)
    return text.getvalue()


class _Heard(logging.Handler):
    """Takes down what asyncio logs as a warning, or worse, while it is entered."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._complaints = complaints

    def emit(self, record: logging.LogRecord) -> None:
        self._complaints.append(f"asyncio logs: {record.getMessage()}")

    def __enter__(self) -> None:
        logging.getLogger("asyncio").addHandler(self)

    def __exit__(self, *exc_info: object) -> None:
        logging.getLogger("asyncio").removeHandler(self)


# Waiting ------------------------------------------------------------------------------------------


async def until(
    condition: Callable[[], bool],
    seconds: float = DEADLINE_SECONDS,
    what: str = "it did not happen in time",
) -> None:
    """Let the loop go on until the condition holds, looking every two milliseconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.002)


async def settle(turns: int = 20) -> None:
    """Let whatever is ready run: so many turns of the loop, which waits for nothing in them."""
    for _ in range(turns):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def ended_by(task: asyncio.Task[Any]) -> AsyncIterator[None]:
    """Cancel a task behind a block, and see it end."""
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.contextmanager
def raised_in_time(seconds: float) -> Iterator[None]:
    """Fail where a block that must end at once takes as long as what it must not wait for."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < seconds, f"it took {took:.3f} s, as if it had waited for {seconds} s"
