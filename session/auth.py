"""Who may do what: bearer tokens by role and session, and the key that signs them.

Tokens are JWTs (RFC 7519) signed by HMAC-SHA-256, and no other algorithm is ever accepted. A token
stands in the `Authorization` header and nowhere else: addresses end up in logs and histories.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import jwt
from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from session import wire
from session.errors import Forbidden, Unauthorized

log = logging.getLogger(__name__)

ALGORITHM = "HS256"
KEY_BYTES = 32  # RFC 7518, section 3.2: no shorter than the hash
SECRET_PREFIX = "ek_"  # of the secrets that browsers get
EXPIRED = "the token has expired"
ELSEWHERE = "the token is for another session"
OF_ONE = "the token is for one session, and this is about all of them or makes another"
CLAIMS = ["sub", "role", "session", "exp"]
ROLES: tuple[wire.Role, ...] = get_args(wire.Role)
Pacing = Literal["sessions", "changes", "reads"]
MAY: dict[wire.Role, frozenset[wire.Role]] = {
    "publish": frozenset({"publish"}),
    "watch": frozenset({"watch"}),
    "ask": frozenset({"ask", "watch"}),
    "admin": frozenset(ROLES),
}


class KeyUnfit(ValueError):
    """The key cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a caller may do, in which session (`*`: in all), until when (Unix seconds)."""

    holder: str
    roles: frozenset[wire.Role]
    session: str = wire.ALL_SESSIONS
    expires_at: float = float("inf")

    def may(self, role: wire.Role) -> bool:
        return any(role in MAY[own] for own in self.roles)

    def covers(self, session: str) -> bool:
        return self.session in (wire.ALL_SESSIONS, session)

    @property
    def expired(self) -> bool:
        return time.time() >= self.expires_at

    def check(self, role: wire.Role, session: str | None = None) -> None:
        """Raises Unauthorized (it has expired), Forbidden. Without a session: something that is
        about all of them."""
        if self.expired:
            raise Unauthorized(EXPIRED)
        if not self.may(role):
            own = " ".join(sorted(self.roles))
            raise Forbidden(f"this takes the role {role}; the token has {own}", missing_role=role)
        if not self.covers(session or wire.ALL_SESSIONS):
            raise Forbidden(ELSEWHERE if session else OF_ONE)


EVERYTHING = Grant("", frozenset(ROLES))
"""What everyone may where the service has no key."""


class Gate:
    """Issues and reads tokens. Without a key it is open."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    @property
    def locked(self) -> bool:
        return self._key is not None

    def issue(self, grant: Grant) -> str:
        """Raises ValueError where there is no key to sign with."""
        if self._key is None:
            raise ValueError("there is no key to sign a token with")
        claims = {
            "sub": grant.holder,
            "role": " ".join(sorted(grant.roles)),
            "session": grant.session,
            "exp": int(grant.expires_at),
        }
        return jwt.encode(claims, self._key, ALGORITHM)

    def admit(self, authorization: str | None) -> Grant:
        """What the bearer of this header may. Raises Unauthorized."""
        if self._key is None:
            return EVERYTHING
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("send a token: Authorization: Bearer TOKEN")
        return self._read(token.strip().removeprefix(SECRET_PREFIX), self._key)

    def _read(self, token: str, key: bytes) -> Grant:
        try:
            claims = jwt.decode(token, key, [ALGORITHM], options={"require": CLAIMS})
        except jwt.ExpiredSignatureError:
            raise Unauthorized(EXPIRED) from None
        except jwt.PyJWTError:
            raise Unauthorized("this is no token of this service") from None
        return grant_of(claims)


def grant_of(claims: Mapping[str, object]) -> Grant:
    """The claims of a token with a good signature. Raises Unauthorized."""
    holder, role, session, exp = (claims[name] for name in CLAIMS)
    if not (isinstance(holder, str) and isinstance(role, str) and isinstance(session, str)):
        raise Unauthorized("the claims sub, role and session are texts")
    roles = frozenset(own for own in ROLES if own in role.split())
    if not roles or len(roles) < len(set(role.split())):
        raise Unauthorized(f"the claim role holds some of {', '.join(ROLES)}")
    return Grant(holder, roles, session, float(str(exp)))


# --- Keys -----------------------------------------------------------------------------------------


def read_key(path: Path | None, environment: Mapping[str, str] = os.environ) -> bytes | None:
    """The key of a file, else of ECHOSIEVE_KEY, else None. Raises OSError, KeyUnfit."""
    if path and path.stat().st_mode & 0o077:
        log.warning("%s: others on this machine can read the key: chmod 600 %s", path, path)
    text = path.read_text() if path else environment.get("ECHOSIEVE_KEY")
    if text is None:
        return None
    key = text.strip().encode()
    if len(key) < KEY_BYTES:
        raise KeyUnfit(f"a key has at least {KEY_BYTES} bytes, this one has {len(key)}")
    return key


def write_key(path: Path) -> None:
    """A new key that only its owner can read. Raises OSError, also where the file is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(KEY_BYTES) + "\n")


# --- Routes ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks of its caller: a role, in the session that its path names, or in all of
    them where it names none, unless the route `sees_to_it` itself. Without a role: any token;
    `public`: nothing. `pace`: what it counts as, of which only so many are done in a minute."""

    role: wire.Role | None = None
    sees_to_it: bool = False
    public: bool = False
    pace: Pacing | None = None

    async def __call__(self, request: Request) -> Grant:
        if self.public:
            return EVERYTHING
        gate: Gate = request.app.state.service.gate
        grant = gate.admit(request.headers.get("authorization"))
        if self.role is not None:
            own = grant.session if self.sees_to_it else None
            grant.check(self.role, request.path_params.get("session_id", own))
        if self.pace is not None:
            session = request.path_params.get("session_id")
            request.app.state.service.paces.take(self.pace, session, grant.holder)
        return grant


PUBLIC = Depends(Access(public=True))
ANY_TOKEN = Depends(Access())
ASK, WATCH = Access("ask"), Access("watch")
SET = Access("publish", pace="changes")
CHANGE = Access("ask", pace="changes")
READ = Access("watch", pace="reads")
PUBLISHER, ADMIN = Depends(Access("publish")), Depends(Access("admin"))
ASKER, WATCHER, SETTER, CHANGER, READER = (
    Depends(access) for access in (ASK, WATCH, SET, CHANGE, READ)
)
Asking = Annotated[Grant, ASKER]
Watching = Annotated[Grant, WATCHER]
Sending = Annotated[Grant, Depends(Access("publish", sees_to_it=True))]
Offering = Annotated[Grant, Depends(Access("publish", sees_to_it=True, pace="sessions"))]
Listing = Annotated[Grant, Depends(Access("watch", sees_to_it=True))]


def guarded(routers: Iterable[APIRouter]) -> Iterator[tuple[APIRoute, Access]]:
    """Every route with what it asks. Raises RuntimeError for one that does not say."""
    for router in routers:
        for route in routes_of(router.routes):
            found = [d.call for d in route.dependant.dependencies if isinstance(d.call, Access)]
            if not found:
                raise RuntimeError(f"{route.path} does not say who may use it: see session/auth.py")
            yield route, found[-1]


def routes_of(routes: Iterable[BaseRoute]) -> Iterator[APIRoute]:
    """Also those of the routers within."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif (router := getattr(route, "original_router", None)) is not None:
            yield from routes_of(router.routes)


def new_token(
    gate: Gate, roles: Iterable[wire.Role], session: str, seconds: float, holder: str | None
) -> str:
    """A new token. What is done in a minute is counted for its holder; one without a name is a
    holder of its own. Raises ValueError without a key."""
    holder = holder or f"tok_{secrets.token_urlsafe(8)}"
    return gate.issue(Grant(holder, frozenset(roles), session, time.time() + seconds))
