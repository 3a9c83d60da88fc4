"""Several streams as one; generators that block, read in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Generator
from contextlib import aclosing

import pytest

from stream.merge import in_thread, merged


async def numbers(start: int, count: int) -> AsyncIterator[int]:
    for number in range(start, start + count):
        await asyncio.sleep(0)
        yield number


async def broken() -> AsyncIterator[int]:
    yield 1
    raise OSError("unplugged")


async def test_all_items_of_all_streams_come_each_stream_in_its_order() -> None:
    found = [number async for number in merged(numbers(0, 100), numbers(1000, 50))]
    assert [n for n in found if n < 1000] == list(range(100))
    assert [n for n in found if n >= 1000] == list(range(1000, 1050))


async def test_what_a_stream_raises_reaches_the_reader_and_ends_the_others() -> None:
    with pytest.raises(OSError, match="unplugged"):
        _ = [number async for number in merged(numbers(0, 10_000_000), broken())]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_leaving_early_ends_the_readers_and_a_slow_reader_holds_them_back() -> None:
    read = 0

    async def counted() -> AsyncIterator[int]:
        nonlocal read
        for read in range(10_000):
            yield read

    async with aclosing(merged(counted())) as items:
        await anext(items)
        await asyncio.sleep(0.01)
        assert read < 100
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_generator_that_blocks_is_read_in_a_thread_and_closed_at_the_end() -> None:
    closed = threading.Event()

    def blocking() -> Generator[str]:
        try:
            while True:
                yield threading.current_thread().name
        finally:
            closed.set()

    async with aclosing(in_thread(blocking(), 2)) as names:
        assert await anext(names) != threading.main_thread().name
    assert closed.is_set()
