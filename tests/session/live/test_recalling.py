"""Questions to a session that has ended, which has its notes alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from session import wire
from session.config import Limits, ServiceConfig
from session.notes import records as note_records
from session.notes.recall import MOST_NOTES
from tests.session.api.test_event_stream import parsed
from tests.session.conftest import House, open_house
from tests.session.fakes import FakeEngine
from tests.session.notes.test_records import note


async def noted(house: House) -> str:
    """A session that has ended, with a note of its first ten seconds."""
    session, peer = await house.join()
    await peer.play(20.1)
    written = partial(note_records.add, note=note(0, "a red circle", session))
    await house.app.state.service.shelf.journal.do(written)
    await house.manager.end(session, "enough")
    return session


async def ask(house: House, session: str, question: str, **fields: Any) -> dict[str, Any]:
    body = {"question": question, **fields}
    response = await house.http.post(f"/v1/sessions/{session}/ask", json=body)
    answer = response.json()
    assert isinstance(answer, dict)
    return {"code": response.status_code, **answer}


@pytest.mark.parametrize(
    ("question", "notes"),
    [("where was a circle?", "only"), ("what was there in the first minute?", "auto")],
)
async def test_a_session_that_has_ended_answers_from_its_notes(
    house: House, question: str, notes: str
) -> None:
    session = await noted(house)
    answer = await ask(house, session, question, notes=notes)
    assert answer["code"] == 200
    assert (answer["status"], answer["notes"]) == ("completed", [f"note_{session}_0"])
    assert answer["text"].startswith("From the notes: 0:00 to ")
    assert "a red circle" in answer["text"]
    assert (answer["seen"], answer["newest_frame_s"]) == ({"video": 0, "audio": 0}, None)
    assert not house.engine.asked
    (kept,) = (await house.http.get(f"/v1/sessions/{session}/answers")).json()["answers"]
    assert {"code": 200, **kept} == answer


@pytest.mark.parametrize("question", ["what happened?", "summarise what was there"])
async def test_a_question_that_names_nothing_is_answered_from_the_newest_notes(
    house: House, question: str
) -> None:
    session = await noted(house)
    for number in range(1, MOST_NOTES + 2):
        written = partial(note_records.add, note=note(number, "a buzz", session))
        await house.app.state.service.shelf.journal.do(written)
    answer = await ask(house, session, question, notes="only")
    newest = range(2, MOST_NOTES + 2)
    assert answer["notes"] == [f"note_{session}_{number}" for number in newest]
    assert answer["text"].count("a buzz") == MOST_NOTES


async def test_where_nothing_was_noted_that_is_the_answer(house: House) -> None:
    session = await noted(house)
    answer = await ask(house, session, "any dogs?", notes="only")
    assert (answer["text"], answer["notes"]) == (
        "From the notes: no note holds these words or is of that time.",
        [],
    )


@pytest.mark.parametrize(
    ("question", "notes"),
    [
        ("where was a circle?", "auto"),
        ("what was there at 50:00?", "auto"),
        ("what was there in the first minute?", "never"),
    ],
)
async def test_what_would_take_more_than_notes_is_refused_with_what_would_be_right(
    house: House, question: str, notes: str
) -> None:
    refused = await ask(house, await noted(house), question, notes=notes)
    assert (refused["code"], refused["error"]["type"]) == (409, "session_over")
    assert '"notes": "only"' in refused["error"]["message"]


async def test_the_answer_of_a_session_that_has_ended_is_told_as_any_other(house: House) -> None:
    session = await noted(house)
    path, last = f"/v1/sessions/{session}", house.manager.get(session).hub.last_id
    body = {"question": "where was a circle?", "notes": "only"}
    headers = {"Accept": "text/event-stream"}
    told = await house.http.post(f"{path}/ask", json=body, headers=headers)
    events = [event for _, event in parsed(told.text)]
    assert [event.type for event in events] == ["answer.started", "answer.delta", "answer.done"]
    assert isinstance(events[1], wire.AnswerDelta)
    assert isinstance(events[2], wire.AnswerDone)
    assert events[1].delta == events[2].answer.text
    later = await house.http.get(f"{path}/events", headers={"Last-Event-ID": str(last)})
    assert parsed(later.text) == [(last + 1, events[0]), (last + 2, events[2])]


async def test_a_question_to_the_notes_is_checked_and_counted_as_any_other() -> None:
    config = ServiceConfig(rows=4, limits=Limits(questions_a_minute=1))
    async for house in open_house(FakeEngine(rows=4), config):
        session = await noted(house)
        asked = partial(ask, house, session, notes="only")
        assert (await asked(" "))["error"]["type"] == "question_empty"
        assert (await asked("x" * 5_000))["error"]["type"] == "question_too_long"
        assert (await asked("a circle"))["code"] == 200
        assert (await asked("a circle"))["error"]["type"] == "too_many_questions"


async def test_a_session_that_waits_for_its_first_sender_has_no_notes(house: House) -> None:
    made = await house.http.post("/v1/sessions", json={"room": "room"})
    refused = await ask(house, made.json()["id"], "a circle", notes="only")
    assert (refused["code"], refused["error"]["type"]) == (409, "nothing_seen")


async def test_what_was_asked_before_a_session_goes_on_is_nothing_to_its_new_stream(
    house: House,
) -> None:
    """Its answer can be on its way to the disk when the sender comes."""
    session, _ = await house.join()
    live = await house.manager.live(session)
    other = wire.AnswerStarted(id="ans_of_before", question="a circle", asked_s=2.0)
    live.questions.hear(other)
    answered = await house.ask(session, "and now")
    assert answered.status_code == 200
    live.questions.hear(wire.AnswerDone(answer=wire.Answer.model_validate_json(answered.content)))
    assert (await house.ask(session, "and then")).status_code == 200
