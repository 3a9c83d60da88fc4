"""Questions about how long ago, how far apart, and in which order."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np

from stream.world.questions.question import Question, kind, one_of, pick
from stream.world.questions.span import Span
from stream.world.segment import COLOURS, SHAPES, Segment

UNCLEAR_S = 0.3  # a gap this far from a whole number of seconds is not asked about
AROUND_S = 0.7  # how far from a cut a moment must be
LONGEST_S = 60


@kind("audio")
def ask_gap(span: Span, rng: np.random.Generator) -> Question | None:
    """Between the beginnings of two sounds, in whole seconds."""
    pairs = []
    for a, b in combinations(span.single_sounds, 2):
        gap_s = b.sound.start_s - a.sound.start_s
        if abs(gap_s - round(gap_s)) <= UNCLEAR_S and 1 <= round(gap_s) <= LONGEST_S:
            pairs.append((a, b, round(gap_s)))
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
    line = sorted(span.heard + span.muddled, key=lambda h: h.sound.start_s)
    single = span.single_sounds
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
