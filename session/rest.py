"""The JSON and SSE routes under /v1."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from session import wire
from session.errors import (
    BadRequest,
    EngineFailed,
    QuestionTooLong,
    ServiceError,
    TooManySubscribers,
)
from session.events import Numbered
from session.http import event_stream, read_json, unless_gone, wants_events, with_heartbeat
from session.live import Answering, LiveSession
from session.service import Running

router = APIRouter(prefix="/v1/sessions")


@router.get("")
async def list_sessions(service: Running) -> wire.SessionList:
    return wire.SessionList(sessions=[session.describe() for session in service.manager.all()])


@router.get("/{session_id}")
async def get_session(session_id: str, service: Running) -> wire.Session:
    return service.manager.get(session_id).describe()


@router.patch("/{session_id}")
async def patch_session(session_id: str, request: Request, service: Running) -> wire.Session:
    session = service.manager.live(session_id)
    patch = await read_json(request, wire.SessionPatch, service.config.limits.json_bytes)
    return await session.configure(patch)


@router.delete("/{session_id}")
async def delete_session(session_id: str, service: Running) -> wire.Session:
    """Ends the session; 200 with what it was, also when it has ended already."""
    await service.manager.end(session_id, "ended by request")
    return service.manager.get(session_id).describe()


@router.post("/{session_id}/ask", response_model=wire.Answer)
async def ask(session_id: str, request: Request, service: Running) -> Response:
    """Answers with one JSON document, or with the answer's events where the client accepts them.

    A client that hangs up cancels its question.
    """
    session = service.manager.live(session_id)
    question = await read_json(request, wire.AskRequest, service.config.limits.json_bytes)
    answering = session.ask(question)
    if wants_events(request):
        return event_stream(_answer_events(session, answering))
    answer = await _whole(request, session, answering)
    if answer.status == "failed":
        raise failure(answer)
    return JSONResponse(answer.model_dump())


@router.delete("/{session_id}/answers/{answer_id}", status_code=202)
async def cancel(session_id: str, answer_id: str, service: Running) -> Response:
    """Cancels an answer; it ends within one step, as `cancelled`."""
    service.manager.live(session_id).cancel(answer_id)
    return Response(status_code=202)


@router.get("/{session_id}/events")
async def events(session_id: str, request: Request, service: Running) -> Response:
    """The session's events as they happen; `Last-Event-ID` brings back what was missed."""
    session = service.manager.get(session_id)
    after_id = last_event_id(request)
    if session.hub.listening >= service.config.limits.subscribers:
        raise TooManySubscribers(f"{session.hub.listening} subscribers are listening already")
    subscription = session.hub.subscribe(after_id)

    async def following() -> str | None:
        numbered = await subscription.next()
        return numbered.sse() if numbered else None

    async def parts() -> AsyncIterator[str]:
        try:
            async for part in with_heartbeat(following):
                yield part
        finally:
            session.hub.unsubscribe(subscription)

    return event_stream(parts())


async def _answer_events(session: LiveSession, answering: Answering) -> AsyncIterator[str]:
    try:
        async for event in answering:
            yield Numbered(0, event).sse()
    finally:
        session.forget(answering)


async def _whole(request: Request, session: LiveSession, answering: Answering) -> wire.Answer:
    try:
        answer = await unless_gone(request, answering.done())
    finally:
        session.forget(answering)
    if answer is None:
        raise BadRequest("the client hung up")
    return answer


def failure(answer: wire.Answer) -> ServiceError:
    """The refusal that a failed answer stands for."""
    error = answer.error
    message = error.message if error else "the answer failed"
    if error and error.type == QuestionTooLong.kind:
        return QuestionTooLong(message, param="question")
    return EngineFailed(message)


def last_event_id(request: Request) -> int | None:
    """The number the client saw last. Raises BadRequest when it is none of ours."""
    text = request.headers.get("last-event-id")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest("Last-Event-ID must be the number of an event", param="Last-Event-ID")
    return int(text)
