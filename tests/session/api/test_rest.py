"""The JSON and SSE routes."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.session.conftest import House
from tests.session.fakes import eventually


async def ingested(house: House, session: str, windows: int) -> None:
    """Wait until so many windows of a session are in its memory."""
    await eventually(lambda: house.manager.get(session).progress.windows == windows)


async def test_a_question_is_answered_from_what_was_seen_so_far(house: House) -> None:
    session, peer = await house.join()
    await peer.play(4.5)
    answer = (await house.ask(session, "what now")).json()
    assert answer["text"] == "what now at 2"
    assert answer["status"] == "completed"
    assert answer["newest_frame_s"] == 4.0  # of the window that is still open
    assert answer["asked_s"] == 4.5
    assert answer["seen"] == {"video": 36, "audio": 100}
    assert answer["kept"] == {"video": 6, "audio": 8}
    assert answer["retention"] == 0.2
    assert answer["spans"] == [{"start_s": 0.0, "end_s": 4.0}]
    assert answer["output_tokens"] == 4
    assert 0 < answer["first_token_ms"] <= answer["total_ms"]
    assert answer["second_look"]["start_s"] == 4.0


async def test_the_session_tells_its_state_settings_and_memory(house: House) -> None:
    session, peer = await house.join(shown_s=0.0)
    before = (await house.http.get(f"/v1/sessions/{session}")).json()
    assert (before["state"], before["room"], before["retention"]) == ("connecting", "room", 0.2)
    await peer.play(4.2)
    await ingested(house, session, 2)
    after = (await house.http.get(f"/v1/sessions/{session}")).json()
    assert (after["state"], after["windows"], after["memory"]["used"]) == ("live", 2, 26)
    listed = (await house.http.get("/v1/sessions")).json()
    assert [s["id"] for s in listed["sessions"]] == [session]


@pytest.mark.parametrize("question", ["", " \n", "\x00\x1b", "\u202e"])
async def test_a_question_without_a_character_to_be_seen_is_empty(
    house: House, question: str
) -> None:
    session, _ = await house.join()
    refused = await house.ask(session, question)
    assert (refused.status_code, refused.json()["error"]["type"]) == (422, "question_empty")


@pytest.mark.parametrize(
    ("question", "said"),
    [("  ", (422, "question_empty")), ("x" * 5_000, (413, "question_too_long"))],
)
async def test_what_is_wrong_with_a_question_is_told_also_before_the_sender_comes(
    house: House, question: str, said: tuple[int, str]
) -> None:
    session = (await house.http.post("/v1/sessions", json={"room": "room"})).json()["id"]
    refused = await house.ask(session, question)
    assert (refused.status_code, refused.json()["error"]["type"]) == said
    assert refused.json()["error"]["param"] == "question"


async def test_before_the_first_picture_there_is_nothing_to_ask_about(house: House) -> None:
    session, peer = await house.join(shown_s=0.0)
    refused = await house.ask(session, "what now")
    assert (refused.status_code, refused.json()["error"]["type"]) == (409, "nothing_seen")
    assert refused.headers["Retry-After"] == "1"
    await peer.play(0.1)
    assert (await house.ask(session, "what now")).status_code == 200


async def test_settings_change_while_the_stream_runs(house: House) -> None:
    session, _ = await house.join()
    path = f"/v1/sessions/{session}"
    patch = {"retention": 0.1, "slots": 128, "instruction": "watch the door"}
    changed = (await house.http.patch(path, json=patch)).json()
    assert changed["retention"] == 0.1
    assert changed["memory"]["slots"] == 128
    assert changed["instruction"] == "watch the door"
    again = (await house.http.patch(path, json={"instruction": None})).json()
    assert again["instruction"] is None
    assert again["retention"] == 0.1


async def test_the_selector_of_a_running_session_can_be_changed(house: House) -> None:
    session, _ = await house.join()
    path = f"/v1/sessions/{session}"
    assert (await house.http.get(path)).json()["selector"] == "cs2"
    changed = (await house.http.patch(path, json={"selector": "uniform"})).json()
    assert changed["selector"] == "uniform"
    assert house.engine.open_rows[0].selector == "uniform"
    kept = (await house.http.patch(path, json={"retention": 0.1})).json()
    assert kept["selector"] == "uniform"


async def test_a_selector_that_is_not_there_is_refused_with_those_that_are(house: House) -> None:
    session, _ = await house.join()
    path = f"/v1/sessions/{session}"
    refused = await house.http.patch(path, json={"selector": "telepathy"})
    assert refused.status_code == 422
    error = refused.json()["error"]
    assert error["param"] == "selector"
    assert "uniform" in error["message"]
    assert (await house.http.get(path)).json()["selector"] == "cs2"


@pytest.mark.parametrize(
    ("patch", "param"),
    [
        ({"retention": 0}, "retention"),
        ({"retention": 1.5}, "retention"),
        ({"retention": "much"}, "retention"),
        ({"slots": -1}, "slots"),
        ({"selector": "x" * 65}, "selector"),
        ({"memory": 5}, "memory"),
        ({"instruction": "x" * 5000}, "instruction"),
    ],
)
async def test_a_wrong_setting_is_refused_by_name(
    house: House, patch: dict[str, object], param: str
) -> None:
    session, _ = await house.join()
    response = await house.http.patch(f"/v1/sessions/{session}", json=patch)
    assert response.status_code == 422
    assert response.json()["error"]["param"] == param


async def test_a_setting_the_engine_refuses_comes_back_with_its_reason(house: House) -> None:
    session, _ = await house.join()
    response = await house.http.patch(f"/v1/sessions/{session}", json={"slots": 100_000})
    assert response.status_code == 422
    assert "512" in response.json()["error"]["message"]


@pytest.mark.parametrize("instruction", ["too long for the slots", "x" * 100_000])
async def test_an_instruction_that_is_too_long_is_named(house: House, instruction: str) -> None:
    session, _ = await house.join()
    response = await house.http.patch(f"/v1/sessions/{session}", json={"instruction": instruction})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (422, "instruction")
    assert "instruction" in error["message"]


async def test_an_answer_streams_as_events_when_asked_for(house: House) -> None:
    session, peer = await house.join()
    await peer.play(2.5)
    request = {"question": "one two"}
    headers = {"Accept": "text/event-stream"}
    path = f"/v1/sessions/{session}/ask"
    async with house.http.stream("POST", path, json=request, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) async for line in response.aiter_lines() if "data" in line]
    kinds = [event["type"] for event in events]
    assert kinds == ["answer.started", *["answer.delta"] * 4, "answer.done"]
    deltas = "".join(event["delta"] for event in events[1:-1])
    assert deltas == events[-1]["answer"]["text"] == "one two at 1"


async def test_earlier_turns_are_given_to_the_engine_and_an_aside_is_not(house: House) -> None:
    session, _ = await house.join()
    await house.ask(session, "first")
    path = f"/v1/sessions/{session}/ask"
    await house.http.post(path, json={"question": "aside", "conversation": "none"})
    await house.ask(session, "second")
    histories = {question: history for question, history, _ in house.engine.asked}
    assert histories["aside"] == ()
    assert histories["second"] == (("first", "first at 0"),)


@pytest.mark.parametrize(
    ("question", "status", "kind"),
    [
        ("", 422, "question_empty"),
        ("  \n ", 422, "question_empty"),
        ("x" * 100_000, 413, "question_too_long"),
        ("too long for the engine", 413, "question_too_long"),
    ],
)
async def test_a_question_that_cannot_be_asked_gets_its_status(
    house: House, question: str, status: int, kind: str
) -> None:
    session, _ = await house.join()
    response = await house.ask(session, question)
    assert response.status_code == status
    assert response.json()["error"]["type"] == kind
    assert (await house.ask(session, "still there")).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[]", "application/json", 422),
        (b'"question"', "application/json", 422),
        (b"{}", "application/json", 422),
        (b'{"question": 5}', "application/json", 422),
        (b'{"question": "a", "max_tokens": 0}', "application/json", 422),
        (b'{"question": "a", "max_tokens": 1e9}', "application/json", 422),
        (b'{"question": "a", "temperature": 1}', "application/json", 422),
        (b'{"question": "a"}', "text/plain", 415),
        (b'{"question": "a"}', "", 415),
        (b"[" * 200_000, "application/json", 400),
        (b'{"question": "' + b"a" * 300_000 + b'"}', "application/json", 413),
    ],
)
async def test_a_hostile_body_gets_a_clear_error(
    house: House, body: bytes, content_type: str, status: int
) -> None:
    session, _ = await house.join()
    headers = {"Content-Type": content_type}
    path = f"/v1/sessions/{session}/ask"
    response = await house.http.post(path, content=body, headers=headers)
    assert response.status_code == status
    error = response.json()["error"]
    assert error["type"]
    assert error["message"]


async def test_an_unknown_session_is_a_404_on_every_route(house: House) -> None:
    path = "/v1/sessions/ses_nobody"
    for response in (
        await house.http.get(path),
        await house.http.patch(path, json={}),
        await house.http.delete(path),
        await house.http.post(f"{path}/ask", json={"question": "a"}),
        await house.http.get(f"{path}/events"),
        await house.http.delete(f"{path}/answers/ans_1"),
    ):
        assert response.status_code == 404
        assert response.json()["error"]["type"] == "session_unknown"


async def test_an_ended_session_is_remembered_but_takes_no_questions(house: House) -> None:
    session, peer = await house.join()
    ended = await house.http.delete(f"/v1/sessions/{session}")
    assert ended.json()["state"] == "ended"
    assert peer.is_closed
    assert (await house.ask(session, "anyone")).status_code == 409
    assert (await house.http.get(f"/v1/sessions/{session}")).json()["state"] == "ended"
    assert (await house.http.delete(f"/v1/sessions/{session}")).status_code == 200


async def test_no_more_questions_than_allowed_are_in_flight(house: House) -> None:
    session, _ = await house.join()
    asking = [asyncio.create_task(house.ask(session, "go slowly")) for _ in range(4)]
    await eventually(lambda: len(house.engine.branches) == 4)
    refused = await house.ask(session, "me too")
    assert refused.status_code == 429
    assert refused.headers["Retry-After"]
    for answer in await asyncio.gather(*asking):
        assert answer.json()["status"] == "truncated"
        assert answer.json()["output_tokens"] == 64


async def test_a_question_is_cancelled_by_its_id(house: House) -> None:
    session, _ = await house.join()
    subscription = house.manager.get(session).hub.subscribe()
    path = f"/v1/sessions/{session}"
    asking = asyncio.create_task(
        house.http.post(f"{path}/ask", json={"question": "slowly", "max_tokens": 256})
    )
    started = await anext(n async for n in subscription if n.event.type == "answer.started")
    answer_id = json.loads(started.event.model_dump_json())["id"]
    cancelled = await house.http.delete(f"{path}/answers/{answer_id}")
    answer = (await asking).json()
    assert (cancelled.status_code, answer["status"]) == (202, "cancelled")
    assert (await house.http.delete(f"{path}/answers/{answer_id}")).status_code == 404


async def test_an_engine_error_ends_its_session_and_no_other(house: House) -> None:
    mine, _ = await house.join()
    other, _ = await house.join()
    events = house.manager.get(mine).hub.subscribe()
    broken = await house.ask(mine, "explode")
    assert broken.status_code == 500
    assert "on fire" in broken.json()["error"]["message"]
    kinds = [numbered.event.type async for numbered in events]
    assert kinds[-2:] == ["answer.done", "session.closed"]
    assert "error" in kinds
    assert (await house.ask(mine, "hello")).status_code == 409
    assert (await house.ask(other, "hello")).json()["text"] == "hello at 0"
    assert (await house.http.get("/readyz")).status_code == 200


async def test_a_window_the_engine_cannot_take_ends_its_session(house: House) -> None:
    house.engine.poison = {2.0}
    session, peer = await house.join()
    events = house.manager.get(session).hub.subscribe()
    await peer.play(4.5)
    kinds = [numbered.event.type async for numbered in events]
    assert kinds[-2:] == ["error", "session.closed"]


async def test_an_engine_that_is_not_sound_stops_the_service_taking_sessions(house: House) -> None:
    session, _ = await house.join()
    other, _ = await house.join()
    house.engine.sound = False
    await house.ask(session, "explode")
    await eventually(lambda: house.manager.get(other).ended)
    ready = await house.http.get("/readyz")
    assert ready.status_code == 503
    assert "engine" in ready.json()["reason"]
    assert (await house.offer()).status_code == 503
    assert (await house.http.get("/healthz")).status_code == 200
    house.engine.open_rows.clear()  # nobody is left to close them


async def test_each_session_answers_from_its_own_stream(house: House) -> None:
    (one, first), (two, second) = await house.join(), await house.join()
    await asyncio.gather(first.play(2.5), second.play(4.5))
    await ingested(house, two, 2)  # more at once would be an overload
    await second.play(6.5)
    answers = await asyncio.gather(house.ask(one, "a"), house.ask(two, "b"))
    assert [answer.json()["text"] for answer in answers] == ["a at 1", "b at 3"]
