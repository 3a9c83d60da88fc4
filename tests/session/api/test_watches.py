"""Standing queries over HTTP, on a service around a fake engine."""

from __future__ import annotations

import asyncio
import io
import json
from functools import partial

import pytest
from PIL import Image

from session import wire
from tests.session.conftest import House
from tests.session.fakes import FakePeer, eventually

SEEN_FROM_4_TO_8 = "is it there since 4 until 8"
NIGHT = {"start": "22:00", "end": "07:00"}


async def watched(house: House, session: str, **settings: object) -> dict[str, object]:
    """A watch that has been set."""
    made = await house.http.post(f"/v1/sessions/{session}/watches", json=settings)
    assert made.status_code == 201, made.text
    body = made.json()
    assert isinstance(body, dict)
    return body


async def shown(house: House, session: str, peer: FakePeer, end_s: float) -> None:
    """The stream goes on, a window at a time, each of them judged."""
    live = await house.manager.live(session)

    def judged(windows: int) -> bool:
        watches = live.attendant.watches.all()
        return live.progress.windows >= windows and all(
            (w.judged_s or 0) >= 2 * windows for w in watches
        )

    while peer.clock_s < end_s:
        wanted = live.progress.windows + 1
        await peer.play(2.0 * wanted + 0.1)
        await eventually(partial(judged, wanted))
    await live.attendant.answered()
    await live.hub.told()


def told(house: House, session: str) -> list[wire.WatchEvent]:
    """What has been told of the watches of a session."""
    return [event for event in house.told(session) if isinstance(event, wire.WatchEvent)]


async def test_an_event_begins_and_ends_once_with_its_evidence(house: House) -> None:
    session, peer = await house.join()
    watch = await watched(house, session, query=SEEN_FROM_4_TO_8, snapshot=True)
    assert watch["state"] == "waiting"
    assert watch["question"] == f"{SEEN_FROM_4_TO_8}?"
    await shown(house, session, peer, 14.0)
    new, end = told(house, session)
    assert (new.change, end.change) == ("new", "end")
    assert new.id == end.id == f"{watch['id']}.1"
    assert (new.started_s, new.ended_s, end.ended_s) == (4.0, None, 8.0)
    assert end.spans == [wire.Span(start_s=4.0, end_s=8.0)]
    assert new.probability == pytest.approx(0.9)
    assert new.kept is not None
    assert new.kept.start_s == 4.0
    assert new.snapshot is not None
    picture = await house.http.get(new.snapshot)
    assert picture.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(picture.content)).size == (28, 28)


async def test_past_events_are_listed_once_as_they_were_last_told_of(house: House) -> None:
    session, peer = await house.join()
    watch = await watched(house, session, query=SEEN_FROM_4_TO_8)
    await shown(house, session, peer, 14.0)
    path = f"/v1/sessions/{session}/watch-events"
    listed = wire.WatchEventList.model_validate_json((await house.http.get(path)).content)
    assert [(e.id, e.change, e.ended_s) for e in listed.events] == [
        (f"{watch['id']}.1", "end", 8.0)
    ]
    assert (await house.http.get(f"{path}?limit=0")).status_code == 422
    assert (await house.http.get("/v1/sessions/nobody/watch-events")).status_code == 404


async def test_the_sentence_follows_while_the_event_is_open(house: House) -> None:
    session, peer = await house.join()
    await watched(house, session, query="is it there since 0", describe=True)
    await shown(house, session, peer, 2.1)
    await eventually(lambda: len(told(house, session)) == 2)
    new, update = told(house, session)
    assert (new.change, new.sentence) == ("new", None)
    assert (update.change, update.sentence) == ("update", "describe the last seconds at 1")
    assert not [event for event in house.told(session) if "answer" in event.type]


async def test_the_session_ending_ends_its_events(house: House) -> None:
    session, peer = await house.join()
    await watched(house, session, query="is it there since 0")
    await shown(house, session, peer, 2.1)
    await house.manager.end(session, "enough")
    assert [event.change for event in told(house, session)] == ["new", "end"]
    assert house.told(session)[-1].type == "session.closed"


async def test_a_watch_is_listed_changed_and_removed(house: House) -> None:
    session, peer = await house.join()
    watch = await watched(house, session, query="is it there since 0", min_s=4.0)
    path = f"/v1/sessions/{session}/watches/{watch['id']}"
    changed = await house.http.patch(path, json={"threshold": 0.95, "release": 0.2})
    assert changed.json()["threshold"] == 0.95
    assert changed.json()["min_s"] == 4.0
    await shown(house, session, peer, 4.1)
    assert not told(house, session)  # 0.9 is below the threshold now
    (listed,) = (await house.http.get(f"/v1/sessions/{session}/watches")).json()["watches"]
    assert (listed["state"], listed["probability"]) == ("calm", 0.9)
    assert (await house.http.delete(path)).status_code == 200
    gone = await house.http.get(path)
    assert (gone.status_code, gone.json()["error"]["type"]) == (404, "watch_unknown")


async def test_a_change_of_quiet_hours_writes_no_warning(
    house: House, recwarn: pytest.WarningsRecorder
) -> None:
    session, _ = await house.join()
    watch = await watched(house, session, query="is it there since 0", min_s=4.0)
    path = f"/v1/sessions/{session}/watches/{watch['id']}"
    changed = (await house.http.patch(path, json={"quiet": [NIGHT]})).json()
    assert changed["quiet"] == [{**NIGHT, "zone": "UTC"}]
    assert changed["min_s"] == 4.0
    again = (await house.http.patch(path, json={"min_s": 2.0})).json()
    assert again["quiet"] == changed["quiet"]
    assert not [str(warning.message) for warning in recwarn]


async def test_a_watch_looks_back_a_minute_a_count_at_everything_and_either_as_it_is_told(
    house: House,
) -> None:
    session, peer = await house.join()
    event = await watched(house, session, query="is it there since 0")
    count = await watched(house, session, query="red things", kind="count")
    assert (event["within_s"], count["within_s"]) == (60.0, None)
    await shown(house, session, peer, 2.1)
    assert [query.within_s for query in house.engine.judged] == [60.0, None]
    path = f"/v1/sessions/{session}/watches"
    assert (
        await house.http.patch(f"{path}/{event['id']}", json={"within_s": 1.0})
    ).status_code == 422
    for id, wanted in ((event["id"], 20.0), (count["id"], 600.0)):
        changed = await house.http.patch(f"{path}/{id}", json={"within_s": wanted})
        assert changed.json()["within_s"] == wanted
    await shown(house, session, peer, 4.1)
    assert [query.within_s for query in house.engine.judged] == [20.0, 600.0]
    back = await house.http.patch(f"{path}/{event['id']}", json={"within_s": None})
    assert back.json()["within_s"] == 60.0


async def test_removing_a_watch_ends_its_event(house: House) -> None:
    session, peer = await house.join()
    watch = await watched(house, session, query="is it there since 0")
    await shown(house, session, peer, 2.1)
    await house.http.delete(f"/v1/sessions/{session}/watches/{watch['id']}")
    await house.manager.get(session).hub.told()
    assert [event.change for event in told(house, session)] == ["new", "end"]


async def test_a_watch_the_model_does_not_answer_is_told_once_and_fires_never(
    house: House,
) -> None:
    session, peer = await house.join()
    watch = await watched(house, session, query="how is the weather?")
    await shown(house, session, peer, 6.1)
    (doubt,) = [e for e in house.told(session) if isinstance(e, wire.WatchUnanswered)]
    assert (doubt.watch, doubt.answered) == (watch["id"], 0.1)
    state = await house.http.get(f"/v1/sessions/{session}/watches/{watch['id']}")
    assert state.json()["state"] == "unanswered"
    assert not told(house, session)


@pytest.mark.parametrize(
    ("settings", "status", "says"),
    [
        ({}, 422, "query"),
        ({"query": "  "}, 422, "must say what it waits for"),
        ({"query": "x" * 501}, 422, "query"),
        ({"query": "this is too long"}, 422, "9999 tokens"),
        ({"query": "a", "threshold": 1.0}, 422, "threshold"),
        ({"query": "a", "threshold": 0.5, "release": 0.6}, 422, "release <= threshold"),
        ({"query": "a", "min_s": -1}, 422, "min_s"),
        ({"query": "a", "quiet": [{"start": "25:00", "end": "07:00"}]}, 422, "reads like 22:30"),
        ({"query": "a", "quiet": [{"start": "2", "end": "7", "zone": "x"}]}, 422, "reads like"),
        ({"query": "a", "colour": "red"}, 422, "colour"),
        ({"query": 7}, 422, "query"),
    ],
)
async def test_a_watch_that_cannot_be_is_refused_by_name(
    settings: dict[str, object], status: int, says: str, house: House
) -> None:
    session, _ = await house.join()
    refused = await house.http.post(f"/v1/sessions/{session}/watches", json=settings)
    assert (refused.status_code, says in refused.json()["error"]["message"]) == (status, True)
    assert not (await house.http.get(f"/v1/sessions/{session}/watches")).json()["watches"]


@pytest.mark.parametrize(
    ("settings", "param"),
    [
        ({"threshold": 0.5, "release": 0.6}, "release"),
        ({"release": 0.9}, "release"),
        ({"quiet": [{"start": "25:00", "end": "07:00"}]}, "quiet.0"),
        ({"quiet": [NIGHT, {**NIGHT, "end": "22:00"}]}, "quiet.1"),
        ({"quiet": [NIGHT, {**NIGHT, "zone": "Mars/Base"}]}, "quiet.1"),
    ],
)
async def test_what_cannot_be_set_of_a_watch_is_named_also_where_it_is_changed(
    settings: dict[str, object], param: str, house: House
) -> None:
    session, _ = await house.join()
    path = f"/v1/sessions/{session}/watches"
    watch = await watched(house, session, query="is it there since 0")
    made = await house.http.post(path, json={"query": "a cat", **settings})
    changed = await house.http.patch(f"{path}/{watch['id']}", json=settings)
    for refused in (made, changed):
        error = refused.json()["error"]
        found = refused.status_code, error["type"], error["param"]
        assert found == (422, "setting_invalid", param)


async def test_a_threshold_below_the_release_that_was_set_is_at_fault_itself(house: House) -> None:
    session, _ = await house.join()
    watch = await watched(house, session, query="is it there since 0", release=0.5)
    path = f"/v1/sessions/{session}/watches/{watch['id']}"
    refused = await house.http.patch(path, json={"threshold": 0.4})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "threshold")
    assert (await house.http.get(path)).json()["threshold"] == 0.8


async def test_an_event_ends_where_the_model_stops_to_answer(house: House) -> None:
    session, peer = await house.join()
    await watched(house, session, query="is it answered, that is there since 0 until 4")
    await shown(house, session, peer, 8.1)
    new, end = told(house, session)
    assert (new.change, end.change, end.ended_s) == ("new", "end", 4.0)


async def test_there_is_an_end_to_the_number_of_watches(house: House) -> None:
    session, _ = await house.join()
    for _ in range(64):
        await watched(house, session, query="is it there since 0")
    refused = await house.http.post(f"/v1/sessions/{session}/watches", json={"query": "a cat"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "too_many_watches")


async def test_what_is_set_at_once_of_a_session_that_waits_is_set_one_after_the_other(
    house: House,
) -> None:
    made = await house.http.post("/v1/sessions", json={"room": "room"})
    path = f"/v1/sessions/{made.json()['id']}/watches"
    cats = [house.http.post(path, json={"query": f"cat {number}"}) for number in range(70)]
    statuses = [answer.status_code for answer in await asyncio.gather(*cats)]
    assert (statuses.count(201), statuses.count(429)) == (64, 6)
    watches = (await house.http.get(path)).json()["watches"]
    assert len(watches) == 64
    one = f"{path}/{watches[0]['id']}"
    await asyncio.gather(
        *(house.http.patch(one, json={name: 5.0}) for name in ("min_s", "cooldown_s"))
    )
    changed = (await house.http.get(one)).json()
    assert (changed["min_s"], changed["cooldown_s"]) == (5.0, 5.0)


@pytest.mark.parametrize("event", ["nothing.1", "..", "%2e%2e%2fx", "a" * 80])
async def test_a_picture_that_is_not_there_is_a_404(event: str, house: House) -> None:
    session, _ = await house.join()
    answer = await house.http.get(f"/v1/sessions/{session}/snapshots/{event}.jpg")
    assert answer.status_code == 404


async def test_events_come_on_the_data_channel_and_are_counted(house: House) -> None:
    session, peer = await house.join()
    peer.channel.is_open.set()
    await watched(house, session, query="is it there since 0")
    await shown(house, session, peer, 2.1)
    while (message := json.loads(await peer.channel.sent.get()))["type"] != "x.watch.event":
        pass
    assert (message["event"]["change"], message["event"]["started_s"]) == ("new", 0.0)
    metrics = (await house.http.get("/metrics")).text
    assert "echosieve_watch_windows_judged_total 1\n" in metrics
