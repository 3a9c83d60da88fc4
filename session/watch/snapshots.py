"""Pictures of events, as JPEG files within a bounded budget; the oldest leave first."""

from __future__ import annotations

import io
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from session.errors import NotFound

BUDGET_BYTES = 256 * 1024 * 1024
QUALITY = 85
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\.[0-9]{1,12})?")


@dataclass(frozen=True, slots=True)
class Snapshots:
    """One folder a session under ``folder``, which is made when the first picture comes, for its
    owner alone."""

    folder: Path
    budget_bytes: int = BUDGET_BYTES

    def save(self, session: str, event: str, picture: NDArray[np.uint8]) -> str:
        """Keep a picture, RGB u8 [H, W, 3]; returns the path it is served under."""
        path = self._path(session, event)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(jpeg(picture))
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
        for path in self._files():
            if path.stat().st_mtime < before_at:
                path.unlink(missing_ok=True)

    def _path(self, session: str, event: str) -> Path:
        return self.folder / checked(session) / f"{checked(event)}.jpg"

    def _shrink(self) -> None:
        held = [(path.stat().st_mtime_ns, path.stat().st_size, path) for path in self._files()]
        over = sum(size for _, size, _ in held) - self.budget_bytes
        for _, size, path in sorted(held):
            if over <= 0:
                return
            path.unlink(missing_ok=True)
            over -= size

    def _files(self) -> list[Path]:
        return list(self.folder.glob("*/*.jpg"))


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
