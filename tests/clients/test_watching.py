"""`echosieve watch` on a real service with a fake engine: what it can be pointed at."""

from __future__ import annotations

import argparse
import asyncio
import io
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
from rich.console import Console

from clients.sdk import EchoSieve, Session
from clients.sdk.client import takes_questions
from clients.sdk.errors import EchoSieveError, MediaFailed, ServiceUnreachable
from clients.talk import Talk
from clients.watching import add_arguments, ask_often, watch
from session import wire
from session.app import Loaded, create_app
from session.auth import Gate, new_token
from session.config import ServiceConfig
from session.server import serving
from tests.session.fakes import FakeEngine, eventually
from tests.stream.addresses import ENCODING, ffmpeg, folder_on_http, hls
from tests.stream.rtsp import rtsp_server

PATIENCE_S = 120.0
KEY = b"k" * 32


def token(*roles: wire.Role, session: str = wire.ALL_SESSIONS) -> str:
    return new_token(Gate(KEY), roles, session, 86_400.0, "a camera")


ADMIN = token("admin")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A moving picture and a tone, three seconds."""
    path = tmp_path_factory.mktemp("clip") / "clip.ts"
    shown = ("-f", "lavfi", "-i", "testsrc=size=96x96:rate=10:duration=3")
    heard = ("-f", "lavfi", "-i", "sine=frequency=440:duration=3")
    ffmpeg(*shown, *heard, *ENCODING, "-f", "mpegts", str(path))
    return path


@asynccontextmanager
async def watched(
    source: Path | str, told: io.StringIO | None = None, key: bytes | None = None, *options: str
) -> AsyncIterator[tuple[EchoSieve, asyncio.Task[None]]]:
    """The command at work."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    config = ServiceConfig(rows=4, key=key)
    app = create_app(config, Loaded(FakeEngine(rows=4), 0.2, "cs2"))
    async with asyncio.timeout(PATIENCE_S), serving(app) as url, EchoSieve(url, ADMIN) as client:
        args = parser.parse_args([str(source), "--url", url, *options])
        watching = asyncio.create_task(watch(args, Console(file=told or io.StringIO())))
        try:
            yield client, watching
        finally:
            watching.cancel()
            await asyncio.wait({watching})


class Interrupted(Talk):
    """Asks a service that is away at first."""

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, question: str) -> wire.Answer:
        self.asked += 1
        if self.asked == 1:
            raise ServiceUnreachable("http://127.0.0.1:1", "nobody listens")
        raise MediaFailed("this is for the user")


async def test_asking_goes_on_when_the_service_was_away() -> None:
    talk = Interrupted()
    with pytest.raises(MediaFailed):
        await ask_often(talk, ["what is there?"], 0.01)
    assert talk.asked == 2


async def test_nothing_is_asked_between_the_last_file_of_a_folder_and_the_next(
    clip: Path, tmp_path: Path
) -> None:
    told = io.StringIO()
    shutil.copy(clip, tmp_path / "a.ts")
    options = ("--ask", "what is there?", "--every", "0.2")

    def answers() -> int:
        return told.getvalue().count("tokens")

    async with watched(tmp_path, told, None, *options) as (_, watching):
        while "every file here has been watched" not in " ".join(told.getvalue().split()):
            assert not watching.done()
            await asyncio.sleep(0.05)
        before = answers()
        assert before > 1
        await asyncio.sleep(2.0)  # of ten rounds
        assert answers() == before
        shutil.copy(clip, tmp_path / "b.ts")
        await eventually(lambda: answers() > before + 1)


async def session_of(client: EchoSieve, watching: asyncio.Task[None]) -> Session:
    while not (sessions := await client.sessions.list("live")):
        if watching.done():
            watching.result()
        await asyncio.sleep(0.05)
    return sessions[0]


async def windows(session: Session, count: int) -> list[wire.WindowIngested]:
    found: list[wire.WindowIngested] = []
    async for event in session.follow(after=0):
        if isinstance(event, wire.WindowIngested):
            found.append(event)
        if len(found) == count:
            break
    return found


async def to_its_end(session: Session) -> list[float]:
    """Where the windows of a session that has ended begin. Its clock runs while the sender connects
    and opens its media, so the first is not always the one at 0."""
    events = [event async for event in session.events(after=0)]
    return [event.start_s for event in events if isinstance(event, wire.WindowIngested)]


async def test_a_recorded_hls_list_is_watched_to_its_end(clip: Path, tmp_path: Path) -> None:
    twice = tmp_path / "twice.ts"
    ffmpeg("-stream_loop", "1", "-i", str(clip), "-c", "copy", str(twice))
    told = io.StringIO()
    with folder_on_http(hls(twice, tmp_path / "hls").parent) as url:
        address = f"{url}/list.m3u8".replace("://", "://me:hush@")
        async with watched(address, told) as (client, watching):
            await watching
            (session,) = await client.sessions.list("ended")
            first, *others = await to_its_end(session)
    assert others[:1] == [first + 2.0]  # of six seconds, two windows at least
    assert f"{url}/list.m3u8 is watched in session {session.id}" in told.getvalue()


async def test_a_token_that_may_only_publish_sends_on_without_what_is_seen(clip: Path) -> None:
    told = io.StringIO()
    async with watched(clip, told, KEY, "--token", token("publish")) as (client, watching):
        await watching
        (session,) = await client.sessions.list("ended")
        assert await to_its_end(session)
    assert " ".join(told.getvalue().split()).count("the token may publish only") == 1


async def test_who_may_not_ask_is_refused_before_anything_is_sent(clip: Path) -> None:
    for own in (token("publish"), token("publish", "watch")):
        options = ("--token", own, "--ask", "what is there?")
        async with watched(clip, None, KEY, *options) as (client, watching):
            with pytest.raises(EchoSieveError, match="roles publish and ask"):
                await watching
            assert not await client.sessions.list()
            assert not await client.sessions.list("ended")


async def test_whether_a_token_may_ask_is_known_beforehand() -> None:
    for key, own, may in (
        (KEY, token("publish", "ask"), True),
        (KEY, token("publish", "ask", session="ses_1"), True),
        (KEY, token("publish", session="ses_1"), False),
        (None, token("publish"), True),  # the service asks for no token
    ):
        app = create_app(ServiceConfig(rows=4, key=key), Loaded(FakeEngine(rows=4), 0.2, "cs2"))
        async with serving(app) as url, EchoSieve(url, own) as client:
            assert await takes_questions(client) is may


async def test_the_files_of_a_folder_are_watched_and_those_that_cannot_be_read_are_told(
    clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copy(clip, tmp_path / "a.ts")
    (tmp_path / "b.ts").write_bytes(b"no film at all" * 100)
    damage(clip, tmp_path / "c.mkv")
    shutil.copy(clip, tmp_path / "d.ts")
    async with watched(tmp_path) as (client, watching):
        session = await session_of(client, watching)
        (first,) = await windows(session, 1)
        both_s = first.start_s + 5.0  # the film that began in this window has ended before that
        async with aclosing(aiter(session.follow(after=0))) as events:
            async for event in events:
                if isinstance(event, wire.WindowIngested) and (event.newest_frame_s or 0) > both_s:
                    break
        assert not watching.done()
    for name in ("b.ts", "c.mkv"):
        assert f"passed over: {tmp_path / name}" in caplog.text


async def test_an_empty_folder_is_watched_from_its_first_file_on(
    clip: Path, tmp_path: Path
) -> None:
    told = io.StringIO()
    async with watched(tmp_path, told, None, "--wait") as (client, watching):
        await eventually(lambda: "is watched in session" in told.getvalue())
        shutil.copy(clip, tmp_path / "a.ts")
        session = await session_of(client, watching)
        async for event in session.follow(after=0):
            if isinstance(event, wire.WindowIngested) and event.newest_frame_s is not None:
                break


async def test_a_film_that_breaks_off_ends_the_watching_with_how_far_it_went(
    clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "film.mkv"
    again = ("-stream_loop", "1", "-i", str(clip), "-c", "copy")
    ffmpeg(*again, str(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    async with watched(path) as (client, watching):
        with pytest.raises(MediaFailed, match=r"film\.mkv: damaged or cut: \d\.\d s of its 6"):
            await watching
        (session,) = await client.sessions.list("ended")
        assert await to_its_end(session)


def damage(clip: Path, path: Path) -> None:
    """A film that can be opened, and in which nothing can be decoded."""
    ffmpeg("-i", str(clip), "-c", "copy", str(path))
    whole = path.read_bytes()
    head = whole.index(b"\x1f\x43\xb6\x75") + 12  # into the first cluster (Matroska)
    path.write_bytes(whole[:head] + bytes(len(whole) - head))


async def test_who_is_told_to_end_ends_its_session(tmp_path: Path) -> None:
    """By SIGTERM, as systemd does it."""
    app = create_app(ServiceConfig(rows=4), Loaded(FakeEngine(rows=4), 0.2, "cs2"))
    async with asyncio.timeout(PATIENCE_S), serving(app) as url, EchoSieve(url) as client:
        arguments = ("-m", "clients.cli", "watch", str(tmp_path), "--wait", "--url", url)
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE)
        assert process.stdout is not None
        assert b"is watched in session" in await process.stdout.readline()
        (session,) = await client.sessions.list()
        process.terminate()
        assert await process.wait() == 0
        assert (await session.refresh()).reason == "the sender ended it"


async def test_a_camera_that_is_cut_is_watched_on_in_the_same_session(clip: Path) -> None:
    async with rtsp_server(clip) as server, watched(server.url) as (client, watching):
        session = await session_of(client, watching)
        await windows(session, 1)
        met = server.met
        server.cut()
        await eventually(lambda: server.met > met)
        before = (await session.refresh()).windows
        found = await windows(session, before + 2)  # the second began after the cut
        assert (await session.refresh()).state == "live"
    starts = [window.start_s for window in found]
    assert starts == sorted(set(starts))
