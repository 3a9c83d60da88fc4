"""Who may do what: every route of the service, with every kind of token."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from session import wire
from session.app import PARTS
from session.auth import MAY, ROLES, Access, Gate, Grant, guarded, new_token, read_key, write_key
from session.config import Limits, ServiceConfig
from session.errors import Unauthorized
from tests.session.conftest import House, open_house
from tests.session.fakes import FakeEngine

KEY = b"k" * 32
GATE = Gate(KEY)
HOUR_S = 3_600.0
ROUTES = [
    (method, route, access)
    for route, access in guarded(part.router for part in PARTS)
    for method in sorted(route.methods)
]
CLOSED = [(method, route, access) for method, route, access in ROUTES if not access.public]


def bearer(role: str, session: str = "*", seconds: float = HOUR_S) -> dict[str, str]:
    roles = frozenset(own for own in ROLES if own in role.split())
    return {"Authorization": f"Bearer {new_token(GATE, roles, session, seconds, 'a test')}"}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async for house in open_house(FakeEngine(rows=4), ServiceConfig(rows=4, key=KEY)):
        yield house


async def join(house: House) -> tuple[str, str]:
    """A session with a sender, and the path that ends it."""
    headers = {"Content-Type": "application/sdp", **bearer("publish")}
    response = await house.http.post("/whip/room", content="v=0\r\n", headers=headers)
    assert response.status_code == 201, response.text
    await house.exchange.peers[-1].play(0.1)
    return response.headers["X-EchoSieve-Session"], response.headers["Location"]


@dataclass(frozen=True, slots=True)
class Place:
    """What stands in a path where a route has a name in braces."""

    session: str
    location: str

    def path(self, route: APIRoute) -> str:
        if "{secret}" in route.path:
            return self.location
        values = {"session_id": self.session, "room": "room"}
        names = route.param_convertors
        return route.path_format.format(**{name: values.get(name, "thing") for name in names})


def named(entry: tuple[str, APIRoute, Access]) -> str:
    return f"{entry[0]} {entry[1].path}"


async def send(
    house: House, method: str, path: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    """A request whose body is wrong for every route: whoever gets that far was let in."""
    return await house.http.request(method, path, headers=headers)


@pytest.mark.parametrize("entry", CLOSED, ids=named)
async def test_nobody_comes_in_without_a_token_that_holds(
    house: House, entry: tuple[str, APIRoute, Access]
) -> None:
    method, route, _ = entry
    place = Place(*await join(house))
    claims = {"sub": "x", "role": "admin", "session": "*", "exp": time.time() + HOUR_S}
    forged = jwt.encode(claims, b"f" * 32, "HS256")
    unsigned = jwt.encode(claims, None, "none")
    tokens = (f"Bearer {forged}", f"Bearer {unsigned}", "Bearer", "Bearer x.y.z", f"Basic {forged}")
    headers = [{}, bearer("admin", seconds=-1), *({"Authorization": t} for t in tokens)]
    for header in headers:
        refused = await send(house, method, place.path(route), header)
        assert refused.status_code == 401, header
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert [session.id for session in house.manager.all()] == [place.session]


@pytest.mark.parametrize("entry", [e for e in CLOSED if e[2].role], ids=named)
async def test_a_role_that_does_not_suffice_is_refused(
    house: House, entry: tuple[str, APIRoute, Access]
) -> None:
    method, route, access = entry
    place = Place(*await join(house))
    for role in ROLES:
        if access.role not in MAY[role]:
            refused = await send(house, method, place.path(route), bearer(role))
            assert refused.status_code == 403, role
            assert str(access.role) in refused.json()["error"]["message"]
            assert refused.json()["error"]["missing_role"] == access.role


@pytest.mark.parametrize("entry", [e for e in CLOSED if e[2].role], ids=named)
async def test_a_token_for_another_session_is_refused(
    house: House, entry: tuple[str, APIRoute, Access]
) -> None:
    method, route, access = entry
    if access.sees_to_it and "{secret}" not in route.path:
        return  # a list of sessions, and an offer: see below
    place = Place(*await join(house))
    refused = await send(house, method, place.path(route), bearer("admin", session="ses_other"))
    assert refused.status_code == 403
    said = "another session" if "{" in route.path else "the token is for one session"
    assert said in refused.json()["error"]["message"]
    assert "missing_role" not in refused.json()["error"]


@pytest.mark.parametrize("entry", [e for e in CLOSED if e[2].role and e[1].path], ids=named)
async def test_the_role_that_a_route_asks_for_is_let_in(
    house: House, entry: tuple[str, APIRoute, Access]
) -> None:
    method, route, access = entry
    if route.path.endswith("/events"):
        return  # would stream for ever
    place = Place(*await join(house))
    response = await send(house, method, place.path(route), bearer(str(access.role)))
    assert response.status_code not in (401, 403)


async def test_the_page_and_the_health_of_the_service_are_for_everyone(house: House) -> None:
    public = {route.path for _, route, access in ROUTES if access.public}
    assert public == {
        "/",
        "/{name}",
        "/healthz",
        "/readyz",
        "/whip/{room}",
        "/whip/{room}/{secret}",  # methods that are never allowed
    }
    for path in ("/", "/main.js", "/healthz", "/readyz"):
        assert (await house.http.get(path)).status_code == 200


def test_a_route_that_does_not_say_who_may_use_it_keeps_the_service_from_starting() -> None:
    router = APIRouter()

    @router.get("/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(RuntimeError, match="/forgotten"):
        list(guarded([router]))


async def test_a_list_shows_only_what_the_token_covers(house: House) -> None:
    one, _ = await join(house)
    two, _ = await join(house)
    mine = await house.http.get("/v1/sessions", headers=bearer("watch", session=two))
    assert [session["id"] for session in mine.json()["sessions"]] == [two]
    both = await house.http.get("/v1/sessions", headers=bearer("watch"))
    assert [session["id"] for session in both.json()["sessions"]] == [one, two]


async def test_a_token_for_one_session_sends_into_that_and_into_no_other(house: House) -> None:
    made = await house.http.post("/v1/sessions", json={"room": "room"}, headers=bearer("publish"))
    session = made.json()["id"]
    other, _ = await join(house)
    headers = {"Content-Type": "application/sdp", **bearer("publish", session=session)}
    wrong = await house.http.post(f"/whip/room?session={other}", content="v=0", headers=headers)
    assert wrong.status_code == 403
    right = await house.http.post("/whip/room", content="v=0\r\n", headers=headers)
    assert (right.status_code, right.headers["X-EchoSieve-Session"]) == (201, session)
    again = await house.http.post("/whip/room", content="v=0\r\n", headers=headers)
    assert (again.status_code, again.json()["error"]["type"]) == (409, "session_busy")


async def test_a_browser_gets_a_secret_for_one_session_and_ten_minutes(house: House) -> None:
    settings = {"instructions": "watch the door", "x": {"retention": 0.1}}
    body = {"session": {"type": "realtime", **settings}}
    made = await house.http.post("/v1/realtime/client_secrets", json=body, headers=bearer("admin"))
    secret = wire.ClientSecret.model_validate_json(made.content)
    assert secret.value.startswith("ek_")
    assert 590 < secret.expires_at - time.time() <= 600
    assert secret.session.instructions == "watch the door"
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {secret.value}"}
    sent = await house.http.post("/whip/default", content="v=0\r\n", headers=headers)
    assert sent.headers["X-EchoSieve-Session"] == secret.session.id
    path = f"/v1/sessions/{secret.session.id}"
    own = {"Authorization": headers["Authorization"]}
    assert (await house.http.get(path, headers=own)).json()["retention"] == 0.1
    assert (await house.http.delete(f"{path}/record", headers=own)).status_code == 403


async def test_more_questions_a_minute_than_allowed_are_refused_with_the_time_to_wait() -> None:
    limits = Limits(questions_a_minute=2)
    config = ServiceConfig(rows=4, key=KEY, limits=limits)
    async for house in open_house(FakeEngine(rows=4), config):
        session, _ = await join(house)
        ask = f"/v1/sessions/{session}/ask"
        sent = [
            await house.http.post(ask, json={"question": "what"}, headers=bearer("ask"))
            for _ in range(3)
        ]
        assert [response.status_code for response in sent] == [200, 200, 429]
        assert 1 <= int(sent[2].headers["Retry-After"]) <= 30


def test_a_token_says_what_it_was_issued_for() -> None:
    grant = Grant("Ada", frozenset({"ask", "publish"}), "ses_1", float(int(time.time()) + 60))
    assert GATE.admit(f"Bearer {GATE.issue(grant)}") == grant
    assert GATE.admit(f"bearer ek_{GATE.issue(grant)}") == grant


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "a", "role": "admin", "session": "*"},
        {"sub": "a", "role": "king", "session": "*", "exp": 2e9},
        {"sub": "a", "role": "admin king", "session": "*", "exp": 2e9},
        {"sub": "a", "role": "", "session": "*", "exp": 2e9},
        {"sub": "a", "role": ["admin"], "session": "*", "exp": 2e9},
        {"sub": "a", "role": "admin", "exp": 2e9},
        {"sub": "a", "role": "admin", "session": 1, "exp": 2e9},
        {"role": "admin", "session": "*", "exp": 2e9},
    ],
)
def test_claims_that_are_not_what_they_should_be_are_refused(claims: dict[str, object]) -> None:
    with pytest.raises(Unauthorized):
        GATE.admit(f"Bearer {jwt.encode(claims, KEY, 'HS256')}")


def test_a_key_is_long_enough_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_key(path)
    assert path.stat().st_mode & 0o077 == 0
    key = read_key(path, {})
    assert key is not None
    assert len(key) >= 32
    assert "k" * 32 not in repr(ServiceConfig(key=KEY))
    with pytest.raises(FileExistsError):
        write_key(path)
    with pytest.raises(ValueError, match="at least 32"):
        read_key(None, {"ECHOSIEVE_KEY": "short"})
    assert read_key(None, {}) is None


def test_a_key_that_others_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key"
    write_key(path)
    assert read_key(path, {})
    assert not caplog.records
    path.chmod(0o640)
    assert read_key(path, {})
    assert f"chmod 600 {path}" in caplog.text
