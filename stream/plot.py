"""What happens in the synthetic world: a plot tells segment after segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stream.questions import FIRST_KINDS
from stream.segment import OBJECTS, SOUNDS, SYMBOLS, Segment, Sound, Symbol, Thing
from stream.tones import SAMPLE_RATE

DISTINCT_S = 16.0  # an object, a sound or any symbol does not come again within this time
SOUND_MARGIN_S = 0.25  # between a sound and the cuts around it
SEGMENT_S = (2.0, 5.0)
CHAPTER_S = 24.0  # loud and quiet stretches of the first world alternate at this pace


class Plot(Protocol):
    """A world's course, a pure function of its seed."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of questions that can be asked about it, in the order they are asked."""
        ...

    def next(self, seed: int, past: Sequence[Segment]) -> Segment:
        """The segment that follows all of ``past``, the first one at 0 s."""
        ...


def recent(past: Sequence[Segment], start_s: float, within_s: float = DISTINCT_S) -> list[Segment]:
    """What ended less than ``within_s`` before ``start_s``."""
    first = len(past)
    while first and past[first - 1].end_s > start_s - within_s:
        first -= 1
    return list(past[first:])


def sampled(name: str, start_s: float, duration_s: float) -> Sound:
    """A sound that begins and ends on a sample."""
    first = round(start_s * SAMPLE_RATE)
    last = first + round(duration_s * SAMPLE_RATE)
    return Sound(name, first / SAMPLE_RATE, last / SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class FirstWorld:
    """One thing at a time for 2 to 5 s, mostly moving; at times a digit beside it, or a sound.

    ``symbols``: share of the possible segments that carry one; ``sounds``: share of the segments
    that sound, by default changing from chapter to chapter. The first edition of the built-in model
    learned on this world, so it stays what it is, bit by bit.
    """

    symbols: float = 0.6
    sounds: float | None = None

    def __post_init__(self) -> None:
        for name, share in (("symbols", self.symbols), ("sounds", self.sounds)):
            if share is not None and not 0.0 <= share <= 1.0:
                raise ValueError(f"{name} is a share between 0 and 1, not {share}")

    @property
    def kinds(self) -> tuple[str, ...]:
        return FIRST_KINDS

    def next(self, seed: int, past: Sequence[Segment]) -> Segment:
        rng = np.random.default_rng([seed, 2, len(past)])
        start_s = past[-1].end_s if past else 0.0
        end_s = round(start_s + float(rng.uniform(*SEGMENT_S)), 3)
        before = recent(past, start_s)
        thing = similar_thing(before, rng)
        symbol = None
        if rng.random() < self.symbols and all(s.symbol is None for s in before):
            symbol = Symbol(SYMBOLS[rng.integers(len(SYMBOLS))], start_s, end_s)
        sounds = self._choose_sound(seed, before, start_s, end_s, rng)
        return Segment(len(past), start_s, end_s, (thing,), symbol, sounds)

    def _choose_sound(
        self,
        seed: int,
        before: Sequence[Segment],
        start_s: float,
        end_s: float,
        rng: np.random.Generator,
    ) -> tuple[Sound, ...]:
        share = self.sounds
        if share is None:
            chapter = np.random.default_rng([seed, 3, int(start_s / CHAPTER_S)])
            share = float(chapter.choice([0.15, 0.6, 0.9], p=[0.2, 0.4, 0.4]))
        used = {sound.name for segment in before for sound in segment.sounds}
        free = [name for name in SOUNDS if name not in used]
        if rng.random() >= share or not free:
            return ()
        duration_s = float(rng.uniform(0.3, 0.7))
        begin_s = float(rng.uniform(start_s + SOUND_MARGIN_S, end_s - SOUND_MARGIN_S - duration_s))
        return (sampled(free[rng.integers(len(free))], begin_s, duration_s),)


FIRST_WORLD = FirstWorld()


def similar_thing(before: Sequence[Segment], rng: np.random.Generator) -> Thing:
    """A new thing; mostly one that shares its colour or its shape with one of the last two
    segments, so that colour or shape alone does not tell things apart."""
    used = {thing.name for segment in before for thing in segment.things}
    free = [name for name in OBJECTS if name not in used]
    if rng.random() < 0.6:
        words = {word for s in before[-2:] for t in s.things for word in (t.colour, t.shape)}
        free = [name for name in free if words & set(name.split())] or free
    return Thing.named(free[rng.integers(len(free))])
