"""A loop over what comes, in a thread that waits for it, ends as its person wishes."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from clients.sdk.portal import Portal


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal()
    yield portal
    portal.close()


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Ctrl-C interrupts, also where this was begun by a shell that has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Source:
    """Gives a number, then nothing more; what is given up takes a while to let go."""

    def __init__(self) -> None:
        self.waits, self.ended = threading.Event(), threading.Event()

    async def items(self) -> AsyncIterator[int]:
        try:
            yield 1
            self.waits.set()
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.05)
            self.ended.set()


def _interrupt_once(waits: threading.Event) -> threading.Thread:
    """As Ctrl-C does, when nothing comes any more."""

    def interrupt() -> None:
        assert waits.wait(30)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    return thread


def test_an_interrupt_while_a_loop_waits_is_just_that_and_closes_what_it_went_over(
    portal: Portal, interrupts: None
) -> None:
    source = Source()
    thread = _interrupt_once(source.waits)
    with pytest.raises(KeyboardInterrupt):
        list(portal.iterate(source.items()))
    thread.join()
    assert source.ended.is_set()
    assert portal.run(asyncio.sleep(0, "goes on")) == "goes on"


def test_leaving_a_loop_early_closes_what_it_went_over(portal: Portal) -> None:
    source = Source()
    loop = portal.iterate(source.items())
    assert next(loop) == 1
    loop.close()  # type: ignore[attr-defined]  # a generator
    assert source.ended.is_set()
