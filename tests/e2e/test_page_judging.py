"""How watches stand, on the page: what is likely, what is set, and what cannot be judged."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.clients.sdk.conftest import Line
from tests.e2e.faked import join
from tests.e2e.test_page_watching import AXE, SMALL
from tests.session.api.test_watches import shown

pytestmark = pytest.mark.browser

JUDGED = "is it there since 0?"
LOST = "is it answered, since 0 until 4"  # from 4 s on with neither yes nor no
NEVER = "is somebody sad?"  # answered with neither
MARK = """(bar) => parseFloat(getComputedStyle(bar, "::after").left) / bar.clientWidth"""
FORM = """(one) => {
  const { height, borderTopWidth, appearance } = getComputedStyle(one);
  return [one.getBoundingClientRect().height, borderTopWidth, appearance];
}"""


async def test_a_watch_that_cannot_be_judged_says_so_and_shows_no_bar(
    page: Page, line: Line
) -> None:
    session, peer = await line.join()
    await session.watches.create(NEVER)
    await join(page, "Watches")
    meter = page.locator("#watch-list [role=meter]")
    await expect(meter).to_have_attribute("aria-valuetext", "not looked yet")
    await shown(line.house, session.id, peer, 2.0)
    state = page.locator("#watch-list .state")
    await expect(state).to_have_text(re.compile("^cannot be judged: .* word it otherwise$"))
    await expect(meter).to_be_hidden()
    await expect(page.locator("#watch-list")).not_to_contain_text("Likely now", use_inner_text=True)
    await expect(page.get_by_label(f"Told from this probability on: {NEVER}")).to_be_visible()


async def test_a_watch_that_can_be_judged_no_more_leaves_no_old_probability_behind(
    page: Page, line: Line
) -> None:
    session, peer = await line.join()
    await session.watches.create(LOST)
    await join(page, "Watches")
    await shown(line.house, session.id, peer, 4.0)
    meter = page.get_by_role("meter", name=f"How likely it is now: {LOST}")
    await expect(meter).to_have_attribute("aria-valuetext", "90 %")
    await expect(page.locator("#watch-list .state")).to_contain_text("happening now")
    await shown(line.house, session.id, peer, 6.0)
    await expect(page.locator("#watch-list .state")).to_contain_text("cannot be judged")
    await expect(page.locator("#watch-list [role=meter]")).to_be_hidden()
    await expect(page.locator("#watch-list")).not_to_contain_text("90 %", use_inner_text=True)


async def test_what_is_likely_and_what_is_set_differ_in_label_and_form(
    page: Page, line: Line
) -> None:
    session, peer = await line.join()
    await session.watches.create(JUDGED)
    await join(page, "Watches")
    await shown(line.house, session.id, peer, 2.0)
    rows = page.locator("#watch-list .scale")
    await expect(rows.first).to_have_text(re.compile(r"Likely now\s*90 %"))
    await expect(rows.last).to_have_text(re.compile(r"Told from\s*80 %"))
    slider = page.get_by_label(f"Told from this probability on: {JUDGED}")
    meter = page.get_by_role("meter", name=JUDGED)
    assert await meter.evaluate(FORM) != await slider.evaluate(FORM)
    assert (await meter.evaluate(FORM))[1:] == ["1px", "none"], "a box with an edge"
    assert (await slider.evaluate(FORM))[1:] == ["0px", "none"], "a line with a handle"


async def test_the_mark_on_the_bar_goes_where_the_handle_goes(page: Page, line: Line) -> None:
    session, peer = await line.join()
    await session.watches.create(JUDGED)
    await join(page, "Watches")
    await shown(line.house, session.id, peer, 2.0)
    meter = page.get_by_role("meter", name=JUDGED)
    assert await meter.evaluate(MARK) == pytest.approx(0.8, abs=0.01)
    slider = page.get_by_label(f"Told from this probability on: {JUDGED}")
    await slider.focus()
    for _ in range(20):
        await page.keyboard.press("ArrowLeft")
    await expect(page.locator("#watch-list output")).to_have_text("60 %")
    assert await meter.evaluate(MARK) == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_to_mend_in_watches_of_every_kind(
    page: Page, line: Line, axe: str, scheme: str
) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.set_viewport_size({"width": 390, "height": 844})
    session, peer = await line.join()
    for query in (JUDGED, NEVER, "is it there since 60?"):
        await session.watches.create(query)
    await session.watches.count("windows")
    await session.watches.count("dreams")
    await join(page, "Watches")
    await shown(line.house, session.id, peer, 4.0)
    await expect(page.locator("#watch-list [data-state=unanswered]")).to_have_count(2)
    await expect(page.locator("#watch-list [data-state=open]")).to_have_count(1)
    await page.evaluate(axe)
    assert not await page.evaluate(AXE)
    assert not await page.evaluate(SMALL)
