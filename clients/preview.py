"""A window with what the camera sees, and what the sieve kept of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from session import wire

TITLE = "EchoSieve"
PROBE = f"import cv2; cv2.namedWindow({TITLE!r}); cv2.waitKey(1); cv2.destroyAllWindows()"
PROBE_S = 30.0  # for a machine that is busy; a screen that does not answer counts as none
DIM = 0.35  # brightness of what was not kept


def has_screen() -> bool:
    """Whether windows can be shown here."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def has_windows(cv2: Any) -> bool:
    """Whether OpenCV was built with them: `opencv-python-headless` was not."""
    return re.search(r"GUI:\s+NONE", cv2.getBuildInformation()) is None


def opens_windows() -> bool:
    """Whether a window can be opened here. It is tried in another process: where it cannot (a
    screen that is gone, a library that is missing), OpenCV ends the one it is in."""
    command = [sys.executable, "-c", PROBE]
    nothing = subprocess.DEVNULL
    try:
        tried = subprocess.run(
            command, stdin=nothing, stdout=nothing, stderr=nothing, timeout=PROBE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


class Preview:
    """Shows pictures through OpenCV; to be used from the main thread only (macOS insists)."""

    def __init__(self, cv2: Any) -> None:
        self._cv2 = cv2
        self._kept: wire.KeptMap | None = None

    def note(self, kept: wire.KeptMap) -> None:
        """What was kept of the newest window."""
        self._kept = kept

    def show(self, rgb: NDArray[np.uint8]) -> None:
        """One picture, uint8 [H, W, 3]."""
        shown = rgb if self._kept is None else overlaid(rgb, self._kept)
        self._cv2.imshow(TITLE, self._cv2.cvtColor(shown, self._cv2.COLOR_RGB2BGR))
        self._cv2.waitKey(1)

    def close(self) -> None:
        self._cv2.destroyAllWindows()


def overlaid(rgb: NDArray[np.uint8], kept: wire.KeptMap) -> NDArray[np.uint8]:
    """The picture with the cells that the newest grid did not keep darkened, uint8 [H, W, 3]."""
    if not kept.grids:
        return rgb
    grid = kept.grids[-1]
    cells = np.zeros(grid.rows * grid.cols, bool)
    cells[grid.kept] = True
    height, width = rgb.shape[:2]
    rows = np.arange(height) * grid.rows // height
    cols = np.arange(width) * grid.cols // width
    bright = cells.reshape(grid.rows, grid.cols)[rows[:, None], cols]
    return np.where(bright[..., None], rgb, (rgb * DIM).astype(np.uint8))
