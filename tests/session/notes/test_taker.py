"""Notes of a stream while it runs, on a service around a fake engine."""

from __future__ import annotations

import pytest

from session import wire
from tests.session.conftest import House
from tests.session.fakes import FakePeer, eventually


async def noting(house: House, **settings: object) -> tuple[str, FakePeer]:
    session, peer = await house.join()
    answer = await house.http.patch(f"/v1/sessions/{session}/notes", json=settings)
    assert answer.status_code == 200, answer.text
    return session, peer


async def shown(house: House, session: str, peer: FakePeer, end_s: float) -> None:
    """The stream goes on, a window at a time, and what is asked about it is answered."""
    live = await house.manager.live(session)

    def judged(windows: int) -> bool:
        watches = live.attendant.watches.all()
        return all((watch.judged_s or 0) >= 2 * windows for watch in watches)

    while peer.clock_s < end_s:
        wanted = live.progress.windows + 1
        await peer.play(2.0 * wanted + 0.1)
        await eventually(lambda wanted=wanted: live.progress.windows >= wanted and judged(wanted))
        await eventually(lambda: live.attendant.idle)
    await live.hub.told()


def noted(house: House, session: str) -> list[wire.Note]:
    return [event.note for event in house.told(session) if isinstance(event, wire.NoteAdded)]


async def test_a_line_is_noted_about_every_stretch(house: House) -> None:
    session, peer = await noting(house, every_s=10.0)
    await shown(house, session, peer, 21.0)
    first, second = noted(house, session)
    assert (first.start_s, first.end_s, first.reason) == (0.0, 10.0, "time")
    assert (second.start_s, second.end_s) == (10.0, 20.0)
    assert first.text == "describe the last seconds at 5"


async def test_a_longer_stretch_is_told_by_its_last_minute(house: House) -> None:
    session, peer = await noting(house, every_s=24.0)
    await shown(house, session, peer, 25.0)
    (note,) = noted(house, session)
    assert note.text == "describe the last minute at 12"


async def test_nothing_is_noted_unless_asked_for(house: House) -> None:
    session, peer = await house.join()
    await shown(house, session, peer, 15.0)
    assert not noted(house, session)


async def test_notes_can_be_stopped(house: House) -> None:
    session, peer = await noting(house, every_s=10.0)
    await shown(house, session, peer, 11.0)
    await house.http.patch(f"/v1/sessions/{session}/notes", json={"every_s": None})
    await shown(house, session, peer, 31.0)
    assert len(noted(house, session)) == 1


async def test_what_is_not_named_stays_as_it_is_set(house: House) -> None:
    session, peer = await noting(house, every_s=10.0)
    await shown(house, session, peer, 5.0)
    path = f"/v1/sessions/{session}/notes"
    both = (await house.http.patch(path, json={"events": True})).json()
    assert both == {"every_s": 10.0, "events": True}
    assert (await house.http.get(path)).json()["settings"] == both
    await shown(house, session, peer, 11.0)
    (note,) = noted(house, session)
    assert (note.start_s, note.end_s) == (0.0, 10.0), "the stretch goes on"


async def test_an_event_that_is_described_is_noted(house: House) -> None:
    session, peer = await noting(house, events=True)
    watch = {"query": "is it there since 4", "describe": True}
    await house.http.post(f"/v1/sessions/{session}/watches", json=watch)
    await shown(house, session, peer, 9.0)
    (note,) = noted(house, session)
    assert note.text == "is it there since 4: describe the last seconds at 3"
    assert (note.start_s, note.reason) == (4.0, "event")


async def test_taking_notes_is_not_part_of_the_conversation(house: House) -> None:
    session, peer = await noting(house, every_s=10.0)
    await shown(house, session, peer, 11.0)
    assert noted(house, session)
    await house.ask(session, "what now")
    assert house.engine.asked[-1][1] == ()


async def test_a_stretch_that_could_not_be_asked_about_is_told_with_the_next(house: House) -> None:
    session, peer = await noting(house, every_s=10.0)
    live = await house.manager.live(session)
    notes = live.attendant.notes
    ask, notes.ask = notes.ask, lambda _, then: bool(then(None))  # too many questions wait
    await shown(house, session, peer, 13.0)
    assert not noted(house, session)
    notes.ask = ask
    await shown(house, session, peer, 15.0)
    (note,) = noted(house, session)
    assert (note.start_s, note.end_s) == (0.0, 16.0)


async def test_the_session_ending_leaves_no_question_behind(house: House) -> None:
    session, peer = await noting(house, every_s=10.0)
    await peer.play(10.5)
    await house.manager.end(session, "enough")
    assert not house.engine.branches


@pytest.mark.parametrize(
    "settings", [{"every_s": 1.0}, {"every_s": 4_000}, {"every_s": "often"}, {"minutes": 1}]
)
async def test_what_cannot_be_set_is_refused(settings: dict[str, object], house: House) -> None:
    session, _ = await house.join()
    answer = await house.http.patch(f"/v1/sessions/{session}/notes", json=settings)
    assert answer.status_code == 422
