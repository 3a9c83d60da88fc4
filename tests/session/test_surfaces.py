"""Tokens on what stays open, pages of other sites, and what gets into the logs."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from session import wire
from session.api import scenes
from session.app import PARTS, create_app
from session.auth import Gate, Grant, guarded
from session.config import ServiceConfig
from session.engine.loading import Loaded
from session.server import serving
from stream.publish import Publication, PublishError, publish
from tests.session.api.test_event_stream import parsed
from tests.session.conftest import House, open_house
from tests.session.fakes import PATIENCE_S, Exchange, FakeEngine, FakePeer, eventually
from tests.session.realtime.test_talk import Phone, message
from tests.session.test_auth import HOUR_S, KEY, bearer
from tests.stream.media import FlashAndBeep

OPENED = "v=0\r\n"
SDP = "application/sdp"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async for house in open_house(FakeEngine(rows=4), ServiceConfig(rows=4, key=KEY)):
        yield house


@dataclass(frozen=True, slots=True)
class Caller:
    """A sender, its channel, and its session."""

    session: str
    peer: FakePeer
    phone: Phone


async def call(house: House, role: str) -> Caller:
    """A sender with a token of this role, whose channel is open."""
    headers = {"Content-Type": SDP, **bearer(role)}
    response = await house.http.post("/whip/room", content=OPENED, headers=headers)
    assert response.status_code == 201, response.text
    peer = house.exchange.peers[-1]
    await peer.play(0.1)
    peer.channel.is_open.set()
    phone = Phone(peer.channel)
    await phone.hear("session.created")
    return Caller(response.headers["X-EchoSieve-Session"], peer, phone)


def question(text: str) -> dict[str, object]:
    return {"type": "response.create", "response": {"input": [message(text)]}}


UPDATE = {"type": "session.update", "session": {"x": {"retention": 0.1}}}


@pytest.fixture
def expire(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets every token expire that does not hold for decades."""
    return lambda: monkeypatch.setattr(Grant, "expired", property(lambda own: own.expires_at < 3e9))


# --- Routes ---------------------------------------------------------------------------------------


def test_no_route_of_the_application_is_unguarded(house: House) -> None:
    said = {route.path for route, _ in guarded(part.router for part in PARTS)}
    served = {route.path for route in flat(house.app.routes)}
    assert served - said == {"/openapi.json"}  # the description of the routes, as in the reference


def flat(routes: list[object]) -> list[APIRoute]:
    """Also those of the routers within."""
    found = []
    for route in routes:
        within = getattr(route, "original_router", None)
        found += flat(within.routes) if within is not None else [route]
    return found


async def test_a_token_in_the_address_opens_nothing(house: House) -> None:
    token = bearer("admin")["Authorization"].removeprefix("Bearer ")
    for name in ("token", "access_token", "authorization"):
        refused = await house.http.get("/v1/sessions", params={name: token})
        assert refused.status_code == 401


async def test_a_token_for_one_session_finds_that_alone_among_the_ended(house: House) -> None:
    one, two = [await call(house, "publish") for _ in range(2)]
    for caller in (one, two):
        await house.http.delete(f"/v1/sessions/{caller.session}", headers=bearer("publish"))
    own = bearer("watch", session=one.session)
    page = await house.http.get("/v1/sessions?state=ended&limit=1", headers=own)
    assert [session["id"] for session in page.json()["sessions"]] == [one.session]
    assert not page.json()["has_more"]
    none = await house.http.get("/v1/sessions?state=ended", headers=bearer("watch", session="ses_"))
    assert none.json()["sessions"] == []


async def test_whoever_knows_the_secret_of_another_session_does_not_end_it(house: House) -> None:
    headers = {"Content-Type": SDP, **bearer("publish")}
    made = await house.http.post("/whip/room", content=OPENED, headers=headers)
    location, session = made.headers["Location"], made.headers["X-EchoSieve-Session"]
    await house.exchange.peers[-1].play(0.1)
    for wrong, status in (
        ({}, 401),
        (bearer("publish", seconds=-1), 401),
        (bearer("ask"), 403),
        (bearer("watch", session=session), 403),
        (bearer("publish", session="ses_other"), 403),
    ):
        assert (await house.http.delete(location, headers=wrong)).status_code == status
    right = await house.http.delete(location, headers=bearer("publish", session=session))
    assert right.status_code == 200


# --- Streams of events ----------------------------------------------------------------------------


@pytest.mark.parametrize("seen", [{}, {"Last-Event-ID": "0"}])
async def test_a_stream_ends_with_its_token_and_says_so(
    house: House, seen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await call(house, "publish")

    def short(*_: object) -> Grant:  # `exp` of a token counts whole seconds
        return Grant("a test", frozenset({"watch"}), caller.session, time.time() + 1.0)

    monkeypatch.setattr(Gate, "admit", short)
    path = f"/v1/sessions/{caller.session}/events"
    read = await asyncio.wait_for(house.http.get(path, headers=seen), 10)
    *_, (number, last) = parsed(read.text.partition("\n\n")[2] if not seen else read.text)
    assert isinstance(last, wire.EventsDropped)
    assert (number, last.reason) == (0, "the token has expired")
    assert house.manager.get(caller.session).hub.listening == 1  # its channel


async def test_nothing_is_told_after_the_token_has_expired(house: House) -> None:
    caller = await call(house, "publish")
    hub = house.manager.get(caller.session).hub
    subscription = hub.subscribe(0)
    subscription.let_go("the token has expired")
    await caller.peer.play(2.2)
    await hub.told()
    assert [numbered.event.type async for numbered in subscription] == ["events.dropped"]
    hub.unsubscribe(subscription)


async def test_a_reader_that_hangs_up_at_once_takes_no_place(house: House) -> None:
    caller = await call(house, "publish")
    hub = house.manager.get(caller.session).hub

    async def gone() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(_: object) -> None: ...

    for _ in range(2):
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "path": f"/v1/sessions/{caller.session}/events",
            "query_string": b"",
            "headers": [(k.lower().encode(), v.encode()) for k, v in bearer("watch").items()]
            + [(b"host", b"localhost")],
        }
        await house.app(scope, gone, send)
    assert hub.listening == 1  # its channel


# --- The data channel -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "said", "needed"),
    [
        ("publish", question("what"), "ask"),
        ("publish", {"type": "conversation.item.create", "item": message("what")}, "ask"),
        ("publish", {"type": "response.cancel"}, "ask"),
        ("publish", {"type": "conversation.item.retrieve", "item_id": "item_1"}, "ask"),
        ("publish", {"type": "conversation.item.delete", "item_id": "item_1"}, "ask"),
        ("publish", {"type": "x.watch.create", "watch": {"query": "a cat"}}, "ask"),
        ("publish", {"type": "x.watch.list"}, "watch"),
        ("publish", {"type": "x.notes.list"}, "watch"),
        ("publish watch", {"type": "x.watch.create", "watch": {"query": "a cat"}}, "ask"),
        ("publish watch", {"type": "x.watch.delete", "watch_id": "wat_none"}, "ask"),
        ("publish watch", {"type": "x.notes.update", "notes": {"every_s": 10.0}}, "ask"),
    ],
)
async def test_who_may_only_send_or_look_does_not_ask_or_set_on_the_channel(
    house: House, role: str, said: dict[str, object], needed: str
) -> None:
    caller = await call(house, role)
    caller.phone.say(**said)
    error = (await caller.phone.hear("error"))["error"]
    assert error["type"] == "forbidden"
    assert needed in error["message"]
    assert not house.engine.asked


@pytest.mark.parametrize("role", ["ask", "watch"])
async def test_who_may_not_send_has_no_channel_and_sets_nothing_on_one(
    house: House, role: str
) -> None:
    headers = {"Content-Type": SDP, **bearer(role)}
    refused = await house.http.post("/whip/room", content=OPENED, headers=headers)
    assert refused.status_code == 403
    caller = await call(house, "publish")
    caller.phone.say(
        type="x.token.renew", token=bearer(role)["Authorization"].removeprefix("Bearer ")
    )
    await caller.phone.hear("session.updated")
    caller.phone.say(**UPDATE)
    assert "publish" in (await caller.phone.hear("error"))["error"]["message"]


async def test_who_may_send_and_ask_does_both_on_the_channel(house: House) -> None:
    caller = await call(house, "publish ask")
    caller.phone.say(**UPDATE)
    await caller.phone.hear("session.updated")
    caller.phone.say(**question("what"))
    assert (await caller.phone.hear("response.done"))["response"]["status"] == "completed"


async def test_who_may_look_sees_the_watches_and_notes_on_the_channel(house: House) -> None:
    caller = await call(house, "publish watch")
    for kind in ("x.watch.list", "x.notes.list"):
        caller.phone.say(type=kind)
        assert not (await caller.phone.hear(kind + "ed"))["more"]


async def test_who_may_only_send_does_not_hear_what_others_watch_for(house: House) -> None:
    for role, hears in (("publish", False), ("publish watch", True)):
        caller = await call(house, role)
        path = f"/v1/sessions/{caller.session}/watches"
        for watch in ({"query": "is it there since 0"}, {"query": "things", "kind": "count"}):
            await house.http.post(path, json=watch, headers=bearer("ask"))
        await caller.peer.play(2.2)
        session = await house.manager.live(caller.session)
        await eventually(lambda s=session: s.attendant.watches.all()[0].events == 1)
        await house.http.delete(f"/v1/sessions/{caller.session}", headers=bearer("publish"))
        await caller.phone.hear("x.session.closed")
        kinds = {told["type"] for told in caller.phone.heard}
        assert "x.window.ingested" in kinds
        assert ("x.watch.event" in kinds) is hears
        assert ("x.watch.count" in kinds) is hears


async def test_an_expired_token_neither_asks_nor_hears_until_it_is_renewed(
    house: House, expire: Callable[[], None]
) -> None:
    caller = await call(house, "publish ask")
    expire()
    caller.phone.say(**question("what"))
    refused = (await caller.phone.hear("error"))["error"]
    assert (refused["type"], refused["message"]) == ("unauthorized", "the token has expired")
    await caller.peer.play(2.2)
    assert (await caller.phone.hear("error"))["error"]["type"] == "unauthorized"
    assert "x.window.ingested" not in {told["type"] for told in caller.phone.heard}
    for wrong, kind in (
        ("x.y.z", "unauthorized"),
        (token("publish ask", session="ses_other"), "forbidden"),
        (token("publish ask", seconds=-1), "unauthorized"),
    ):
        caller.phone.say(type="x.token.renew", token=wrong)
        assert (await caller.phone.hear("error"))["error"]["type"] == kind
    caller.phone.say(type="x.token.renew", token=token("publish ask", seconds=4e9))
    await caller.phone.hear("session.updated")
    caller.phone.say(**question("what"))
    assert (await caller.phone.hear("response.done"))["response"]["status"] == "completed"


async def test_the_end_is_told_also_to_who_hears_nothing_else(
    house: House, expire: Callable[[], None]
) -> None:
    caller = await call(house, "publish")
    expire()
    ending = house.manager.end(caller.session, "enough")
    await asyncio.gather(ending, caller.phone.hear("x.session.closed"))


async def test_an_answer_that_was_asked_for_in_time_is_told_to_its_end(
    house: House, expire: Callable[[], None]
) -> None:
    caller = await call(house, "publish ask")
    path = f"/v1/sessions/{caller.session}/ask"
    body = {"question": "slowly, over HTTP", "max_tokens": 40}
    asking = asyncio.create_task(house.http.post(path, json=body, headers=bearer("ask")))
    asked = {"input": [message("slowly")], "max_output_tokens": 40}
    caller.phone.say(type="response.create", response=asked)
    await caller.phone.hear("response.output_text.delta")
    await eventually(lambda: len(house.engine.branches) == 2 or asking.done())
    expire()
    assert (await caller.phone.hear("response.done"))["response"]["x"]["output_tokens"] == 40
    assert (await asking).json()["output_tokens"] == 40
    caller.phone.say(**question("and now"))
    assert (await caller.phone.hear("error"))["error"]["type"] == "unauthorized"
    assert len(house.engine.asked) == 2


async def test_tokens_hold_on_a_channel_over_webrtc_and_the_stream_outlives_them(
    expire: Callable[[], None],
) -> None:
    app = create_app(ServiceConfig(key=KEY), Loaded(FakeEngine(), 0.2))
    async with asyncio.timeout(2 * PATIENCE_S), serving(app) as url:
        with pytest.raises(PublishError, match="401"):
            await publish(FlashAndBeep(1.0), f"{url}/whip/room", bearer=token("admin", seconds=-1))
        sent = FlashAndBeep(600.0)
        publication = await publish(
            sent, f"{url}/whip/room", bearer=token("publish"), with_channel=True
        )
        await said_to(publication, question("what"), "forbidden")
        await said_to(publication, {"type": "x.watch.list"}, "forbidden")
        await heard(publication, "x.window.ingested")
        expire()
        await said_to(publication, UPDATE, "unauthorized")
        (session,) = app.state.service.manager.all()
        windows = session.progress.windows
        await eventually(lambda: session.progress.windows > windows)
        await session.hub.told()
        renewed = {"type": "x.token.renew", "token": token("publish ask", seconds=4e9)}
        await publication.channel.send(json.dumps(renewed))
        assert "x.window.ingested" not in await heard(publication, "session.updated")
        await publication.channel.send(json.dumps(question("what")))
        await heard(publication, "response.done")
        await publication.close()


async def said_to(publication: Publication, said: dict[str, object], refusal: str) -> None:
    """Say something that is refused."""
    await publication.channel.send(json.dumps({**said, "event_id": "mine"}))
    while (error := (await next_on(publication)).get("error", {})).get("event_id") != "mine":
        pass
    assert error["type"] == refusal


async def heard(publication: Publication, kind: str) -> list[str]:
    """The kinds of what is told up to one of a kind."""
    kinds = [""]
    while kinds[-1] != kind:
        kinds.append((await next_on(publication))["type"])
    return kinds


async def next_on(publication: Publication) -> dict[str, Any]:
    message = json.loads(await anext(aiter(publication.channel)))
    assert isinstance(message, dict)
    return message


def token(role: str, session: str = "*", seconds: float = HOUR_S) -> str:
    return bearer(role, session, seconds)["Authorization"].removeprefix("Bearer ")


# --- Other sites ----------------------------------------------------------------------------------


SITE = "https://friend.example"


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://localhost:9"])
async def test_a_page_of_another_site_neither_sends_nor_listens(origin: str) -> None:
    async for house in open_house(FakeEngine(), ServiceConfig(origins=(SITE,))):
        session, _ = await house.join()
        strange = {"Origin": origin, "Content-Type": SDP}
        refused = [
            await house.http.get(f"/v1/sessions/{session}/events", headers=strange),
            await house.http.post("/whip/room", content=OPENED, headers=strange),
            await house.http.delete(f"/v1/sessions/{session}", headers=strange),
        ]
        assert [response.status_code for response in refused] == [403] * 3
        assert refused[0].json()["error"]["param"] == "Origin"
        assert len(house.manager.all()) == 1
        assert not house.manager.get(session).ended


@pytest.mark.parametrize(("origin", "named"), [(SITE, SITE), ("http://localhost", None)])
async def test_a_page_of_an_allowed_site_and_our_own_send_and_listen(
    origin: str, named: str | None
) -> None:
    async for house in open_house(FakeEngine(), ServiceConfig(origins=(SITE,))):
        known = {"Origin": origin, "Content-Type": SDP}
        sent = await house.http.post("/whip/room", content=OPENED, headers=known)
        assert sent.status_code == 201
        if named:
            assert sent.headers["access-control-allow-origin"] == named
        session = sent.headers["X-EchoSieve-Session"]
        await house.http.delete(f"/v1/sessions/{session}", headers=known)
        heard = await house.http.get(f"/v1/sessions/{session}/events", headers=known)
        assert heard.status_code == 200


# --- Logs -----------------------------------------------------------------------------------------


async def test_no_secret_is_in_a_log(
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where something fails that nobody foresaw, and the token stands where it should not."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(scenes, "questions", broken)
    app = create_app(ServiceConfig(key=KEY), Loaded(FakeEngine(), 0.2), Exchange(shown_s=0.1))
    admin = bearer("admin")
    secrets = [KEY.decode(), admin["Authorization"].removeprefix("Bearer ")]
    with caplog.at_level(logging.DEBUG):
        async with serving(app) as url, httpx.AsyncClient(base_url=url, headers=admin) as client:
            made = await client.post("/v1/realtime/client_secrets", json={})
            secrets.append(made.json()["value"].removeprefix("ek_"))
            sent = await client.post("/whip/room", content=OPENED, headers={"Content-Type": SDP})
            secrets.append(sent.headers["Location"].rpartition("/")[2])
            assert (await client.get("/v1/demo/questions")).status_code == 500
            assert (await client.get("/v1/sessions?token=" + secrets[1])).status_code == 422
            assert (await client.get("/v1/sessions?limit=" + secrets[1])).status_code == 422
            assert (await client.delete(sent.headers["Location"])).status_code == 200
            await client.get("/metrics", headers={"Authorization": "Bearer " + secrets[1] + "x"})
    ours = [r for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    told = "\n".join([*map(logging.Formatter().format, ours), *capfd.readouterr()])
    assert "ZeroDivisionError" in told
    assert not [secret for secret in secrets if secret in told]
