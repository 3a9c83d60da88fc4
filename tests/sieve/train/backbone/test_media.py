"""Files become the windows that a session would see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from sieve.train.backbone.media import Media, MediaShelf, duration_s, read_footage
from stream.render import render_file
from stream.source import FileSource, MediaError, SceneSource, windows
from stream.window import Window
from stream.world.scene import Scene
from tests.sieve.train.backbone.films import film


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("media") / "scene.webm", seconds=9.0)


def through_a_session(path: Path) -> list[Window]:
    async def collect(found: AsyncIterator[Window]) -> list[Window]:
        return [window async for window in found]

    return asyncio.run(collect(windows(FileSource(path, fps=2), fps=2)))


def test_a_whole_file_gives_a_sessions_windows(path: Path) -> None:
    wanted, found = through_a_session(path), read_footage(Media(path), 2).windows
    assert [w.start_s for w in found] == [w.start_s for w in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.grid_times_s == tuple(grid.time_s for grid in theirs.grids)
        for pair, grid in zip(mine.grids, theirs.grids, strict=True):
            assert np.array_equal(pair, grid.pixels)
        assert mine.samples is not None
        assert theirs.samples is not None
        assert np.array_equal(mine.samples, theirs.samples)


def test_the_last_window_knows_how_much_of_it_came(path: Path) -> None:
    footage = read_footage(Media(path), 2)
    assert footage.heard == pytest.approx(16_000, abs=400)  # 9 s end in the middle of a window
    still_open = footage.still_open()
    assert still_open.samples is not None
    assert len(still_open.samples) == footage.heard


def test_a_span_gives_the_windows_of_its_time(path: Path) -> None:
    whole = read_footage(Media(path), 2).windows
    part = read_footage(Media(path, start_s=4.0, end_s=8.0), 2).windows
    assert [w.start_s for w in part] == [0.0, 2.0]
    for mine, theirs in zip(part, whole[2:4], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(mine.grids, theirs.grids, strict=True))
        assert mine.samples is not None
        assert theirs.samples is not None
        inside = slice(800, 31_200)  # a decoder begins anew at the span's edge
        assert np.abs(mine.samples[inside] - theirs.samples[inside]).mean() < 0.01


def test_a_span_that_ends_inside_a_window_holds_nothing_later(path: Path) -> None:
    footage = read_footage(Media(path, start_s=2.0, end_s=5.0), 2)
    assert footage.heard == 16_000
    last = footage.windows[-1]
    assert last.grid_times_s == (2.0,)
    assert last.samples is not None
    assert not last.samples[16_000:].any()


def test_sound_may_come_from_another_file(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.webm"
    render_file(SceneSource(Scene(2), 6.0, size=84, fps=4.0).items(), other, fps=4.0)
    footage = read_footage(Media(path, other), 2)
    pictures, sounds = read_footage(Media(path), 2), read_footage(Media(other), 2)
    assert np.array_equal(footage.windows[0].grids[0], pictures.windows[0].grids[0])
    heard, wanted = footage.windows[1].samples, sounds.windows[1].samples
    assert heard is not None
    assert np.array_equal(heard, wanted)


def test_a_span_in_which_nothing_lies_is_an_error(path: Path) -> None:
    with pytest.raises(MediaError, match="nothing"):
        read_footage(Media(path, start_s=60.0), 2)


def test_a_file_that_was_cut_is_an_error_where_the_clip_reaches_what_is_gone(
    path: Path, tmp_path: Path
) -> None:
    whole = path.read_bytes()
    cut = tmp_path / "cut.webm"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match=r"damaged or cut: it ends at \d\.\d s of 9\.0 s"):
        read_footage(Media(cut), 2)
    assert len(read_footage(Media(cut, end_s=2.0), 2).windows) == 1


def test_the_length_of_a_clip_is_that_of_its_span(path: Path) -> None:
    assert duration_s(Media(path)) == pytest.approx(9.0, abs=0.1)
    assert duration_s(Media(path, start_s=2.0, end_s=5.0)) == pytest.approx(3.0)


def test_the_shelf_gives_the_same_footage_and_forgets_the_oldest(path: Path) -> None:
    whole = Media(path)
    size = sum(p.nbytes for w in read_footage(whole, 2).windows for p in w.grids)
    shelf = MediaShelf(2, 2 * size)
    first = shelf.read(whole)
    assert shelf.read(whole) is first
    for start_s in (0.0, 2.0, 4.0):
        shelf.read(Media(path, start_s=start_s, end_s=9.0))
    assert shelf.read(whole) is not first
