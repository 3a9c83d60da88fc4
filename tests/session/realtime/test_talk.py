"""The data channel: OpenAI-Realtime-compatible events around a session."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from session import wire
from session.errors import ServiceError
from session.live.session import CUT_OFF
from session.realtime.conversation import PENDING_ITEMS
from session.realtime.messages import parse, patch_of
from session.realtime.script import usage_of
from tests.session.conftest import House
from tests.session.fakes import FakeChannel, eventually


class Phone:
    """The client's end of a channel."""

    def __init__(self, channel: FakeChannel) -> None:
        self._channel = channel
        self.heard: list[dict[str, Any]] = []

    def say(self, **message: object) -> None:
        self._channel.heard.put_nowait(json.dumps(message))

    def say_raw(self, text: str | bytes) -> None:
        self._channel.heard.put_nowait(text)

    async def hear(self, kind: str) -> dict[str, Any]:
        """Listen until a message of a kind comes; every message must fit its model."""
        while True:
            text = await asyncio.wait_for(self._channel.sent.get(), 10)
            wire.SERVER_MESSAGE.validate_json(text)
            message = json.loads(text)
            self.heard.append(message)
            if message["type"] == kind:
                return dict(message)

    @property
    def idle(self) -> bool:
        """Whether all that was said to it has been heard."""
        return self._channel.sent.empty()

    def kinds(self) -> list[str]:
        return [m["type"] for m in self.heard if not m["type"].startswith(("x.", "session."))]


async def call(house: House) -> tuple[str, Phone]:
    session, peer = await house.join()
    peer.channel.is_open.set()
    phone = Phone(peer.channel)
    await phone.hear("session.created")
    return session, phone


def message(text: str) -> dict[str, object]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


async def test_the_session_introduces_itself_when_the_channel_opens(house: House) -> None:
    session, phone = await call(house)
    created = phone.heard[0]["session"]
    assert (created["id"], created["model"], created["type"]) == (session, "demo", "realtime")
    assert created["x"]["retention"] == 0.2


async def test_a_question_is_an_item_and_its_answer_a_response(house: House) -> None:
    _, phone = await call(house)
    phone.say(type="conversation.item.create", item=message("what now"))
    phone.say(type="response.create")
    done = await phone.hear("response.done")
    assert phone.kinds() == [
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "conversation.item.added",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * 4,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    response = done["response"]
    assert response["status"] == "completed"
    assert response["output"][0]["content"] == [{"type": "output_text", "text": "what now at 0"}]
    assert response["usage"]["output_tokens"] == 4
    assert response["x"]["text"] == "what now at 0"
    deltas = [m["delta"] for m in phone.heard if m["type"] == "response.output_text.delta"]
    assert "".join(deltas) == "what now at 0"
    assert len({m["event_id"] for m in phone.heard}) == len(phone.heard)


async def test_the_pieces_of_an_answer_name_the_same_response_and_item(house: House) -> None:
    _, phone = await call(house)
    phone.say(type="response.create", response={"input": [message("a")], "metadata": {"n": "1"}})
    done = await phone.hear("response.done")
    pieces = [m for m in phone.heard if "response_id" in m]
    assert {m["response_id"] for m in pieces} == {done["response"]["id"]}
    items = {m["item_id"] for m in pieces if "item_id" in m}
    assert items == {done["response"]["output"][0]["id"]}
    assert done["response"]["metadata"] == {"n": "1"}
    assert len({m["event_id"] for m in phone.heard}) == len(phone.heard)


async def test_items_form_a_chain(house: House) -> None:
    _, phone = await call(house)
    for text in ("first", "second"):
        phone.say(type="conversation.item.create", item=message(text))
        phone.say(type="response.create")
        await phone.hear("response.done")
    added = [m for m in phone.heard if m["type"] == "conversation.item.added"]
    assert added[0]["previous_item_id"] is None
    for before, after in pairwise(added):
        assert after["previous_item_id"] == before["item"]["id"]


async def asked(phone: Phone, text: str) -> tuple[str, str]:
    """A question that was answered; the ids of both items."""
    phone.say(type="conversation.item.create", item=message(text))
    question = (await phone.hear("conversation.item.done"))["item"]["id"]
    phone.say(type="response.create")
    done = await phone.hear("response.done")
    return question, done["response"]["output"][0]["id"]


async def test_an_item_is_retrieved_as_it_is_now(house: House) -> None:
    _, phone = await call(house)
    for item_id, text in zip(
        await asked(phone, "what now"), ("what now", "what now at 0"), strict=True
    ):
        phone.say(type="conversation.item.retrieve", item_id=item_id)
        item = (await phone.hear("conversation.item.retrieved"))["item"]
        assert (item["id"], item["status"]) == (item_id, "completed")
        assert [part["text"] for part in item["content"]] == [text]
    phone.say(type="response.create", response={"input": [message("slowly")]})
    item_id = (await phone.hear("response.output_item.added"))["item"]["id"]
    phone.say(type="conversation.item.retrieve", item_id=item_id)
    item = (await phone.hear("conversation.item.retrieved"))["item"]
    assert (item["id"], item["status"], item["content"]) == (item_id, "in_progress", [])


@pytest.mark.parametrize("which", [0, 1], ids=["question", "answer"])
async def test_what_is_deleted_is_no_part_of_the_conversation_any_more(
    house: House, which: int
) -> None:
    session, phone = await call(house)
    await asked(phone, "first")
    items = await asked(phone, "second")
    phone.say(type="conversation.item.delete", item_id=items[which])
    for item_id in items:
        assert (await phone.hear("conversation.item.deleted"))["item_id"] == item_id
    await asked(phone, "third")
    assert [history for _, history, _ in house.engine.asked][-1] == (("first", "first at 0"),)
    answers = (await house.http.get(f"/v1/sessions/{session}/answers")).json()["answers"]
    assert [answer["question"] for answer in answers] == ["first", "second", "third"]
    for kind in ("retrieve", "delete"):
        phone.say(type=f"conversation.item.{kind}", event_id="mine", item_id=items[which])
        error = (await phone.hear("error"))["error"]
        assert (error["type"], error["event_id"]) == ("item_unknown", "mine")


async def test_what_was_deleted_is_not_read_when_the_session_is_opened_again(house: House) -> None:
    session, phone = await call(house)
    await asked(phone, "first")
    items = await asked(phone, "second")
    phone.say(type="conversation.item.delete", item_id=items[0])
    await phone.hear("conversation.item.deleted")
    await house.manager.end(session, "enough")
    again = await house.http.post(
        f"/whip/room?session={session}",
        content="v=0\r\n",
        headers={"Content-Type": "application/sdp"},
    )
    assert again.status_code == 201
    await house.exchange.peers[-1].play(0.1)
    await house.ask(session, "third")
    assert house.engine.asked[-1][1] == (("first", "first at 0"),)


async def test_what_is_being_answered_is_not_deleted(house: House) -> None:
    _, phone = await call(house)
    phone.say(type="conversation.item.create", item={**message("slowly"), "id": "mine"})
    phone.say(type="response.create")
    await phone.hear("response.output_text.delta")
    phone.say(type="conversation.item.delete", item_id="mine")
    error = (await phone.hear("error"))["error"]
    assert (error["type"], error["param"]) == ("bad_request", "item_id")
    phone.say(type="response.cancel")
    await phone.hear("response.done")
    phone.say(type="conversation.item.delete", item_id="mine")
    assert (await phone.hear("conversation.item.deleted"))["item_id"] == "mine"


async def test_a_question_that_was_refused_waits_still(house: House) -> None:
    _, peer = await house.join(shown_s=0.0)
    peer.channel.is_open.set()
    phone = Phone(peer.channel)
    phone.say(type="conversation.item.create", item=message("what now"))
    phone.say(type="response.create")
    assert (await phone.hear("error"))["error"]["type"] == "nothing_seen"
    await peer.play(0.1)
    phone.say(type="response.create")
    done = await phone.hear("response.done")
    assert done["response"]["x"]["question"] == "what now"


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"item": {**message("b"), "id": "mine"}}, "item.id"),
        ({"item": message("b"), "previous_item_id": "root"}, "previous_item_id"),
    ],
)
async def test_an_item_has_an_id_of_its_own_and_comes_last(
    house: House, wrong: dict[str, object], param: str
) -> None:
    _, phone = await call(house)
    phone.say(type="conversation.item.create", item={**message("a"), "id": "mine"})
    phone.say(type="conversation.item.create", **wrong)
    error = (await phone.hear("error"))["error"]
    assert (error["type"], error["param"]) == ("bad_request", param)
    phone.say(type="conversation.item.create", item=message("b"), previous_item_id="mine")
    assert (await phone.hear("conversation.item.added"))["previous_item_id"] == "mine"


async def test_an_aside_is_no_part_of_the_conversation(house: House) -> None:
    _, phone = await call(house)
    phone.say(type="response.create", response={"conversation": "none", "input": [message("a")]})
    await phone.hear("response.done")
    assert "conversation.item.added" not in phone.kinds()
    phone.say(type="response.create", response={"input": [message("b")]})
    await phone.hear("response.done")
    assert [history for _, history, _ in house.engine.asked] == [(), ()]


async def test_a_response_is_cancelled(house: House) -> None:
    _, phone = await call(house)
    phone.say(
        type="response.create", response={"input": [message("slowly")], "max_output_tokens": 256}
    )
    await phone.hear("response.output_text.delta")
    phone.say(type="response.cancel")
    done = await phone.hear("response.done")
    assert done["response"]["status"] == "cancelled"
    assert done["response"]["usage"]["output_tokens"] < 256
    await eventually(lambda: not house.engine.branches)


async def test_settings_change_over_the_channel(house: House) -> None:
    session, phone = await call(house)
    settings = {
        "type": "realtime",
        "instructions": "watch",
        "x": {"retention": 0.1, "selector": "uniform"},
    }
    phone.say(type="session.update", session=settings)
    while (await phone.hear("session.updated"))["session"]["x"]["retention"] == 0.2:
        pass  # that the session is live
    assert phone.heard[-1]["session"]["instructions"] == "watch"
    described = house.manager.get(session).describe()
    assert (described.retention, described.selector) == (0.1, "uniform")


async def test_windows_are_told_over_the_channel(house: House) -> None:
    _, phone = await call(house)
    await house.exchange.peers[0].play(2.2)
    window = (await phone.hear("x.window.ingested"))["window"]
    assert window["kept"]["kept"] == {"video": 6, "audio": 4}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{", "bad_request"),
        ("[]", "invalid"),
        ("null", "invalid"),
        ('{"type": "no.such"}', "invalid"),
        ('{"type": "response.create", "extra": 1}', "invalid"),
        ('{"type": "response.create"}', "bad_request"),
        ('{"type": "response.cancel"}', "bad_request"),
        ('{"type": "response.cancel", "response_id": "x"}', "answer_unknown"),
        ('{"type": "session.update", "session": {"x": {"retention": 7}}}', "invalid"),
        ('{"type": "session.update", "session": {"x": {"slots": 9999}}}', "setting_invalid"),
        ('{"type": "conversation.item.create", "item": {"type": "message"}}', "invalid"),
        ('{"type": "conversation.item.retrieve", "item_id": "x"}', "item_unknown"),
        ('{"type": "conversation.item.delete", "item_id": "x"}', "item_unknown"),
        ('{"type": "conversation.item.truncate", "item_id": "x"}', "invalid"),
        ("x" * 70_000, "too_large"),
        ("[" * 60_000, "bad_request"),
        (b'{"type": "response.create"}', "bad_request"),
        (b"\xff\x00", "bad_request"),
        (b"x" * 70_000, "bad_request"),
    ],
)
async def test_a_bad_message_is_answered_by_an_error_and_the_talk_goes_on(
    house: House, text: str | bytes, kind: str
) -> None:
    _, phone = await call(house)
    phone.say_raw(text)
    error = (await phone.hear("error"))["error"]
    assert error["type"] == kind
    phone.say(type="response.create", response={"input": [message("a")]})
    await phone.hear("response.done")


async def test_an_error_names_the_event_that_caused_it(house: House) -> None:
    _, phone = await call(house)
    phone.say(type="response.create", event_id="mine", response={"input": [message(" ")]})
    error = (await phone.hear("error"))["error"]
    assert (error["event_id"], error["type"]) == ("mine", "question_empty")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"type": "nope", "event_id": "mine"}', "mine"),
        ('{"type": "response.create", "event_id": "mine", "more": 1}', "mine"),
        ('{"type": "nope", "event_id": 7}', None),
        ('["event_id"]', None),
        (r'{"type": "response.cancel", "event_id": "\ud800"}', None),
        ("[" * 5_000, None),
    ],
)
async def test_an_error_names_also_an_event_that_is_wrong(
    house: House, text: str, named: str | None
) -> None:
    _, phone = await call(house)
    phone.say_raw(text)
    assert (await phone.hear("error"))["error"]["event_id"] == named


async def test_a_failed_answer_ends_its_response_with_the_reason(house: House) -> None:
    _, phone = await call(house)
    phone.say(type="response.create", response={"input": [message("too long")]})
    response = (await phone.hear("response.done"))["response"]
    assert response["status"] == "failed"
    assert "9999" in response["status_details"]["message"]


async def test_a_response_that_is_cut_off_as_the_service_stops_is_told_with_an_error(
    house: House,
) -> None:
    _, phone = await call(house)
    phone.say(
        type="response.create", response={"input": [message("slowly")], "max_output_tokens": 256}
    )
    await phone.hear("response.output_text.delta")
    await house.manager.close()
    error = (await phone.hear("error"))["error"]
    assert (error["type"], error["message"]) == ("stopping", CUT_OFF)
    done = (await phone.hear("response.done"))["response"]
    assert (done["status"], done["status_details"]["type"]) == ("cancelled", "stopping")


async def test_a_channel_that_closes_cancels_what_it_asked_and_the_stream_goes_on(
    house: House,
) -> None:
    session, phone = await call(house)
    phone.say(
        type="response.create", response={"input": [message("slowly")], "max_output_tokens": 256}
    )
    await phone.hear("response.output_text.delta")
    house.exchange.peers[0].channel.close()
    await eventually(lambda: not house.engine.branches)
    assert (await house.ask(session, "still")).json()["text"] == "still at 0"


async def test_the_end_of_the_session_is_told_before_the_channel_closes(house: House) -> None:
    session, phone = await call(house)
    phone.say(
        type="response.create", response={"input": [message("slowly")], "max_output_tokens": 256}
    )
    await phone.hear("response.output_text.delta")
    ending = asyncio.create_task(house.http.delete(f"/v1/sessions/{session}"))
    assert (await phone.hear("x.session.closed"))["reason"] == "ended by request"
    await ending
    done = [m for m in phone.heard if m["type"] == "response.done"]
    done = done or [await phone.hear("response.done")]
    assert done[0]["response"]["status"] == "cancelled"


async def test_an_engine_error_is_told_over_the_channel(house: House) -> None:
    _, phone = await call(house)
    phone.say(type="response.create", response={"input": [message("explode")]})
    error = (await phone.hear("error"))["error"]
    assert "on fire" in error["message"]
    assert "error" in (await phone.hear("x.session.closed"))["reason"]


async def test_a_sender_without_a_channel_is_no_trouble(house: House) -> None:
    session, peer = await house.join()
    await peer.play(10.2)
    progress = house.manager.get(session).progress
    await eventually(lambda: progress.windows + progress.skipped == 5)  # all at once is a lot
    assert (await house.ask(session, "a")).status_code == 200


async def test_only_so_many_questions_wait_for_a_response(house: House) -> None:
    _, phone = await call(house)
    for number in range(PENDING_ITEMS + 5):
        phone.say(type="conversation.item.create", item=message(f"q{number}"))
    phone.say(type="response.create")
    done = await phone.hear("response.done")
    assert done["response"]["x"]["question"] == f"q{PENDING_ITEMS + 4}"
    phone.say(type="response.create")
    assert (await phone.hear("error"))["error"]["type"] == "bad_request"


def test_a_message_that_is_too_large_is_not_even_parsed() -> None:
    with pytest.raises(ServiceError, match="at most 10"):
        parse("{" * 11, 10)


def test_only_named_settings_are_changed() -> None:
    update = wire.CLIENT_MESSAGE.validate_python(
        {"type": "session.update", "session": {"instructions": None}}
    )
    assert isinstance(update, wire.UpdateSession)
    assert patch_of(update.session).model_fields_set == {"instruction"}


def test_usage_counts_what_the_answer_could_attend_to() -> None:
    answer = wire.Answer(
        id="a",
        session="s",
        question="q",
        text="t",
        status="completed",
        asked_at=1_700_000_000.0,
        asked_s=1.0,
        newest_frame_s=None,
        spans=[],
        first_token_ms=1.0,
        total_ms=2.0,
        seen=wire.Counts(video=90, audio=100),
        kept=wire.Counts(video=9, audio=10),
        retention=0.1,
        output_tokens=3,
        second_look=None,
    )
    usage = usage_of(answer)
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (19, 3, 22)
    assert usage.input_token_details.image_tokens == 9


async def test_the_channel_hears_why_a_session_failed_outside_the_engine(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    _, phone = await call(house)
    house.exchange.peers[-1].clock_s = float("nan")  # advance() of the windower cannot go on
    assert (await phone.hear("error"))["error"]["type"] == "engine_failed"
    assert "error" in (await phone.hear("x.session.closed"))["reason"]
    assert "fails" in caplog.text
