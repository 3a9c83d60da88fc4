"""The address of the page carries the session that is looked at: links, reload, the back button."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.clients.sdk.conftest import Line
from tests.e2e.faked import PATIENCE_MS, join, look_back
from tests.e2e.test_page_past import MINUTES, ended
from tests.e2e.test_page_phone import CUT_OFF
from tests.e2e.test_page_watching import AXE, SMALL
from tests.session.api.test_watches import shown

pytestmark = pytest.mark.browser

ROOM = "room"  # of every session of a line
LIVE, PAST = re.compile(f"^Live: {ROOM}, "), re.compile(f"^{ROOM}, ")


async def says(page: Page, text: str | re.Pattern[str]) -> None:
    await expect(page.get_by_role("status").first).to_have_text(text, timeout=PATIENCE_MS)


async def is_list(page: Page, line: Line) -> None:
    await says(page, "Not connected")
    await expect(page).to_have_url(f"{line.url}/")
    await expect(page.locator("#sessions li").first).to_be_visible()


def link(line: Line, session: str) -> str:
    return f"{line.url}/#session={session}"


async def test_a_joined_session_is_named_in_the_header_and_in_the_address(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await join(page, "Ask")
    await says(page, LIVE)
    await expect(page).to_have_url(link(line, session.id))


async def test_who_looks_on_is_told_why_there_is_no_picture(page: Page, line: Line) -> None:
    session, peer = await line.join()
    await join(page, "Ask")
    why = page.locator("#no-picture")
    await expect(why).to_contain_text("somebody else sends this stream")
    await expect(why).to_contain_text("from the moment you joined")
    await shown(line.house, session.id, peer, 2.0)
    await expect(page.locator("#strip")).to_be_visible()
    await page.get_by_role("button", name="Leave").click()
    await expect(why).to_be_hidden()


async def test_a_reload_comes_back_to_a_live_session_and_leaving_it_to_the_list(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await join(page, "Ask")
    await says(page, LIVE)
    await page.reload()
    await says(page, LIVE)
    await expect(page.get_by_label("Your question")).to_be_enabled()
    await expect(page).to_have_url(link(line, session.id))
    await page.get_by_role("button", name="Leave").click()
    await is_list(page, line)


async def test_a_link_to_a_live_session_joins_it_and_one_to_an_ended_looks_back(
    page: Page, line: Line
) -> None:
    past = await ended(line, *MINUTES)
    session, _ = await line.join()
    await page.goto(link(line, session.id))
    await says(page, LIVE)
    await page.goto(link(line, past))
    await says(page, PAST)
    await expect(page.locator("#past-text")).to_contain_text("its notes answer")
    await page.get_by_role("button", name="Back", exact=True).click()
    await is_list(page, line)


async def test_a_reload_looks_back_at_a_session_that_has_ended_meanwhile(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await join(page, "Ask")
    await says(page, LIVE)
    await page.goto("about:blank")
    await line.house.manager.end(session.id, "the sender ended it")
    await page.go_back()
    await says(page, PAST)
    await page.reload()
    await says(page, PAST)


async def test_a_link_to_a_session_that_is_gone_says_so_and_shows_the_list(
    page: Page, line: Line
) -> None:
    await ended(line)
    await page.goto(link(line, "ses_of-long_ago"))
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("The session of this address is gone")
    await is_list(page, line)
    await page.reload()
    await is_list(page, line)
    await expect(alert).to_be_hidden()


async def test_back_and_forward_lead_from_the_list_to_the_sessions_and_back(
    page: Page, line: Line
) -> None:
    await ended(line)
    await page.get_by_role("button", name="Look back").wait_for()  # no longer listed as live
    await line.join()
    await page.get_by_role("button", name="Join").wait_for()
    await join(page, "Ask")
    await says(page, LIVE)
    await page.go_back()
    await is_list(page, line)
    await page.go_forward()
    await says(page, LIVE)
    await page.get_by_role("button", name="Leave").click()
    await is_list(page, line)
    await look_back(page)
    await says(page, PAST)
    await page.go_back()
    await is_list(page, line)


async def test_a_session_that_has_ended_since_it_was_listed_is_looked_back_at(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await page.get_by_role("button", name="Join").wait_for()
    await page.route("**/v1/sessions?*", lambda route: route.abort())  # no newer list
    await line.house.manager.end(session.id, "the sender ended it")
    await page.get_by_role("button", name="Join").click()
    await says(page, PAST)


async def test_a_session_that_ends_while_it_is_looked_at_leaves_its_address(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    await join(page, "Ask")
    await says(page, LIVE)
    await line.house.manager.end(session.id, "the sender ended it")
    await expect(page.get_by_role("alert")).to_contain_text("the sender ended it")
    await is_list(page, line)


async def test_a_link_to_a_session_that_waits_is_there_when_its_sender_comes(
    page: Page, line: Line
) -> None:
    made = await line.house.http.post("/v1/sessions", json={"room": ROOM})
    session = made.json()["id"]
    await page.goto(link(line, session))
    await says(page, re.compile(f"^Nobody sends it yet: {ROOM}, "))
    headers = {"Content-Type": "application/sdp"}
    path = f"/whip/{ROOM}?session={session}"
    sent = await line.house.http.post(path, content="v=0\r\n", headers=headers)
    assert sent.status_code == 201, sent.text
    await line.house.exchange.peers[-1].play(0.1)
    await says(page, LIVE)
    await expect(page.get_by_label("Your question")).to_be_enabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
async def test_axe_finds_nothing_to_mend_where_a_session_is_joined(
    page: Page, line: Line, axe: str, size: tuple[int, int], scheme: str
) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    session, peer = await line.join()
    await join(page, "Ask")
    await shown(line.house, session.id, peer, 4.0)
    await says(page, LIVE)
    await page.evaluate(axe)
    assert not await page.evaluate(AXE)
    assert not await page.evaluate(SMALL)
    assert not await page.evaluate(CUT_OFF)


async def test_a_tab_that_is_chosen_while_a_session_is_joined_stays_chosen(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    held = asyncio.Event()

    async def late(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route(f"**/v1/sessions/{session.id}", late)
    await join(page, "Watches")
    held.set()
    await says(page, LIVE)
    await expect(page.get_by_role("tab", name="Watches")).to_have_attribute("aria-selected", "true")
    await expect(page.get_by_label("Tell me when")).to_be_visible()
