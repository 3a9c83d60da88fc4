"""Bad input to a running service: a clear refusal each time, and the service goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from stream.publish import publish
from stream.source import SceneSource
from stream.world.scene import Scene

SDP = {"Content-Type": "application/sdp"}
JSON = {"Content-Type": "application/json"}
WATCHED_S = 30.0  # longer than any test needs
LIVE_S = 15.0


@asynccontextmanager
async def streaming(service: str) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A live stream of the world: an HTTP client for the service, and the path of its session."""
    source = SceneSource(Scene(3), WATCHED_S)
    publication = await publish(source, f"{service}/whip/bad-input")
    try:
        async with httpx.AsyncClient(base_url=service, timeout=20.0) as client:
            yield client, await live_session(client, "bad-input")
    finally:
        await publication.close()


async def live_session(client: httpx.AsyncClient, room: str) -> str:
    """The path of the session in `room`, once two windows of it have been taken in."""
    async with asyncio.timeout(LIVE_S):
        while True:
            for session in (await client.get("/v1/sessions")).json()["sessions"]:
                if session["room"] == room and session["windows"] >= 2:
                    return f"/v1/sessions/{session['id']}"
            await asyncio.sleep(0.2)


def message_of(response: httpx.Response) -> str:
    message = response.json()["error"]["message"]
    assert isinstance(message, str)
    assert message
    return message


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"this is no SDP", SDP, 400),
        (b"", SDP, 400),
        (b"v=0\r\nm=video \xff\xfe", SDP, 400),
        (b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", SDP, 400),
        (b"v=0", {"Content-Type": "text/plain"}, 415),
        (b"v=0\r\n" + b"a=x\r\n" * 100_000, SDP, 413),
    ],
    ids=["text", "empty", "bytes", "no media", "wrong type", "half a megabyte"],
)
def test_an_offer_that_cannot_be_used_is_refused_with_a_reason(
    service: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    response = httpx.post(f"{service}/whip/garbage", content=body, headers=headers)
    assert response.status_code == status
    assert message_of(response)
    assert httpx.get(f"{service}/readyz").status_code == 200


@pytest.mark.parametrize("path", ["", "/ask", "/events"])
def test_an_unknown_session_is_not_found_and_named(service: str, path: str) -> None:
    url = f"{service}/v1/sessions/nobody{path}"
    if path == "/ask":
        response = httpx.post(url, json={"question": "what is visible now?"})
    else:
        response = httpx.get(url)
    assert response.status_code == 404
    assert "nobody" in message_of(response)


async def test_bad_questions_are_refused_and_the_next_good_one_is_answered(service: str) -> None:
    async with streaming(service) as (client, session):
        for question, status in [("", 422), ("  \n", 422), ("x" * 100_000, 413)]:
            response = await client.post(f"{session}/ask", json={"question": question})
            assert response.status_code == status, question[:9]
            assert message_of(response)
        for body in (b"{", b'{"question": 7}', b'{"question": "?", "surprise": 1}', b"\xff"):
            response = await client.post(f"{session}/ask", content=body, headers=JSON)
            assert response.status_code in (400, 422), body
            assert message_of(response)
        await expect_answer(client, session)


async def test_bad_settings_are_refused_and_nothing_changes(service: str) -> None:
    async with streaming(service) as (client, session):
        before = (await client.get(session)).json()
        for patch in ({"retention": 0.0}, {"retention": 7}, {"slots": -1}, {"volume": 3}):
            response = await client.patch(session, json=patch)
            assert response.status_code == 422, patch
            assert message_of(response)
        after = (await client.get(session)).json()
        for name in ("retention", "instruction"):
            assert after.get(name) == before.get(name)
        await expect_answer(client, session)


async def test_nonsense_on_the_data_channel_is_answered_by_an_error_event(service: str) -> None:
    publication = await publish(
        SceneSource(Scene(4), WATCHED_S), f"{service}/whip/channel", with_channel=True
    )
    try:
        heard = aiter(publication.channel)
        await next_event(heard, "session.created")
        for nonsense in ("this is not JSON", "[]", '{"type": "dance"}', "{" * 5_000):
            await publication.channel.send(nonsense)
            event = await next_event(heard, "error")
            assert event["error"]["message"]
        async with httpx.AsyncClient(base_url=service, timeout=20.0) as client:
            await live_session(client, "channel")  # before that there is nothing to ask about
        message = {"type": "message", "role": "user", "content": [question_part("what now?")]}
        await publication.channel.send(
            json.dumps({"type": "response.create", "response": {"input": [message]}})
        )
        done = await next_event(heard, "response.done")
        assert done["response"]["status"] == "completed"
    finally:
        await publication.close()


def question_part(text: str) -> dict[str, str]:
    return {"type": "input_text", "text": text}


async def next_event(heard: AsyncIterator[str], kind: str) -> dict[str, dict[str, object]]:
    async with asyncio.timeout(LIVE_S):
        while True:
            event = json.loads(await anext(heard))
            if event["type"] == kind:
                assert isinstance(event, dict)
                return event


async def expect_answer(client: httpx.AsyncClient, session: str) -> None:
    response = await client.post(f"{session}/ask", json={"question": "what is visible now?"})
    assert response.status_code == 200
    assert response.json()["status"] == "completed"
    assert response.json()["text"].strip()
