"""What the routes stand on: one object, made by `session.app`, found through the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from session.api.scenes import Scenes
from session.api.streams import Streams
from session.auth import Gate
from session.config import ServiceConfig
from session.journal.shelf import Shelf
from session.live.pace import Paces
from session.metrics import Metrics
from session.roster.archive import Archive
from session.roster.manager import Manager


@dataclass(frozen=True, slots=True)
class Service:
    config: ServiceConfig
    manager: Manager
    archive: Archive
    shelf: Shelf
    gate: Gate
    metrics: Metrics
    scenes: Scenes
    paces: Paces
    streams: Streams
    selectors: Mapping[str, str]  # what a session can be set to: name, what it keeps
    horizon_s: float  # how far back the model remembers


async def _of(request: Request) -> Service:
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


Running = Annotated[Service, Depends(_of)]
