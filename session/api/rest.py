"""The JSON and SSE routes under /v1."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from session import wire
from session.api.http import (
    OWN_PARAMETERS,
    EventStream,
    read_json,
    unless_gone,
    wants_events,
    with_heartbeat,
)
from session.api.service import Running, Service
from session.auth import (
    ADMIN,
    ASKER,
    EXPIRED,
    PUBLISHER,
    READER,
    SETTER,
    WATCHER,
    Access,
    Asking,
    Listing,
    Watching,
)
from session.errors import (
    BadRequest,
    EngineFailed,
    QuestionTooLong,
    ServiceError,
    SessionUnknown,
    Stopping,
)
from session.journal.events import Numbered, Subscription
from session.live.answering import Answering
from session.live.questions import checked
from session.live.recalling import read_out, recalled

LONGEST_S = 86_400.0 * 365  # that a stream of events is let be

Id = Annotated[str, Query(max_length=64)]
Limit = Annotated[int, Query(ge=1, le=wire.MAX_PAGE)]

router = APIRouter(prefix="/v1/sessions", dependencies=[OWN_PARAMETERS])


@router.get("")
async def list_sessions(
    service: Running,
    grant: Listing,
    state: wire.SessionState | None = None,
    before: Id | None = None,
    limit: Limit = wire.DEFAULT_PAGE,
) -> wire.SessionList:
    """Those that are here, or those of one state; of ended ones a page, newest first. A token for
    one session finds that alone."""
    if state == "ended":
        service.paces.take("reads", None, grant.holder)
    if state == "ended" and grant.session != wire.ALL_SESSIONS:
        found = await _itself(service, grant.session)
    elif state == "ended":
        found = await service.archive.ended(before, limit)
    else:
        described = [idle.describe() for idle in service.manager.waiting()]
        described += [session.describe() for session in service.manager.all()]
        found = wire.SessionList(sessions=[s for s in described if state in (None, s.state)])
    mine = [session for session in found.sessions if grant.covers(session.id)]
    return found.model_copy(update={"sessions": mine})


async def _itself(service: Service, session_id: str) -> wire.SessionList:
    """The session, if it has ended."""
    try:
        session = (await service.manager.find(session_id)).describe()
    except SessionUnknown:
        return wire.SessionList(sessions=[])
    return wire.SessionList(sessions=[session] if session.state == "ended" else [])


@router.post("", status_code=201, dependencies=[Depends(Access("publish", pace="sessions"))])
async def create_session(request: Request, service: Running) -> wire.Session:
    """A session that waits for its sender."""
    asked = await read_json(request, wire.SessionCreate, service.config.limits.json_bytes)
    return (await service.manager.prepare(asked)).describe()


@router.get("/{session_id}", dependencies=[WATCHER])
async def get_session(session_id: str, service: Running) -> wire.Session:
    return (await service.manager.find(session_id)).describe()


@router.patch("/{session_id}", dependencies=[SETTER])
async def patch_session(session_id: str, request: Request, service: Running) -> wire.Session:
    await service.manager.find(session_id)
    patch = await read_json(request, wire.SessionPatch, service.config.limits.json_bytes)
    return await service.manager.configure(session_id, patch)


@router.delete("/{session_id}", dependencies=[PUBLISHER])
async def delete_session(session_id: str, service: Running) -> wire.Session:
    """Ends the session; 200 with what it was, also when it has ended already."""
    await service.manager.end(session_id, "ended by request")
    return (await service.manager.find(session_id)).describe()


@router.delete("/{session_id}/record", status_code=204, dependencies=[ADMIN])
async def remove_record(session_id: str, service: Running) -> Response:
    """Ends the session and removes everything of it: settings, questions, answers, events."""
    await service.manager.remove(session_id)
    return Response(status_code=204)


@router.get("/{session_id}/answers", dependencies=[READER])
async def answers(
    session_id: str,
    service: Running,
    after: Id | None = None,
    before: Id | None = None,
    limit: Limit = wire.DEFAULT_PAGE,
) -> wire.AnswerList:
    """What was asked and answered, in the order in which the answers were finished, a page at a
    time: the one after an answer, the one before it, or the newest."""
    await service.manager.find(session_id)
    if before is None:
        return await service.archive.answers_after(session_id, after, limit)
    if after is not None:
        raise BadRequest("a page lies after an answer or before it: give one", param="before")
    return await service.archive.answers_before(session_id, before, limit)


@router.post("/{session_id}/ask", response_model=wire.Answer)
async def ask(session_id: str, request: Request, service: Running, grant: Asking) -> Response:
    """Answers with one JSON document, or with the answer's events where the client accepts them.

    A client that hangs up cancels its question. A session that has ended answers from its notes.
    """
    await service.manager.find(session_id)
    asked = await read_json(request, wire.AskRequest, service.config.limits.json_bytes)
    answering, forget = await _begun(service, session_id, asked, grant.holder)
    if wants_events(request):
        return EventStream(_answer_events(answering), forget)
    answer = await _whole(request, answering, forget)
    if answer.status == "failed" or answer.error:
        raise failure(answer)
    return JSONResponse(answer.model_dump())


async def _begun(
    service: Service, session_id: str, asked: wire.AskRequest, holder: str
) -> tuple[Answering, Callable[[], None]]:
    """An answer on its way, and what gives it up. Raises ServiceError."""
    service.manager.check_staying()
    session = await service.manager.find(session_id)
    checked(asked.question, service.config.limits.question_chars)  # wrong, whatever was seen
    if session.ended:
        service.paces.take("questions", session_id, holder)
        answering = await read_out(session.describe(), session.hub, asked, service.shelf)
        return answering, lambda: None  # it is complete
    live = await service.manager.live(session_id)
    notes = await recalled(live.describe(), asked, service.shelf)
    answering = live.questions.ask(asked, holder, notes)
    return answering, partial(live.questions.forget, answering)


@router.delete("/{session_id}/answers/{answer_id}", status_code=202, dependencies=[ASKER])
async def cancel(session_id: str, answer_id: str, service: Running) -> Response:
    """Cancels an answer; it ends within one step, as `cancelled`."""
    (await service.manager.live(session_id)).questions.cancel(answer_id)
    return Response(status_code=202)


@router.get("/{session_id}/events")
async def events(session_id: str, request: Request, service: Running, grant: Watching) -> Response:
    """The session's events as they happen; `Last-Event-ID` brings back what was missed. The stream
    ends when the token expires, with an event that says so."""
    session = await service.manager.find(session_id)
    after_id = last_event_id(request)
    service.streams.enter(session_id)
    hub = session.hub
    begins = "" if after_id is not None else f"id: {hub.last_id}\n\n"  # a place to come back to
    subscription = hub.subscribe(after_id)
    letting_go = let_go_at(grant.expires_at, subscription)

    def ended() -> None:
        letting_go.cancel()
        hub.unsubscribe(subscription)
        service.streams.leave(session_id)

    return EventStream(_session_events(subscription, begins), ended)


def let_go_at(moment: float, subscription: Subscription) -> asyncio.TimerHandle:
    """Ends it at the moment (Unix seconds) at which its reader's token expires."""
    left_s = min(max(0.0, moment - time.time()), LONGEST_S)
    return asyncio.get_running_loop().call_later(left_s, subscription.let_go, EXPIRED)


async def _session_events(subscription: Subscription, begins: str) -> AsyncIterator[str]:
    async def following() -> str | None:
        numbered = await subscription.next()
        return numbered.sse() if numbered else None

    yield begins
    async for part in with_heartbeat(following):
        yield part


async def _answer_events(answering: Answering) -> AsyncIterator[str]:
    async for event in answering:
        if isinstance(event, wire.AnswerDone) and (error := event.answer.cut_off):
            yield Numbered(0, wire.ErrorEvent(error=error)).sse()
        yield Numbered(0, event).sse()


async def _whole(request: Request, answering: Answering, forget: Callable[[], None]) -> wire.Answer:
    try:
        answer = await unless_gone(request, answering.done())
    finally:
        forget()
    if answer is None:
        raise BadRequest("the client hung up")
    return answer


def failure(answer: wire.Answer) -> ServiceError:
    """The refusal that an answer stands for which failed or was cut off."""
    error = answer.error
    message = error.message if error else "the answer failed"
    if error and error.type == QuestionTooLong.kind:
        return QuestionTooLong(message, param="question")
    if error and error.type == Stopping.kind:
        return Stopping(message)
    return EngineFailed(message)


def last_event_id(request: Request) -> int | None:
    """The number the client saw last. Raises BadRequest when it is none of ours."""
    text = request.headers.get("last-event-id")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest("Last-Event-ID must be the number of an event", param="Last-Event-ID")
    return int(text)
