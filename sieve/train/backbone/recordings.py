"""Unlabelled recordings: a folder of media files, cut into clips that a teacher will talk about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sieve.errors import TrainingError
from sieve.tokens import WINDOW_S
from sieve.train.backbone.clips import Clip, LeftOut, Report
from sieve.train.backbone.media import Media
from sieve.train.backbone.messages import Turn
from sieve.train.backbone.tuning import DataPlan
from stream.source import FileSource, MediaError
from stream.window import Frame

VIDEO_SUFFIXES = (".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm")
AUDIO_SUFFIXES = (".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav", ".wma")

GENERIC_QUESTIONS = (
    "What is happening?",
    "Describe what can be seen.",
    "Describe what can be heard.",
    "What happened last?",
    "What happened first?",
    "Who or what is in the picture now?",
    "Where does this take place?",
    "What is being said?",
    "Which sounds are there, and when?",
    "What changed between the beginning and the end?",
    "How many people or things are there?",
    "Is there any text to be read, and what does it say?",
    "What could be seen while the loudest sound was heard?",
    "What is the most important thing that happened, and when?",
    "Is anything unusual?",
    "Sum it up in one sentence.",
)


def cut_recordings(
    folder: Path, questions: Sequence[str], each: int, plan: DataPlan, seed: int, report: Report
) -> list[Clip]:
    """Clips of all media files under a folder, one after the other and of random lengths, each with
    ``each`` of the questions. Raises TrainingError where there is nothing to cut."""
    if not folder.is_dir():
        raise TrainingError(f"{folder}: is no folder of recordings")
    suffixes = (*VIDEO_SUFFIXES, *AUDIO_SUFFIXES)
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
    rng = np.random.default_rng([seed, 71])
    clips = [clip for file in files for clip in _clips(file, questions, each, plan, rng, report)]
    if not clips:
        raise TrainingError(
            f"{folder}: none of its {len(files)} media files can be used; training needs one"
        )
    return clips


def _clips(
    file: Path,
    questions: Sequence[str],
    each: int,
    plan: DataPlan,
    rng: np.random.Generator,
    report: Report,
) -> Iterator[Clip]:
    try:
        whole_s = _duration_s(file)
    except MediaError as error:
        report(LeftOut(str(file), str(error).removeprefix(f"{file}: ")))
        return
    if whole_s < WINDOW_S:
        report(LeftOut(str(file), f"{whole_s:.1f} s long; a clip takes {WINDOW_S:g} s at least"))
    for start_s, end_s in _spans(whole_s, plan.cut_s, rng):
        asked = rng.permutation(len(questions))[:each]
        turns = tuple(Turn(questions[int(i)], None) for i in asked)
        yield Clip(f"{file}@{start_s:g}s", Media(file, None, start_s, end_s), turns)


def _duration_s(file: Path) -> float:
    source = FileSource(file)
    if source.duration_s is not None:
        return source.duration_s
    ends = [i.time_s if isinstance(i, Frame) else i.start_s for i in source.items()]
    return max(ends, default=0.0)


def _spans(
    whole_s: float, lengths_s: tuple[float, float], rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    """Spans that begin on the window clock, as a session's would; a short end is left out."""
    start_s = 0.0
    while whole_s - start_s >= WINDOW_S:
        length_s = min(float(rng.uniform(*lengths_s)), whole_s - start_s)
        yield start_s, start_s + length_s
        start_s += max(WINDOW_S, np.ceil(length_s / WINDOW_S) * WINDOW_S)


def read_questions(path: Path) -> tuple[str, ...]:
    """One question a line. Raises TrainingError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise TrainingError(f"{path}: is no UTF-8 text") from None
    questions = tuple(line.strip() for line in lines if line.strip())
    if not questions:
        raise TrainingError(f"{path}: holds no question; one a line is expected")
    return questions
