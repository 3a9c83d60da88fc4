"""The page, and the demo scene that it plays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse

from session import wire
from session.api import scenes
from session.api.http import OWN_PARAMETERS
from session.api.service import Running
from session.auth import ANY_TOKEN, PUBLIC
from session.errors import Forbidden, NotFound

PAGE = Path(__file__).parents[2] / "clients" / "page"
READ = ["GET", "HEAD"]

Seed = Annotated[int, Query(ge=0, lt=scenes.MAX_SEED)]
Seconds = Annotated[int, Query(ge=1, le=scenes.MAX_SECONDS)]


async def own_page(request: Request) -> None:
    """Rendering costs seconds of a processor: pages of other sites must not cause it by a link.

    Raises Forbidden. `Sec-Fetch-Site` is of W3C Fetch Metadata; who sends none is no browser.
    """
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Forbidden("the demo scene is only for this service's own page")


router = APIRouter()
demo = APIRouter(prefix="/v1/demo", dependencies=[ANY_TOKEN, Depends(own_page), OWN_PARAMETERS])


@demo.get("/scene.webm")
async def scene(
    service: Running, seed: Seed = 0, seconds: Seconds = scenes.DEFAULT_SECONDS
) -> FileResponse:
    return FileResponse(await service.scenes.video(seed, seconds), media_type="video/webm")


@demo.get("/questions")
def questions(
    service: Running, seed: Seed = 0, seconds: Seconds = scenes.DEFAULT_SECONDS
) -> wire.DemoQuestions:
    return scenes.questions(seed, seconds, service.horizon_s)


router.include_router(demo)


@router.api_route("/", methods=READ, include_in_schema=False, dependencies=[PUBLIC])
async def index() -> FileResponse:
    return page_file("index.html")


@router.api_route("/{name}", methods=READ, include_in_schema=False, dependencies=[PUBLIC])
async def page_file_of(name: str) -> FileResponse:
    return page_file(name)


def page_file(name: str) -> FileResponse:
    """A file of the page. Raises NotFound for everything else, whatever the name holds."""
    known = {path.name: path for path in PAGE.iterdir() if path.is_file()}
    if name not in known:
        raise NotFound(f"there is no {name[:64]!r} here")
    return FileResponse(known[name], headers={"Cache-Control": "no-cache"})
