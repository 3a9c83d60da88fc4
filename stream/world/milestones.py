"""A plot for long memory: much happens again and again, a few things happen once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stream.world.plot import SEGMENT_S, SOUND_MARGIN_S, recent, sampled
from stream.world.segment import COLOURS, SHAPES, SOUNDS, SYMBOLS, Segment, Symbol, Thing
from stream.world.split import Split, together

KINDS = (
    "now",
    "during",
    "sound_of",
    "order",
    "with_symbol",
    "after",
    "symbol_of",
    "when_seen",
    "when_heard",
)


class Milestone(NamedTuple):
    """A thing that is visible once, from the first cut after ``due_s``."""

    due_s: float
    thing: Thing
    sound: str | None
    digit: str | None


@dataclass(frozen=True, slots=True)
class Milestones:
    """Silent segments with a thing of one of three colours, or still and empty (``quiet`` of them);
    between them, once in ``length_s`` each, the twelve things of the other colours. Seven come with
    a sound, one with a digit, and these come only then. So a question about a milestone has one
    answer however long ago it was. ``split`` says which sounds may come with which things. Raises
    ValueError for a length that is too short for twelve.
    """

    length_s: float
    quiet: float = 0.5
    split: Split = "any"

    def __post_init__(self) -> None:
        if self.length_s < 120.0:
            raise ValueError(f"twelve milestones need 120 s or more, not {self.length_s}")

    @property
    def kinds(self) -> tuple[str, ...]:
        return KINDS

    def next(self, seed: int, past: Sequence[Segment]) -> Segment:
        rng = np.random.default_rng([seed, 61, len(past)])
        start_s = past[-1].end_s if past else 0.0
        end_s = round(start_s + float(rng.uniform(*SEGMENT_S)), 3)
        story = self.story(seed)
        told = {m.thing for m in story} & {thing for s in past for thing in s.things}
        due = [m for m in story if m.due_s <= start_s and m.thing not in told]
        if due:
            return _milestone(len(past), start_s, end_s, due[0], rng)
        if rng.random() < self.quiet:
            return Segment(len(past), start_s, end_s, still=True)
        used = {thing for s in recent(past, start_s) for thing in s.things}
        rare = {m.thing.colour for m in story}
        free = [Thing(c, s) for c in COLOURS if c not in rare for s in SHAPES]
        free = [thing for thing in free if thing not in used]
        return Segment(len(past), start_s, end_s, (free[rng.integers(len(free))],))

    def story(self, seed: int) -> tuple[Milestone, ...]:
        """The milestones, in order of time and evenly spread."""
        rng = np.random.default_rng([seed, 62])
        colours = rng.permutation(list(COLOURS))[: len(COLOURS) // 2]
        things = [Thing(str(colour), shape) for colour in colours for shape in SHAPES]
        sounds = self._sounds(things, rng)
        silent = [i for i, sound in enumerate(sounds) if sound is None]
        digits: list[str | None] = [None] * len(things)
        digits[silent[rng.integers(len(silent))]] = SYMBOLS[rng.integers(len(SYMBOLS))]
        step_s = self.length_s / len(things)
        due_s = (np.arange(len(things)) + rng.uniform(0.0, 0.6, len(things))) * step_s
        order = rng.permutation(len(things))
        return tuple(
            Milestone(float(at_s), things[i], sounds[i], digits[i])
            for at_s, i in zip(due_s, order, strict=True)
        )

    def _sounds(self, things: Sequence[Thing], rng: np.random.Generator) -> list[str | None]:
        """What is heard with each thing: every sound once, in a company that ``split`` allows."""
        sounds: list[str | None] = [None] * len(things)
        for name in SOUNDS:
            free = [i for i, thing in enumerate(things) if sounds[i] is None]
            free = [i for i in free if together(self.split, [things[i]], name)]
            sounds[free[rng.integers(len(free))]] = name
        return sounds


def _milestone(
    index: int, start_s: float, end_s: float, milestone: Milestone, rng: np.random.Generator
) -> Segment:
    symbol = Symbol(milestone.digit, start_s, end_s) if milestone.digit else None
    if milestone.sound is None:
        return Segment(index, start_s, end_s, (milestone.thing,), symbol)
    duration_s = float(rng.uniform(0.3, 0.7))
    begin_s = float(rng.uniform(start_s + SOUND_MARGIN_S, end_s - SOUND_MARGIN_S - duration_s))
    sound = sampled(milestone.sound, begin_s, duration_s)
    return Segment(index, start_s, end_s, (milestone.thing,), symbol, (sound,))
