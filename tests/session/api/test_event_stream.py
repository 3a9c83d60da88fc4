"""`GET /v1/sessions/{id}/events` as a client reads it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from session import wire
from session.api.http import with_heartbeat
from tests.session.conftest import House
from tests.session.fakes import eventually


def parsed(body: str) -> list[tuple[int, wire.Event]]:
    """The events of a whole stream, each checked against its model."""
    found = []
    for block in body.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        event = wire.EVENT.validate_json(fields["data"])
        assert event.type == fields["event"]
        found.append((int(fields.get("id", 0)), event))
    return found


async def whole_stream(house: House, session: str, headers: dict[str, str]) -> httpx.Response:
    return await house.http.get(f"/v1/sessions/{session}/events", headers=headers)


async def test_the_life_of_a_session_as_events(house: House) -> None:
    session, peer = await house.join()
    reading = asyncio.create_task(whole_stream(house, session, {"Last-Event-ID": "0"}))
    await peer.play(4.5)
    await house.ask(session, "what now")
    peer.leave()
    events = parsed((await reading).text)
    numbers = [number for number, _ in events if number]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {event.type for number, event in events if not number} == {"answer.delta"}
    kinds = [event.type for _, event in events]
    assert kinds[:2] == ["session.created", "session.updated"]
    assert kinds.count("window.ingested") == 3  # the last of them was open when the sender left
    assert kinds[-1] == "session.closed"
    done = next(event for _, event in events if isinstance(event, wire.AnswerDone))
    deltas = [event.delta for _, event in events if isinstance(event, wire.AnswerDelta)]
    assert "".join(deltas) == done.answer.text == "what now at 2"


async def test_a_window_event_shows_what_was_kept(house: House) -> None:
    session, peer = await house.join()
    await peer.play(2.5)
    await house.ask(session, "a")
    peer.leave()
    events = parsed((await whole_stream(house, session, {"Last-Event-ID": "0"})).text)
    window = next(event for _, event in events if isinstance(event, wire.WindowIngested))
    assert (window.index, window.start_s, window.end_s) == (0, 0.0, 2.0)
    assert window.newest_frame_s == 1.5
    assert window.kept.seen == wire.Counts(video=18, audio=50)
    assert window.kept.kept == wire.Counts(video=6, audio=4)
    assert [grid.time_s for grid in window.kept.grids] == [0.0, 1.0]
    assert window.kept.grids[0].kept == [0, 4, 8]
    assert (window.kept.grids[0].rows, window.kept.grids[0].cols) == (3, 3)
    assert window.kept.audio_kept == [1, 2, 3, 4]
    assert window.memory.used == 19
    assert window.behind_windows == 0


async def test_a_reader_that_comes_back_reads_on_where_it_stopped(house: House) -> None:
    session, peer = await house.join()
    await peer.play(4.5)
    await house.ask(session, "a")
    peer.leave()
    whole = parsed((await whole_stream(house, session, {"Last-Event-ID": "0"})).text)
    rest = parsed((await whole_stream(house, session, {"Last-Event-ID": "4"})).text)
    assert rest == whole[4:]


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "9" * 40, "3x"])
async def test_a_last_event_id_that_is_no_number_is_refused(house: House, number: str) -> None:
    session, _ = await house.join()
    response = await whole_stream(house, session, {"Last-Event-ID": number})
    assert response.status_code == 400


async def test_too_many_subscribers_are_refused(house: House) -> None:
    session, peer = await house.join()
    limit = house.config.limits.subscribers
    reading = [asyncio.create_task(whole_stream(house, session, {})) for _ in range(limit)]
    hub = house.manager.get(session).hub
    await eventually(lambda: hub.listening == limit)
    refused = await whole_stream(house, session, {})
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "too_many_subscribers")
    peer.leave()
    await asyncio.gather(*reading)


async def test_a_stream_without_news_keeps_its_connection_alive() -> None:
    news: asyncio.Queue[str | None] = asyncio.Queue()

    async def read() -> AsyncIterator[str]:
        async for part in with_heartbeat(news.get, every_s=0.01):
            yield part

    parts = read()
    assert await anext(parts) == ": still here\n\n"
    news.put_nowait("data: 1\n\n")
    assert await anext(parts) == "data: 1\n\n"
    news.put_nowait(None)
    assert [part async for part in parts] == []


async def test_events_are_json_of_the_wire_models(house: House) -> None:
    session, peer = await house.join()
    peer.leave()
    body = (await whole_stream(house, session, {"Last-Event-ID": "0"})).text
    data = [json.loads(line[6:]) for line in body.split("\n") if line.startswith("data: ")]
    assert data[-1] == {
        "type": "session.closed",
        "session": session,
        "reason": "the sender left",
    }
