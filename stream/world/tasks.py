"""The tasks: each a story of its own, by the ability that it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

import numpy as np

from stream.world.plot import (
    ECHO_S,
    FLASH_S,
    PAUSE_S,
    SOUND_MARGIN_S,
    recent,
    sampled,
    similar_thing,
)
from stream.world.questions import Question
from stream.world.segment import (
    COLOURS,
    OBJECTS,
    SHAPES,
    SOUNDS,
    SYMBOLS,
    Segment,
    Sound,
    Symbol,
    Thing,
)
from stream.world.split import Split, together
from stream.world.task import LEAD_S, TAIL_S, Task


@dataclass(frozen=True)
class OneSound(Task):
    """T1, from sound to picture: many things, one sound; what was visible during it?"""

    split: Split = "any"

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("the_sound",)

    def story(self, rng: np.random.Generator) -> Sequence[Segment]:
        segments = _parade(self.length_s, (1.6, 2.4), rng)
        inside = [s for s in segments if s.start_s >= LEAD_S and s.end_s <= self.length_s - TAIL_S]
        chosen = inside[rng.integers(len(inside))]
        segments[chosen.index] = _loud(chosen, self.split, SOUNDS, rng)
        return segments


@dataclass(frozen=True)
class Flash(Task):
    """T2, from picture to sound: sound after sound, a digit flashes; which sound was there?"""

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("sound_at",)

    def story(self, rng: np.random.Generator) -> Sequence[Segment]:
        sounds = _in_a_row(self.length_s, _shuffled(rng), (1.2, 1.8), (0.6, 1.0), rng)
        chosen = sounds[rng.integers(len(sounds))]
        flash_s = float(rng.uniform(FLASH_S[0], 1.1))
        begin_s = round(float(rng.uniform(chosen.start_s, chosen.end_s - flash_s)), 3)
        symbol = Symbol(_digit(rng), begin_s, round(begin_s + flash_s, 3))
        return [Segment(0, 0.0, self.length_s, symbol=symbol, sounds=sounds)]


@dataclass(frozen=True)
class Density(Task):
    """T3, where the content is: ``dense`` sound over a frozen picture, quick silent pictures, or a
    sound in every picture."""

    dense: Literal["sound", "picture", "both"] = "both"
    split: Split = "any"

    @property
    def kinds(self) -> tuple[str, ...]:
        if self.dense == "sound":
            return ("first_sound", "last_sound", "sound_order", "sound_after", "count_sound")
        if self.dense == "picture":
            return ("order", "after", "ago", "exists", "count_things")
        return ("during", "during_last", "sound_of")

    def story(self, rng: np.random.Generator) -> Sequence[Segment]:
        if self.dense == "sound":
            sounds = _in_a_row(self.length_s, _shuffled(rng), (0.3, 0.6), (PAUSE_S, 0.5), rng)
            symbol = Symbol(_digit(rng), 0.0, self.length_s)
            return [Segment(0, 0.0, self.length_s, symbol=symbol, sounds=sounds, still=True)]
        if self.dense == "picture":
            return _parade(self.length_s, (1.2, 1.8), rng)
        segments: list[Segment] = []
        for segment in _parade(self.length_s, (1.6, 2.2), rng):
            near = recent(segments, segment.start_s, ECHO_S)
            used = {sound.name for other in near for sound in other.sounds}
            free = [name for name in SOUNDS if name not in used]
            segments.append(_loud(segment, self.split, free, rng))
        return segments


@dataclass(frozen=True)
class Gap(Task):
    """T4, time between: two sounds over a picture that flickers; how many seconds apart, and when
    did one of them sound?"""

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("gap", "when_heard")

    def story(self, rng: np.random.Generator) -> Sequence[Segment]:
        room_s = self.length_s - LEAD_S - TAIL_S - 1.0
        gap_s = int(rng.integers(1, int(room_s) + 1)) + float(rng.uniform(-0.25, 0.25))
        begin_s = LEAD_S + float(rng.uniform(0.0, room_s + 0.3 - gap_s))
        i, j = rng.choice(len(SOUNDS), 2, replace=False)
        sounds = sampled(SOUNDS[i], begin_s, 0.5), sampled(SOUNDS[j], begin_s + gap_s, 0.5)
        return [Segment(0, 0.0, self.length_s, sounds=sounds, flicker=0.3)]


@dataclass(frozen=True)
class Ago(Task):
    """T4, time until now: silent things; what was visible some seconds ago, and when did one of
    them appear?"""

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("ago", "when_seen")

    def story(self, rng: np.random.Generator) -> Sequence[Segment]:
        return _parade(self.length_s, (2.0, 4.0), rng)


@dataclass(frozen=True)
class FaintDigit(Task):
    """T5, a small detail: a faint digit that stays, in a picture that flickers."""

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("digit",)

    def story(self, rng: np.random.Generator) -> Sequence[Segment]:
        symbol = Symbol(_digit(rng), 0.0, self.length_s, faint=True)
        thing = Thing.named(OBJECTS[rng.integers(len(OBJECTS))])
        return [Segment(0, 0.0, self.length_s, (thing,), symbol, flicker=0.3)]


@dataclass(frozen=True)
class Cue(Task):
    """T6, looking back: two to six things, each with a sound of its own; the sound of one of the
    earlier half comes alone, at the end or, as a twin, at the beginning. With what did it come?"""

    at: Literal["end", "beginning"] = "end"
    split: Split = "any"

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("lone",)

    def story(self, rng: np.random.Generator) -> Sequence[Segment]:
        late = self.at == "end"
        cue_s = self.length_s - 1.4 - TAIL_S if late else 0.0
        begin_s, end_s = (LEAD_S, cue_s) if late else (2.4, self.length_s - TAIL_S)
        names = [SOUNDS[i] for i in rng.permutation(len(SOUNDS))]
        names = names[: min(6, int((end_s - begin_s) / 1.8))]
        cue = sampled(
            names[rng.integers(max(1, len(names) // 2))], cue_s + (0.3 if late else 1.3), 0.6
        )
        story = [Segment(0, 0.0, begin_s, sounds=() if late else (cue,))]
        for name in names:
            used = {thing for segment in story for thing in segment.things}
            free = [t for t in map(Thing.named, OBJECTS) if t not in used]
            free = [thing for thing in free if together(self.split, [thing], name)]
            start_s = story[-1].end_s
            end_at_s = round(start_s + (end_s - begin_s) / len(names), 3)
            segment = Segment(len(story), start_s, end_at_s, (free[rng.integers(len(free))],))
            story.append(_with_sound(segment, name, rng))
        if late:
            story.append(Segment(len(story), story[-1].end_s, self.length_s, sounds=(cue,)))
        return story


@dataclass(frozen=True)
class Named(Task):
    """T7, what the text names: three things at once all the time, of three colours; the instruction
    and the question name a colour or a shape, of which the first, the last or the number is asked
    for."""

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("which_first", "which_last", "count_things")

    def story(self, rng: np.random.Generator) -> Sequence[Segment]:
        colours = sorted(rng.permutation(len(COLOURS))[:3])
        names = [list(COLOURS)[i] for i in colours]
        shapes: list[list[str]] = [[] for _ in names]
        segments = []
        for index, (start_s, end_s) in enumerate(_cuts(self.length_s, (2.0, 3.0), rng)):
            for left in shapes:
                left[:] = left or [SHAPES[i] for i in rng.permutation(len(SHAPES))]
            things = tuple(
                Thing(colour, left.pop()) for colour, left in zip(names, shapes, strict=True)
            )
            segments.append(Segment(index, start_s, end_s, things))
        return segments

    def instruction(self, question: Question) -> str:
        words = question.text.strip("?").split()
        (word,) = (word for word in words if word in (*COLOURS, *SHAPES))
        return f"Watch every {word} thing." if word in COLOURS else f"Watch every {word}."


@dataclass(frozen=True)
class Tally(Task):
    """T7, counting: many sounds of three names; how often one of them?"""

    @property
    def kinds(self) -> tuple[str, ...]:
        return ("count_sound",)

    def story(self, rng: np.random.Generator) -> Sequence[Segment]:
        names = [SOUNDS[i] for i in rng.permutation(len(SOUNDS))[:3]]
        drawn = (names[rng.integers(3)] for _ in count())
        sounds = _in_a_row(self.length_s, drawn, (0.3, 0.5), (0.3, 0.8), rng)
        return [Segment(0, 0.0, self.length_s, sounds=sounds, flicker=0.3)]

    def instruction(self, question: Question) -> str:
        (name,) = (name for name in SOUNDS if name in question.text)
        return f"Count every {name}."


def _digit(rng: np.random.Generator) -> str:
    return SYMBOLS[rng.integers(len(SYMBOLS))]


def _cuts(
    until_s: float, each_s: tuple[float, float], rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    """Stretches of ``each_s`` from 0 s to ``until_s`` or a little later."""
    end_s = 0.0
    while end_s < until_s:
        start_s, end_s = end_s, round(end_s + float(rng.uniform(*each_s)), 3)
        yield start_s, end_s


def _parade(until_s: float, each_s: tuple[float, float], rng: np.random.Generator) -> list[Segment]:
    """One silent thing after another."""
    segments: list[Segment] = []
    for start_s, end_s in _cuts(until_s, each_s, rng):
        thing = similar_thing(recent(segments, start_s), rng)
        segments.append(Segment(len(segments), start_s, end_s, (thing,)))
    return segments


def _loud(
    segment: Segment, split: Split, names: Sequence[str], rng: np.random.Generator
) -> Segment:
    """The segment with one of those of ``names`` that may come with its things, if any may."""
    allowed = [name for name in names if together(split, segment.things, name)]
    return _with_sound(segment, allowed[rng.integers(len(allowed))], rng) if allowed else segment


def _with_sound(segment: Segment, name: str, rng: np.random.Generator) -> Segment:
    duration_s = float(rng.uniform(0.3, 0.6))
    latest_s = segment.end_s - SOUND_MARGIN_S - duration_s
    begin_s = float(rng.uniform(segment.start_s + SOUND_MARGIN_S, latest_s))
    return replace(segment, sounds=(sampled(name, begin_s, duration_s),))


def _shuffled(rng: np.random.Generator) -> Iterator[str]:
    """All sounds in some order, then all in another one, and so on."""
    while True:
        yield from (SOUNDS[i] for i in rng.permutation(len(SOUNDS)))


def _in_a_row(
    length_s: float,
    names: Iterator[str],
    each_s: tuple[float, float],
    pause_s: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[Sound, ...]:
    """Sounds one after another, from ``LEAD_S`` to ``TAIL_S`` before the end."""
    sounds: list[Sound] = []
    start_s, duration_s = LEAD_S, float(rng.uniform(*each_s))
    while start_s + duration_s <= length_s - TAIL_S:
        sounds.append(sampled(next(names), start_s, duration_s))
        start_s += duration_s + float(rng.uniform(*pause_s))
        duration_s = float(rng.uniform(*each_s))
    return tuple(sounds)
