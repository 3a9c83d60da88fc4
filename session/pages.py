"""The page, and the demo scene that it plays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from session import scenes, wire
from session.errors import NotFound
from session.service import Running

PAGE = Path(__file__).parent.parent / "clients" / "page"

Seed = Annotated[int, Query(ge=0, lt=scenes.MAX_SEED)]
Seconds = Annotated[float, Query(ge=scenes.FIRST_QUESTION_S, le=scenes.MAX_SECONDS)]

router = APIRouter()


@router.get("/v1/demo/scene.webm")
async def scene(
    service: Running, seed: Seed = 0, seconds: Seconds = scenes.DEFAULT_SECONDS
) -> FileResponse:
    return FileResponse(await service.scenes.video(seed, seconds), media_type="video/webm")


@router.get("/v1/demo/questions")
def questions(seed: Seed = 0, seconds: Seconds = scenes.DEFAULT_SECONDS) -> wire.DemoQuestions:
    return scenes.questions(seed, seconds)


@router.get("/", include_in_schema=False)
async def index() -> FileResponse:
    return page_file("index.html")


@router.get("/{name}", include_in_schema=False)
async def page_file_of(name: str) -> FileResponse:
    return page_file(name)


def page_file(name: str) -> FileResponse:
    """A file of the page. Raises NotFound for everything else, whatever the name holds."""
    known = {path.name: path for path in PAGE.iterdir() if path.is_file()}
    if name not in known:
        raise NotFound(f"there is no {name[:64]!r} here")
    return FileResponse(known[name], headers={"Cache-Control": "no-cache"})
