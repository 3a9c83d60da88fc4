"""What the sieve kept, over the picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from clients import preview, webcam
from clients.preview import DIM, Preview, has_screen, overlaid
from session import wire
from tests.stream.devices import Screen

NONE = wire.Counts(video=0, audio=0)


def kept_map(*kept: int, rows: int = 2, cols: int = 3) -> wire.KeptMap:
    grid = wire.GridMap(time_s=0.0, grid_s=1.0, rows=rows, cols=cols, kept=list(kept))
    return wire.KeptMap(start_s=0.0, seen=NONE, kept=NONE, grids=[grid], audio_kept=[])


def test_cells_that_were_not_kept_are_dark_and_the_others_as_they_were() -> None:
    picture = np.full((20, 30, 3), 200, np.uint8)
    shown = overlaid(picture, kept_map(0, 5))
    assert (shown[:10, :10] == 200).all()
    assert (shown[10:, 20:] == 200).all()
    assert (shown[:10, 10:] == int(200 * DIM)).all()
    assert (shown[10:, :20] == int(200 * DIM)).all()


@pytest.mark.parametrize("size", [(7, 5), (448, 252), (1, 1)])
def test_any_size_of_picture_fits_any_grid(size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 200, np.uint8)
    shown = overlaid(picture, kept_map(*range(12), rows=3, cols=4))
    assert np.array_equal(shown, picture)


def test_without_a_grid_the_picture_stays() -> None:
    picture = np.full((4, 4, 3), 9, np.uint8)
    nothing = kept_map().model_copy(update={"grids": []})
    assert overlaid(picture, nothing) is picture


def test_a_screen_is_where_a_display_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not has_screen()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_screen()
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.delenv("WAYLAND_DISPLAY")
    assert has_screen()


WINDOW = "def namedWindow(_): {}\ndef waitKey(_): pass\ndef destroyAllWindows(): pass\n"


@pytest.mark.parametrize(
    ("opening", "opens"),
    [
        ("pass", True),
        ("import os; os.abort()", False),  # what Qt does
        ("raise RuntimeError('no GTK')", False),
        ("import time; time.sleep(600)", False),
    ],
)
def test_whether_a_window_opens_is_tried_where_it_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, opening: str, opens: bool
) -> None:
    (tmp_path / "cv2.py").write_text(WINDOW.format(opening))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    if "sleep" in opening:
        monkeypatch.setattr(preview, "PROBE_S", 1.0)
    assert preview.opens_windows() is opens


def test_no_window_opens_on_a_screen_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    told = Console(file=io.StringIO(), width=200)
    assert webcam.preview_of(told) is None
    assert isinstance(told.file, io.StringIO)
    assert webcam.NO_DISPLAY in " ".join(told.file.getvalue().split())


def test_pictures_are_shown_with_the_newest_map() -> None:
    screen = Screen()
    preview = Preview(screen)
    picture = np.full((4, 6, 3), (200, 0, 0), np.uint8)
    preview.show(picture)
    preview.note(kept_map())
    preview.show(picture)
    preview.close()
    assert (screen.shown[0][0, 0] == (0, 0, 200)).all()
    assert (screen.shown[1][0, 0] == (0, 0, int(200 * DIM))).all()
    assert screen.windows == 0
