"""Several things at once."""

from __future__ import annotations

import asyncio

import pytest

from clients.together import all_of


async def test_all_come_to_their_ends() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    await all_of([work(1), work(2)])
    assert sorted(done) == [1, 2]


async def test_one_that_fails_ends_the_others_and_is_raised() -> None:
    ended = asyncio.Event()

    async def fails() -> None:
        raise ValueError("no more")

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(ValueError, match="no more"):
        await all_of([waits(), fails()])
    assert ended.is_set()


async def test_who_is_cancelled_leaves_nothing_running() -> None:
    waiting = asyncio.create_task(all_of([asyncio.Event().wait()]))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert asyncio.all_tasks() == {asyncio.current_task()}
