"""Short-lived secrets for browsers, after the OpenAI Realtime API."""

from __future__ import annotations

import time

from fastapi import APIRouter, Depends, Request

from session import wire
from session.api.http import OWN_PARAMETERS, read_json
from session.api.service import Running, Service
from session.auth import SECRET_PREFIX, Access, Grant
from session.errors import BadRequest
from session.realtime.messages import patch_of

router = APIRouter(prefix="/v1/realtime", dependencies=[OWN_PARAMETERS])


@router.post("/client_secrets", dependencies=[Depends(Access("admin", pace="sessions"))])
async def client_secret(request: Request, service: Running) -> wire.ClientSecret:
    """A token for one session and a short time: an existing session, or a new one that waits."""
    asked = await read_json(request, wire.SecretRequest, service.config.limits.json_bytes)
    if not service.gate.locked:
        raise BadRequest("this service has no key: nobody needs a secret")
    session = await _session(asked, service)
    expires_at = int(time.time()) + asked.expires_after.seconds
    grant = Grant("browser of " + session.id, frozenset(asked.x.roles), session.id, expires_at)
    return wire.ClientSecret(
        value=SECRET_PREFIX + service.gate.issue(grant),
        expires_at=expires_at,
        session=wire.RealtimeSession(
            id=session.id,
            model=service.config.model,
            instructions=session.instruction,
            x=session,
        ),
    )


async def _session(asked: wire.SecretRequest, service: Service) -> wire.Session:
    """The session that the secret is for. Raises SessionUnknown, BadRequest, SettingInvalid."""
    if asked.x.session is None:
        settings = patch_of(asked.session) if asked.session else wire.SessionPatch()
        request = wire.SessionCreate.model_validate(settings.model_dump(exclude_unset=True))
        return (await service.manager.prepare(request)).describe()
    if asked.session is not None:
        raise BadRequest("settings are for a new session; this one is there", param="session")
    return (await service.manager.find(asked.x.session)).describe()
