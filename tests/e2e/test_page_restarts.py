"""The page while its service is killed and comes back: what it says, and what it goes on with."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.clients.sdk.cuts import Network, network
from tests.e2e.browsing import PATIENCE_S, ask, connect, only_session, sessions_gone
from tests.e2e.faked import join
from tests.session.journal.killable import serve_rtc, service

pytestmark = pytest.mark.browser

AT_ONCE_MS = 8_000  # the stream of events is tried again after half a second
GIVEN_UP_MS = 45_000  # the browser itself takes some ten seconds to see that nobody is there
NOBODY = "http://127.0.0.1:9"
MANY_TRIES = 12
LOOKED_AT = re.compile("^Live: page, ")
IMPATIENT = """() => {
  const wait = window.setTimeout;
  window.setTimeout = (act, ms, ...given) => wait(act, ms > 1000 ? ms / 50 : ms, ...given);
}"""


@dataclass
class Line:
    """A service that is killed and started again, always at the same address."""

    net: Network
    running: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return self.net.url

    def start(self, journal: Path) -> None:
        self.net.target = self.running.enter_context(service(str(journal), serve_rtc))

    def kill(self) -> None:
        self.running.close()


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with network(NOBODY) as net:
        line = Line(net)
        line.start(tmp_path / "journal.db")
        yield line
        line.kill()


async def given_up(page: Page) -> None:
    """The page no longer tries by itself."""
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("there is no session", timeout=GIVEN_UP_MS)


async def lost_for_good(page: Page, line: Line, tmp_path: Path) -> object:
    """The camera is sent, and the service comes back without its journal: the session's id."""
    await connect(page, "Camera and microphone")
    session = (await only_session(line.url))["id"]
    line.kill()
    line.start(tmp_path / "another.db")
    await given_up(page)
    return session


async def tried(page: Page, times: int) -> None:
    """Until the page has looked for its session so often, in vain."""
    for _ in range(times):
        await page.wait_for_event("requestfailed", timeout=GIVEN_UP_MS)


async def test_a_service_that_is_away_for_long_is_waited_for_and_the_session_goes_on(
    page: Page, line: Line, tmp_path: Path
) -> None:
    await page.evaluate(IMPATIENT)
    await connect(page, "Camera and microphone")
    session = str((await only_session(line.url))["id"])
    await ask(page, "what do you see now?")
    path = f"/v1/sessions/{session}"
    async with httpx.AsyncClient(base_url=line.url, timeout=PATIENCE_S) as client:
        await client.post(f"{path}/watches", json={"query": "is there a dog now?"})
        await client.patch(path, json={"instruction": "the dog"})
    line.kill()
    await tried(page, MANY_TRIES)
    line.start(tmp_path / "journal.db")
    await expect(page.get_by_role("status").first).to_have_text("Live", timeout=GIVEN_UP_MS)
    assert (await only_session(line.url))["id"] == session
    await expect(page.locator("#answers .question")).to_have_text(["what do you see now?"])
    await page.get_by_role("tab", name="Watches").click()
    await expect(page.locator("#watch-list li")).to_contain_text("is there a dog now?")
    await page.get_by_role("tab", name="Settings").click()
    await expect(page.get_by_label("Pay attention to")).to_have_value("the dog")


async def test_who_connects_again_where_nothing_is_left_gets_a_new_session_and_is_told_so(
    page: Page, line: Line, tmp_path: Path
) -> None:
    session = await lost_for_good(page, line, tmp_path)
    await page.get_by_role("button", name="Connect again").click()
    await expect(page.get_by_role("alert")).to_contain_text("this is a new one")
    await expect(page.get_by_label("Your question")).to_be_enabled()
    await expect(page.get_by_role("button", name="Connect again")).to_be_hidden()
    assert (await only_session(line.url))["id"] != session


async def test_what_failed_to_connect_again_still_goes_on_with_the_session(
    page: Page, line: Line, tmp_path: Path
) -> None:
    session = await lost_for_good(page, line, tmp_path)
    line.kill()
    await page.get_by_role("button", name="Connect again").click()
    await expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    line.start(tmp_path / "journal.db")
    await connect(page, "Connect again")
    assert (await only_session(line.url))["id"] == session


async def test_a_new_scene_is_a_new_session_also_after_a_loss(page: Page, line: Line) -> None:
    await connect(page, "Camera and microphone")
    session = (await only_session(line.url))["id"]
    async with httpx.AsyncClient(base_url=line.url, timeout=PATIENCE_S) as client:
        await client.delete(f"/v1/sessions/{session}")
    await expect(page.get_by_role("button", name="Connect again")).to_be_visible()
    await connect(page, "Camera and microphone")
    assert (await only_session(line.url))["id"] != session


async def test_that_the_service_is_gone_is_said_at_once_and_that_it_is_back(
    page: Page, line: Line, tmp_path: Path
) -> None:
    await connect(page, "Camera and microphone")
    session = (await only_session(line.url))["id"]
    status = page.get_by_role("status").first
    await expect(status).to_have_text("Live")
    line.kill()
    await expect(status).to_contain_text("trying again", timeout=AT_ONCE_MS)
    await expect(page.locator("#clock")).to_be_hidden()
    await expect(page.get_by_label("Your question")).to_be_disabled()
    line.start(tmp_path / "journal.db")
    await expect(status).to_have_text("Live")
    assert (await only_session(line.url))["id"] == session
    await ask(page, "what do you see now?")


async def test_who_looks_on_is_told_of_a_cut_and_of_its_end(page: Page, line: Line) -> None:
    await connect(page, "Camera and microphone")
    assert page.context.browser
    looking_on = await page.context.browser.new_page()
    await looking_on.goto(line.url)
    await join(looking_on, "Ask")
    states = [one.get_by_role("status").first for one in (page, looking_on)]
    await expect(states[0]).to_have_text("Live")
    await expect(states[1]).to_have_text(LOOKED_AT)
    target, line.net.target = line.net.target, NOBODY
    line.net.cut()
    for state in states:
        await expect(state).to_contain_text("trying again", timeout=AT_ONCE_MS)
    line.net.target = target  # picture and sound were never cut
    await expect(states[0]).to_have_text("Live", timeout=GIVEN_UP_MS)
    await expect(states[1]).to_have_text(LOOKED_AT, timeout=GIVEN_UP_MS)
    await page.get_by_role("button", name="Close").click()
    await sessions_gone(line.url)
    await expect(looking_on.get_by_role("alert")).to_contain_text("the sender ended it")
