"""Connections of the page that break, fall silent, are refused for now or come back late."""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import Page, Route, expect

from tests.clients.sdk.conftest import Line
from tests.e2e.faked import A_WHILE, join
from tests.session.fakes import eventually

pytestmark = pytest.mark.browser

SILENT_MS = 46_000
# One connection after the other that is there at once: the service around the fake engine has no
# media to negotiate.
CONNECTIONS = """(() => {
  window.peers = [];
  const sender = { getParameters: () => ({ encodings: [] }), setParameters: async () => null };
  window.RTCPeerConnection = class extends EventTarget {
    connectionState = "connected";
    iceGatheringState = "complete";
    localDescription = { sdp: "v=0" };
    constructor() { super(); peers.push(this); }
    addTrack() { return sender; }
    async setLocalDescription() {}
    async setRemoteDescription() {}
    close() {}
  };
})()"""
FAIL = """() => {
  peers[0].connectionState = "failed";
  peers[0].dispatchEvent(new Event("connectionstatechange"));
}"""


async def test_an_end_that_is_told_late_leaves_a_session_that_went_on(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    status = page.locator("#status")
    event = {"type": "session.closed", "session": session.id, "reason": "its sender was lost"}
    told = asyncio.Event()

    async def late(route: Route) -> None:
        if told.is_set():
            await route.continue_()
            return
        told.set()
        await route.fulfill(content_type="text/event-stream", body=f"data: {json.dumps(event)}\n\n")

    await page.route(f"**/v1/sessions/{session.id}/events", late)
    await join(page, "Ask")
    await expect(status).to_contain_text("Live")
    await page.evaluate(A_WHILE)
    await expect(status).to_contain_text("Live")


async def test_a_stream_of_events_that_falls_silent_is_opened_anew(page: Page, line: Line) -> None:
    session, _ = await line.join()
    await page.clock.install()
    await page.reload()
    events = f"{line.url}/v1/sessions/{session.id}/events"
    await join(page, "Settings")
    await session.update(retention=0.33)
    await expect(page.locator("#retention-text")).to_have_text("33 %")
    async with page.expect_request(events) as opened:
        await page.clock.fast_forward(SILENT_MS)
    assert "last-event-id" in (await opened.value).headers
    await session.update(retention=0.44)
    await expect(page.locator("#retention-text")).to_have_text("44 %")


async def test_one_who_cannot_be_let_in_for_now_reads_why_and_comes_in_later(
    page: Page, line: Line
) -> None:
    session, _ = await line.join()
    full = asyncio.Event()
    refusal = {"error": {"type": "rate_limited", "message": "too many listen"}}

    async def refuse(route: Route) -> None:
        if full.is_set():
            await route.continue_()
        else:
            await route.fulfill(status=429, json=refusal)

    await page.route(f"**/v1/sessions/{session.id}/events", refuse)
    await page.get_by_role("button", name="Join").click()
    status = page.locator("#status")
    await expect(status).to_have_text("Trying again: too many listen")
    full.set()
    await expect(status).to_contain_text("Live")


async def test_an_answer_that_breaks_off_while_connecting_again_is_asked_for_again(
    page: Page, line: Line
) -> None:
    await page.add_init_script(CONNECTIONS)
    await page.reload()
    status, sent = page.locator("#status"), line.house.exchange.peers
    await page.get_by_role("button", name="Camera").click()
    await eventually(lambda: sent)
    await sent[0].play(0.1)
    await expect(status).to_have_text("Live")
    broken = asyncio.Event()

    async def break_off(route: Route) -> None:
        if broken.is_set():
            await route.continue_()
            return
        broken.set()
        await route.fulfill(content_type="application/json", body="{")

    await page.route("**/v1/sessions/ses_*", break_off)
    await page.evaluate(FAIL)
    sent[0].leave()
    await broken.wait()
    await eventually(lambda: len(sent) == 2)
    await sent[1].play(0.1)
    await expect(status).to_have_text("Live")
