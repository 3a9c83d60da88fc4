"""A sender that is not ours: ffmpeg's WHIP muxer streams a clip, and questions are answered."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from session.api.scenes import remembered_since
from stream.render import render_file
from stream.source import SceneSource
from stream.world.scene import Scene
from tests.e2e.world import certain, same_answer

SEED = 5
CLIP_S = 24.0
ENCODING = [
    *("-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast"),
    *("-tune", "zerolatency", "-g", "30", "-bf", "0", "-pix_fmt", "yuv420p"),
    *("-c:a", "libopus", "-ar", "48000", "-ac", "2"),
]


def ffmpeg() -> str:
    """The ffmpeg of imageio-ffmpeg, which has the muxer; Debian's has not."""
    try:
        import imageio_ffmpeg
    except ImportError:
        reason = "imageio-ffmpeg is not installed: pip install 'echosieve[dev]'"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return str(imageio_ffmpeg.get_ffmpeg_exe())


@asynccontextmanager
async def sending(clip: Path, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(ffmpeg(), "-hide_banner", "-loglevel", "warning", "-re", "-i", str(clip)),
        *(*ENCODING, "-f", "whip", "-whip_flags", "dtls_active", url),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def test_a_clip_sent_by_ffmpeg_is_watched_and_answered(
    service: str, horizon_s: float, tmp_path: Path
) -> None:
    scene = Scene(SEED)
    clip = tmp_path / "clip.mkv"
    render_file(SceneSource(scene, CLIP_S).items(), clip)
    async with (
        httpx.AsyncClient(base_url=service, timeout=20.0) as client,
        sending(clip, f"{service}/whip/ffmpeg") as sender,
    ):
        session = await session_in(client, "ffmpeg", sender)
        moments = (7, 10, 13)
        async with asyncio.timeout(60.0):
            answers = [await ask_something(client, session, scene, at, horizon_s) for at in moments]
    assert sum(right for right, _ in answers) >= 2, answers
    assert all(facts["newest_frame_s"] is not None for _, facts in answers)
    assert all(facts["kept"]["audio"] and facts["kept"]["video"] for _, facts in answers)


async def session_in(
    client: httpx.AsyncClient, room: str, sender: asyncio.subprocess.Process
) -> str:
    async with asyncio.timeout(20.0):
        while sender.returncode is None:
            for session in (await client.get("/v1/sessions")).json()["sessions"]:
                if session["room"] == room and session["state"] == "live":
                    return f"/v1/sessions/{session['id']}"
            await asyncio.sleep(0.1)
    assert sender.stderr is not None
    pytest.fail(f"ffmpeg gave up: {(await sender.stderr.read()).decode()}")


async def ask_something(
    client: httpx.AsyncClient, session: str, scene: Scene, at_s: float, horizon_s: float
) -> tuple[bool, dict[str, Any]]:
    """Ask, at or after `at_s`, the next question that has one certain answer."""
    questions: dict[str, str] = {}
    while not questions:
        await asyncio.sleep(0.1)
        clock_s = (await client.get(session)).json()["clock_s"]
        if clock_s >= at_s:
            known = certain(scene, clock_s, remembered_since(clock_s, horizon_s))
            questions = known.get("now", {}) | known.get("last_sound", {})
    question, truth = next(iter(questions.items()))
    answer = (await client.post(f"{session}/ask", json={"question": question})).json()
    return same_answer(answer["text"], truth), answer | {"truth": truth}
