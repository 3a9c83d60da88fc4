"""Whatever is wrong with a request, on whatever route, is told: the field, what was wrong with it,
what would be right; and never in the words of the libraries beneath."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from session.config import ServiceConfig
from tests.session.conftest import House, open_house
from tests.session.fakes import FakeEngine
from tests.session.test_auth import KEY, ROUTES, bearer

FOREIGN = re.compile(
    r"Input |[Ff]ield required|Extra |[Vv]alid |should |Value error|[Ee]xpecting|\^"
)
NO_OBJECTS = [b"[]", b'"text"', b"5", b"null", b"true"]
NO_JSON = [b"", b"{", b"\xff\xfe", b"nonsense", b"[" * 5_000, rb'{"a": "\ud800"}']

# Of every route that takes JSON: what may stand in a body, and what is wrong with it.
BODIES: dict[tuple[str, str], list[tuple[str, str, str]]] = {
    ("POST", "/v1/sessions"): [
        ('{"room": 5}', "room", "must be a text, not 5"),
        ('{"room": "a b"}', "room", "must be 1 to 64 of the characters A-Z a-z 0-9 . _ -, no dot"),
        ('{"slots": 0}', "slots", "must be more than 0, not 0"),
        ('{"slots": 1.5}', "slots", "must be a whole number, not 1.5"),
        ('{"colour": 1}', "colour", "there is no such field; there are instruction, retention, se"),
    ],
    ("PATCH", "/v1/sessions/{session_id}"): [
        ('{"retention": 0}', "retention", "must be more than 0, not 0"),
        ('{"retention": 1.5}', "retention", "must be at most 1, not 1.5"),
        ('{"retention": "much"}', "retention", "must be a number, not 'much'"),
        ('{"retention": NaN}', "retention", "must be a finite number, not nan"),
        ('{"retention": [1]}', "retention", "must be a number, not a list"),
        ('{"instruction": {}}', "instruction", "must be a text, not an object"),
        ('{"room": "a"}', "room", "there is no such field; there are instruction, retention"),
    ],
    ("POST", "/v1/sessions/{session_id}/ask"): [
        ("{}", "question", "must be there"),
        ('{"question": null}', "question", "must be a text, not null"),
        ('{"question": "a", "max_tokens": 1e9}', "max_tokens", "must be a whole number, not 1"),
        ('{"question": "a", "max_tokens": 300}', "max_tokens", "must be at most 256, not 300"),
        ('{"question": "a", "max_tokens": NaN}', "max_tokens", "must be a finite number, not n"),
        ('{"question": "a", "notes": "all"}', "notes", "must be 'auto', 'only' or 'never', not "),
        ('{"question": "a", "top_p": 1}', "top_p", "there is no such field; there are question, "),
    ],
    ("POST", "/v1/sessions/{session_id}/watches"): [
        ("{}", "query", "must be there"),
        ('{"query": "a", "threshold": 1}', "threshold", "must be less than 1, not 1"),
        ('{"query": "a", "within_s": 1}', "within_s", "must be at least 2, not 1"),
        ('{"query": "a", "min_s": Infinity}', "min_s", "must be a finite number, not inf"),
        ('{"query": "a", "quiet": [5]}', "quiet.0", "must be an object, not 5"),
        ('{"query": "a", "quiet": [{"start": "7"}]}', "quiet.0.end", "must be there"),
        ('{"query": "a", "kind": "sum"}', "kind", "must be 'event' or 'count', not 'sum'"),
        (f'{{"query": "{"a" * 501}"}}', "query", "must have at most 500 characters, not 501"),
    ],
    ("PATCH", "/v1/sessions/{session_id}/watches/{watch_id}"): [
        ('{"describe": 1}', "describe", "must be true or false, not 1"),
        ('{"quiet": {}}', "quiet", "must be a list, not an object"),
        (f'{{"quiet": [{", ".join(["5"] * 9)}]}}', "quiet", "must have at most 8 entries, not 9"),
        ('{"query": "b"}', "query", "there is no such field; there are within_s, threshold, "),
    ],
    ("PATCH", "/v1/sessions/{session_id}/notes"): [
        ('{"every_s": 1}', "every_s", "must be at least 10, not 1"),
        ('{"events": null}', "events", "must be true or false, not null"),
    ],
    ("POST", "/v1/realtime/client_secrets"): [
        ('{"x": {"roles": ["king"]}}', "x.roles.0", "must be 'publish', 'ask', 'watch' or 'admin"),
        ('{"x": {"roles": []}}', "x.roles", "must not be empty"),
        ('{"x": 5}', "x", "must be an object, not 5"),
        ('{"expires_after": {"seconds": 1}}', "expires_after.seconds", "must be at least 10, not"),
        ('{"session": {"x": {"slot": 1}}}', "session.x.slot", "there is no such field; there are "),
    ],
}
QUERIES = [
    ("/v1/sessions?limit=many", "limit", "must be a whole number, not 'many'"),
    ("/v1/sessions?limit=0", "limit", "must be at least 1, not '0'"),
    ("/v1/sessions?limit=1e3", "limit", "must be a whole number, not '1e3'"),
    ("/v1/sessions?state=gone", "state", "must be 'waiting', 'connecting', 'live' or 'ended', no"),
    ("/v1/sessions/{session_id}/answers?limit=201", "limit", "must be at most 200, not '201'"),
    (
        f"/v1/sessions/{{session_id}}/answers?after={'a' * 65}",
        "after",
        "must have at most 64 characters",
    ),
    (
        "/v1/sessions/{session_id}/notes?format=pdf",
        "format",
        "must be 'json', 'md' or 'vtt', not 'pdf'",
    ),
    ("/v1/sessions/{session_id}/notes?limit=nan", "limit", "must be a whole number, not 'nan'"),
    ("/v1/sessions/{session_id}/watch-events?limit=-1", "limit", "must be at least 1, not '-1'"),
    ("/v1/demo/questions?seed=-1", "seed", "must be at least 0, not '-1'"),
    (
        "/v1/sessions/{session_id}/answers?afer=3",
        "afer",
        "there is no such parameter; there are after, before, limit",
    ),
    (f"/v1/demo/scene.webm?seconds={'9' * 5_000}", "seconds", "must be a whole number that is not"),
]


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async for house in open_house(FakeEngine(rows=4), ServiceConfig(rows=4, key=KEY)):
        house.http.headers.update(bearer("admin"))
        yield house


async def there(house: House) -> dict[str, str]:
    """What stands in paths: a session that streams, and a watch of it."""
    sent = {"Content-Type": "application/sdp"}
    session = await house.http.post("/whip/room", content="v=0\r\n", headers=sent)
    id = session.headers["X-EchoSieve-Session"]
    await house.exchange.peers[-1].play(0.1)
    watch = await house.http.post(f"/v1/sessions/{id}/watches", json={"query": "a dog"})
    return {"session_id": id, "watch_id": watch.json()["id"]}


async def send(house: House, method: str, path: str, body: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return await house.http.request(method, path, content=body, headers=headers)


def test_every_route_that_takes_json_is_tried() -> None:
    taking = {(method, route.path) for method, route, _ in ROUTES if method in ("POST", "PATCH")}
    assert {entry for entry in taking if "/whip/" not in entry[1]} == set(BODIES)


@pytest.mark.parametrize(("method", "path"), BODIES)
async def test_what_is_wrong_with_a_body_is_named_with_what_would_be_right(
    house: House, method: str, path: str
) -> None:
    url = path.format(**await there(house))
    for body, param, said in BODIES[method, path]:
        refused = await send(house, method, url, body.encode())
        error = refused.json()["error"]
        assert (refused.status_code, error["type"], error["param"]) == (422, "invalid", param)
        assert error["message"].startswith(f"{param}: {said}")
        assert not FOREIGN.search(error["message"])
    for status, bodies in ((422, NO_OBJECTS), (400, NO_JSON)):
        for body in bodies:
            refused = await send(house, method, url, body)
            message = refused.json()["error"]["message"]
            assert refused.status_code == status, body
            assert not FOREIGN.search(message)
            assert re.match(
                r"the message must be an object|this is not JSON: |there is noth", message
            )


async def test_a_parameter_that_is_wrong_is_named_with_what_would_be_right(house: House) -> None:
    places = await there(house)
    for path, param, said in QUERIES:
        refused = await house.http.get(path.format(**places))
        error = refused.json()["error"]
        assert (refused.status_code, error["param"]) == (422, param)
        assert error["message"].startswith(f"{param}: {said}")
        assert not FOREIGN.search(error["message"])


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, route.path) for method, route, _ in ROUTES if route.path.startswith("/v1/")],
)
async def test_a_parameter_that_a_route_does_not_know_is_refused_on_every_route(
    house: House, method: str, path: str
) -> None:
    url = path.format(**await there(house), answer_id="ans", event_id="wat.1")
    refused = await send(house, method, f"{url}?token=SECRET", b"{}")
    error = refused.json()["error"]
    assert (refused.status_code, error["type"], error["param"]) == (422, "invalid", "token")
    assert error["message"].startswith("token: there is no such parameter; there are ")
    assert "SECRET" not in refused.text


async def test_what_carries_media_or_is_looked_at_may_be_asked_for_with_more(house: House) -> None:
    sent = {"Content-Type": "application/sdp"}
    offered = await house.http.post("/whip/room?from=obs", content="v=0\r\n", headers=sent)
    assert offered.status_code == 201
    for path in ("/?autoplay=1", "/main.js?v=2", "/healthz?probe=1"):
        assert (await house.http.get(path)).status_code == 200


async def test_a_path_that_is_not_there_and_a_method_it_does_not_take_are_named(
    house: House,
) -> None:
    nowhere = await house.http.get("/v1/nowhere")
    assert nowhere.json()["error"]["message"] == "there is no /v1/nowhere here"
    wrong = await house.http.put("/v1/sessions")
    assert wrong.json()["error"]["message"] == "/v1/sessions does not take PUT"
    assert wrong.headers["Allow"]
