"""A folder of files, and those that come while it is watched."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from stream.folder import FolderSource
from stream.render import render_file
from stream.source import FileSource, MediaError, SceneSource
from stream.sources import source_of
from stream.window import Frame, Item
from stream.world.scene import Scene


def film(path: Path, seed: int) -> Path:
    render_file(SceneSource(Scene(seed), 1.0, size=84).items(), path)
    return path


async def frames(folder: FolderSource, count: int) -> list[Frame]:
    """The first frames."""
    found: list[Frame] = []
    items = aiter(folder)
    async with asyncio.timeout(30.0), aclosing(items):  # type: ignore[type-var]
        item: Item
        async for item in items:
            if isinstance(item, Frame):
                found.append(item)
            if len(found) == count:
                break
    return found


async def test_files_follow_each_other_by_name_on_one_time_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    film(tmp_path / "b.webm", 2)
    film(tmp_path / "a.webm", 1)
    (tmp_path / "an.txt").write_text("no film")
    folder = FolderSource(tmp_path, look_s=0.02)
    assert folder.has_video
    assert folder.has_audio
    assert not caplog.records
    found = await frames(folder, 20)
    (said,) = caplog.records
    assert said.getMessage().startswith(f"passed over: {tmp_path / 'an.txt'}: not a media file")
    times = [frame.time_s for frame in found]
    assert times == sorted(times)
    assert times[10] - times[9] >= 0.09  # one time line, no overlap
    assert abs(found[0].rgb.astype(int) - Scene(1).frame(0.0, 84)).mean() < 12
    assert abs(found[10].rgb.astype(int) - Scene(2).frame(0.0, 84)).mean() < 12


async def test_where_a_file_breaks_off_the_next_follows_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = tmp_path / "a.webm", film(tmp_path / "b.webm", 2)
    render_file(SceneSource(Scene(1), 4.0, size=84).items(), first)
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    count = sum(isinstance(item, Frame) for item in FileSource(first, fps=10).items())
    found = await frames(FolderSource(tmp_path, look_s=0.02), count + 10)
    assert abs(found[-10].rgb.astype(int) - Scene(2).frame(0.0, 84)).mean() < 12
    assert f"{first}: damaged or cut" in caplog.text
    assert str(second) not in caplog.text


async def test_a_file_that_comes_later_is_taken(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    film(inbox / "a.webm", 1)
    ready = film(tmp_path / "new.webm", 2)
    folder = FolderSource(inbox, look_s=0.02)
    reading = asyncio.create_task(frames(folder, 20))
    await asyncio.sleep(0.3)
    ready.rename(inbox / "new.webm")
    found = await reading
    assert abs(found[10].rgb.astype(int) - Scene(2).frame(0.0, 84)).mean() < 12


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such folder"):
        FolderSource(tmp_path / "none")
    assert isinstance(source_of(tmp_path), FolderSource)
