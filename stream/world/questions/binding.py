"""Questions that bind picture to sound without naming both, and about what comes again."""

from __future__ import annotations

import numpy as np

from stream.world.questions.question import Question, kind, one_of, pick
from stream.world.questions.span import Heard, Span
from stream.world.segment import Symbol

FLASHED_S = 2.0  # a symbol that is visible for longer does not appear at a moment
APART_S = 0.5  # a sound this near to a moment, and not in it, makes it doubtful
TOGETHER_S = 0.25  # how long a sound and a symbol must overlap


@kind("both")
def ask_the_sound(span: Span, rng: np.random.Generator) -> Question | None:
    """What was visible during the only sound."""
    if len(span.audible) != 1 or not span.heard:
        return None
    heard = span.heard[0]
    if heard.segment not in span.shown or len(heard.segment.things) > 1:
        return None
    forms = ["what was visible during the sound?", "what did you see when the sound came?"]
    answer, evidence_s = heard.segment.picture, span.within(heard.sound)
    return Question("the_sound", pick(forms, rng), answer, one_of(len(span.shown)), evidence_s)


@kind("both")
def ask_during_last(span: Span, rng: np.random.Generator) -> Question | None:
    """What was visible when a sound that came several times came last."""
    last = {h.name: h for h in sorted(span.heard + span.muddled, key=lambda h: h.sound.start_s)}
    possible = [
        h
        for name, h in last.items()
        if span.audible.count(name) > 1
        and h in span.heard
        and h.segment in span.shown
        and len(h.segment.things) <= 1
    ]
    if not possible:
        return None
    heard = pick(possible, rng)
    forms = [
        f"what was visible during the last {heard.name}?",
        f"what did you see when the {heard.name} sounded last?",
    ]
    answer, evidence_s = heard.segment.picture, span.within(heard.sound)
    return Question("during_last", pick(forms, rng), answer, one_of(len(span.shown)), evidence_s)


@kind("both")
def ask_sound_at(span: Span, rng: np.random.Generator) -> Question | None:
    """Which sound there was when a digit appeared for a moment."""
    symbol = span.symbols[0].symbol if span.symbols and span.symbols_clear else None
    if symbol is None or symbol.end_s - symbol.start_s > FLASHED_S:
        return None
    near = [h for h in span.heard + span.muddled if _apart_s(h, symbol) < APART_S]
    if near and (len(near) > 1 or near[0] not in span.heard):
        return None
    if near and _apart_s(near[0], symbol) > -TOGETHER_S:
        return None
    if not near and rng.random() < 0.7:
        return None
    forms = [
        "which sound was there when the digit appeared?",
        "what did you hear when the digit appeared?",
    ]
    answer = near[0].name if near else "none"
    chance = one_of(len(set(span.audible)) + 1)
    return Question("sound_at", pick(forms, rng), answer, chance, span.within(symbol))


def _apart_s(heard: Heard, symbol: Symbol) -> float:
    """How far the two are from each other; less than 0: how long they overlap."""
    sound = heard.sound
    return max(sound.start_s, symbol.start_s) - min(sound.end_s, symbol.end_s)


@kind("both")
def ask_lone(span: Span, rng: np.random.Generator) -> Question | None:
    """A sound that came once while nothing was visible, and once with a thing: with which?"""
    if span.muddled:
        return None
    lone = [h for h in span.heard if not h.segment.things]
    if len({h.name for h in lone}) != 1:
        return None
    bound = [h for h in span.heard if h.name == lone[0].name and h.segment.things]
    if len(bound) != 1 or bound[0].segment not in span.shown or not bound[0].segment.thing:
        return None
    forms = ["what came with the lone sound?", "what did you see with the lone sound?"]
    answer = bound[0].segment.picture
    things = sum(bool(segment.things) for segment in span.shown)
    evidence_s = span.within(lone[0].sound, bound[0].sound)
    return Question("lone", pick(forms, rng), answer, one_of(things), evidence_s)


@kind("video")
def ask_last_digit(span: Span, rng: np.random.Generator) -> Question | None:
    if not span.symbols or any(s.start_s > span.symbols[-1].start_s for s in span.blurred):
        return None
    holder = span.symbols[-1]
    assert holder.symbol is not None
    text = pick(["what was the last digit?", "which digit did you see last?"], rng)
    evidence_s = span.within(holder.symbol)
    return Question("last_digit", text, holder.symbol.digit, 1 / 10, evidence_s)
