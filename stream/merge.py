"""Blocking and several streams of items as one asynchronous stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

_WAITING = 16  # items of all streams together that may wait to be taken


async def in_thread(items: Generator[T], at_once: int) -> AsyncGenerator[T]:
    """The items of a generator that blocks, fetched ``at_once`` at a time in a thread.

    The generator is closed at the end, once the thread has left it.
    """
    batch = None
    try:
        while True:
            batch = asyncio.ensure_future(asyncio.to_thread(_take, items, at_once))
            fetched = await asyncio.shield(batch)
            if not fetched:
                return
            for item in fetched:
                yield item
    finally:
        if batch is not None:
            await asyncio.wait({batch})  # the thread must have left the generator
        items.close()


def _take(items: Iterator[T], count: int) -> list[T]:
    return list(islice(items, count))


async def merged(*streams: AsyncIterator[T]) -> AsyncGenerator[T]:
    """The items of all streams as they come, until all have ended; raises what any of them does."""
    ready: asyncio.Queue[T | None] = asyncio.Queue()
    room = asyncio.Semaphore(_WAITING)

    async def read(stream: AsyncIterator[T]) -> None:
        async for item in stream:
            await room.acquire()
            ready.put_nowait(item)

    readers = {asyncio.create_task(read(stream)) for stream in streams}
    for reader in readers:
        reader.add_done_callback(lambda _: ready.put_nowait(None))
    try:
        ended = 0
        while ended < len(readers):
            item = await ready.get()
            if item is not None:
                room.release()
                yield item
                continue
            ended += 1
            for reader in readers:
                if reader.done():
                    reader.result()
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)
