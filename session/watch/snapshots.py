"""Pictures of events, as JPEG files within a bounded budget; the oldest leave first."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from session.errors import NotFound

BUDGET_BYTES = 256 * 1024 * 1024
FREED = 1 / 8  # of the budget, when it is spent: to look for the oldest costs time
QUALITY = 85
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\.[0-9]{1,12})?")


@dataclass(slots=True)
class Snapshots:
    """One folder a session under ``folder``, which is made when the first picture comes, for its
    owner alone."""

    folder: Path
    budget_bytes: int = BUDGET_BYTES
    _at_most_bytes: float = field(default=float("inf"), init=False)  # held; not counted yet

    def save(self, session: str, event: str, picture: NDArray[np.uint8]) -> str:
        """Keep a picture, RGB u8 [H, W, 3]; returns the path it is served under. Raises OSError."""
        path = self._path(session, event)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(exist_ok=True)
        self._at_most_bytes += path.write_bytes(jpeg(picture))
        if self._at_most_bytes > self.budget_bytes:
            self._shrink()
        return f"/v1/sessions/{session}/snapshots/{event}.jpg"

    def load(self, session: str, event: str) -> bytes:
        """The picture of an event. Raises NotFound."""
        try:
            return self._path(session, event).read_bytes()
        except FileNotFoundError:
            raise NotFound("there is no picture of this event, or not any more") from None

    def remove(self, session: str) -> None:
        """All pictures of a session."""
        shutil.rmtree(self.folder / checked(session), ignore_errors=True)

    def remove_old(self, before_at: float) -> None:
        """All pictures of before a moment (Unix seconds)."""
        for file, path in self._files():
            if file.st_mtime < before_at:
                path.unlink(missing_ok=True)

    def _path(self, session: str, event: str) -> Path:
        return self.folder / checked(session) / f"{checked(event)}.jpg"

    def _shrink(self) -> None:
        held = [(file.st_mtime_ns, file.st_size, path) for file, path in self._files()]
        self._at_most_bytes = sum(size for _, size, _ in held)
        if self._at_most_bytes <= self.budget_bytes:
            return
        for _, size, path in sorted(held):
            path.unlink(missing_ok=True)
            self._at_most_bytes -= size
            if self._at_most_bytes <= self.budget_bytes * (1 - FREED):
                return

    def _files(self) -> Iterator[tuple[os.stat_result, Path]]:
        """All pictures; also while some are taken away."""
        for path in self.folder.glob("*/*.jpg"):
            with suppress(FileNotFoundError):
                yield path.stat(), path


def checked(name: str) -> str:
    """A name that cannot leave its folder. Raises NotFound."""
    if not _NAME.fullmatch(name):
        raise NotFound("there is no such picture")
    return name


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """RGB u8 [H, W, 3] as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
