"""What is asked and set through a broker, and what comes back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Unpack

import pytest

from clients.monitor.bench.mosquitto import Mosquitto
from clients.mqtt.mapping import SourceState
from clients.mqtt.replies import Reply
from clients.sdk.session import Settings
from session import wire
from tests.clients.mqtt.bridging import answers, ask, bridged, by_correlation, known, request, texts
from tests.clients.mqtt.mosquitto import receiving
from tests.clients.sdk.conftest import Line


async def test_a_question_is_answered_in_pieces_under_its_correlation(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        await ask(receiver, b"what do you see?", b"first")
        await ask(receiver, json.dumps({"question": "and now?"}).encode(), b"second")
        await receiver.until(lambda: len(answers(receiver, "done")) == 2)
    for correlation, question in ((b"first", "what do you see?"), (b"second", "and now?")):
        replies = by_correlation(receiver, correlation)
        text = "".join(one["delta"] for one in replies if one["type"] == "delta")
        assert text == replies[-1]["answer"]["text"]
        assert replies[-1]["answer"]["question"] == question
        assert len(replies) > 2


async def test_a_question_is_answered_from_the_notes_where_it_says_so(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    asked = {"question": "what was there?", "notes": "only"}
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        await ask(receiver, json.dumps(asked).encode(), b"noted")
        await receiver.until(lambda: answers(receiver, "done"))
        await session.close()
        await ask(receiver, json.dumps(asked).encode(), b"noted, and ended")
        await receiver.until(lambda: len(answers(receiver, "done")) == 2)
    for done in answers(receiver, "done"):
        said = "From the notes: no note holds these words or is of that time."
        assert done["answer"]["text"] == said


async def test_a_question_whose_time_is_up_is_given_up(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    question = wire.AskRequest(question="tell slowly", max_tokens=256)
    async with bridged(broker, tmp_path, session) as bridge, receiving(broker.port) as receiver:
        await Reply(bridge._broker, "answers/me", b"late", expiry_s=0.05).answer(session, question)
        await receiver.until(lambda: answers(receiver, "error"))
        assert answers(receiver, "error")[0]["error"]["type"] == "expired"
        await receiver.until(lambda: not line.house.engine.branches)


NO_REQUESTS = [
    ("kitchen/ask", b"", "question_empty"),
    ("kitchen/ask", b"{not json", "malformed"),
    ("kitchen/ask", b"\xff\xfe", "malformed"),
    ("kitchen/ask", b"x" * 70_000, "malformed"),
    ("kitchen/retention/set", b"many", "malformed"),
    ("kitchen/watches/set", b'[{"threshold": 0.5}]', "malformed"),
    ("kitchen/instruction/set", b"this is too long", "setting_invalid"),
    ("kitchen/replay", b"yesterday", "malformed"),
    ("cellar/ask", b"who is there?", "session_unknown"),
]


async def test_what_is_no_request_is_answered_with_what_is_wrong(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        for place, (topic, sent, _) in enumerate(NO_REQUESTS):
            await request(receiver, topic, sent, bytes([place]))
            await receiver.until(lambda place=place: by_correlation(receiver, bytes([place])))
        await ask(receiver, b"still there?", b"after")
        await receiver.until(lambda: answers(receiver, "done"))
    for place, (_, _, said) in enumerate(NO_REQUESTS):
        (reply,) = by_correlation(receiver, bytes([place]))
        assert (reply["error"]["type"], bool(reply["error"]["message"])) == (said, True)


async def test_what_is_to_be_retained_is_refused_at_once_and_whenever_the_bridge_comes_back(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    await broker.listening()
    async with receiving(broker.port) as receiver:
        for times in (1, 2):
            async with bridged(broker, tmp_path, session):
                await known(receiver)
                if times == 1:
                    await request(receiver, "kitchen/ask", b"who is there?", b"r", retain=True)
                await receiver.until(lambda times=times: len(answers(receiver, "error")) == times)
    assert {reply["type"] for reply in by_correlation(receiver, b"r")} == {"error"}
    for reply in answers(receiver, "error"):
        assert reply["error"]["type"] == "retained"
        assert "without the retain flag" in reply["error"]["message"]


async def test_who_takes_a_retained_request_away_is_not_refused(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        await request(receiver, "kitchen/ask", b"", b"away", retain=True)
        await ask(receiver, b"still there?", b"after")
        await receiver.until(lambda: answers(receiver, "done"))
    assert not by_correlation(receiver, b"away")


async def test_who_asks_a_source_of_which_nothing_has_come_is_told_so(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    async with bridged(broker, tmp_path, session) as bridge, receiving(broker.port) as receiver:
        bridge.turn("door", SourceState(status="up", since=0.0))
        await request(receiver, "door/ask", b"who is there?", b"door")
        await request(receiver, "cellar/ask", b"who is there?", b"cellar")
        await receiver.until(lambda: by_correlation(receiver, b"cellar"))
        await receiver.until(lambda: by_correlation(receiver, b"door"))
    (door,), (cellar,) = by_correlation(receiver, b"door"), by_correlation(receiver, b"cellar")
    assert door["error"]["message"] == "nothing has come of door yet: there is no session to ask"
    assert cellar["error"]["message"] == "there is no session 'cellar'"


async def test_settings_are_made_and_shown(line: Line, broker: Mosquitto, tmp_path: Path) -> None:
    session, _ = await line.join()
    await session.watches.create("is it there since 0")
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        await request(receiver, "kitchen/instruction/set", b"watch the door", b"1")
        await request(receiver, "kitchen/retention/set", b"0.1", b"2")
        wanted = json.dumps([{"query": "is it there since 2", "threshold": 0.8}]).encode()
        await request(receiver, "kitchen/watches/set", wanted, b"3")
        await receiver.until(lambda: len(answers(receiver, "ok")) == 3)
        await receiver.until(lambda: b"watch the door" in texts(receiver, "instruction/state"))
        await receiver.until(lambda: b"0.1" in texts(receiver, "retention/state"))
        (watch,) = await session.watches.list()
    assert (watch.query, watch.threshold) == ("is it there since 2", 0.8)


async def test_what_was_set_last_stands_last(
    line: Line, broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the service takes longer for what was sent first."""
    session, _ = await line.join()
    update, made = session.update, list[str | None]()

    async def slowly(**settings: Unpack[Settings]) -> wire.Session:
        if settings.get("instruction") == "first":
            await asyncio.sleep(0.2)
        made.append(settings.get("instruction"))
        return await update(**settings)

    monkeypatch.setattr(session, "update", slowly)
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        await request(receiver, "kitchen/instruction/set", b"first", b"1")
        await request(receiver, "kitchen/instruction/set", b"last", b"2")
        await receiver.until(lambda: len(answers(receiver, "ok")) == 2)
    assert made == ["first", "last"]


async def test_answers_do_not_go_where_something_is_commanded(
    line: Line, broker: Mosquitto, tmp_path: Path
) -> None:
    session, _ = await line.join()
    async with bridged(broker, tmp_path, session), receiving(broker.port) as receiver:
        await known(receiver)
        await request(receiver, "kitchen/ask", b"hello?", b"c", to="es/kitchen/instruction/set")
        await receiver.until(lambda: receiver.on("es/kitchen/replies"))
        assert (await session.refresh()).instruction is None
