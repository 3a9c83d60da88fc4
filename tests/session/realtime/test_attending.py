"""Standing queries and notes over the data channel, beside the HTTP routes that do the same."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from session import wire
from session.app import PARTS
from session.auth import Access, guarded
from session.notes import records as note_records
from session.realtime.attending import A_MESSAGE, attend
from session.realtime.messages import access_of
from tests.session.api.test_watches import shown
from tests.session.conftest import House
from tests.session.notes.test_records import note
from tests.session.notes.test_taker import shown as described
from tests.session.realtime.test_talk import Phone, call, message

CHANNEL_BYTES = 262_144  # that one message over a data channel may have
QUERY = {"query": "is it there since 0"}


async def over_http(house: House, method: str, path: str, **parts: Any) -> dict[str, Any]:
    answer = await house.http.request(method, f"/v1/sessions/{path}", **parts)
    body = answer.json()
    assert isinstance(body, dict)
    return body


async def asked(phone: Phone, kind: str, reply: str, **fields: object) -> dict[str, Any]:
    """What answers a message, which must name it."""
    phone.say(type=kind, event_id=f"my {kind}", **fields)
    answer = await phone.hear(reply)
    assert answer["in_reply_to"] == f"my {kind}"
    return answer


async def filed(house: House, session: str, notes: int, text: str = "a red circle") -> None:
    for number in range(notes):
        written = partial(note_records.add, note=note(number, text, session))
        await house.app.state.service.shelf.journal.do(written)


# --- Standing queries -----------------------------------------------------------------------------


async def test_a_watch_is_set_listed_changed_and_deleted(house: House) -> None:
    session, phone = await call(house)
    path = f"{session}/watches"
    made = (await asked(phone, "x.watch.create", "x.watch.created", watch=QUERY))["watch"]
    assert await over_http(house, "GET", path) == {"watches": [made]}
    changes = {"watch_id": made["id"], "watch": {"threshold": 0.95}}
    changed = (await asked(phone, "x.watch.update", "x.watch.updated", **changes))["watch"]
    assert changed == {**made, "threshold": 0.95}
    listed = await asked(phone, "x.watch.list", "x.watch.listed")
    assert (listed["watches"], listed["more"]) == ([changed], False)
    gone = await asked(phone, "x.watch.delete", "x.watch.deleted", watch_id=made["id"])
    assert gone["watch"] == changed
    assert await over_http(house, "GET", path) == {"watches": []}


async def test_a_watch_that_was_set_over_the_channel_is_judged(house: House) -> None:
    session, phone = await call(house)
    peer = house.exchange.peers[-1]
    made = (await asked(phone, "x.watch.create", "x.watch.created", watch=QUERY))["watch"]
    await shown(house, session, peer, 2.1)
    event = (await phone.hear("x.watch.event"))["event"]
    assert (event["watch"], event["change"]) == (made["id"], "new")
    await asked(phone, "x.watch.delete", "x.watch.deleted", watch_id=made["id"])
    while (told := [m["event"]["change"] for m in phone.heard if "event" in m]) == ["new"]:
        await phone.hear("x.watch.event")  # beside the reply, before or after it
    assert told == ["new", "end"]


async def test_a_watch_that_the_model_does_not_answer_is_told_of(house: House) -> None:
    session, phone = await call(house)
    weather = {"query": "how is the weather?"}
    made = (await asked(phone, "x.watch.create", "x.watch.created", watch=weather))["watch"]
    await shown(house, session, house.exchange.peers[-1], 2.1)
    told = (await phone.hear("x.watch.unanswered"))["unanswered"]
    assert (told["watch"], told["query"]) == (made["id"], weather["query"])


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"query": "  "},
        {"query": "x" * 501},
        {"query": "this is too long"},
        {"query": "a", "threshold": 1.0},
        {"query": "a", "threshold": 0.5, "release": 0.6},
        {"query": "a", "quiet": [{"start": "25:00", "end": "07:00"}]},
        {"query": "a", "quiet": [{"start": "22:00", "end": 7}]},
        {"query": "a", "colour": "red"},
    ],
)
async def test_a_watch_is_refused_as_over_http(settings: dict[str, object], house: House) -> None:
    session, phone = await call(house)
    there = (await over_http(house, "POST", f"{session}/watches", json=settings))["error"]
    phone.say(type="x.watch.create", event_id="mine", watch=settings)
    here = (await phone.hear("error"))["error"]
    assert (here["type"], here["event_id"]) == (there["type"], "mine")
    own = re.sub(r"\bwatch\.", "", here["message"]), re.sub("^watch.", "", here["param"] or "")
    assert own == (there["message"], there.get("param", ""))
    assert await over_http(house, "GET", f"{session}/watches") == {"watches": []}


@pytest.mark.parametrize("kind", ["x.watch.update", "x.watch.delete"])
async def test_a_watch_that_is_not_there_is_neither_changed_nor_deleted(
    kind: str, house: House
) -> None:
    _, phone = await call(house)
    fields = {"watch": {"threshold": 0.7}} if kind == "x.watch.update" else {}
    phone.say(type=kind, event_id="mine", watch_id="wat_none", **fields)
    error = (await phone.hear("error"))["error"]
    assert (error["type"], error["event_id"]) == ("watch_unknown", "mine")


async def test_there_is_an_end_to_the_watches_also_over_the_channel(house: House) -> None:
    session, phone = await call(house)
    for _ in range(64):
        await over_http(house, "POST", f"{session}/watches", json=QUERY)
    phone.say(type="x.watch.create", watch=QUERY)
    assert (await phone.hear("error"))["error"]["type"] == "too_many_watches"
    first = await asked(phone, "x.watch.list", "x.watch.listed")
    second = await phone.hear("x.watch.listed")
    listed = [watch["id"] for watch in first["watches"] + second["watches"]]
    there = (await over_http(house, "GET", f"{session}/watches"))["watches"]
    assert listed == [watch["id"] for watch in there]
    assert (first["more"], second["more"]) == (True, False)


# --- Notes ----------------------------------------------------------------------------------------


async def test_notes_are_set_over_the_channel_and_taken(house: House) -> None:
    session, phone = await call(house)
    set_to = {"every_s": 10.0, "events": True}
    said = await asked(phone, "x.notes.update", "x.notes.updated", notes=set_to)
    assert said["settings"] == set_to
    await described(house, session, house.exchange.peers[-1], 11.0)
    told = (await phone.hear("x.note.added"))["note"]
    listed = await asked(phone, "x.notes.list", "x.notes.listed")
    there = await over_http(house, "GET", f"{session}/notes")
    assert {name: listed[name] for name in ("settings", "notes")} == there
    assert listed["notes"] == [told]


async def test_notes_are_searched_and_limited_as_over_http(house: House) -> None:
    session, phone = await call(house)
    await filed(house, session, 3, "a red circle")
    await filed(house, session, 0)
    for query in ({"search": "circles"}, {"search": "triangle"}, {"limit": 2}):
        there = await over_http(house, "GET", f"{session}/notes", params=query)
        listed = await asked(phone, "x.notes.list", "x.notes.listed", **query)
        assert listed["notes"] == there["notes"]
    for wrong in ({"limit": 0}, {"limit": wire.MAX_NOTES + 1}, {"search": "x" * 501}):
        phone.say(type="x.notes.list", **wrong)
        error = (await phone.hear("error"))["error"]
        assert (error["type"], error["param"]) == ("invalid", next(iter(wrong)))


async def test_many_notes_come_in_several_messages(house: House) -> None:
    session, phone = await call(house)
    await filed(house, session, 2 * A_MESSAGE + 1)
    parts = [await asked(phone, "x.notes.list", "x.notes.listed")]
    while parts[-1]["more"]:
        parts.append(await phone.hear("x.notes.listed"))
    assert [len(part["notes"]) for part in parts] == [A_MESSAGE, A_MESSAGE, 1]
    listed = [noted for part in parts for noted in part["notes"]]
    assert listed == (await over_http(house, "GET", f"{session}/notes"))["notes"]


@pytest.mark.parametrize("notes", [{"every_s": 5.0}, {"every": 60.0}, None])
async def test_settings_of_notes_are_refused_by_name(notes: object, house: House) -> None:
    _, phone = await call(house)
    phone.say(type="x.notes.update", event_id="mine", notes=notes)
    error = (await phone.hear("error"))["error"]
    assert (error["type"], error["event_id"]) == ("invalid", "mine")
    assert error["param"].startswith("notes")


async def test_a_question_is_answered_from_the_notes(house: House) -> None:
    session, phone = await call(house)
    await filed(house, session, 1)
    only = {"input": [message("where was a circle")], "x": {"notes": "only"}}
    phone.say(type="response.create", response=only)
    answer = (await phone.hear("response.done"))["response"]
    assert answer["x"]["notes"] == [f"note_{session}_0"]
    assert answer["output"][0]["content"][0]["text"].startswith("From the notes: ")
    phone.say(type="response.create", response={**only, "x": {"notes": "never"}})
    answer = (await phone.hear("response.done"))["response"]
    assert (answer["x"]["notes"], answer["x"]["text"]) == ([], "where was a circle at 0")


# --- What is common -------------------------------------------------------------------------------


ROUTES = {
    "session.update": ("PATCH", "/v1/sessions/{session_id}"),
    "response.create": ("POST", "/v1/sessions/{session_id}/ask"),
    "response.cancel": ("DELETE", "/v1/sessions/{session_id}/answers/{answer_id}"),
    "x.watch.create": ("POST", "/v1/sessions/{session_id}/watches"),
    "x.watch.list": ("GET", "/v1/sessions/{session_id}/watches"),
    "x.watch.update": ("PATCH", "/v1/sessions/{session_id}/watches/{watch_id}"),
    "x.watch.delete": ("DELETE", "/v1/sessions/{session_id}/watches/{watch_id}"),
    "x.notes.update": ("PATCH", "/v1/sessions/{session_id}/notes"),
    "x.notes.list": ("GET", "/v1/sessions/{session_id}/notes"),
}


@pytest.mark.parametrize(
    "said",
    [
        {"type": "session.update", "session": {}},
        {"type": "response.create"},
        {"type": "response.cancel"},
        {"type": "x.watch.create", "watch": QUERY},
        {"type": "x.watch.list"},
        {"type": "x.watch.update", "watch_id": "a", "watch": {}},
        {"type": "x.watch.delete", "watch_id": "a"},
        {"type": "x.notes.update", "notes": {}},
        {"type": "x.notes.list"},
    ],
)
def test_a_message_takes_what_its_route_takes(said: dict[str, object]) -> None:
    routes: dict[tuple[str, str], Access] = {
        (method, route.path): access
        for route, access in guarded(part.router for part in PARTS)
        for method in route.methods or ()
    }
    there = routes[ROUTES[str(said["type"])]]
    here = access_of(wire.CLIENT_MESSAGE.validate_python(said))
    assert (here.role, here.pace) == (there.role, there.pace)


async def test_the_longest_lists_fit_the_channel(house: House) -> None:
    session, _ = await call(house)
    widest = "\U0001f600"
    live = await house.manager.live(session)
    quiet = [wire.QuietHours(start="22:00", end="07:00", zone="America/Argentina/Rio_Gallegos")]
    for number in range(A_MESSAGE):
        query = f"{number:02}" + widest * (wire.MAX_QUERY_CHARS - 2)
        await live.attendant.watches.add(
            wire.WatchCreate(query=query, quiet=quiet * wire.MAX_QUIET)
        )
    await filed(house, session, A_MESSAGE, widest * 1_000)
    shelf = house.app.state.service.shelf
    said: list[wire.AttendantMessage] = [
        wire.ListWatches(type="x.watch.list"),
        wire.ListNotes(type="x.notes.list"),
    ]
    for one in said:
        (reply,) = [reply async for reply in attend(one, live, shelf)]
        assert isinstance(reply, BaseModel)
        assert 64 * 1024 < len(reply.model_dump_json().encode()) <= CHANNEL_BYTES
