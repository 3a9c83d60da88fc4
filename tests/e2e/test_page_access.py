"""The page offers what the token's roles allow, and nothing that the service would refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from tests.clients.sdk.conftest import Line, served
from tests.e2e.faked import join
from tests.session.test_auth import KEY, bearer

pytestmark = pytest.mark.browser

SCENE = "**/v1/demo/*"
LOOKING_ON = ["Join", "Look back"]
GOING_ON = ["Go on", "Go on"]  # with what waits, and with what has ended


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """A service that wants tokens, with a session that waits, one that is live, one that ended."""
    async with served(KEY) as line:
        line.house.http.headers.update(bearer("admin"))
        await line.house.http.post("/v1/sessions", json={"room": "garden"})
        ended, _ = await line.house.join()
        await line.house.manager.end(ended, "the sender ended it")
        await line.house.join()
        yield line


async def give(page: Page, role: str) -> None:
    await page.get_by_label("Access token").fill(bearer(role)["Authorization"].split()[1])
    await page.get_by_role("button", name="Use it").click()


@pytest.mark.parametrize(
    ("role", "acts", "sends"),
    [
        ("watch", LOOKING_ON, False),
        ("ask", LOOKING_ON, False),
        ("publish ask", LOOKING_ON + GOING_ON, True),
        ("admin", [*LOOKING_ON, *GOING_ON, "Delete", "Delete"], True),
    ],
)
async def test_what_the_token_may_is_offered_and_nothing_else(
    page: Page, role: str, acts: list[str], sends: bool
) -> None:
    await give(page, role)
    buttons = page.locator("#sessions button")
    await expect(buttons).to_have_count(len(acts))
    assert sorted(await buttons.all_inner_texts()) == sorted(acts)
    for name in ("Demo scene", "Camera and microphone"):
        await expect(page.get_by_role("button", name=name)).to_be_visible(visible=sends)
    another = page.get_by_label("Access token")
    await expect(another).to_be_visible(visible=not sends)
    if not sends:
        await expect(page.locator("#access-text")).to_contain_text("sends no picture and sound")


async def test_a_token_that_only_sends_is_told_what_the_page_takes(page: Page, line: Line) -> None:
    await give(page, "publish")
    told = page.locator("#access-text")
    await expect(told).to_contain_text("takes a token with the roles publish and watch")
    await expect(told).to_contain_text("ask, to put questions")
    await expect(told).to_contain_text("This token has publish alone")
    await expect(page.get_by_label("Access token")).to_have_accessible_description(
        await told.inner_text()
    )
    await expect(page.get_by_role("button", name="Demo scene")).to_be_hidden()
    assert len(line.house.manager.all()) == 1, "nothing was begun"


async def test_without_a_token_a_click_says_that_one_is_wanted_and_leads_to_its_field(
    page: Page,
) -> None:
    await page.unroute(SCENE)  # the service is asked for it
    field = page.get_by_label("Access token")
    await expect(field).to_be_visible()
    await page.get_by_role("button", name="Demo scene").click()
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("This service wants an access token: enter it below.")
    await expect(page.get_by_role("button", name="Connect again")).to_be_hidden()
    await expect(field).to_be_focused()
    await page.keyboard.type(bearer("publish watch")["Authorization"].split()[1])
    await page.keyboard.press("Enter")
    await expect(alert).to_be_hidden()
    await expect(field).to_be_hidden()


async def test_a_token_that_was_refused_is_told_so_and_leads_to_its_field(page: Page) -> None:
    await page.unroute(SCENE)
    await page.get_by_label("Access token").fill("nonsense")
    await page.get_by_label("Access token").press("Enter")
    await expect(page.locator("#access-text")).to_contain_text("no token of this service")
    await page.get_by_role("button", name="Demo scene").click()
    refused = "The access token was refused (this is no token of this service): enter another one"
    await expect(page.get_by_role("alert")).to_contain_text(refused)
    await expect(page.get_by_label("Access token")).to_be_focused()


async def test_a_token_takes_the_place_of_another(page: Page) -> None:
    await give(page, "watch")
    await expect(page.locator("#sessions button")).to_have_count(2)
    await give(page, "admin")
    await expect(page.locator("#sessions button")).to_have_count(6)
    await expect(page.get_by_role("button", name="Demo scene")).to_be_visible()


async def test_who_looks_on_is_asked_for_no_question_and_sets_nothing(
    page: Page, line: Line
) -> None:
    (live,) = line.house.manager.all()
    path = f"/v1/sessions/{live.id}/watches"
    await line.house.http.post(path, json={"query": "a dog"})
    await give(page, "watch")
    await join(page, "Watches")
    watch = page.locator("#watch-list li")
    await expect(watch).to_contain_text("a dog")
    await expect(page.locator("#watch-form")).to_be_hidden()
    await expect(watch.get_by_role("button")).to_be_hidden()
    await expect(watch.get_by_role("slider")).to_be_disabled()
    await page.get_by_role("tab", name="Settings").click()
    for label in ("Keep", "Take a note"):
        await expect(page.get_by_label(label)).to_be_disabled()
    await page.get_by_role("tab", name="Ask").click()
    await expect(page.locator("#ask")).to_be_hidden()


async def test_a_session_that_waits_is_deleted(page: Page, line: Line) -> None:
    await give(page, "admin")
    (waiting,) = line.house.manager.waiting()
    item = page.locator("#sessions li", has_text="garden")
    page.on("dialog", lambda dialog: dialog.accept())
    await item.get_by_role("button", name="Delete").click()
    await expect(item).to_have_count(0)
    gone = await line.house.http.get(f"/v1/sessions/{waiting.id}")
    assert gone.status_code == 404


async def test_a_link_to_a_session_leads_there_as_soon_as_the_token_is_given(
    page: Page, line: Line
) -> None:
    (live,) = line.house.manager.all()
    await page.goto(f"{line.url}/#session={live.id}")
    await expect(page.get_by_role("alert")).to_contain_text("wants an access token")
    await expect(page.get_by_label("Access token")).to_be_focused()
    await give(page, "watch")
    await expect(page.get_by_role("status").first).to_contain_text("Live: room, ")
    await expect(page).to_have_url(f"{line.url}/#session={live.id}")
    await page.reload()
    await expect(page.get_by_role("status").first).to_contain_text("Live: room, ")
