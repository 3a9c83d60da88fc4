"""Requests of the page that are answered late, while its person goes on."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, Route, expect

from tests.clients.sdk.conftest import Line
from tests.e2e.faked import A_WHILE, Held, join, refuse
from tests.e2e.test_page_judging import JUDGED

pytestmark = pytest.mark.browser


async def test_a_watch_stays_on_the_list_when_an_older_list_comes_late(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await join(page, "Watches")
    words = page.get_by_label("Tell me when")
    await words.fill(JUDGED)
    held = Held("GET")
    await page.route("**/watches", held.handle)
    await page.get_by_role("tab", name="Watches").click()  # it looks again
    await held.asked.wait()
    async with page.expect_response(lambda answer: answer.request.method == "POST"):
        await words.press("Enter")
    assert [watch.query for watch in await session.watches.list()] == [JUDGED]
    await page.evaluate(A_WHILE)
    held.free.set()
    await page.evaluate(A_WHILE)
    await expect(page.locator("#watch-list li")).to_have_count(1)


async def test_what_is_typed_while_a_watch_is_being_set_stays(page: Page, line: Line) -> None:
    await line.join()
    await join(page, "Watches")
    words = page.get_by_label("Tell me when")
    await words.fill(JUDGED)
    held = Held("POST")
    await page.route("**/watches", held.handle)
    await words.press("Enter")
    await held.asked.wait()
    await words.fill("is it there")
    held.free.set()
    await expect(page.locator("#watch-list li")).to_have_count(1)
    await page.evaluate(A_WHILE)
    await expect(words).to_have_value("is it there")


async def test_a_watch_that_is_refused_can_be_worded_otherwise(page: Page, line: Line) -> None:
    await line.join()
    await join(page, "Watches")
    words = page.get_by_label("Tell me when")
    await refuse(page, "**/watches", "POST", "not like this")
    await words.fill(JUDGED)
    await words.press("Enter")
    await expect(page.locator("#watch-text")).to_have_text("not like this")
    await expect(words).to_have_value(JUDGED)


async def test_a_camera_that_is_given_up_while_it_is_asked_for_is_let_go_of(page: Page) -> None:
    await page.evaluate(
        """() => {
          const devices = navigator.mediaDevices;
          const get = devices.getUserMedia.bind(devices);
          const allowed = new Promise((allow) => (window.allow = allow));
          devices.getUserMedia = async (wanted) => {
            await allowed;
            return (window.given = await get(wanted));
          };
        }"""
    )
    await page.get_by_role("button", name="Camera").click()
    await page.get_by_role("button", name="Close").click()
    await page.evaluate("() => allow()")
    await page.wait_for_function("() => window.given")
    await page.evaluate(A_WHILE)
    assert await page.evaluate("() => document.getElementById('video').srcObject === null")
    states = "() => given.getTracks().map((track) => track.readyState)"
    assert set(await page.evaluate(states)) == {"ended"}


async def test_what_fails_of_a_session_that_was_left_says_nothing(page: Page, line: Line) -> None:
    await line.join()
    asked, free = asyncio.Event(), asyncio.Event()

    async def fail(route: Route) -> None:
        asked.set()
        await free.wait()
        await route.fulfill(status=500, json={"error": {"message": "it is broken"}})

    await page.route("**/answers?*", fail)
    await page.get_by_role("button", name="Join").click()
    await asked.wait()
    await page.get_by_role("button", name="Leave").click()
    await page.unroute("**/answers?*", fail)
    await page.get_by_role("button", name="Join").click()
    await expect(page.locator("#status")).to_contain_text("Live")
    free.set()
    await page.evaluate(A_WHILE)
    await expect(page.locator("#status")).to_contain_text("Live")


async def test_what_was_wrong_with_a_watch_is_not_said_of_another_session(
    page: Page, line: Line
) -> None:
    await line.join()
    await join(page, "Watches")
    await refuse(page, "**/watches", "POST", "not like this")
    words, trouble = page.get_by_label("Tell me when"), page.locator("#watch-text")
    await words.fill(JUDGED)
    await words.press("Enter")
    await expect(trouble).to_have_text("not like this")
    await page.get_by_role("tab", name="Watches").click()  # a look that goes well
    await page.evaluate(A_WHILE)
    await expect(trouble).to_have_text("not like this")
    await page.get_by_role("button", name="Leave").click()
    await join(page, "Watches")
    await expect(trouble).to_have_text("")


async def test_a_list_of_watches_that_could_not_be_had_is_trouble_until_it_can(
    page: Page, line: Line
) -> None:
    await line.join()
    await join(page, "Watches")
    await refuse(page, "**/watches", "GET", "not now")
    watches = page.get_by_role("tab", name="Watches")
    await watches.click()
    await expect(page.locator("#watch-text")).to_have_text("not now")
    await page.unroute("**/watches")
    await watches.click()
    await expect(page.locator("#watch-text")).to_have_text("")
