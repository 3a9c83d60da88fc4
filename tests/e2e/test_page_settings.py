"""Settings on the page while they are being changed, here and elsewhere at once."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, Response, Route, expect

from session import wire
from tests.clients.sdk.conftest import Line
from tests.e2e.faked import A_WHILE, Held, join, refuse

pytestmark = pytest.mark.browser

WRITTEN = "watch the door"
REFUSED = "not like this"


async def test_an_instruction_that_is_being_written_outlasts_what_else_is_set(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await join(page, "Settings")
    words = page.locator("#instruction")
    await words.fill(WRITTEN)
    await page.get_by_label("Keep", exact=True).focus()
    await session.update(retention=0.33)
    await expect(page.locator("#retention-text")).to_have_text("33 %")
    await expect(words).to_have_value(WRITTEN)
    await words.press("Enter")
    await expect(page.locator("#tune-text")).to_contain_text("Set")
    assert (await session.refresh()).instruction == WRITTEN


async def test_an_instruction_that_was_set_elsewhere_is_shown(page: Page, line: Line) -> None:
    session, _ = await line.join()
    await join(page, "Settings")
    words = page.locator("#instruction")
    await words.fill(WRITTEN)
    await words.press("Enter")
    await expect(page.locator("#tune-text")).to_contain_text("Set")
    await session.update(instruction="watch the window")
    await expect(words).to_have_value("watch the window")


async def test_what_was_being_written_stays_with_its_session(page: Page, line: Line) -> None:
    await line.join()
    await join(page, "Settings")
    words = page.locator("#instruction")
    await words.fill(WRITTEN)
    await page.get_by_role("button", name="Leave").click()
    await join(page, "Settings")
    await expect(words).to_have_value("")


async def test_a_slider_stays_where_it_was_moved_until_that_is_told(page: Page, line: Line) -> None:
    session, _ = await line.join()
    await session.update(retention=0.3)
    await join(page, "Settings")
    keep, told = page.get_by_label("Keep", exact=True), page.locator("#retention-text")
    await expect(told).to_have_text("30 %")
    sent: asyncio.Queue[Route] = asyncio.Queue()

    async def hold(route: Route) -> None:
        if route.request.method == "PATCH":
            await sent.put(route)
        else:
            await route.continue_()

    await page.route(f"**/v1/sessions/{session.id}", hold)
    for _ in range(2):
        await keep.press("ArrowRight")
    async with page.expect_response(changed):
        await (await sent.get()).continue_()
    await page.evaluate(A_WHILE)  # the first of the two is told
    assert (await session.refresh()).retention == 0.31
    await expect(told).to_have_text("32 %")
    async with page.expect_response(changed):
        await (await sent.get()).continue_()
    await expect(page.locator("#tune-text")).to_contain_text("Set")
    assert (await session.refresh()).retention == 0.32
    await session.update(retention=0.5)
    await expect(told).to_have_text("50 %")


async def test_a_share_that_is_refused_is_taken_back(page: Page, line: Line) -> None:
    session, _ = await line.join()
    await session.update(retention=0.3)
    await join(page, "Settings")
    keep, told = page.get_by_label("Keep", exact=True), page.locator("#retention-text")
    await expect(told).to_have_text("30 %")
    await refuse(page, f"**/v1/sessions/{session.id}", "PATCH", REFUSED)
    await keep.press("ArrowRight")
    await expect(page.locator("#tune-text")).to_have_text(REFUSED)
    await expect(told).to_have_text("30 %")


async def test_refused_settings_of_notes_are_neither_shown_nor_sent_again(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await join(page, "Settings")
    every, events = page.get_by_label("Take a note"), page.get_by_label("Note described events")
    await refuse(page, "**/notes", "PATCH", REFUSED)
    await every.select_option("60")
    await expect(page.locator("#tune-text")).to_have_text(REFUSED)
    await expect(every).to_have_value("")
    await page.unroute("**/notes")
    async with page.expect_response(changed):
        await events.check()
    await expect(page.locator("#tune-text")).to_have_text("")
    await expect(events).to_be_checked()
    assert await session.notes.settings() == wire.NoteSettings(every_s=None, events=True)


async def test_settings_of_notes_that_are_told_are_newer_than_what_was_asked_for(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    held = Held("GET")
    await page.route("**/notes", held.handle)
    await join(page, "Settings")
    await held.asked.wait()
    events = page.get_by_label("Note described events")
    await session.notes.set(None, events=True)
    await expect(events).to_be_checked()
    held.free.set()
    await page.evaluate(A_WHILE)
    await expect(events).to_be_checked()


def changed(answer: Response) -> bool:
    return answer.request.method == "PATCH"
