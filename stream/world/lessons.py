"""Worlds to learn in: tasks one after another, and a mixture of them with the varied world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stream.world.plot import Varied
from stream.world.questions import KINDS
from stream.world.segment import Segment
from stream.world.split import Split
from stream.world.task import Task, told
from stream.world.tasks import (
    Ago,
    Cue,
    Density,
    FaintDigit,
    Flash,
    Gap,
    Named,
    OneSound,
    Tally,
)

LESSON_S = 16.0
_LOOKING_BACK = 3  # times as many lessons as in another task: it takes two steps of thought


def tasks(split: Split, length_s: float) -> tuple[Task, ...]:
    """All tasks, each once."""
    return (
        OneSound(length_s, split),
        Flash(length_s),
        Density(length_s, "sound"),
        Density(length_s, "picture"),
        Density(length_s, "both", split),
        Gap(length_s),
        Ago(length_s),
        FaintDigit(length_s),
        Cue(length_s, "end", split),
        Cue(length_s, "beginning", split),
        Named(length_s),
        Tally(length_s),
    )


@dataclass(frozen=True, slots=True)
class Lessons:
    """A task of 16 s, then another one, without an end; all kinds of questions. What needs a look
    back comes more often."""

    split: Split = "any"

    @property
    def kinds(self) -> tuple[str, ...]:
        return KINDS

    def next(self, seed: int, past: Sequence[Segment]) -> Segment:
        number = int((past[-1].end_s if past else 0.0) / LESSON_S)
        rng = np.random.default_rng([seed, 10, number])
        task = _drawn(tasks(self.split, LESSON_S), rng)
        story = _fitted(told(task, int(rng.integers(2**31))), LESSON_S)
        done = 0
        while done < len(past) and past[-1 - done].start_s >= number * LESSON_S:
            done += 1
        return _moved(story[done], len(past), number * LESSON_S)


@dataclass(frozen=True, slots=True)
class Mixed:
    """Of the scenes a share of ``lessons`` is lessons, the others are varied worlds."""

    split: Split = "any"
    lessons: float = 0.3

    def __post_init__(self) -> None:
        if not 0.0 <= self.lessons <= 1.0:
            raise ValueError(f"lessons is a share between 0 and 1, not {self.lessons}")

    @property
    def kinds(self) -> tuple[str, ...]:
        return KINDS

    def next(self, seed: int, past: Sequence[Segment]) -> Segment:
        is_lesson = np.random.default_rng([seed, 12]).random() < self.lessons
        plot = Lessons(self.split) if is_lesson else Varied(self.split)
        return plot.next(seed, past)


def _drawn(possible: Sequence[Task], rng: np.random.Generator) -> Task:
    weights = np.array([_LOOKING_BACK if isinstance(task, Cue) else 1 for task in possible])
    return possible[rng.choice(len(possible), p=weights / weights.sum())]


def _fitted(story: Sequence[Segment], length_s: float) -> list[Segment]:
    """The story cut, or filled with an empty segment, to end at ``length_s``."""
    fitted = []
    for segment in story:
        if segment.start_s < length_s:
            symbol, end_s = segment.symbol, min(segment.end_s, length_s)
            sounds = tuple(sound for sound in segment.sounds if sound.end_s <= end_s)
            if symbol:
                symbol = replace(symbol, end_s=min(symbol.end_s, end_s))
            fitted.append(replace(segment, end_s=end_s, sounds=sounds, symbol=symbol))
    if fitted[-1].end_s < length_s:
        fitted.append(Segment(len(fitted), fitted[-1].end_s, length_s))
    return fitted


def _moved(segment: Segment, index: int, by_s: float) -> Segment:
    """The same segment, later."""
    symbol = segment.symbol
    if symbol:
        symbol = replace(symbol, start_s=symbol.start_s + by_s, end_s=symbol.end_s + by_s)
    return replace(
        segment,
        index=index,
        start_s=segment.start_s + by_s,
        end_s=segment.end_s + by_s,
        symbol=symbol,
        sounds=tuple(
            replace(sound, start_s=sound.start_s + by_s, end_s=sound.end_s + by_s)
            for sound in segment.sounds
        ),
    )
