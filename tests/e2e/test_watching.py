"""`echosieve watch`: a file, and an RTSP camera that is cut and restored, on the real service."""

from __future__ import annotations

import argparse
import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from clients.cli import main
from clients.sdk import EchoSieve, Session
from clients.watching import add_arguments, watch
from session import wire
from stream.render import render_file
from stream.source import SceneSource
from stream.world.scene import Scene
from tests.stream.addresses import ENCODING, ffmpeg
from tests.stream.rtsp import rtsp_server

SEED = 5


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    render_file(SceneSource(Scene(SEED), 6.0).items(), path)
    ffmpeg("-i", str(path), *ENCODING, "-an", "-f", "mpegts", str(path.with_suffix(".ts")))
    return path


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(given)


def test_a_file_is_watched_to_its_end_and_asked_about(
    service: str, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["watch", str(clip), "--url", service, "--ask", "what do you see?", "--every", "0.5"])
    assert not exit.value.code
    told = capsys.readouterr().out
    assert "is watched in session ses_" in told
    assert told.count("tokens, first word after") >= 2


async def test_a_camera_that_is_cut_goes_on_in_the_same_session(service: str, clip: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    async with rtsp_server(clip.with_suffix(".ts")) as camera, EchoSieve(service) as client:
        args = arguments(camera.url, "--url", service, "--room", "door", "--instruction", "look")
        watching = asyncio.create_task(watch(args, console))
        try:
            async with asyncio.timeout(60.0):
                seen = await windows_over_a_cut(client, camera.cut)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    assert camera.met >= 2
    assert seen == sorted(seen)


async def windows_over_a_cut(client: EchoSieve, cut: Callable[[], None]) -> list[float]:
    """Starts of the windows with pictures, two before and two after the camera was cut."""
    found: list[Session] = []
    while not found:  # it appears when the camera was looked at
        await asyncio.sleep(0.1)
        found = [s for s in await client.sessions.list() if s.info.room == "door"]
    starts: list[float] = []
    async for event in found[-1].events(after=0):
        if isinstance(event, wire.WindowIngested) and event.newest_frame_s is not None:
            starts.append(event.start_s)
        if len(starts) == 2:
            cut()
        if len(starts) == 5:
            break
    return starts


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("nowhere.webm", "there is no nowhere.webm"),
        ("rtsp://me:secret@127.0.0.1:9/x", "rtsp://127.0.0.1:9/x cannot be opened"),
    ],
)
def test_a_source_that_is_not_there_is_one_clear_line(
    service: str, source: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["watch", source, "--url", service])
    assert exit.value.code == 1
    complaint = capsys.readouterr().err.strip().splitlines()[-1]
    assert complaint.startswith("echosieve: ")
    assert says in complaint
    assert "secret" not in complaint
