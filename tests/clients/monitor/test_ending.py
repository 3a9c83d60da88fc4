"""A monitor ends when of no source anything more is to be had."""

from __future__ import annotations

import asyncio

import pytest

from clients.monitor.ending import Ending
from clients.sdk.errors import MediaFailed


async def over(ending: Ending) -> bool:
    """Whether who waits for it goes on."""
    waiting = asyncio.create_task(ending.reached())
    await asyncio.sleep(0)  # it takes one turn
    waiting.cancel()
    return waiting.done()


async def test_it_is_reached_with_the_last_source() -> None:
    ending = Ending(["one", "two"])
    ending.stands("one")
    assert not await over(ending)
    ending.stands("two")
    assert await over(ending)
    ending.check("report.md")


async def test_a_source_that_goes_on_again_is_waited_for() -> None:
    ending = Ending(["one", "two"])
    ending.stands("one", "nothing in it can be decoded")
    ending.goes_on("one")
    ending.stands("two")
    assert not await over(ending)
    ending.stands("one")
    assert await over(ending)
    ending.check("report.md")


async def test_what_could_not_be_read_at_all_is_told_with_where_the_report_of_the_rest_is() -> None:
    ending = Ending(["one", "two"])
    ending.stands("one", "nothing in it can be decoded")
    ending.stands("two")
    assert await over(ending)
    with pytest.raises(MediaFailed, match=r"^one: nothing in it .*; the report is report\.md$"):
        ending.check("report.md")
