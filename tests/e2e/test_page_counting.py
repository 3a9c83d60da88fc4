"""Counters on the page, of a service that counts windows."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.clients.sdk.conftest import Line
from tests.e2e.faked import PATIENCE_MS, join, look_back
from tests.session.api.test_watches import shown
from tests.session.fakes import eventually

pytestmark = pytest.mark.browser


async def test_a_counter_is_set_and_its_number_is_seen(page: Page, line: Line) -> None:
    session, peer = await line.join()
    await join(page, "Watches")
    await page.get_by_label("What to tell").select_option("count")
    await expect(page.get_by_label("Say what happened")).to_be_hidden()
    query = page.get_by_label("Count", exact=True)
    await expect(query).to_have_attribute("placeholder", "red things")
    await query.fill("windows")
    await query.press("Enter")
    live = await line.house.manager.live(session.id)
    await eventually(lambda: bool(live.attendant.watches.all()))
    watch = page.locator("#watch-list li")
    await expect(watch.locator(".state")).to_have_text("waits for a first look")
    await shown(line.house, session.id, peer, 6.0)
    await expect(watch.locator(".state")).to_have_text("3", timeout=PATIENCE_MS)
    await expect(page.get_by_role("meter", name="How sure the number is: windows")).to_be_visible()
    await expect(page.get_by_role("log")).to_have_text("windows: 3")
    await page.get_by_role("tab", name="Timeline").click()
    told = page.locator("#timeline .count .what")
    await expect(told).to_have_text(["windows: 3", "windows: 2", "windows: 1"])
    await page.get_by_role("tab", name="Watches").click()
    await page.get_by_role("button", name="Remove: windows").click()
    await expect(watch).to_have_count(0)


async def test_the_numbers_of_a_session_are_seen_when_it_is_looked_back_at(
    page: Page, line: Line
) -> None:
    session, peer = await line.join()
    await session.watches.count("windows")
    await shown(line.house, session.id, peer, 4.0)
    await line.house.manager.end(session.id, "the sender ended it")
    await look_back(page)
    await page.get_by_role("tab", name="Timeline").click()
    told = page.locator("#timeline .count")
    await expect(told.locator(".what")).to_have_text(["windows: 2", "windows: 1"])
    await expect(told.locator(".said")).to_have_text(["1 before", ""])
    await expect(page.get_by_role("log")).to_have_text("")  # it happened long ago


async def test_what_cannot_be_counted_is_told_with_what_would_be_right(
    page: Page, line: Line
) -> None:
    session, peer = await line.join()
    await session.watches.count("dreams")  # to which the model says no number
    await join(page, "Watches")
    await shown(line.house, session.id, peer, 2.0)
    state = page.locator("#watch-list .state")
    await expect(state).to_have_text(re.compile("cannot be counted: say what"), timeout=PATIENCE_MS)
    await expect(page.get_by_role("meter")).to_have_count(0)
    await expect(page.locator("#watch-list")).not_to_contain_text("Sure of it", use_inner_text=True)


async def test_what_to_tell_is_an_event_unless_somebody_chooses(page: Page, line: Line) -> None:
    session, _ = await line.join()
    await join(page, "Watches")
    await page.get_by_label("Tell me when").fill("is it there since 0")
    await page.get_by_label("Tell me when").press("Enter")
    await expect(page.locator("#watch-list li")).to_have_count(1)
    (watch,) = await session.watches.list()
    assert (watch.kind, watch.describe, watch.snapshot) == ("event", True, True)
