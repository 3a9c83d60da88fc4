"""The routes of standing queries, their pictures, and the notes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from session import wire
from session.api.http import OWN_PARAMETERS, read_json
from session.api.service import Running, Service
from session.auth import CHANGER, READER, WATCHER
from session.live.attendant import Attendant, Resting
from session.live.session import LiveSession
from session.notes import transcript
from session.roster.idle import Idle

Words = Annotated[str, Query(max_length=wire.MAX_QUERY_CHARS)]
Limit = Annotated[int, Query(ge=1, le=wire.MAX_NOTES)]
Format = Literal["json", "md", "vtt"]

router = APIRouter(prefix="/v1/sessions/{session_id}", dependencies=[OWN_PARAMETERS])


@router.post("/watches", status_code=201, dependencies=[CHANGER])
async def add_watch(session_id: str, request: Request, service: Running) -> wire.Watch:
    """Sets a standing query; it is judged from the next window on."""
    settings = await read_json(request, wire.WatchCreate, service.config.limits.json_bytes)
    async with setting(service, session_id) as attendant:
        return await attendant.watches.add(settings)


@router.get("/watches", dependencies=[WATCHER])
async def list_watches(session_id: str, service: Running) -> wire.WatchList:
    return wire.WatchList(watches=(await attendant_of(service, session_id)).watches.all())


@router.get("/watches/{watch_id}", dependencies=[WATCHER])
async def get_watch(session_id: str, watch_id: str, service: Running) -> wire.Watch:
    return (await attendant_of(service, session_id)).watches.describe(watch_id)


@router.patch("/watches/{watch_id}", dependencies=[CHANGER])
async def patch_watch(
    session_id: str, watch_id: str, request: Request, service: Running
) -> wire.Watch:
    patch = await read_json(request, wire.WatchPatch, service.config.limits.json_bytes)
    async with setting(service, session_id) as attendant:
        return await attendant.watches.change(watch_id, patch)


@router.delete("/watches/{watch_id}", dependencies=[CHANGER])
async def delete_watch(session_id: str, watch_id: str, service: Running) -> wire.Watch:
    """Removes it; an event that is open ends. 200 with what it was."""
    clock_s = (await service.manager.find(session_id)).describe().clock_s
    async with setting(service, session_id) as attendant:
        return await attendant.watches.remove(watch_id, clock_s)


@router.get("/watch-events", dependencies=[READER])
async def list_watch_events(
    session_id: str,
    service: Running,
    limit: Annotated[int, Query(ge=1, le=wire.MAX_WATCH_EVENTS)] = wire.MAX_WATCH_EVENTS,
) -> wire.WatchEventList:
    """What happened: the events and numbers of its watches, also of those that were removed."""
    await service.manager.find(session_id)
    return await service.shelf.watch_events(session_id, limit)


@router.get("/snapshots/{event_id}.jpg", dependencies=[WATCHER])
async def get_snapshot(session_id: str, event_id: str, service: Running) -> Response:
    """The newest picture of the window in which an event began."""
    await service.manager.find(session_id)
    picture = service.shelf.snapshots.load(session_id, event_id)
    return Response(picture, media_type="image/jpeg")


@router.patch("/notes", dependencies=[CHANGER])
async def patch_notes(session_id: str, request: Request, service: Running) -> wire.NoteSettings:
    """Says what is noted from now on."""
    patch = await read_json(request, wire.NoteSettings, service.config.limits.json_bytes)
    async with setting(service, session_id) as attendant:
        return attendant.notes.set(patch)


@router.get("/notes", response_model=wire.NoteList, dependencies=[READER])
async def get_notes(
    session_id: str,
    service: Running,
    search: Words | None = None,
    format: Format = "json",
    limit: Limit = wire.MAX_NOTES,
) -> Response:
    """The newest notes, oldest first, or those that match best; also of a session that ended."""
    session = (await service.manager.find(session_id)).describe()
    found = await service.shelf.note_list(session_id, search, limit)
    if format == "md":
        return Response(transcript.markdown(session, found.notes), media_type="text/markdown")
    if format == "vtt":
        return Response(transcript.webvtt(found.notes), media_type="text/vtt")
    return JSONResponse(found.model_dump())


@asynccontextmanager
async def setting(service: Service, session_id: str) -> AsyncIterator[Attendant | Resting]:
    """What can be set of it, one change after the other; at the end what was changed is on file:
    what is acknowledged outlives a kill of the service. Raises as `attendant_of`."""
    async with service.manager.changing(session_id) as session:
        yield await _attendant(service, session)
        await session.hub.told()


async def attendant_of(service: Service, session_id: str) -> Attendant | Resting:
    """What is set of it now. Raises SessionUnknown, JournalFailed."""
    return await _attendant(service, await service.manager.settled(session_id))


async def _attendant(service: Service, session: LiveSession | Idle) -> Attendant | Resting:
    if isinstance(session, LiveSession):
        return session.attendant
    resting = Resting(session.id, session.hub.publish, service.shelf)
    await resting.restore()
    return resting
