"""The list of sessions on the page: some are picked out of many by words."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.clients.sdk.conftest import Line
from tests.e2e.faked import PATIENCE_MS
from tests.e2e.test_page_phone import CUT_OFF
from tests.e2e.test_page_watching import AXE, SMALL

pytestmark = pytest.mark.browser

ROOMS = ("garden", "hall") * 5
FIELD = "Show only"


async def listed(page: Page, line: Line, *rooms: str) -> None:
    """Sessions that have ended, in these rooms, on a list that is as new."""
    for room in rooms:
        made = await line.house.offer(room)
        id = made.headers["X-EchoSieve-Session"]
        await line.house.exchange.peers[-1].play(0.1)
        await line.house.manager.end(id, "the sender ended it")
    items = page.locator("#sessions li")
    await expect(items).to_have_count(len(rooms), timeout=PATIENCE_MS)


async def test_of_many_sessions_those_are_shown_that_hold_every_word(
    page: Page, line: Line
) -> None:
    await listed(page, line, *ROOMS)
    shown = page.locator("#sessions li:visible")
    field, told = page.get_by_label(FIELD), page.locator("#filter-text")
    await field.fill("Ended GAR")
    await expect(shown).to_have_count(5)
    await expect(shown.first).to_contain_text("garden")
    await expect(told).to_have_text("5 of 10")
    await field.fill("zebra")
    await expect(told).to_have_text("0 of 10")
    await expect(shown).to_have_count(0)
    await field.fill("")
    await expect(shown).to_have_count(10)
    await expect(told).to_be_empty()


async def test_what_a_button_is_called_is_not_searched_and_a_newer_list_is_picked_from_too(
    page: Page, line: Line
) -> None:
    await listed(page, line, *ROOMS)
    await page.get_by_label(FIELD).fill("look back")
    await expect(page.locator("#filter-text")).to_have_text("0 of 10")
    await page.get_by_label(FIELD).fill("garden")
    await line.house.offer("attic")
    await expect(page.locator("#filter-text")).to_have_text("5 of 11", timeout=PATIENCE_MS)
    await expect(page.locator("#sessions li", has_text="attic")).to_be_hidden()


async def test_a_few_sessions_are_seen_without_a_field(page: Page, line: Line) -> None:
    await listed(page, line, "garden")
    await expect(page.get_by_label(FIELD)).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_to_mend_in_a_long_list(
    page: Page, line: Line, axe: str, scheme: str
) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.set_viewport_size({"width": 390, "height": 844})
    await listed(page, line, *ROOMS)
    await page.get_by_label(FIELD).fill("garden")
    await page.evaluate(axe)
    assert not await page.evaluate(AXE)
    assert not await page.evaluate(SMALL)
    assert not await page.evaluate(CUT_OFF)
