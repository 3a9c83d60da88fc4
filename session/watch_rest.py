"""The routes of standing queries, their pictures, and the notes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from session import wire
from session.auth import ASKER, WATCHER
from session.http import read_json
from session.live import LiveSession
from session.service import Running, Service

router = APIRouter(prefix="/v1/sessions/{session_id}")


@router.post("/watches", status_code=201, dependencies=[ASKER])
async def add_watch(session_id: str, request: Request, service: Running) -> wire.Watch:
    """Sets a standing query; it is judged from the next window on."""
    settings = await read_json(request, wire.WatchCreate, service.config.limits.json_bytes)
    return await (await session_of(service, session_id)).attendant.watches.add(settings)


@router.get("/watches", dependencies=[WATCHER])
async def list_watches(session_id: str, service: Running) -> wire.WatchList:
    return wire.WatchList(watches=(await session_of(service, session_id)).attendant.watches.all())


@router.get("/watches/{watch_id}", dependencies=[WATCHER])
async def get_watch(session_id: str, watch_id: str, service: Running) -> wire.Watch:
    return (await session_of(service, session_id)).attendant.watches.describe(watch_id)


@router.patch("/watches/{watch_id}", dependencies=[ASKER])
async def patch_watch(
    session_id: str, watch_id: str, request: Request, service: Running
) -> wire.Watch:
    patch = await read_json(request, wire.WatchPatch, service.config.limits.json_bytes)
    return (await session_of(service, session_id)).attendant.watches.change(watch_id, patch)


@router.delete("/watches/{watch_id}", dependencies=[ASKER])
async def delete_watch(session_id: str, watch_id: str, service: Running) -> wire.Watch:
    """Removes it; an event that is open ends. 200 with what it was."""
    session = await session_of(service, session_id)
    return await session.attendant.watches.remove(watch_id, session.describe().clock_s)


@router.get("/snapshots/{event_id}.jpg", dependencies=[WATCHER])
async def get_snapshot(session_id: str, event_id: str, service: Running) -> Response:
    """The newest picture of the window in which an event began."""
    picture = service.snapshots.load(session_id, event_id)
    return Response(picture, media_type="image/jpeg")


@router.patch("/notes", dependencies=[ASKER])
async def patch_notes(session_id: str, request: Request, service: Running) -> wire.NoteSettings:
    """Says what is noted from now on."""
    settings = await read_json(request, wire.NoteSettings, service.config.limits.json_bytes)
    (await session_of(service, session_id)).attendant.notes.set(settings)
    return settings


async def session_of(service: Service, session_id: str) -> LiveSession:
    return await service.manager.live(session_id)
