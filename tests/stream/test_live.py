"""Sources that have an address: HLS over HTTP, MPEG-TS over TCP, RTSP that is cut and restored."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from av.container import InputContainer

from stream.live import BrokenOffError, LiveSource, shown
from stream.render import render_file
from stream.source import CutError, Decoded, FileSource, MediaError, SceneSource
from stream.sources import source_of
from stream.window import SAMPLE_RATE, Frame, Item, Sound
from stream.world.scene import Scene
from tests.stream.addresses import ENCODING, ffmpeg, folder_on_http, hls
from tests.stream.rtsp import rtsp_server

SECONDS = 3.0
SEED = 3


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a scene as .mkv; beside it the same as .ts."""
    path = tmp_path_factory.mktemp("clip") / "scene.mkv"
    render_file(SceneSource(Scene(SEED), SECONDS, size=168).items(), path)
    ffmpeg("-i", str(path), *ENCODING, "-f", "mpegts", str(path.with_suffix(".ts")))
    return path


async def all_items(source: AsyncIterator[Item]) -> list[Item]:
    async with asyncio.timeout(30.0):
        return [item async for item in source]


def frames_of(items: list[Item]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame)]


def assert_shows_the_scene(frame: Frame, time_s: float) -> None:
    truth = Scene(SEED).frame(time_s, frame.rgb.shape[0]).astype(int)
    assert np.abs(frame.rgb - truth).mean() < 12


async def test_a_recorded_hls_list_is_played_to_its_end(clip: Path, tmp_path: Path) -> None:
    with folder_on_http(hls(clip, tmp_path / "hls").parent) as url:
        source = await asyncio.to_thread(source_of, f"{url}/list.m3u8")
        assert isinstance(source, LiveSource)
        assert source.has_audio
        assert source.has_video
        items = await all_items(aiter(source))
    frames = frames_of(items)
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx([0.1] * 29, abs=0.01)
    assert_shows_the_scene(frames[15], 1.5)
    samples = sum(len(item.samples) for item in items if isinstance(item, Sound))
    assert samples / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.1)


@pytest.fixture
def films(clip: Path, tmp_path: Path) -> Path:
    """A folder with the clip, whole and cut."""
    whole = clip.read_bytes()
    (tmp_path / "whole.mkv").write_bytes(whole)
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    return tmp_path


async def test_a_film_on_a_web_server_that_was_cut_says_so(films: Path) -> None:
    with folder_on_http(films) as url:
        whole = await asyncio.to_thread(LiveSource, f"{url}/whole.mkv")
        assert await all_items(aiter(whole))
        cut = await asyncio.to_thread(LiveSource, f"{url}/cut.mkv")
        with pytest.raises(CutError, match=rf"{url}/cut.mkv: damaged or cut: 1\.\d s of its 3"):
            await all_items(aiter(cut))


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with twelve seconds of a scene in several containers, a key frame a second."""
    folder = tmp_path_factory.mktemp("long")
    rendered = folder / "scene.webm"
    render_file(SceneSource(Scene(SEED), 12.0, size=84).items(), rendered)
    for name in ("film.mkv", "film.mp4"):
        ffmpeg("-i", str(rendered), *ENCODING, "-movflags", "+faststart", str(folder / name))
    hls(rendered, folder / "hls")
    return folder


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "hls/list.m3u8"])
async def test_a_recording_begins_where_it_is_told_whatever_the_server_can_do(
    long_film: Path, name: str, ranges: bool
) -> None:
    with folder_on_http(long_film, ranges=ranges) as url:
        source = await asyncio.to_thread(LiveSource, f"{url}/{name}", from_s=8.0)
        items = await all_items(aiter(source))
    frames = frames_of(items)
    assert len(frames) == pytest.approx(40, abs=1)
    assert frames[-1].time_s - frames[0].time_s == pytest.approx(3.9, abs=0.11)
    assert_shows_the_scene(frames[0], 8.1)
    assert_shows_the_scene(frames[-1], 11.9)
    samples = sum(len(item.samples) for item in items if isinstance(item, Sound))
    assert samples / SAMPLE_RATE == pytest.approx(4.0, abs=0.2)


async def test_an_mp4_whose_index_is_at_its_end_needs_a_server_that_can_begin_there(
    clip: Path, tmp_path: Path
) -> None:
    ffmpeg("-i", str(clip), *ENCODING, str(tmp_path / "late.mp4"))
    with folder_on_http(tmp_path, ranges=True) as url:
        source = await asyncio.to_thread(LiveSource, f"{url}/late.mp4")
        assert len(frames_of(await all_items(aiter(source)))) == pytest.approx(30, abs=1)
    with (
        folder_on_http(tmp_path) as url,
        pytest.raises(CutError, match=r"index \(moov\) is at its end.* Range.* \+faststart"),
    ):
        await asyncio.to_thread(LiveSource, f"{url}/late.mp4")


async def test_what_has_no_end_begins_with_what_comes(clip: Path) -> None:
    async with rtsp_server(clip.with_suffix(".ts")) as server:
        source = await asyncio.to_thread(LiveSource, server.url, from_s=2.0)
        items = aiter(source)
        async with asyncio.timeout(30.0), aclosing(items):  # type: ignore[type-var]
            first = await anext(items)
    assert isinstance(first, Frame)
    assert_shows_the_scene(first, 0.0)


async def test_a_film_that_was_cut_has_nothing_behind_the_cut(films: Path) -> None:
    with folder_on_http(films, ranges=True) as url:
        source = await asyncio.to_thread(LiveSource, f"{url}/cut.mkv", from_s=1.9)
        with pytest.raises(CutError, match="damaged or cut"):
            await anext(aiter(source))


class Breaking(LiveSource):
    """Its first connection breaks off after some frames."""

    left = 25

    def _frames(self, container: InputContainer) -> Iterator[Decoded]:
        for frame in super()._frames(container):
            self.left -= 1
            if self.left == 0:
                raise MediaError("the connection broke off")
            yield frame


@pytest.mark.parametrize("name", ["list.m3u8", "whole.mkv"])
async def test_a_recording_whose_connection_breaks_goes_on_where_it_was(
    clip: Path, films: Path, name: str
) -> None:
    with folder_on_http(films if name == "whole.mkv" else hls(clip, films / "hls").parent) as url:
        source = await asyncio.to_thread(Breaking, f"{url}/{name}", first_wait_s=0.05)
        items = await all_items(aiter(source))
    assert source.left < 0  # it broke
    frames = frames_of(items)
    assert 28 <= len(frames) <= 30  # of 30; a tick may fall into the cut
    assert_shows_the_scene(frames[-1], 2.9)
    samples = sum(len(item.samples) for item in items if isinstance(item, Sound))
    assert samples / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.2)


class BreakingOften(LiveSource):
    """Each of its connections breaks off after some four seconds."""

    def _frames(self, container: InputContainer) -> Iterator[Decoded]:
        for count, frame in enumerate(super()._frames(container)):
            if count == 250:
                raise BrokenOffError("the connection broke off")
            yield frame


async def test_a_recording_whose_every_connection_breaks_goes_on_from_each_cut(
    long_film: Path,
) -> None:
    with folder_on_http(long_film, ranges=True) as url:
        source = await asyncio.to_thread(BreakingOften, f"{url}/film.mkv", first_wait_s=0.05)
        frames = frames_of(await all_items(aiter(source)))
    assert len(frames) == pytest.approx(120, abs=6)  # a tick may fall into a cut
    assert_shows_the_scene(frames[-1], 11.9)


async def test_a_recording_that_always_breaks_at_the_same_place_is_given_up(
    long_film: Path,
) -> None:
    found: list[Item] = []

    async def keep(source: LiveSource) -> None:
        async for item in source:
            found.append(item)  # noqa: PERF401 - what came before it breaks counts

    with folder_on_http(long_film) as url:
        source = await asyncio.to_thread(BreakingOften, f"{url}/film.mkv", first_wait_s=0.01)
        with pytest.raises(CutError, match=r"after 4\.\d s of its 12\.0 s, at the same place 5 ti"):
            await keep(source)
    assert len(frames_of(found)) == pytest.approx(44, abs=4)  # none is sent again


async def test_a_film_that_does_not_say_how_long_it_is_is_played_once(
    clip: Path, tmp_path: Path
) -> None:
    shutil.copy(clip.with_suffix(".ts"), tmp_path)
    with folder_on_http(tmp_path) as url:
        source = await asyncio.to_thread(LiveSource, f"{url}/scene.ts", first_wait_s=0.05)
        frames = frames_of(await all_items(aiter(source)))
    assert len(frames) == pytest.approx(30, abs=1)


async def test_rtsp_is_watched_cut_and_watched_again(clip: Path) -> None:
    async with rtsp_server(clip.with_suffix(".ts")) as server:
        source = await asyncio.to_thread(LiveSource, server.url, first_wait_s=0.05)
        assert (source.has_video, source.has_audio) == (True, False)
        frames: list[Frame] = []
        items = cast("AsyncIterator[Frame]", aiter(source))
        async with asyncio.timeout(60.0), aclosing(items):  # type: ignore[type-var]
            async for frame in items:
                frames.append(frame)
                if len(frames) == 5:
                    server.cut()
                if len(frames) == 10:
                    break
    times = [frame.time_s for frame in frames]
    assert times == sorted(times)
    assert server.met >= 2
    assert_shows_the_scene(frames[0], 0.0)


async def test_mpegts_over_tcp_is_watched(clip: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(clip.with_suffix(".ts").read_bytes())
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(send, sock=listener):
            url = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
            source = await asyncio.to_thread(LiveSource, url)
            items = aiter(source)
            async with asyncio.timeout(30.0), aclosing(items):  # type: ignore[type-var]
                found = [await anext(items) for _ in range(20)]
    assert frames_of(found)
    assert any(isinstance(item, Sound) for item in found)


def test_an_address_where_nothing_answers_is_named_without_its_password() -> None:
    with pytest.raises(MediaError, match=r"rtsp://127\.0\.0\.1:9/door cannot be opened") as error:
        source_of("rtsp://user:secret@127.0.0.1:9/door")
    assert "secret" not in str(error.value)


def test_an_address_to_which_nobody_sends_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.live.OPEN_S", 0.2)
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(MediaError, match=r"cannot be opened \(nothing came within 0\.2 s\)"):
        source_of(f"udp://127.0.0.1:{port}")


def test_a_device_that_is_no_camera_is_told_as_one() -> None:
    with pytest.raises(MediaError, match=r"^/dev/null cannot be used as a camera \("):
        source_of("/dev/null")


@pytest.mark.parametrize(
    ("address", "as_shown"),
    [
        ("rtsp://me:pw@cam.local:554/1?x=@", "rtsp://cam.local:554/1?x=@"),
        ("http://host/list.m3u8", "http://host/list.m3u8"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_addresses_are_shown_without_user_and_password(address: str, as_shown: str) -> None:
    assert shown(address) == as_shown


def test_a_name_without_a_scheme_is_a_file(clip: Path) -> None:
    assert isinstance(source_of(clip), FileSource)
    with pytest.raises(MediaError, match="no such file"):
        source_of("nowhere.webm")
