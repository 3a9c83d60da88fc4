"""The timeline of the page: an event that was described and noted stands there once."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.clients.sdk.conftest import Line
from tests.e2e.faked import join, look_back
from tests.session.api.test_watches import shown
from tests.session.fakes import FakePeer

pytestmark = pytest.mark.browser

QUERY = "is it  there since 4"
SENTENCE = "describe the last seconds at 3"  # what the fake model says of it


async def noting(line: Line) -> tuple[str, FakePeer]:
    """A session whose event is described and noted as soon as it is seen."""
    session, peer = await line.join()
    await line.house.http.patch(f"/v1/sessions/{session.id}/notes", json={"events": True})
    await session.watches.create(QUERY, describe=True)
    return session.id, peer


async def once(page: Page) -> None:
    event = page.locator("#timeline li")
    await expect(event.locator(".said")).to_have_text([SENTENCE])
    await expect(event).to_have_count(1)
    await expect(event.locator(".what")).to_have_text(QUERY)


async def test_an_event_with_a_note_stands_there_once_as_it_happens(page: Page, line: Line) -> None:
    session, peer = await noting(line)
    await join(page, "Timeline")
    await expect(page.locator("#timeline")).to_be_attached()
    await shown(line.house, session, peer, 9.0)
    await once(page)


async def test_an_event_with_a_note_stands_there_once_for_who_comes_later(
    page: Page, line: Line
) -> None:
    session, peer = await noting(line)
    await shown(line.house, session, peer, 9.0)
    await join(page, "Timeline")
    await once(page)
    await page.get_by_role("button", name="Leave").click()
    await line.house.manager.end(session, "the sender ended it")
    await look_back(page)
    await page.get_by_role("tab", name="Timeline").click()
    await once(page)


async def test_a_note_of_an_event_that_is_not_told_stands_alone(page: Page, line: Line) -> None:
    session, peer = await noting(line)
    await shown(line.house, session, peer, 9.0)
    none: dict[str, list[object]] = {"events": [], "counts": []}
    await page.route("**/watch-events", lambda route: route.fulfill(json=none))
    await line.house.manager.end(session, "the sender ended it")
    await look_back(page)
    await page.get_by_role("tab", name="Timeline").click()
    notes = page.locator("#timeline li.note .said")
    await expect(notes).to_have_text([f"is it there since 4: {SENTENCE}"])


async def test_the_search_says_that_it_is_one_in_notes_and_finds_those_of_events(
    page: Page, line: Line
) -> None:
    session, peer = await noting(line)
    await shown(line.house, session, peer, 9.0)
    await join(page, "Timeline")
    words = page.get_by_label("Search the notes")
    await expect(words).to_have_accessible_description(
        "Only notes are searched. An event is among them where it was described and noted."
    )
    await words.fill("seconds")
    await words.press("Enter")
    await expect(page.locator("#found li")).to_have_count(1)
    await expect(page.locator("#found .said")).to_contain_text(SENTENCE)


@pytest.mark.parametrize("pictured", [True, False])
async def test_whether_an_event_keeps_a_picture_is_chosen(
    page: Page, line: Line, pictured: bool
) -> None:
    session, peer = await line.join()
    await join(page, "Watches")
    await page.get_by_label("Take a picture of it").set_checked(pictured)
    await page.get_by_label("Tell me when").fill(QUERY)
    await page.get_by_label("Tell me when").press("Enter")
    await expect(page.locator("#watch-list li")).to_have_count(1)
    (watch,) = await session.watches.list()
    assert watch.snapshot is pictured
    await shown(line.house, session.id, peer, 9.0)
    await page.get_by_role("tab", name="Timeline").click()
    await expect(page.locator("#timeline .what")).to_have_text(QUERY)
    await expect(page.locator("#timeline .said")).to_have_text(SENTENCE)
    await expect(page.locator("#timeline img")).to_have_count(int(pictured))
    await page.get_by_role("tab", name="Watches").click()
    await page.get_by_label("What to tell").select_option("count")
    await expect(page.get_by_label("Take a picture of it")).to_be_hidden()
