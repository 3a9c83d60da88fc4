"""A file is replaced as a whole, or stays as it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clients.database import make_private


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a file beside it to write to, which takes its place, and its permissions, at the end of
    the block; one that was not there is its owner's alone. Raises OSError."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)  # of one that was killed
        make_private(beside)
        yield beside
        with suppress(FileNotFoundError):
            shutil.copymode(path, beside)
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
