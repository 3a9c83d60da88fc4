"""Sliders on the page: they show exactly what is set, also by others and between whole percents."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.clients.sdk.conftest import Line
from tests.e2e.faked import join
from tests.e2e.test_page_judging import JUDGED

pytestmark = pytest.mark.browser

SET = [
    (0.33, "33", "33 %"),
    (0.335, "33.5", "33.5 %"),
    (0.004, "0.4", "0.4 %"),
    (1.0, "100", "100 %"),
]
THRESHOLDS = [(0.97, "97", "97 %"), (0.995, "99.5", "99.5 %"), (0.025, "2.5", "2.5 %")]


async def shows(slider: Locator, told: Locator, value: str, text: str) -> None:
    await expect(told).to_have_text(text)
    await expect(slider).to_have_value(value)


async def test_the_share_to_keep_is_shown_as_it_was_set_elsewhere(page: Page, line: Line) -> None:
    session, _ = await line.join()
    await join(page, "Settings")
    keep, told = page.get_by_label("Keep", exact=True), page.locator("#retention-text")
    for share, value, text in SET:
        await session.update(retention=share)
        await shows(keep, told, value, text)


async def test_a_slider_moves_on_by_whole_percents_from_wherever_it_was_set(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await session.update(retention=0.335)
    await join(page, "Settings")
    keep, told = page.get_by_label("Keep", exact=True), page.locator("#retention-text")
    await shows(keep, told, "33.5", "33.5 %")
    await keep.press("ArrowRight")
    await expect(page.locator("#tune-text")).to_contain_text("Set")
    moved = (await session.refresh()).retention
    assert moved in (0.34, 0.35)
    await shows(keep, told, f"{moved:.0%}".rstrip("%"), f"{moved:.0%}".replace("%", " %"))
    await keep.press("ArrowRight")
    await shows(keep, told, f"{100 * moved + 1:.0f}", f"{100 * moved + 1:.0f} %")


async def test_a_threshold_is_shown_as_it_was_set_elsewhere(page: Page, line: Line) -> None:
    session, _ = await line.join()
    for number, (threshold, _, _) in enumerate(THRESHOLDS):
        await session.watches.create(f"is it {number}?", threshold=threshold, release=threshold / 2)
    await join(page, "Watches")
    for number, (_, value, text) in enumerate(THRESHOLDS):
        watch = page.locator("#watch-list li").nth(number)
        await shows(watch.get_by_role("slider"), watch.locator("output"), value, text)


async def test_a_watch_is_set_from_any_whole_percent_below_a_hundred(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await join(page, "Watches")
    threshold = page.get_by_label("From this probability on")
    await expect(threshold).to_be_enabled()  # a key before that is lost
    await threshold.press("End")
    await expect(page.locator("#watch-threshold-text")).to_have_text("99 %")
    await threshold.press("ArrowLeft")
    await page.get_by_label("Tell me when").fill(JUDGED)
    await page.get_by_label("Tell me when").press("Enter")
    await expect(page.locator("#watch-list output")).to_have_text("98 %")
    (watch,) = await session.watches.list()
    assert watch.threshold == 0.98
