"""Sessions, watches, events and notes on the page; the page without a mouse, and without eyes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.browsing import (
    PATIENCE_S,
    READY_MS,
    Devices,
    Open,
    ask,
    connect,
    only_session,
    sessions_gone,
    until,
)

pytestmark = pytest.mark.browser

WINDOW_MS = 30_000  # for something to be seen, judged and told, on a busy machine
LISTED_MS = 20_000  # the list of sessions is fetched every 5 s
TABS = ("Ask", "Watches", "Timeline", "Settings")
AXE = """() => axe.run().then(({ violations }) =>
  violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]))"""
FOCUSED = """() => {
  const { activeElement: here } = document;
  return here === document.body ? null : here.id || here.ariaLabel || here.textContent.trim();
}"""
OUTLINED = "() => getComputedStyle(document.activeElement).outlineStyle !== 'none'"
UNSEEN = """() => [...document.querySelectorAll("button, input, select")]
  .filter((one) => !one.disabled && one.checkVisibility() && one.tabIndex >= 0)
  .map((one) => one.id || one.ariaLabel || one.textContent.trim())"""
SMALL = """() => [...document.querySelectorAll("button, input, select")]
  .filter((one) => one.checkVisibility() && one.type !== "checkbox")
  .filter((one) => one.getBoundingClientRect().height < 40)
  .map((one) => one.id || one.textContent)"""
NO_TOKEN = {"error": {"type": "unauthorized", "message": "send a token"}}
HEAR_STATUS = """() => {
  const status = document.getElementById("status");
  window.heard = [];
  new MutationObserver(() => window.heard.push(status.textContent))
    .observe(status, { childList: true, characterData: true, subtree: true });
}"""
TRIED = "() => window.heard.some((one) => one.includes('trying again'))"
CUT = "() => { for (const one of window.peers) one.close(); }"
HOLD_PEERS = """() => {
  window.peers = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...given) { super(...given); window.peers.push(this); }
  };
}"""


@pytest.fixture
async def live(open_page: Open, service: str) -> AsyncIterator[Page]:
    """The page with a camera that runs; its session ends with the test."""
    page = await open_page()
    await connect(page, "Camera and microphone")
    yield page
    if await page.get_by_role("button", name="Close").is_visible():
        await page.get_by_role("button", name="Close").click()
    await sessions_gone(service)


async def show(page: Page, tab: str) -> None:
    await page.get_by_role("tab", name=tab, exact=True).click()


async def test_a_watch_is_set_judged_moved_and_removed(live: Page, service: str) -> None:
    await show(live, "Watches")
    await live.get_by_label("Tell me when").fill("is there a red circle now?")
    await live.get_by_label("Tell me when").press("Enter")
    meter = live.get_by_role("meter", name="is there a red circle now?")
    await expect(meter).to_be_visible()
    judged = re.compile(r"^\d+ %$")
    await expect(meter).to_have_attribute("aria-valuetext", judged, timeout=WINDOW_MS)
    threshold = live.get_by_label("Told from this probability on: is there a red circle now?")
    await threshold.press("ArrowRight")
    path = f"/v1/sessions/{(await only_session(service))['id']}/watches"

    async def moved() -> bool:
        async with httpx.AsyncClient(base_url=service, timeout=PATIENCE_S) as client:
            (watch,) = (await client.get(path)).json()["watches"]
        return bool(watch["threshold"] == pytest.approx(0.81))

    await until(moved)
    await live.get_by_role("button", name="Remove: is there a red circle now?").click()
    await expect(meter).to_be_hidden()
    await expect(live.get_by_label("Tell me when")).to_be_focused()


async def test_events_come_into_the_timeline_with_their_picture(
    live: Page, devices: Devices
) -> None:
    things = {thing.name for at_s in range(12) for thing in devices.scene.segment_at(at_s).things}
    await show(live, "Watches")
    await live.get_by_label("From this probability on").fill("5")
    for name in sorted(things):
        await live.get_by_label("Tell me when").fill(f"was there a {name}?")
        await live.get_by_label("Tell me when").press("Enter")
        await expect(live.get_by_role("meter", name=name)).to_be_visible()
    await show(live, "Timeline")
    event = live.locator("#timeline .event").first
    await expect(event).to_contain_text("was there a", timeout=WINDOW_MS)
    picture = event.get_by_role("img")
    await expect(picture).not_to_have_js_property("naturalWidth", 0, timeout=WINDOW_MS)
    await expect(live.get_by_role("log")).to_contain_text("was there a")


async def test_notes_are_taken_found_and_kept_after_the_end(live: Page, service: str) -> None:
    await show(live, "Settings")
    await live.get_by_label("Take a note").select_option("10")
    await show(live, "Timeline")
    note = live.locator("#timeline .note .said").first
    await expect(note).not_to_be_empty(timeout=2 * WINDOW_MS)
    text = await note.inner_text()
    await live.get_by_label("Search the notes").fill(text.split()[-1])
    await live.get_by_role("button", name="Search").click()
    await expect(live.locator("#search-text")).to_contain_text("found")
    await expect(live.locator("#found .said").first).not_to_be_empty()
    await live.get_by_label("Search the notes").fill("zebra")
    await live.get_by_label("Search the notes").press("Enter")
    await expect(live.locator("#search-text")).to_have_text("0 notes found")
    async with live.expect_download() as saving:
        await live.get_by_role("button", name="Save as Markdown").click()
    assert text in (await (await saving.value).path()).read_text()


async def test_an_ended_session_is_looked_back_at_gone_on_with_and_deleted(
    live: Page, service: str
) -> None:
    answer = await ask(live, "what do you see now?")
    session = str((await only_session(service))["id"])
    await live.get_by_role("button", name="Close").click()
    await sessions_gone(service)
    item = live.locator("#sessions li").first
    await expect(item).to_contain_text("ended", timeout=LISTED_MS)
    await item.get_by_role("button", name="Look back").click()
    await expect(live.locator("#answers .answer").first).to_have_text(answer)
    await expect(live.get_by_label("Your question")).to_be_hidden()  # nothing was noted
    await live.get_by_role("button", name="Back", exact=True).click()
    await item.get_by_role("button", name="Go on").click()
    await connect(live, "Camera and microphone")
    assert (await only_session(service))["id"] == session
    await expect(live.locator("#answers .question").first).to_have_text("what do you see now?")
    await live.get_by_role("button", name="Close").click()
    await sessions_gone(service)
    live.on("dialog", lambda dialog: dialog.accept())
    await item.get_by_role("button", name="Delete").click()

    async def removed() -> bool:
        async with httpx.AsyncClient(base_url=service, timeout=PATIENCE_S) as client:
            return (await client.get(f"/v1/sessions/{session}")).status_code == 404

    await until(removed)


async def test_a_connection_that_is_lost_comes_back_to_its_session(
    open_page: Open, service: str
) -> None:
    page = await open_page()
    await page.evaluate(HOLD_PEERS)
    await connect(page, "Camera and microphone")
    session = (await only_session(service))["id"]
    async with httpx.AsyncClient(base_url=service, timeout=PATIENCE_S) as client:
        asked = await client.get(f"/v1/sessions/{session}")
    assert asked.json()["state"] == "live"
    await page.evaluate(HEAR_STATUS)
    await page.evaluate(CUT)  # the service hears that its sender is gone
    status = page.get_by_role("status").first
    await until(lambda: page.evaluate(TRIED), READY_MS / 1000)
    await expect(status).to_have_text("Live", timeout=READY_MS)
    assert (await only_session(service))["id"] == session
    await ask(page, "what do you see now?")


async def test_a_token_is_asked_for_where_the_service_wants_one(open_page: Open) -> None:
    sent: list[str | None] = []

    async def locked(route: Route) -> None:
        sent.append(route.request.headers.get("authorization"))
        await (route.continue_() if sent[-1] else route.fulfill(status=401, json=NO_TOKEN))

    page = await open_page()
    await page.route("**/v1/sessions*", locked)
    await page.reload()
    await page.get_by_label("Access token").fill("abc")
    await page.get_by_label("Access token").press("Enter")
    await expect(page.get_by_label("Access token")).to_be_hidden()
    assert sent[-1] == "Bearer abc"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (360, 740)], ids=["desktop", "phone"])
async def test_axe_finds_nothing_to_mend(
    open_page: Open, service: str, axe: str, size: tuple[int, int], scheme: str
) -> None:
    page = await open_page(size, scheme)
    await page.evaluate(axe)
    assert not await page.evaluate(AXE)
    await connect(page, "Camera and microphone")
    await ask(page, "what do you see now?")
    for tab in TABS:
        await show(page, tab)
        assert not await page.evaluate(AXE), tab
        assert not await page.evaluate(SMALL), tab
        assert await page.evaluate("document.documentElement.scrollWidth") <= size[0], tab
    await page.get_by_role("button", name="Close").click()
    await sessions_gone(service)


async def test_every_control_is_reached_by_keyboard_and_seen_to_be(live: Page) -> None:
    for number in range(len(TABS)):
        await live.get_by_role("tab", name=TABS[number], exact=True).focus()
        expected = set(await live.evaluate(UNSEEN))
        reached = await walked(live)
        assert expected <= reached, TABS[number]
        await live.get_by_role("tab", name=TABS[number], exact=True).focus()
        await live.keyboard.press("ArrowRight")
        chosen = live.get_by_role("tab", selected=True)
        await expect(chosen).to_have_text(TABS[(number + 1) % len(TABS)])
        await expect(chosen).to_be_focused()


async def walked(page: Page) -> set[str]:
    """What the Tab key comes to, once around the page."""
    reached: set[str] = set()
    for _ in range(40):
        await page.keyboard.press("Tab")
        here = await page.evaluate(FOCUSED)
        if here in reached:
            break
        if here:
            assert await page.evaluate(OUTLINED), f"the focus on {here} must be seen"
            reached.add(here)
    return reached
