"""What happens in the synthetic world: a plot tells segment after segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stream.world.questions import FIRST_KINDS, KINDS
from stream.world.segment import OBJECTS, SOUNDS, SYMBOLS, Segment, Sound, Symbol, Thing
from stream.world.split import SPLITS, Split, together
from stream.world.tones import SAMPLE_RATE

DISTINCT_S = 16.0  # an object, a sound or any symbol does not come again within this time
SOUND_MARGIN_S = 0.25  # between a sound and the cuts around it
SEGMENT_S = (2.0, 5.0)
CHAPTER_S = 24.0  # loud and quiet stretches of the first world alternate at this pace
ECHO_S = 8.0  # a sound or any symbol of the varied world does not come again within this time
FLASH_S = (0.8, 1.6)  # how long a short symbol is visible
PAUSE_S = 0.2  # at least, between two sounds
_SHORTEST_CHAPTER_S, _TWO_CHAPTERS_S = 6.0, 36.0
_DRAWS = 12


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


def similar_thing(
    before: Sequence[Segment], rng: np.random.Generator, beside: Sequence[Thing] = ()
) -> Thing:
    """A new thing to be seen ``beside`` others; mostly one that shares its colour or its shape with
    one of the last two segments, so that colour or shape alone does not tell things apart."""
    used = {thing.name for thing in (*(t for s in before for t in s.things), *beside)}
    free = [name for name in OBJECTS if name not in used]
    if rng.random() < 0.6:
        words = {word for s in before[-2:] for t in s.things for word in (t.colour, t.shape)}
        free = [name for name in free if words & set(name.split())] or free
    return Thing.named(free[rng.integers(len(free))])


@dataclass(frozen=True, slots=True)
class Character:
    """What is typical of a chapter; of ``things`` and ``sounds`` in a segment each number listed is
    as likely as the others, ``symbols`` and ``faint`` are shares."""

    weight: float
    segment_s: tuple[float, float] = SEGMENT_S
    things: tuple[int, ...] = (1,)
    sounds: tuple[int, ...] = (0, 1, 1, 2)
    symbols: float = 0.5
    faint: float = 0.0
    still: bool = False
    flicker: float = 0.0


CHARACTERS = {
    "ordinary": Character(4.0),
    "busy and silent": Character(2.0, segment_s=(1.2, 2.5), sounds=(0,), symbols=0.3),
    "still and loud": Character(
        2.0, segment_s=(6.0, 14.0), things=(0, 1, 1, 1), sounds=(2, 3, 4, 5, 6), still=True
    ),
    "crowded": Character(2.0, segment_s=(2.5, 6.0), things=(2, 3)),
    "flickering": Character(2.0, symbols=0.7, faint=0.7, flicker=0.3),
    "empty": Character(1.0, segment_s=(2.0, 6.0), things=(0,), sounds=(0,), symbols=0.0),
}


@dataclass(frozen=True, slots=True)
class Varied:
    """A world that changes: chapters of 6 to 30 s, each of a character of its own.

    ``split`` says which things and sounds may be there at the same time. Raises ValueError for
    another word than "train", "held-out" and "any".
    """

    split: Split = "any"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"split is one of {', '.join(SPLITS)}, not {self.split!r}")

    @property
    def kinds(self) -> tuple[str, ...]:
        return KINDS

    def next(self, seed: int, past: Sequence[Segment]) -> Segment:
        rng = np.random.default_rng([seed, 7, len(past)])
        start_s = past[-1].end_s if past else 0.0
        name, chapter_end_s = chapter(seed, start_s)
        character = CHARACTERS[name]
        shortest_s, longest_s = character.segment_s
        drawn_s = start_s + float(rng.uniform(shortest_s, longest_s))
        end_s = round(min(drawn_s, max(chapter_end_s, start_s + shortest_s)), 3)
        before = recent(past, start_s)
        things, names = self._cast(character, before, start_s, rng)
        return Segment(
            index=len(past),
            start_s=start_s,
            end_s=end_s,
            things=things,
            symbol=_choose_symbol(character, before, start_s, end_s, rng),
            sounds=one_after_another(names, start_s, end_s, rng),
            still=character.still,
            flicker=character.flicker,
        )

    def _cast(
        self,
        character: Character,
        before: Sequence[Segment],
        start_s: float,
        rng: np.random.Generator,
    ) -> tuple[tuple[Thing, ...], list[str]]:
        """Things and names of sounds that may come together; of some draws the one with the most
        sounds, as held-out pairs are few."""
        count, loud = int(rng.choice(character.things)), int(rng.choice(character.sounds))
        used = {s.name for segment in before for s in segment.sounds if s.end_s > start_s - ECHO_S}
        free = [name for name in SOUNDS if name not in used]
        casts = []
        for _ in range(_DRAWS):
            things: tuple[Thing, ...] = ()
            for _ in range(count):
                things += (similar_thing(before, rng, things),)
            mixed = [free[i] for i in rng.permutation(len(free))]
            names = [name for name in mixed if together(self.split, things, name)][:loud]
            casts.append((tuple(sorted(things, key=lambda thing: thing.number)), names))
            if len(names) == min(loud, len(free)):
                break
        return max(casts, key=lambda cast: len(cast[1]))


def chapter(seed: int, time_s: float) -> tuple[str, float]:
    """The character of the chapter at ``time_s``, and when it ends."""
    pair = int(time_s / _TWO_CHAPTERS_S)
    rng = np.random.default_rng([seed, 6, pair])
    weights = np.array([character.weight for character in CHARACTERS.values()])
    first, second = rng.choice(tuple(CHARACTERS), 2, replace=False, p=weights / weights.sum())
    start_s, end_s = pair * _TWO_CHAPTERS_S, (pair + 1) * _TWO_CHAPTERS_S
    cut_s = start_s + float(rng.uniform(_SHORTEST_CHAPTER_S, _TWO_CHAPTERS_S - _SHORTEST_CHAPTER_S))
    return (str(first), cut_s) if time_s < cut_s else (str(second), end_s)


def _choose_symbol(
    character: Character,
    before: Sequence[Segment],
    start_s: float,
    end_s: float,
    rng: np.random.Generator,
) -> Symbol | None:
    """A symbol for the whole segment, or a short one; a faint one always stays."""
    if rng.random() >= character.symbols or any(
        s.symbol and s.symbol.end_s > start_s - ECHO_S for s in before
    ):
        return None
    digit, faint = SYMBOLS[rng.integers(len(SYMBOLS))], rng.random() < character.faint
    flash_s = float(rng.uniform(*FLASH_S))
    if faint or rng.random() < 0.5 or end_s - start_s < flash_s + 2 * SOUND_MARGIN_S:
        return Symbol(digit, start_s, end_s, bool(faint))
    begin_s = float(rng.uniform(start_s + SOUND_MARGIN_S, end_s - SOUND_MARGIN_S - flash_s))
    return Symbol(digit, round(begin_s, 3), round(begin_s + flash_s, 3))


def one_after_another(
    names: Sequence[str], start_s: float, end_s: float, rng: np.random.Generator
) -> tuple[Sound, ...]:
    """Sounds of 0.3 to 0.9 s within [start_s, end_s), as many of ``names`` as there is room for."""
    durations = rng.uniform(0.3, 0.9, len(names))
    room_s = end_s - start_s - 2 * SOUND_MARGIN_S + PAUSE_S
    count = int(np.searchsorted(np.cumsum(durations + PAUSE_S), room_s))
    free_s = room_s - (durations[:count] + PAUSE_S).sum()
    waits = np.sort(rng.uniform(0.0, free_s, count))
    begins = start_s + SOUND_MARGIN_S + waits
    begins[1:] += np.cumsum(durations[: count - 1] + PAUSE_S) if count else 0.0
    return tuple(
        sampled(name, float(begin_s), float(duration_s))
        for name, begin_s, duration_s in zip(names, begins, durations, strict=False)
    )
