"""Questions about when, how long ago, how far apart, and in which order."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from stream.world.questions.question import Question, kind, one_of, pick
from stream.world.questions.span import Heard, Span
from stream.world.segment import COLOURS, SHAPES, Segment

UNCLEAR_S = 0.3  # a gap this far from a whole number of seconds is not asked about
AROUND_S = 0.7  # how far from a cut a moment must be
LONGEST_S = 60
AGES_S = (2, 5, 10, 20, 40, 120, 300, 600, 1200)  # what "when" is answered with: the nearest factor
_CLEAR = 1.1  # an age within this factor of the middle between two of them is not asked about


@kind("audio")
def ask_gap(span: Span, rng: np.random.Generator) -> Question | None:
    """Between the beginnings of two sounds, one after the other, in whole seconds."""
    line, pairs = _line(span), []
    for a, b in pairwise(line):
        seconds = whole_seconds(b.sound.start_s - a.sound.start_s)
        if seconds and a in span.single_sounds and b in span.single_sounds:
            pairs.append((a, b, seconds))
    if not pairs:
        return None
    a, b, seconds = pick(pairs, rng)
    first, second = (a.name, b.name) if rng.random() < 0.5 else (b.name, a.name)
    forms = [
        f"how many seconds between the {first} and the {second}?",
        f"how many seconds apart were the {first} and the {second}?",
    ]
    chance = one_of(min(int(span.now_s - span.since_s), LONGEST_S))
    return Question("gap", pick(forms, rng), str(seconds), chance, span.within(a.sound, b.sound))


def whole_seconds(gap_s: float) -> int | None:
    """The answer about a gap; ``None`` where it is not clear."""
    clear = abs(gap_s - round(gap_s)) <= UNCLEAR_S and 1 <= round(gap_s) <= LONGEST_S
    return round(gap_s) if clear else None


@kind("video")
def ask_ago(span: Span, rng: np.random.Generator) -> Question | None:
    """A moment in the past, at least 0.7 s from any cut."""
    possible = []
    for seconds in range(2, min(int(span.now_s - span.since_s), LONGEST_S) + 1):
        begin_s, end_s = (span.now_s - seconds + d for d in (-AROUND_S, AROUND_S))
        for segment in span.shown:
            inside = max(segment.start_s, span.since_s) <= begin_s and end_s <= segment.end_s
            if inside and len(segment.things) <= 1:
                possible.append((seconds, segment, (begin_s, end_s)))
    if not possible:
        return None
    seconds, segment, evidence_s = pick(possible, rng)
    forms = [f"what was visible {seconds} seconds ago?", f"what did you see {seconds} seconds ago?"]
    return Question("ago", pick(forms, rng), segment.picture, one_of(len(span.shown)), evidence_s)


@kind("audio")
def ask_sound_order(span: Span, rng: np.random.Generator) -> Question | None:
    single = span.single_sounds
    if len(single) < 2:
        return None
    i, j = rng.choice(len(single), 2, replace=False)
    a, b = single[int(i)], single[int(j)]
    forms = [
        f"which sound came first, the {a.name} or the {b.name}?",
        f"which did you hear earlier, the {a.name} or the {b.name}?",
    ]
    earlier = min(a, b, key=lambda h: h.sound.start_s)
    evidence_s = span.within(a.sound, b.sound)
    return Question("sound_order", pick(forms, rng), earlier.name, 0.5, evidence_s)


@kind("audio")
def ask_sound_after(span: Span, rng: np.random.Generator) -> Question | None:
    line, single = _line(span), span.single_sounds
    pairs = [(a, b) for a, b in pairwise(line) if a in single]
    pairs = [(a, b) for a, b in pairs if b in span.heard]
    last_one = bool(line) and line[-1] in single
    if last_one and (not pairs or rng.random() < 0.15):
        name, answer, evidence_s = line[-1].name, "none", span.within(line[-1].sound)
    elif pairs:
        a, b = pick(pairs, rng)
        name, answer, evidence_s = a.name, b.name, span.within(a.sound, b.sound)
    else:
        return None
    forms = [f"what sound came after the {name}?", f"what did you hear after the {name}?"]
    return Question("sound_after", pick(forms, rng), answer, one_of(len(line) - 1), evidence_s)


@kind("video")
def ask_which_first(span: Span, rng: np.random.Generator) -> Question | None:
    return _which_end(span, rng, "first")


@kind("video")
def ask_which_last(span: Span, rng: np.random.Generator) -> Question | None:
    return _which_end(span, rng, "last")


def _which_end(span: Span, rng: np.random.Generator, end: str) -> Question | None:
    """The first or the last of several things that share a colour or a shape."""
    line = sorted(span.shown + span.glimpsed, key=lambda s: s.start_s, reverse=end == "last")
    found: list[tuple[str, Segment, int]] = []
    for word in (*COLOURS, *SHAPES):
        holders = [s for s in line if _of_word(s, word)]
        names = {name for s in holders for name in _of_word(s, word)}
        if len(names) > 1 and holders[0] in span.shown and len(_of_word(holders[0], word)) == 1:
            found.append((word, holders[0], len(names)))
    if not found:
        return None
    word, holder, count = pick(found, rng)
    name = f"{word} thing" if word in COLOURS else word
    text = pick([f"which {name} came {end}?", f"which {name} did you see {end}?"], rng)
    answer = _of_word(holder, word)[0]
    return Question(f"which_{end}", text, answer, one_of(count), span.within(holder))


def _of_word(segment: Segment, word: str) -> list[str]:
    return [thing.name for thing in segment.things if word in (thing.colour, thing.shape)]


def _line(span: Span) -> list[Heard]:
    """All sounds, as they began."""
    return sorted(span.heard + span.muddled, key=lambda h: h.sound.start_s)


@kind("video")
def ask_when_seen(span: Span, rng: np.random.Generator) -> Question | None:
    """How long ago a thing that was there once appeared."""
    new = [s for s in span.single if s.segment.start_s > span.since_s]
    possible = [s for s in new if ago(span.now_s - s.segment.start_s)]
    if not possible:
        return None
    chosen = pick(possible, rng)
    name, segment = chosen.name, chosen.segment
    forms = [f"when did the {name} appear?", f"how long ago did the {name} appear?"]
    answer = ago(span.now_s - segment.start_s) or ""
    return Question("when_seen", pick(forms, rng), answer, _of_ages(span), span.within(segment))


@kind("audio")
def ask_when_heard(span: Span, rng: np.random.Generator) -> Question | None:
    """How long ago a sound that came once began."""
    possible = [h for h in span.single_sounds if ago(span.now_s - h.sound.start_s)]
    if not possible:
        return None
    chosen = pick(possible, rng)
    name, sound = chosen.name, chosen.sound
    forms = [f"when did the {name} sound?", f"how long ago did you hear the {name}?"]
    answer = ago(span.now_s - sound.start_s) or ""
    return Question("when_heard", pick(forms, rng), answer, _of_ages(span), span.within(sound))


def ago(age_s: float) -> str | None:
    """An age in words, "20 seconds ago": the one of ``AGES_S`` that is nearest by factor; ``None``
    where two are about as near, or none is within its reach."""
    if age_s < AGES_S[0] / 2:
        return None
    ages = np.array(AGES_S, float)
    middles = np.sqrt(ages[1:] * ages[:-1])
    place = int(np.searchsorted(middles, age_s))
    doubtful = any(1 / _CLEAR < age_s / middle < _CLEAR for middle in middles)
    if doubtful or age_s > 2 * AGES_S[-1]:
        return None
    whole_s = AGES_S[place]
    return f"{whole_s // 60} minutes ago" if whole_s >= 120 else f"{whole_s} seconds ago"


def _of_ages(span: Span) -> float:
    """The chance of a guess among the ages that the span has room for."""
    length_s = span.now_s - span.since_s
    return one_of(sum(age_s / 1.5 < length_s for age_s in AGES_S))
