"""An event loop in a thread of its own, and a way into it for code that blocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine, Iterator
from typing import Any, Generic, TypeVar

from clients.sdk.errors import Misused

T = TypeVar("T")

CLOSED = (
    "this client is closed: make another, and use it inside of `with SyncEchoSieve() as client`"
)
WITHIN = (
    "this runs in the client's own thread, which it would block: use EchoSieve and `await` here"
)


class Portal:
    """Runs coroutines for threads that wait for them. The thread ends with `close`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="echosieve", daemon=True)
        self._thread.start()

    @property
    def open(self) -> bool:
        return not self._loop.is_closed()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the result; an interrupt of the wait (Ctrl-C) cancels the work.

        Raises what the work does, and Misused once the portal is closed or from within it.
        """
        if not self.open or threading.current_thread() is self._thread:
            work.close()
            raise Misused(WITHIN if self.open else CLOSED)
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # of no effect on what is done

    def iterate(self, items: AsyncIterable[T]) -> Iterator[T]:
        """The items one by one; leaving the loop early, or an interrupt, closes them."""
        steps = _Steps(items)
        try:
            while True:
                try:
                    item = self.run(steps.next())
                except StopAsyncIteration:
                    return
                yield item
        finally:
            if self.open:
                self.run(steps.close())

    def close(self) -> None:
        """Cancel what still runs and end the thread; may be called any number of times."""
        if not self.open:
            return
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())


class _Steps(Generic[T]):
    """What is iterated over, and the step that is under way or was the last."""

    def __init__(self, items: AsyncIterable[T]) -> None:
        self._iterator: AsyncIterator[T] = aiter(items)
        self._step: asyncio.Task[Any] | None = None

    async def next(self) -> T:
        self._step = asyncio.current_task()
        return await anext(self._iterator)

    async def close(self) -> None:
        """An interrupt may have left the step under way: it ends first."""
        if self._step is not None:
            if not self._step.cancelling():  # a second time would cut short how it lets go
                self._step.cancel()
            await asyncio.wait([self._step])
        if isinstance(self._iterator, AsyncGenerator):
            await self._iterator.aclose()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
