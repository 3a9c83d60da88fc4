"""The page on a phone: nothing is cut off, and nothing is taller than it need be."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.clients.sdk.conftest import Line
from tests.e2e.browsing import ask, until
from tests.e2e.faked import PATIENCE_MS, join, look_back
from tests.e2e.test_page_past import MINUTES, ended, noted
from tests.e2e.test_page_watching import AXE, SMALL, TABS
from tests.session.api.test_watches import shown

pytestmark = pytest.mark.browser

LONG_ROOM = "a" * 64
LONG = "somebody has left an " + "extraordinarily" * 5 + " long umbrella by the door"
CUT_OFF = """() => {
  const pen = document.createElement("canvas").getContext("2d");
  const wider = (one, text) => {
    const { font, paddingLeft, paddingRight } = getComputedStyle(one);
    pen.font = font;
    const room = one.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
    return pen.measureText(text).width > room;
  };
  const seen = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility());
  const beyond = seen.filter((one) => one.getBoundingClientRect().right > innerWidth
    && !one.closest("#film, .hidden-title"));
  const clipped = seen.filter((one) => one.matches("button, label, p, b, [role=tablist]")
    && !one.matches(".hidden-title") && one.scrollWidth > one.clientWidth + 1 && one.clientWidth);
  const told = seen.filter((one) => one.matches("select, input")
    && wider(one, one.placeholder || one.selectedOptions?.[0]?.textContent || ""));
  return [...beyond, ...clipped, ...told].map((one) => one.outerHTML.slice(0, 120));
}"""
LABELS = """() => {
  window.cut = [];
  const write = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const right = x + this.measureText(text).width;
    if (right > this.canvas.getBoundingClientRect().width + 0.01) window.cut.push(text);
    window.written = text;
    write.call(this, text, x, y);
  };
}"""


@pytest.fixture(autouse=True)
async def phone(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})


async def test_nothing_is_cut_off_in_any_tab(page: Page, line: Line) -> None:
    session, peer = await line.join()
    await noted(line, session.id, *MINUTES, LONG)
    for query in (LONG, "is it there since 0?"):
        await session.watches.create(query)
    await join(page, "Ask")
    await shown(line.house, session.id, peer, 4.0)
    await ask(page, LONG)
    for tab in TABS:
        await page.get_by_role("tab", name=tab).click()
        assert not await page.evaluate(CUT_OFF), tab
        assert not await page.evaluate(SMALL), tab


async def test_a_selector_is_explained_below_its_name_which_is_whole(
    page: Page, line: Line
) -> None:
    says = "a selector whose explanation is much longer than a phone is wide"
    offered = {"selectors": [{"name": "cs2", "says": says}, {"name": "uniform", "says": "evenly"}]}
    await page.route("**/v1/selectors", lambda route: route.fulfill(json=offered))
    await page.reload()
    await line.join()
    await join(page, "Settings")
    await expect(page.locator("#selector-says")).to_have_text(says)
    assert not await page.evaluate(CUT_OFF)
    await page.get_by_label("Chosen by").select_option("uniform")
    await expect(page.locator("#selector-says")).to_have_text("evenly")


async def test_sessions_are_rows_of_a_line_and_their_buttons(page: Page, line: Line) -> None:
    await ended(line)
    await ended(line, *MINUTES)
    rows = page.locator("#sessions li")
    await expect(rows).to_have_count(2, timeout=PATIENCE_MS)
    await expect(rows.first).to_contain_text("ended after")
    await expect(rows.first).not_to_contain_text("the sender ended it")  # as most do
    for row in await rows.all():
        assert await row.evaluate("(one) => one.getBoundingClientRect().height") < 90


async def test_a_room_with_a_long_name_and_its_trouble_are_told_whole(
    page: Page, line: Line
) -> None:
    made = await line.house.offer(LONG_ROOM)
    session = made.headers["X-EchoSieve-Session"]
    await noted(line, session, LONG)
    await line.house.manager.end(session, "its sender was not heard of for a long while")
    told = page.locator("#sessions li .about")
    await expect(told).to_contain_text("not heard of for a long while", timeout=PATIENCE_MS)
    assert not await page.evaluate(CUT_OFF)
    await look_back(page)
    await ask(page, "what about the umbrella?")
    assert not await page.evaluate(CUT_OFF)
    await page.get_by_role("tab", name="Timeline").click()
    assert not await page.evaluate(CUT_OFF)


async def test_the_times_below_the_strip_are_whole_also_at_its_edge(page: Page, line: Line) -> None:
    session, peer = await line.join()
    await join(page, "Ask")
    await expect(page.get_by_label("Your question")).to_be_enabled()
    await page.evaluate(LABELS)
    await shown(line.house, session.id, peer, 62.0)  # more than there is room for
    await until(lambda: page.evaluate("() => window.written === '1:00'"))
    assert not await page.evaluate("window.cut")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_to_mend_where_a_session_is_looked_back_at(
    page: Page, line: Line, axe: str, scheme: str
) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await ended(line, *MINUTES)
    await page.get_by_role("button", name="Look back").wait_for()
    await page.evaluate(axe)
    assert not await page.evaluate(AXE)
    await look_back(page)
    await ask(page, "what was red?")
    assert not await page.evaluate(AXE)
    assert not await page.evaluate(SMALL)
    await page.get_by_role("tab", name="Timeline").click()
    assert not await page.evaluate(AXE)
    await page.get_by_label("Search the notes").fill("red")
    await page.get_by_label("Search the notes").press("Enter")
    await expect(page.get_by_role("button", name="Show everything")).to_be_visible()
    assert not await page.evaluate(AXE)
    assert not await page.evaluate(SMALL)
    assert not await page.evaluate(CUT_OFF)
