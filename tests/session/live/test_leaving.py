"""What a sender had sent is seen before its session ends, on a service around a fake engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial

import httpx
import numpy as np
import pytest

from session import wire
from session.config import Limits, ServiceConfig
from session.journal.events import Past
from session.live.intake import Intake
from session.live.session import ENDINGS
from sieve.tokens import Ingested, RawWindow
from stream.window import Frame
from tests.session.conftest import House, open_house
from tests.session.fakes import PATIENCE_S, FakeEngine, FakePeer, eventually

SDP = {"Content-Type": "application/sdp"}
PIXELS = np.zeros((28, 28, 3), np.uint8)


class Held(FakeEngine):
    """Takes no window in before `go_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def ingest(self, row: int, window: RawWindow) -> Ingested:
        assert self.go_on.wait(PATIENCE_S)
        return super().ingest(row, window)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
async def busy(held: Held) -> AsyncIterator[House]:
    """A service whose engine is held."""
    async for house in open_house(held, ServiceConfig(rows=1)):
        yield house
        held.go_on.set()


async def shown(house: House, session: str, peer: FakePeer, end_s: float) -> None:
    """Play, no faster than windows are taken in."""
    live = await house.manager.live(session)

    def taken_in(windows: int) -> bool:
        return live.progress.windows >= windows

    for window in range(1, int(end_s / 2) + 1):
        await eventually(partial(taken_in, window - 1))
        await peer.play(min(2.0 * window + 0.1, end_s))
    await peer.play(end_s)


async def ended(house: House, session: str) -> list[wire.Event]:
    """What was told of a session, once it has ended."""
    await eventually(lambda: house.manager.get(session).ended and not house.manager.all())
    return [event for event in house.told(session) if not isinstance(event, Past)]


def ingested(events: list[wire.Event]) -> list[tuple[float, float]]:
    return [(e.start_s, e.end_s) for e in events if isinstance(e, wire.WindowIngested)]


def skipped(events: list[wire.Event]) -> list[tuple[float, float]]:
    return [(e.start_s, e.end_s) for e in events if isinstance(e, wire.WindowSkipped)]


def changes(events: list[wire.Event]) -> list[wire.WatchEvent]:
    return [event for event in events if isinstance(event, wire.WatchEvent)]


async def attach(house: House, session: str) -> httpx.Response:
    path = f"/whip/room?session={session}"
    return await house.http.post(path, content="v=0\r\n", headers=SDP)


# --- What is seen ---------------------------------------------------------------------------------


@pytest.mark.parametrize("end_s", [0.1, 1.5, 1.9, 2.0, 2.1, 3.9, 4.0, 6.3])
async def test_whenever_the_sender_leaves_all_of_it_is_told(house: House, end_s: float) -> None:
    session, peer = await house.join()
    await shown(house, session, peer, end_s)
    peer.leave()
    events = await ended(house, session)
    starts = [2.0 * index for index in range(len(ingested(events)))]
    assert ingested(events) == [(start, min(start + 2.0, end_s)) for start in starts]
    assert ingested(events)[-1][1] == end_s
    assert not skipped(events)
    assert not [gap for e in events if isinstance(e, wire.WindowIngested) for gap in e.gaps]
    assert events[-1].type == "session.closed"


async def test_what_came_before_the_sender_said_that_it_leaves_is_seen(house: House) -> None:
    location = (await house.offer()).headers["Location"]
    peer = house.exchange.peers[-1]
    session = house.manager.all()[0].id
    peer.send(3.5)  # and nobody waits until it is taken in
    assert (await house.http.delete(location)).status_code == 200
    assert house.manager.get(session).ended
    assert ingested(await ended(house, session)) == [(0.0, 2.0), (2.0, 3.5)]


async def test_what_is_on_its_way_when_the_sender_says_that_it_leaves_is_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session.live.leaving.ON_ITS_WAY_S", PATIENCE_S)
    location = (await house.offer()).headers["Location"]
    live, peer = house.manager.all()[0], house.exchange.peers[-1]
    peer.is_dark = True
    await peer.play(1.3)
    leaving = asyncio.create_task(house.http.delete(location))
    await eventually(lambda: live.ending)
    peer.bring(Frame(1.2, PIXELS))
    peer.leave()
    assert (await leaving).status_code == 200
    (window,) = [e for e in house.told(live.id) if isinstance(e, wire.WindowIngested)]
    assert window.newest_frame_s == 1.2


async def test_a_watch_of_the_last_window_is_told_described_and_noted(house: House) -> None:
    session, peer = await house.join()
    path = f"/v1/sessions/{session}"
    await house.http.patch(f"{path}/notes", json={"events": True})
    watch = {"query": "is it there since 2", "describe": True}
    await house.http.post(f"{path}/watches", json=watch)
    await peer.play(3.5)
    peer.leave()
    events = await ended(house, session)
    new, update, end = changes(events)
    assert (new.change, update.change, end.change) == ("new", "update", "end")
    assert (new.started_s, end.ended_s) == (2.0, 3.5)
    assert end.spans == [wire.Span(start_s=2.0, end_s=3.5)]
    assert end.sentence == "describe the last seconds at 2"
    (note,) = [event.note for event in events if isinstance(event, wire.NoteAdded)]
    assert note.text == "is it there since 2: describe the last seconds at 2"


async def test_the_note_of_an_event_ends_where_the_stream_does(house: House) -> None:
    session, peer = await house.join()
    path = f"/v1/sessions/{session}"
    await house.http.patch(f"{path}/notes", json={"events": True})
    watch = {"query": "is it there since 2", "describe": True}
    await house.http.post(f"{path}/watches", json=watch)
    await shown(house, session, peer, 3.8)
    peer.leave()
    (note,) = [e.note for e in await ended(house, session) if isinstance(e, wire.NoteAdded)]
    assert (note.start_s, note.end_s) == (2.0, 3.8)


async def test_a_note_that_is_due_at_the_end_is_taken(house: House) -> None:
    session, peer = await house.join()
    await house.http.patch(f"/v1/sessions/{session}/notes", json={"every_s": 11.0})
    await shown(house, session, peer, 11.5)
    peer.leave()
    (note,) = [e.note for e in await ended(house, session) if isinstance(e, wire.NoteAdded)]
    assert (note.start_s, note.end_s) == (0.0, 11.5)
    assert note.text == "describe the last seconds at 6"


@pytest.mark.parametrize(
    ("end_s", "stretches"),
    [(7.5, [(0.0, 7.5)]), (11.5, [(0.0, 10.0)]), (17.0, [(0.0, 10.0), (10.0, 17.0)])],
)
async def test_what_is_left_at_the_end_is_noted_unless_it_is_hardly_anything(
    house: House, end_s: float, stretches: list[tuple[float, float]]
) -> None:
    session, peer = await house.join()
    await house.http.patch(f"/v1/sessions/{session}/notes", json={"every_s": 10.0})
    await shown(house, session, peer, end_s)
    peer.leave()
    notes = [e.note for e in await ended(house, session) if isinstance(e, wire.NoteAdded)]
    assert [(note.start_s, note.end_s) for note in notes] == stretches


async def test_an_answer_that_is_being_written_is_cancelled_when_all_is_seen(house: House) -> None:
    session, peer = await house.join()
    asking = asyncio.create_task(house.ask(session, "slowly"))
    await eventually(lambda: bool(house.engine.branches))
    await peer.play(3.5)
    peer.leave()
    assert (await asking).json()["status"] == "cancelled"
    assert ingested(await ended(house, session)) == [(0.0, 2.0), (2.0, 3.5)]


# --- An engine that is behind ---------------------------------------------------------------------


async def test_windows_that_wait_when_the_sender_leaves_are_seen_too(
    busy: House, held: Held
) -> None:
    session, peer = await busy.join()
    await peer.play(4.5)
    peer.leave()
    await eventually(lambda: busy.manager.all()[0].ending)
    held.go_on.set()
    events = await ended(busy, session)
    assert ingested(events) == [(0.0, 2.0), (2.0, 4.0), (4.0, 4.5)]
    assert not skipped(events)


async def test_what_the_engine_does_not_take_in_in_time_is_told_as_skipped(held: Held) -> None:
    config = ServiceConfig(rows=1, limits=Limits(settle_s=0.05))
    async for house in open_house(held, config):
        session, peer = await house.join()
        await peer.play(4.5)
        peer.leave()
        events = await ended(house, session)
        assert not ingested(events)
        assert skipped(events) == [(0.0, 2.0), (2.0, 4.0), (4.0, 4.5)]
        assert events[-1].type == "session.closed"
        held.go_on.set()


async def test_a_session_is_ended_by_request_also_while_it_waits_for_the_engine(
    busy: House,
) -> None:
    session, peer = await busy.join()
    await peer.play(2.5)
    peer.leave()
    await eventually(lambda: busy.manager.all()[0].ending)
    assert (await busy.http.delete(f"/v1/sessions/{session}")).status_code == 200
    closed = (await ended(busy, session))[-1]
    assert isinstance(closed, wire.SessionClosed)
    assert closed.reason == "ended by request"


async def test_a_service_that_stops_does_not_wait_for_the_engine(busy: House) -> None:
    session, peer = await busy.join()
    await peer.play(2.5)
    peer.leave()
    await eventually(lambda: busy.manager.all()[0].ending)
    await busy.manager.close()
    assert not ingested(await ended(busy, session))


@pytest.mark.parametrize("reason", ["the service stopped", "ended by request"])
async def test_what_is_not_seen_when_the_service_or_a_request_ends_a_leave_is_told_as_skipped(
    busy: House, reason: str
) -> None:
    session, peer = await busy.join()
    await peer.play(4.5)
    peer.leave()
    await eventually(lambda: busy.manager.all()[0].ending)
    if reason == "the service stopped":
        await busy.manager.close()
    else:
        await busy.manager.end(session, reason)
    events = await ended(busy, session)
    assert not ingested(events)
    assert skipped(events) == [(0.0, 2.0), (2.0, 4.0), (4.0, 4.5)]
    assert {e.reason for e in events if isinstance(e, wire.WindowSkipped)} == {reason}
    assert busy.manager.get(session).describe().skipped == 3
    assert events[-1].type == "session.closed"


async def test_a_service_that_stops_tells_also_of_what_is_waited_for_on_its_way(
    busy: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("session.live.leaving.ON_ITS_WAY_S", PATIENCE_S)
    session, peer = await busy.join()
    await peer.play(2.5)
    live = await busy.manager.live(session)
    live.leave(ENDINGS["remote"])  # and its media has not ended
    await asyncio.sleep(0)
    await busy.manager.close()
    assert skipped(await ended(busy, session)) == [(0.0, 2.0), (2.0, 2.5)]


async def test_the_next_sender_of_a_session_comes_when_the_one_before_has_been_seen(
    busy: House, held: Held
) -> None:
    session, peer = await busy.join()
    await peer.play(3.5)
    peer.leave()
    await eventually(lambda: busy.manager.all()[0].ending)
    peer.clock_s = 9.0  # the engine takes its time, which is none of the session's
    coming = asyncio.create_task(attach(busy, session))
    for _ in range(3):
        assert (await busy.http.get(f"/v1/sessions/{session}")).json()["clock_s"] == 3.5
    assert not coming.done()
    held.go_on.set()
    assert (await coming).status_code == 201
    await busy.exchange.peers[-1].play(1.0)
    busy.exchange.peers[-1].leave()
    events = await ended(busy, session)
    assert ingested(events) == [(0.0, 2.0), (2.0, 3.5), (4.0, 5.0)]


# --- What is no leave -----------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["silent", "failed"])
async def test_a_sender_that_was_cut_off_finds_its_place_free_at_once(
    busy: House, held: Held, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def closed(_: FakePeer) -> str:
        return why

    monkeypatch.setattr(FakePeer, "closed", closed)
    session, peer = await busy.join()
    await peer.play(2.5)
    peer.leave()
    events = await ended(busy, session)  # while the engine is held
    assert not ingested(events)
    assert not skipped(events)  # it is not waited for either
    assert isinstance(events[-1], wire.SessionClosed)
    assert events[-1].reason == ENDINGS[why]
    held.go_on.set()
    assert (await attach(busy, session)).status_code == 201


async def test_a_session_that_is_ended_by_request_sees_nothing_more(house: House) -> None:
    session, peer = await house.join()
    await peer.play(1.5)
    await house.http.delete(f"/v1/sessions/{session}")
    assert not ingested(await ended(house, session))


# --- The end of the clock -------------------------------------------------------------------------


async def test_what_is_captured_after_the_end_is_not_taken_and_what_was_before_is() -> None:
    peer = FakePeer()
    intake = Intake(peer, fps=2.0, take=lambda: None)
    pumping = asyncio.create_task(intake.pump())
    await peer.play(0.6)
    peer.clock_s = 1.3
    intake.end()
    for time_s in (1.2, 1.6, 2.3):  # the first was on its way
        peer.bring(Frame(time_s, PIXELS))
    peer.leave()
    await pumping
    (window,) = intake.finish()
    assert (window.end_s, window.newest_frame_s) == (1.3, 1.2)
    assert intake.now() == 1.3
    assert intake.open_window() is None
