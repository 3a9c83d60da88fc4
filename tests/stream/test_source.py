"""Sources: files of several containers, broken ones, and the synthetic world."""

from __future__ import annotations

import asyncio
import re
import subprocess
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from stream.render import render_devices, render_file
from stream.source import (
    FileSource,
    MediaError,
    Rest,
    SceneSource,
    in_order,
    time_of,
    windows,
)
from stream.window import SAMPLE_RATE, Frame, Item, Sound, Window
from stream.world.scene import Scene
from tests.stream.addresses import ENCODING, ffmpeg

SECONDS = 5.0


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(3)


@pytest.fixture(scope="module")
def media(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same five seconds as .webm, .mkv, .y4m and .wav."""
    folder = tmp_path_factory.mktemp("media")
    source = SceneSource(scene, SECONDS, size=168)
    render_file(source.items(), folder / "scene.webm")
    render_file(source.items(), folder / "scene.mkv")
    render_devices(source.items(), folder / "scene.y4m", folder / "scene.wav")
    return folder


async def all_windows(source: FileSource | SceneSource) -> list[Window]:
    return [window async for window in windows(source)]


def assert_shows(window: Window, scene: Scene) -> None:
    for grid in window.grids:
        for i, pixels in enumerate(grid.pixels):
            truth = scene.frame(grid.time_s + i * 0.5, 168).astype(int)
            assert np.abs(pixels - truth).mean() < 6, f"wrong picture at {grid.time_s} s"


def assert_sounds(window: Window, scene: Scene, seconds: float) -> None:
    count = round(seconds * SAMPLE_RATE)
    truth = scene.sound(window.start_s, count)
    heard = window.samples[:count]
    assert np.corrcoef(heard, truth)[0, 1] > 0.9
    for shift in (-3, 3):
        assert np.corrcoef(np.roll(heard, shift), truth)[0, 1] < np.corrcoef(heard, truth)[0, 1]


@pytest.mark.parametrize("name", ["scene.webm", "scene.mkv"])
async def test_a_file_shows_and_sounds_what_was_put_in_at_the_same_time(
    media: Path, scene: Scene, name: str
) -> None:
    source = FileSource(media / name)
    assert source.has_audio
    assert source.has_video
    assert source.duration_s == pytest.approx(SECONDS, abs=0.05)
    found = await all_windows(source)
    assert [w.index for w in found] == [0, 1, 2]
    for window, seconds in zip(found, (2, 2, 1), strict=True):
        assert len(window.grids) == seconds
        assert_shows(window, scene)
        assert_sounds(window, scene, seconds)
    assert found[0].gaps == found[1].gaps == ()
    assert source.broken == 0


async def test_a_file_of_pictures_only_gives_windows_without_sound(
    media: Path, scene: Scene
) -> None:
    found = await all_windows(FileSource(media / "scene.y4m"))
    assert [w.samples for w in found] == [None] * 3
    for window in found:
        assert_shows(window, scene)


async def test_a_file_of_sound_only_gives_windows_without_pictures(
    media: Path, scene: Scene
) -> None:
    found = await all_windows(FileSource(media / "scene.wav"))
    assert [w.grids for w in found] == [()] * 3
    for window, seconds in zip(found, (2, 2, 1), strict=True):
        assert_sounds(window, scene, seconds)


def test_with_a_rate_only_the_frames_of_the_ticks_are_converted(media: Path) -> None:
    items = list(FileSource(media / "scene.webm", fps=2, max_side=84).items())
    frames = [item for item in items if isinstance(item, Frame)]
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(10) / 2, abs=0.01)
    assert {frame.rgb.shape for frame in frames} == {(84, 84, 3)}


@pytest.mark.parametrize("from_s", [1.0, 2.5, 4.0])
def test_a_file_read_from_a_moment_on_gives_what_the_whole_gives_from_there(
    media: Path, from_s: float
) -> None:
    source = FileSource(media / "scene.webm", fps=2, max_side=84)
    whole, part = list(source.items()), list(source.items(from_s))
    wanted = [f for f in whole if isinstance(f, Frame) and f.time_s >= from_s]
    frames = [f for f in part if isinstance(f, Frame)]
    assert [f.time_s for f in frames] == [f.time_s for f in wanted]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(frames, wanted, strict=True))
    sounds = [s for s in part if isinstance(s, Sound)]
    assert from_s - 0.1 < sounds[0].start_s <= from_s
    assert len(part) < len(whole)


async def test_a_stream_that_is_left_early_closes_its_file(media: Path) -> None:
    items = aiter(FileSource(media / "scene.webm"))
    await anext(items)
    await items.aclose()

    async def read() -> None:
        async for _ in FileSource(media / "scene.webm"):
            await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.02)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"nowhere\.webm: there is no such file"):
        FileSource(tmp_path / "nowhere.webm")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"cannot be read|not a media file"):
        FileSource(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello, this is text", bytes(range(256)) * 50])
def test_what_is_no_media_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="not a media file, or damaged"):
        FileSource(path)


def test_a_file_without_pictures_and_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n\n")
    with pytest.raises(MediaError, match="neither a video nor an audio track"):
        FileSource(path)


def test_a_file_cut_short_gives_what_is_there(media: Path, tmp_path: Path) -> None:
    whole = (media / "scene.webm").read_bytes()
    path = tmp_path / "cut.webm"
    path.write_bytes(whole[: len(whole) // 2])
    items = list(FileSource(path).items())
    assert items
    assert max(i.start_s for i in items if isinstance(i, Sound)) < SECONDS - 1


CODECS = {
    "film.mp4": ("-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart"),
    "film.webm": ("-c:v", "libvpx", "-c:a", "libopus"),
    "film.mkv": ("-c:v", "libx264", "-c:a", "aac"),
}


def film(path: Path, *more: str) -> Path:
    """Six seconds of a moving picture and a tone, with a key frame a second."""
    shown = ("-f", "lavfi", "-i", "testsrc=size=96x96:rate=10:duration=6")
    heard = ("-f", "lavfi", "-i", "sine=frequency=440:duration=6")
    ffmpeg(*shown, *heard, *more, "-pix_fmt", "yuv420p", "-g", "10", *CODECS[path.name], str(path))
    return path


def cut(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def overwritten(whole: bytes) -> bytes:
    half = len(whole) // 2
    return whole[:half] + np.random.default_rng(0).bytes(len(whole) - half)


@pytest.mark.parametrize("name", list(CODECS))
@pytest.mark.parametrize("harm", [cut, overwritten])
async def test_a_file_that_breaks_off_says_up_to_where_it_could_be_read(
    tmp_path: Path, name: str, harm: Callable[[bytes], bytes]
) -> None:
    path = film(tmp_path / name)
    assert [item async for item in FileSource(path)]
    path.write_bytes(harm(path.read_bytes()))
    found: list[Item] = []

    async def read() -> None:
        async for item in FileSource(path, fps=2):
            found.append(item)  # noqa: PERF401 - also of a source that raises

    with pytest.raises(MediaError) as raised:
        await read()
    said = re.fullmatch(
        rf"{path}: damaged or cut: (\d\.\d) s of its 6\.\d s could be read, the rest cannot",
        str(raised.value),
    )
    assert said
    ends = [
        i.time_s if isinstance(i, Frame) else i.start_s + len(i.samples) / 16_000 for i in found
    ]
    assert 2.0 < max(ends) < 5.0
    assert float(said[1]) == pytest.approx(max(ends), abs=0.6)  # half a second between frames
    with pytest.raises(MediaError, match="damaged or cut"):
        [item async for item in Rest(FileSource(path), 2.0)]


async def test_a_film_with_longer_subtitles_is_whole(tmp_path: Path) -> None:
    texts = tmp_path / "texts.srt"
    texts.write_text("1\n00:00:01,000 --> 00:00:59,000\nwell\n\n")
    source = FileSource(film(tmp_path / "film.mkv", "-i", str(texts), "-c:s", "srt"))
    assert source.duration_s
    assert source.duration_s > 50.0
    assert [item async for item in source]
    assert source.damage is None


async def test_what_was_passed_over_within_a_file_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = film(tmp_path / "film.mp4")
    whole = path.read_bytes()
    middle, some = len(whole) // 2, len(whole) // 20
    path.write_bytes(whole[:middle] + bytes(some) + whole[middle + some :])
    assert [item async for item in FileSource(path)]
    assert re.search(rf"{path}: \d+ broken parts of it were passed over", caplog.text)


def test_noise_inside_a_file_is_passed_over_and_counted(media: Path, tmp_path: Path) -> None:
    whole = bytearray((media / "scene.webm").read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(len(whole) // 4, len(whole), 300):
        whole[place] = rng.integers(256)
    path = tmp_path / "noisy.webm"
    path.write_bytes(whole)
    source = FileSource(path)
    assert list(source.items())
    assert source.broken > 0


def test_a_file_in_which_nothing_can_be_decoded_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    with wave.open(str(path), "wb") as sounds:
        sounds.setparams((1, 2, 16_000, 0, "NONE", ""))
    with pytest.raises(MediaError, match="nothing in it can be decoded"):
        list(FileSource(path).items())


async def test_a_scene_fills_windows_sample_exactly_from_any_start(scene: Scene) -> None:
    found = await all_windows(SceneSource(scene, 4.6, start_s=7.3, size=84))
    assert [w.index for w in found] == [0, 1, 2]
    heard = np.concatenate([w.samples for w in found])[: round(4.6 * SAMPLE_RATE)]
    assert np.array_equal(heard, scene.sound(7.3, len(heard)))
    for window in found:
        for grid in window.grids:
            assert np.array_equal(grid.pixels[0], scene.frame(7.3 + grid.time_s))
            assert np.array_equal(grid.pixels[1], scene.frame(7.3 + grid.time_s + 0.5))


def test_a_film_taken_sideways_is_shown_upright(tmp_path: Path) -> None:
    """Against ffmpeg's own idea of upright."""
    upright = np.zeros((64, 96, 3), np.uint8)
    upright[:32, :48] = (255, 0, 0)
    upright[32:, 48:] = (0, 0, 255)
    items = [Frame(i / 10, upright) for i in range(5)]
    render_file(items, tmp_path / "plain.mkv")
    run = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error"]
    turned, shown = tmp_path / "turned.mp4", tmp_path / "shown.y4m"
    film = ["-i", str(tmp_path / "plain.mkv"), "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    subprocess.run([*run, *film, str(tmp_path / "film.mp4")], check=True)
    turn = ["-display_rotation:v:0", "90", "-i", str(tmp_path / "film.mp4"), "-c", "copy"]
    subprocess.run([*run, *turn, str(turned)], check=True)
    subprocess.run([*run, "-i", str(turned), str(shown)], check=True)
    first = next(FileSource(turned).items())
    truth = next(FileSource(shown).items())
    assert isinstance(first, Frame)
    assert isinstance(truth, Frame)
    assert first.rgb.shape == truth.rgb.shape == (96, 64, 3)
    assert np.abs(first.rgb.astype(int) - truth.rgb).mean() < 12


def test_items_may_begin_late_and_are_then_the_same(tmp_path: Path) -> None:
    """Of a file with a key frame a second, so that there is something to seek."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("mpeg4", rate=10, options={"g": "10"})
        track.width = track.height = 64
        for i in range(80):
            picture = np.full((64, 64, 3), 3 * i, np.uint8)
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(track.encode(None))
    whole = [item for item in FileSource(path).items() if isinstance(item, Frame)]
    late = [item for item in FileSource(path).items(6.0) if isinstance(item, Frame)]
    assert 0.0 < late[0].time_s <= 6.0
    expected = whole[-len(late) :]
    assert [item.time_s for item in late] == [item.time_s for item in expected]
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(late, expected, strict=True))


@pytest.mark.parametrize("from_s", [0.0, 1.25, 3.0])
async def test_the_rest_of_a_file_begins_at_zero_with_what_comes_then(
    media: Path, scene: Scene, from_s: float
) -> None:
    file = FileSource(media / "scene.webm")
    whole = [item async for item in file]
    rest = [item async for item in Rest(file, from_s)]
    shown = [item.time_s for item in rest if isinstance(item, Frame)]
    wanted = [item.time_s - from_s for item in whole if isinstance(item, Frame)]
    assert shown == pytest.approx([time_s for time_s in wanted if time_s > -1e-6], abs=1e-6)
    assert min(shown) >= 0.0
    sounds = [item for item in rest if isinstance(item, Sound)]
    assert sounds[0].start_s == 0.0
    heard = np.concatenate([sound.samples for sound in sounds])[100:16_000]
    truth = scene.sound(from_s, 16_000)
    best = max(np.corrcoef(heard, truth[i : i + len(heard)])[0, 1] for i in range(84, 101))
    assert best > 0.9  # within a millisecond, which a decoder that begins in the middle may take


async def test_of_a_file_that_was_watched_to_its_end_nothing_is_left(media: Path) -> None:
    assert [item async for item in Rest(FileSource(media / "scene.webm"), SECONDS + 1.0)] == []


def test_items_come_by_time_where_the_tracks_of_a_file_lie_apart(tmp_path: Path) -> None:
    """As phones and cameras write them: a second of pictures, then the sound of that second."""
    render_file(SceneSource(Scene(3), 4.0, size=84).items(), tmp_path / "scene.mkv")
    apart = ("-movflags", "frag_keyframe+empty_moov")
    ffmpeg("-i", str(tmp_path / "scene.mkv"), *ENCODING, *apart, str(tmp_path / "apart.mp4"))
    times = [time_of(item) for item in FileSource(tmp_path / "apart.mp4").items()]
    assert times == sorted(times)
    assert times[-1] > 3.8


def test_what_was_read_before_media_broke_is_handed_out_first() -> None:
    def broken() -> Iterator[Item]:
        yield Sound(0.1, np.zeros(320, np.float32))
        yield Frame(0.0, np.zeros((2, 2, 3), np.uint8))
        raise MediaError("broke off")

    items = in_order(broken())
    assert [time_of(next(items)) for _ in range(2)] == [0.0, 0.1]
    with pytest.raises(MediaError, match="broke off"):
        next(items)
