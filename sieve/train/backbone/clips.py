"""Labelled clips: a file of JSON lines, each a conversation about media (``messages``).

What is wrong with a line is told with file and line number, and the line is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sieve.errors import TrainingError
from sieve.prompt import DEFAULT_INSTRUCTION
from sieve.train.backbone.media import Media
from sieve.train.backbone.messages import Turn, Unusable, conversation
from stream.source import FileSource, MediaError


@dataclass(frozen=True, slots=True)
class Clip:
    """Media and what is said about them. ``where`` it comes from (file and line) names it."""

    where: str
    media: Media
    turns: tuple[Turn, ...]
    instruction: str = DEFAULT_INSTRUCTION


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that cannot be used: ``where`` (file and line, or file) and why."""

    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: left out: {self.why}"


Report = Callable[[LeftOut], None]


def read_clips(path: Path, report: Report) -> list[Clip]:
    """All usable lines of a file, in order; the others go to ``report``. Raises TrainingError where
    the file cannot be read or no line can be used."""
    clips, bad = [], 0
    for number, line in _lines(path):
        where = f"{path}:{number}"
        try:
            clips.append(_clip(line, where, path.parent))
        except Unusable as error:
            bad += 1
            report(LeftOut(where, str(error)))
    if not clips:
        raise TrainingError(f"{path}: none of its {bad} lines can be used; training needs one")
    return clips


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror})") from error


def _clip(line: bytes, where: str, folder: Path) -> Clip:
    said = conversation(line)
    media = Media(
        video=None if said.video is None else _path(folder, said.video),
        audio=None if said.audio is None else _path(folder, said.audio),
        start_s=said.start_s,
        end_s=said.end_s,
    )
    _check_files(media)
    return Clip(where, media, said.turns, said.instruction or DEFAULT_INSTRUCTION)


def _path(folder: Path, name: str) -> Path:
    """A file as a line names it. Raises Unusable for the home of somebody who is not there."""
    try:
        return folder / Path(name).expanduser()
    except RuntimeError as error:
        raise Unusable(f"{name}: {error}") from None


def _check_files(media: Media) -> None:
    """Raises Unusable for what is missing, is no media file or lacks the track it is named for."""
    try:
        if media.video is not None and not FileSource(media.video).has_video:
            raise Unusable(f"{media.video}: has no pictures")
        if media.audio is not None and not FileSource(media.audio).has_audio:
            raise Unusable(f"{media.audio}: has no sound")
    except MediaError as error:
        raise Unusable(str(error)) from None
