"""Admission, expiry and the end of sessions."""

from __future__ import annotations

import asyncio
import gc
import weakref
from dataclasses import replace

import httpx
import pytest

from session.config import Limits, ServiceConfig
from session.engine import reports
from session.live.attendant import Attendant
from session.roster.idle import Idle
from tests.session.conftest import House, open_house
from tests.session.fakes import FakeEngine, eventually


async def test_a_busy_engine_takes_no_new_session(house: House) -> None:
    await house.join()
    house.manager.admission.note_ingest(0.9)  # of the 2 s that a window lasts
    refused = await house.offer()
    assert refused.status_code == 503
    assert "90%" in refused.json()["error"]["message"]


async def test_a_slow_engine_still_serves_one(house: House) -> None:
    house.manager.admission.note_ingest(5.0)
    assert (await house.offer()).status_code == 201


async def test_nobody_new_comes_in_while_the_engine_is_behind(house: House) -> None:
    session, _ = await house.join()
    house.manager.on_report(reports.LevelChanged(session, "frame_rate", 1))
    refused = await house.offer()
    assert refused.status_code == 503
    assert "behind" in refused.json()["error"]["message"]


async def test_a_sender_that_leaves_gives_its_place_back(house: House) -> None:
    session, peer = await house.join()
    await peer.play(2.5)
    peer.leave()
    await eventually(lambda: house.manager.get(session).ended and not house.manager.all())
    await eventually(lambda: not house.engine.open_rows)
    assert peer.is_closed


async def test_a_refused_offer_leaves_nothing_behind(house: House) -> None:
    headers = {"Content-Type": "application/sdp"}
    for _ in range(20):
        await house.http.post("/whip/room", content="garbage", headers=headers)
    assert not house.manager.all()
    assert not house.engine.open_rows
    assert (await house.offer()).status_code == 201


async def test_ended_sessions_are_forgotten_in_the_end() -> None:
    limits = Limits(ended_sessions=3, ended_s=1_000)
    async for house in open_house(FakeEngine(rows=2), ServiceConfig(rows=2, limits=limits)):
        ids = []
        for _ in range(5):
            session, _ = await house.join()
            ids.append(session)
            await house.http.delete(f"/v1/sessions/{session}")
        found = [(await house.http.get(f"/v1/sessions/{id}")).status_code for id in ids]
        assert found == [404, 404, 200, 200, 200]


async def test_nothing_of_an_ended_session_is_held_but_what_is_told_of_it(house: House) -> None:
    session, peer = await house.join()
    await peer.play(2.5)
    freed = weakref.ref(peer), weakref.ref(house.manager.get(session))
    await house.http.delete(f"/v1/sessions/{session}")
    house.exchange.peers.clear()
    del peer
    gc.collect()
    assert [reference() for reference in freed] == [None, None]
    events = await house.http.get(f"/v1/sessions/{session}/events", headers={"Last-Event-ID": "0"})
    assert "session.closed" in events.text


async def test_an_idle_service_forgets_ended_sessions_by_itself() -> None:
    limits = Limits(ended_s=0.02)
    async for house in open_house(FakeEngine(rows=2), ServiceConfig(rows=2, limits=limits)):
        session, _ = await house.join()
        await house.http.delete(f"/v1/sessions/{session}")
        manager = house.manager
        await eventually(lambda manager=manager: not manager.recent)  # type: ignore[misc]
        assert (await house.http.get(f"/v1/sessions/{session}")).status_code == 404


async def test_an_error_outside_the_engine_ends_its_session_too(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    good, _ = await house.join()
    bad, peer = await house.join()
    events = house.manager.get(bad).hub.subscribe()
    peer.clock_s = float("nan")  # advance() of the windower cannot go on from here
    kinds = [numbered.event.type async for numbered in events]
    assert kinds[-2:] == ["error", "session.closed"]
    assert not house.manager.get(good).ended
    assert "fails" in caplog.text


async def test_the_end_of_the_service_ends_every_answer() -> None:
    engine = FakeEngine()
    async for house in open_house(engine, ServiceConfig(rows=4)):
        session, _ = await house.join()
        answering = house.manager.get(session).hub.subscribe()
        asking = asyncio.create_task(house.ask(session, "slowly"))
        await answering.next()
        await house.manager.close()
        refused = await asking
        assert (refused.status_code, refused.json()["error"]["type"]) == (503, "stopping")
        late = await house.ask(session, "and now?")  # it is still read from
        assert (late.status_code, late.json()["error"]["type"]) == (503, "stopping")


async def test_memory_is_given_back_when_a_session_has_ended(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    monkeypatch.setattr(
        "session.roster.manager.trim", lambda: left.append(len(house.manager.all()))
    )
    session, _ = await house.join()
    assert not left
    await house.manager.end(session, "a test")
    await eventually(lambda: left == [0])


# --- A session that is opened again ---------------------------------------------------------------


async def test_an_opening_that_fails_is_not_told_of_and_leaves_the_session_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = ServiceConfig(rows=4, limits=Limits(open_s=0.5))
    async for house in open_house(FakeEngine(rows=4), config):
        session, _ = await house.join()
        await house.manager.end(session, "enough")
        before = house.told(session)
        with monkeypatch.context() as hanging:
            hanging.setattr(Attendant, "restore", lambda _: asyncio.Event().wait())
            assert (await attached(house, session)).status_code == 503
        await house.manager.get(session).hub.told()
        assert house.told(session) == before
        described = (await house.http.get(f"/v1/sessions/{session}")).json()
        assert (described["state"], described["reason"]) == ("ended", "enough")
        await eventually(lambda house=house: not house.engine.open_rows)  # type: ignore[misc]
        assert (await attached(house, session)).status_code == 201
        await house.manager.get(session).hub.told()
        assert house.told(session)[-1].type == "session.reopened"


async def test_a_listener_that_was_too_slow_is_counted_once(house: House) -> None:
    session, _ = await house.join()
    hub = house.manager.get(session).hub
    hub.subscribe().offer = lambda _: False  # type: ignore[method-assign]
    await house.manager.end(session, "enough")
    assert (await attached(house, session)).status_code == 201
    await house.manager.end(session, "enough")
    assert house.app.state.service.metrics.subscribers_dropped == 1


# --- A session that waits -------------------------------------------------------------------------


async def test_a_sender_that_comes_while_others_are_given_up_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closing, go_on, close = asyncio.Event(), asyncio.Event(), Idle.close

    async def slowly(idle: Idle, reason: str) -> Idle:
        closing.set()
        await go_on.wait()
        return await close(idle, reason)

    monkeypatch.setattr(Idle, "close", slowly)
    config = ServiceConfig(rows=4, limits=Limits(waiting_s=20.0))
    async for house in open_house(FakeEngine(rows=4), config):
        late, taken, gone, next_one = [await prepared(house) for _ in range(4)]
        make_old(house, late, taken, gone)
        await closing.wait()
        assert (await attached(house, taken)).status_code == 201
        go_on.set()
        await house.manager.remove(gone)
        make_old(house, next_one)
        manager = house.manager
        await eventually(lambda manager=manager: not manager.waiting())  # type: ignore[misc]
        assert (await manager.find(late)).ended
        assert not (await manager.find(taken)).ended


async def test_a_session_that_is_ended_while_its_sender_comes_has_ended(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await prepared(house)
    path = f"/v1/sessions/{session}"
    coming, go_on = await on_its_way(house, session, monkeypatch)
    ending = asyncio.create_task(house.http.delete(path))
    for _ in range(3):
        await house.http.get(f"{path}/notes")  # later requests are through: this one waits
    assert not ending.done()
    go_on.set()
    assert (await coming).status_code == 201
    assert (await ending).json()["state"] == "ended"
    assert (await house.http.get(path)).json()["state"] == "ended"


async def test_null_leaves_a_setting_of_a_session_that_waits_as_it_is(house: House) -> None:
    session = await prepared(house, retention=0.5, instruction="watch the door")
    path = f"/v1/sessions/{session}"
    nulls = {"retention": None, "instruction": None}
    assert (await house.http.patch(path, json=nulls)).status_code == 200
    assert (await attached(house, session)).status_code == 201
    found = (await house.http.get(path)).json()
    assert (found["retention"], found["instruction"]) == (0.5, None)


async def test_what_is_set_while_a_sender_comes_is_set_in_what_it_finds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await prepared(house)
    path = f"/v1/sessions/{session}"
    coming, go_on = await on_its_way(house, session, monkeypatch)
    assert (await house.http.get(path)).json()["state"] == "waiting"
    changes = [
        asyncio.create_task(house.http.patch(path, json={"instruction": "watch the door"})),
        asyncio.create_task(house.http.post(f"{path}/watches", json={"query": "a cat"})),
    ]
    for _ in range(3):
        await house.http.get(f"{path}/notes")  # later requests are through: these wait
    assert not any(change.done() for change in changes)
    go_on.set()
    assert (await coming).status_code == 201
    assert [(await change).status_code for change in changes] == [200, 201]
    assert (await house.http.get(path)).json()["instruction"] == "watch the door"
    (watch,) = (await house.manager.live(session)).attendant.watches.all()
    assert watch.query == "a cat"


async def prepared(house: House, **settings: object) -> str:
    """A session that waits for its sender."""
    made = await house.http.post("/v1/sessions", json={"room": "room", **settings})
    return str(made.json()["id"])


def make_old(house: House, *sessions: str) -> None:
    """They have waited since long ago."""
    waiting = house.manager._waiting
    for session in sessions:
        described = waiting[session].session.model_copy(update={"created_at": 0.0})
        waiting[session] = replace(waiting[session], session=described)


async def on_its_way(
    house: House, session: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[asyncio.Task[httpx.Response], asyncio.Event]:
    """A sender that is there, but for what it waits for: what it is answered, and that."""
    begun, go_on, restore = asyncio.Event(), asyncio.Event(), Attendant.restore

    async def slowly(own: Attendant) -> None:
        await restore(own)
        begun.set()
        await go_on.wait()

    monkeypatch.setattr(Attendant, "restore", slowly)
    coming = asyncio.create_task(attached(house, session))
    await begun.wait()
    return coming, go_on


async def attached(house: House, session: str) -> httpx.Response:
    """What a sender to the session is answered."""
    headers = {"Content-Type": "application/sdp"}
    address = f"/whip/room?session={session}"
    return await house.http.post(address, content="v=0\r\n", headers=headers)
