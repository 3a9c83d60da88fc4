"""What somebody could use up who means harm, with a token that lets them ask or with none."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from session.config import Limits, ServiceConfig
from session.errors import TooManyRequests, TooManySubscribers
from session.live.pace import Pace, Paces
from tests.session.conftest import House, open_house
from tests.session.fakes import Clock, FakeEngine, eventually
from tests.session.realtime.test_talk import call
from tests.session.test_auth import KEY, bearer

ASK = bearer("ask")
SEND = bearer("publish")
SDP = {"Content-Type": "application/sdp"}
ONE_A_MINUTE = {"changes_a_minute": 1, "reads_a_minute": 1}


def config(**limits: int) -> ServiceConfig:
    return ServiceConfig(rows=8, key=KEY, limits=Limits(**limits))


async def join(house: House) -> str:
    response = await house.http.post("/whip/room", content="v=0\r\n", headers={**SDP, **SEND})
    await house.exchange.peers[-1].play(0.1)
    return str(response.headers["X-EchoSieve-Session"])


def refused(response: httpx.Response) -> bool:
    """Clearly: what is too much, and when to come back."""
    if response.status_code != 429:
        return False
    assert response.json()["error"]["type"] == "too_many_requests"
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert f"the next in {response.headers['Retry-After']} s" in response.json()["error"]["message"]
    return True


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "watches", {"query": "a cat"}),
        ("PATCH", "watches/wat_none", {"threshold": 0.7}),
        ("DELETE", "watches/wat_none", None),
        ("PATCH", "notes", {"every_s": 10.0}),
    ],
)
async def test_changes_are_counted_by_the_minute(
    method: str, path: str, body: dict[str, object] | None
) -> None:
    async for house in open_house(FakeEngine(), config(changes_a_minute=3)):
        address = f"/v1/sessions/{await join(house)}/{path}"
        done = [await house.http.request(method, address, json=body, headers=ASK) for _ in range(4)]
        assert [refused(response) for response in done] == [False, False, False, True]


async def test_what_is_changed_and_read_over_the_channel_counts_as_over_http() -> None:
    async for house in open_house(FakeEngine(), ServiceConfig(limits=Limits(**ONE_A_MINUTE))):
        session, phone = await call(house)
        assert (await house.http.patch(f"/v1/sessions/{session}/notes", json={})).is_success
        assert (await house.http.get(f"/v1/sessions/{session}/notes")).is_success
        for said in (
            {"type": "x.watch.create", "watch": {"query": "a cat"}},
            {"type": "x.notes.update", "notes": {}},
            {"type": "x.notes.list"},
        ):
            phone.say(**said)
            assert (await phone.hear("error"))["error"]["type"] == "too_many_requests"
        phone.say(type="x.watch.list")
        await phone.hear("x.watch.listed")


@pytest.mark.parametrize("path", ["notes", "notes?format=md", "answers", "watch-events"])
async def test_what_is_read_from_the_record_is_counted_by_the_minute(path: str) -> None:
    async for house in open_house(FakeEngine(), config(reads_a_minute=3)):
        address = f"/v1/sessions/{await join(house)}/{path}"
        done = [await house.http.get(address, headers=ASK) for _ in range(4)]
        assert [refused(response) for response in done] == [False, False, False, True]
        live = await house.http.get(address.rpartition("/")[0], headers=ASK)
        assert live.status_code == 200  # what is not on file costs nothing


async def test_lists_of_ended_sessions_are_counted_and_those_that_are_here_are_not() -> None:
    async for house in open_house(FakeEngine(), config(reads_a_minute=1)):
        ended = [
            await house.http.get("/v1/sessions?state=ended", headers=bearer("watch"))
            for _ in range(2)
        ]
        assert [refused(response) for response in ended] == [False, True]
        assert (await house.http.get("/v1/sessions", headers=bearer("watch"))).status_code == 200


async def test_sessions_are_counted_by_the_minute_however_they_are_made() -> None:
    admin = bearer("admin")
    async for house in open_house(FakeEngine(), config(sessions_a_minute=3)):
        made = [
            await house.http.post("/v1/sessions", json={}, headers=admin),
            await house.http.post("/v1/realtime/client_secrets", json={}, headers=admin),
            await house.http.post("/whip/room", content="v=0\r\n", headers={**SDP, **admin}),
            await house.http.post("/v1/sessions", json={}, headers=admin),
            await house.http.post("/whip/room", content="v=0\r\n", headers={**SDP, **admin}),
        ]
        assert [refused(response) for response in made] == [False] * 3 + [True] * 2
        ended = await house.http.delete(made[2].headers["Location"], headers=admin)
        assert ended.status_code == 200  # to end one is never too much


async def test_settings_over_the_data_channel_are_counted_too() -> None:
    async for house in open_house(FakeEngine(), ServiceConfig(limits=Limits(changes_a_minute=2))):
        _, phone = await call(house)
        for _ in range(3):
            phone.say(type="session.update", session={"x": {"retention": 0.1}})
        assert (await phone.hear("error"))["error"]["type"] == "too_many_requests"
        assert phone.kinds() == ["error"]


async def test_streams_of_events_are_bounded_for_the_service_and_places_come_back() -> None:
    async for house in open_house(FakeEngine(), config(streams=3)):
        await crowd(house)


async def crowd(house: House) -> None:
    sessions = [await join(house) for _ in range(3)]

    def listen(session: str) -> asyncio.Task[httpx.Response]:
        path = f"/v1/sessions/{session}/events"
        return asyncio.create_task(house.http.get(path, headers=ASK))

    streams = house.app.state.service.streams
    reading = [listen(session) for session in sessions]
    await eventually(lambda: len(streams) == 3)
    too_many = await listen(sessions[0])
    assert (too_many.status_code, too_many.json()["error"]["type"]) == (
        429,
        "too_many_subscribers",
    )
    assert int(too_many.headers["Retry-After"]) > 0
    assert (await house.http.get("/healthz")).status_code == 200
    reading[0].cancel()
    await asyncio.wait(reading[:1])
    await eventually(lambda: len(streams) == 2)
    reading.append(listen(sessions[0]))
    await eventually(lambda: len(streams) == 3)
    for session in sessions:
        await house.manager.end(session, "enough")
    await asyncio.gather(*reading[1:])
    assert len(streams) == 0


async def test_a_reader_that_does_not_read_keeps_its_own_place_only() -> None:
    """It is dropped from the session's listeners and still holds a connection."""
    async for house in open_house(FakeEngine(), config(streams=1, subscriber_queue=1)):
        session = await join(house)
        streams = house.app.state.service.streams
        streams.enter(session)
        with pytest.raises(TooManySubscribers, match="this service"):
            streams.enter("ses_other")
        streams.leave(session)
        streams.enter("ses_other")
        streams.leave("ses_other")


def test_a_session_that_is_used_up_leaves_a_token_its_others() -> None:
    clock = Clock()
    pace = Pace(2, clock, what="changes a minute are made", refusal=TooManyRequests)
    paces = Paces(pace, pace, pace, pace)
    for _ in range(2):
        paces.take("changes", "a", None)
    with pytest.raises(
        TooManyRequests, match=r"at most 2 changes a minute are made: the next in 30 s"
    ):
        paces.take("changes", "a", "Ada")
    for _ in range(2):
        paces.take("changes", "b", "Ada")  # nothing was taken from Ada before
    with pytest.raises(TooManyRequests):
        paces.take("changes", "c", "Ada")
    clock.sleep(30.0)
    paces.take("changes", "a", None)
