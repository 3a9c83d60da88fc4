"""WHIP, the way in for live media (RFC 9725): an SDP offer by POST, the end by DELETE."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse, Response

from session import wire
from session.api.http import read_body
from session.api.service import Running
from session.auth import PUBLIC, Offering, Sending
from session.errors import BadRequest, MethodNotAllowed, NotSupported

SDP = "application/sdp"
ENDPOINT = "POST, OPTIONS"
ROOM = re.compile(wire.ROOM)

router = APIRouter(prefix="/whip")


@router.options("/{room}", dependencies=[PUBLIC])
async def options(room: str) -> Response:
    """What can be posted (RFC 9725, section 4.2)."""
    check_room(room)
    return Response(headers={"Accept-Post": SDP, "Allow": ENDPOINT})


@router.post("/{room}", status_code=201)
async def offer(
    room: str,
    request: Request,
    service: Running,
    grant: Offering,
    session: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Starts a session, or goes on with the `session` that waits or has ended; a token for one
    session goes on with that. `Location` is secret: whoever knows it can end the session."""
    check_room(room)
    if session is None and grant.session != wire.ALL_SESSIONS:
        session = grant.session
    grant.check("publish", session)
    body = await read_body(request, SDP, service.config.limits.sdp_bytes)
    if session is None:
        created = await service.manager.create(room, utf8(body), grant)
    else:
        created = await service.manager.attach(session, room, utf8(body), grant)
    headers = {
        "Location": f"/whip/{room}/{created.secret}",
        "X-EchoSieve-Session": created.session.id,
    }
    return Response(created.answer_sdp, 201, headers, SDP)


@router.api_route(
    "/{room}",
    methods=["GET", "HEAD", "PUT", "PATCH", "DELETE"],
    include_in_schema=False,
    dependencies=[PUBLIC],
)
async def no_endpoint_method(room: str) -> Response:
    raise MethodNotAllowed(ENDPOINT)


@router.delete("/{room}/{secret}")
async def end(room: str, secret: str, service: Running, grant: Sending) -> Response:
    session = service.manager.sent_by(room, secret)
    grant.check("publish", session)
    await service.manager.leave(session, "the sender ended it")
    return PlainTextResponse("the session has ended\n")  # ffmpeg takes an empty body for a failure


@router.api_route(
    "/{room}/{secret}",
    methods=["GET", "PUT", "POST"],
    include_in_schema=False,
    dependencies=[PUBLIC],
)
async def no_resource_method(room: str, secret: str) -> Response:
    raise MethodNotAllowed("DELETE")


@router.patch("/{room}/{secret}")
async def patch(room: str, secret: str, service: Running, grant: Sending) -> Response:
    """Neither trickle ICE nor ICE restarts: the answer carries all candidates (section 4.3)."""
    grant.check("publish", service.manager.sent_by(room, secret))
    raise NotSupported("send all candidates in the offer; to reconnect, POST a new offer")


def check_room(room: str) -> None:
    if not ROOM.fullmatch(room):
        raise BadRequest("a room is 1 to 64 of A-Z a-z 0-9 . _ -", param="room")


def utf8(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise BadRequest("an SDP offer is UTF-8 text") from None
