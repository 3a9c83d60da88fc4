"""Who may do what: roles, and the short-lived secrets that a browser is given.

A bearer token is a JWT (RFC 7519, HS256) with the claims `sub` (a name for its holder), `role` (one
role, or several with spaces between), `session` (an id, or `*` for all) and `exp`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from session.wire.nouns import Incoming, Outgoing, Role
from session.wire.realtime import RealtimeSession, SessionSettings

ALL_SESSIONS = "*"
SECRET_S = 600


class ExpiresAfter(Incoming):
    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=SECRET_S, ge=10, le=7_200)


class SecretScope(Incoming):
    """What the secret is for: the session it opens (a new one when absent), and what it may."""

    session: str | None = Field(default=None, max_length=64)
    roles: list[Role] = Field(default=["publish", "ask"], min_length=1, max_length=4)


class SecretRequest(Incoming):
    """`POST /v1/realtime/client_secrets`; `session` are the settings of a new session."""

    expires_after: ExpiresAfter = ExpiresAfter()
    session: SessionSettings | None = None
    x: SecretScope = SecretScope()


class ClientSecret(Outgoing):
    """A bearer token for one session and a short time; safe to hand to a browser."""

    value: str
    expires_at: int  # Unix seconds
    session: RealtimeSession
