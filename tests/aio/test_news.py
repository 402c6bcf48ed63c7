"""Waking those who wait for what has changed."""

from __future__ import annotations

import asyncio

from lazyipc._aio.news import News
from tests.rpc.loops import run, settle


def test_all_who_wait_are_woken_each_time() -> None:
    async def main() -> None:
        news = News(asyncio.get_running_loop())
        woken: list[str] = []

        async def wait(name: str) -> None:
            for _ in range(2):
                await news.wait()
                woken.append(name)

        waiting = [asyncio.create_task(wait(name)) for name in "ab"]
        await settle()
        assert woken == []
        news.tell()
        await settle()
        assert sorted(woken) == ["a", "b"]
        news.tell()
        await asyncio.gather(*waiting)
        assert sorted(woken) == ["a", "a", "b", "b"]

    run(main)


def test_told_twice_in_one_turn_wakes_once() -> None:
    async def main() -> None:
        news = News(asyncio.get_running_loop())
        waiting = asyncio.create_task(news.wait())
        await settle()
        news.tell()
        news.tell()
        await waiting

    run(main)


def test_one_who_was_cancelled_does_not_keep_the_others_from_it() -> None:
    async def main() -> None:
        news = News(asyncio.get_running_loop())
        waiting = [asyncio.create_task(news.wait()) for _ in range(3)]
        await settle()
        waiting[1].cancel()
        news.tell()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [
            type(None), asyncio.CancelledError, type(None),
        ]  # fmt: skip

    run(main)


def test_who_waits_no_more_is_not_kept() -> None:
    async def main() -> None:
        news = News(asyncio.get_running_loop())
        for _ in range(10):
            waiting = asyncio.create_task(news.wait())
            await settle(2)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert not news._waiters
        news.tell()

    run(main)
