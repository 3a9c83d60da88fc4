"""Coming to a session while others change it: the page shows what holds, whichever came first."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from tests.clients.sdk.conftest import Line
from tests.e2e.faked import join

pytestmark = pytest.mark.browser

TIME_TO_BE_ASKED_S = 0.5
SHARE, TEXT = 0.33, "33 %"


async def test_what_is_set_before_the_page_listens_is_shown(page: Page, line: Line) -> None:
    session, _ = await line.join()

    async def late(route: Route) -> None:
        await asyncio.sleep(TIME_TO_BE_ASKED_S)
        await session.update(retention=SHARE)
        await route.continue_()

    await page.route(f"**/v1/sessions/{session.id}/events", late)
    await join(page, "Settings")
    await expect(page.locator("#retention-text")).to_have_text(TEXT)


async def test_what_the_page_hears_is_newer_than_what_it_asked_for(page: Page, line: Line) -> None:
    session, _ = await line.join()
    share = page.locator("#retention-text")
    asked = 0

    async def overtaken(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:  # where the address leads to
            await route.continue_()
            return
        before = await route.fetch()
        await session.update(retention=SHARE)
        await expect(share).to_have_text(TEXT)
        await route.fulfill(response=before)

    path = f"{line.url}/v1/sessions/{session.id}"
    await page.route(path, overtaken)
    async with page.expect_response(lambda answer: answer.url == path and asked == 2):
        await join(page, "Settings")
    await page.evaluate("() => new Promise((done) => setTimeout(done, 200))")  # it is read
    await expect(share).to_have_text(TEXT)
