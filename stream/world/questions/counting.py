"""Questions about how many of one kind there were; every number that occurs is as likely."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from stream.world.questions.question import Question, kind, one_of, pick
from stream.world.questions.span import Span
from stream.world.segment import COLOURS, SOUNDS


@kind("audio")
def ask_count_sound(span: Span, rng: np.random.Generator) -> Question | None:
    cut = {h.name for h in span.muddled}
    counts = {name: span.audible.count(name) for name in SOUNDS if name not in cut}
    if not counts:
        return None
    name = _pick_evenly(counts, rng)
    forms = [f"how many times did the {name} sound?", f"how often did you hear the {name}?"]
    chance = one_of(len(set(counts.values())))
    return Question("count_sound", pick(forms, rng), str(counts[name]), chance, span.whole_s)


@kind("video")
def ask_count_things(span: Span, rng: np.random.Generator) -> Question | None:
    """How many things of a colour; none of them came twice."""
    counts: dict[str, int] = {}
    for colour in COLOURS:
        names = [thing.name for thing in span.visible if thing.colour == colour]
        glimpsed = any(t.colour == colour for s in span.glimpsed for t in s.things)
        if len(set(names)) == len(names) and not glimpsed:
            counts[colour] = len(names)
    if not counts:
        return None
    colour = _pick_evenly(counts, rng)
    forms = [f"how many {colour} things were there?", f"how many {colour} things did you see?"]
    chance = one_of(len(set(counts.values())))
    return Question("count_things", pick(forms, rng), str(counts[colour]), chance, span.whole_s)


def _pick_evenly(counts: Mapping[str, int], rng: np.random.Generator) -> str:
    count = pick(sorted(set(counts.values())), rng)
    return pick([name for name, found in counts.items() if found == count], rng)
