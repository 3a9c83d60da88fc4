"""The page of a service around a fake engine: what is seen, judged and noted is up to the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, async_playwright, expect

from tests.clients.sdk.conftest import Line, served
from tests.e2e.browsing import FLAGS, PATIENCE_S

PATIENCE_MS = 1000 * PATIENCE_S
A_WHILE = "() => new Promise((done) => setTimeout(done, 300))"


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with served() as line:
        yield line


@pytest.fixture
async def page(chromium: Path, line: Line) -> AsyncIterator[Page]:
    """The page, in which nothing may go wrong that the console calls an error."""
    trouble: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        page = await browser.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.set_default_timeout(PATIENCE_MS)
        await page.route("**/v1/demo/*", lambda route: route.fulfill(status=404))  # not rendered
        await page.goto(line.url)
        yield page
        await browser.close()
    assert not trouble


async def join(page: Page, tab: str) -> None:
    """Come to the one session that is here, and choose a tab."""
    await page.get_by_role("button", name="Join").click()
    await page.get_by_role("tab", name=tab).click()


async def look_back(page: Page) -> None:
    """At the one session that has ended."""
    await page.get_by_role("button", name="Look back").click()
    await expect(page.get_by_role("button", name="Back", exact=True)).to_be_visible()


class Held:
    """The first request of one method, whose answer is held back as it was when it was given."""

    def __init__(self, method: str) -> None:
        self.method, self.asked, self.free = method, asyncio.Event(), asyncio.Event()

    async def handle(self, route: Route) -> None:
        if route.request.method != self.method or self.asked.is_set():
            await route.continue_()
            return
        answer = await route.fetch()
        self.asked.set()
        await self.free.wait()
        await route.fulfill(response=answer)


async def refuse(page: Page, path: str, method: str, message: str) -> None:
    """Every such request is refused, until `page.unroute(path)`."""

    async def answer(route: Route) -> None:
        if route.request.method == method:
            await route.fulfill(status=400, json={"error": {"message": message}})
        else:
            await route.continue_()

    await page.route(path, answer)
