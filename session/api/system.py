"""Whether the service lives, would take a session, what it offers and what it has done."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from session import wire
from session.api.http import OWN_PARAMETERS
from session.api.service import Running
from session.auth import ANY_TOKEN, PUBLIC, WATCHER
from session.errors import ServiceError
from session.footprint import footprint

router = APIRouter()


@router.head("/healthz", include_in_schema=False, dependencies=[PUBLIC])
@router.get("/healthz", dependencies=[PUBLIC])
async def health() -> wire.Health:
    return wire.Health()


@router.get("/readyz", response_model=wire.Ready, dependencies=[PUBLIC])
async def ready(service: Running) -> Response:
    """503 with a reason while a new session would be refused."""
    reason = None
    try:
        service.manager.check_ready()
    except ServiceError as refused:
        reason = str(refused)
    state = wire.Ready(
        ready=reason is None,
        reason=reason,
        unrecorded=service.shelf.journal.failing,
        model=service.config.model,
        sessions=len(service.manager.all()),
        capacity=service.config.rows,
        horizon_s=service.horizon_s,
    )
    return JSONResponse(state.model_dump(), 200 if reason is None else 503)


@router.get("/v1/selectors", dependencies=[ANY_TOKEN, OWN_PARAMETERS])
async def selectors(service: Running) -> wire.SelectorList:
    """What a session's `selector` can be set to."""
    choices = [wire.SelectorChoice(name=n, says=says) for n, says in service.selectors.items()]
    return wire.SelectorList(selectors=choices)


@router.get("/metrics", dependencies=[WATCHER])
async def metrics(service: Running) -> PlainTextResponse:
    text = service.metrics.render(live=len(service.manager.all()), held=footprint())
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")
