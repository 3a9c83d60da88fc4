"""Yes or no: is it there now?

"Now" is the last second. A thing is there if it has been visible all that time, and not there if it
was not visible in it at all. A sound is there if at least a quarter of a second of it lies in the
last second and it began 0.4 s ago or earlier, and not there if it ended 1.5 s ago or earlier. What
is neither is not asked about. Yes and no are about as frequent in the varied world.
"""

from __future__ import annotations

import numpy as np

from stream.world.questions.events import absent_thing
from stream.world.questions.question import Question, kind, pick
from stream.world.questions.span import HEARD_S, Heard, Span
from stream.world.segment import SOUNDS, Segment

NOW_S = 1.0
AUDIBLE_S = 0.25  # how much of a sound must be in a stretch to be heard in it
OVER_S = 1.5  # a sound that ended this long ago is no more there
# Shares, such that yes and no are as frequent in the varied world:
_YES = 0.54  # of the questions about a thing; some are not asked as nothing is visible
_YES_IN_SOUND = 0.67  # of the questions while something sounds
_SILENT = 0.1  # of the silent moments are asked about for a sound,
_SILENT_BOTH = 0.16  # and for a thing with a sound


@kind("video")
def ask_now_thing(span: Span, rng: np.random.Generator) -> Question | None:
    if span.now is None:
        return None
    there = rng.random() < _YES
    if there and not span.now.things:
        return None
    name = pick(span.now.things, rng).name if there else _elsewhere(span, span.now, rng)
    if name is None:
        return None
    text = pick([f"is there a {name} now?", f"do you see a {name} now?"], rng)
    return Question("now_thing", text, _yes(there), 0.5, _now_s(span))


@kind("audio")
def ask_now_sound(span: Span, rng: np.random.Generator) -> Question | None:
    sounding = _sounding(span)
    there = bool(sounding) and rng.random() < _YES_IN_SOUND
    if not sounding and rng.random() >= _SILENT:
        return None
    absent = _silent(span)
    if not there and not absent:
        return None
    name = pick(sounding, rng).name if there else pick(absent, rng)
    text = pick([f"is there a {name} now?", f"do you hear a {name} now?"], rng)
    return Question("now_sound", text, _yes(there), 0.5, _now_s(span))


@kind("both")
def ask_now_both(span: Span, rng: np.random.Generator) -> Question | None:
    now, sounding, absent = span.now, _sounding(span), _silent(span)
    if now is None or not now.things or any(h.segment != now for h in sounding):
        return None
    there = bool(sounding) and rng.random() < _YES_IN_SOUND
    if not absent or (not sounding and rng.random() >= _SILENT_BOTH):
        return None
    name: str | None = pick(now.things, rng).name
    sound = pick(sounding, rng).name if sounding else pick(absent, rng)
    if not there and sounding and rng.random() < 0.5:
        sound = pick(absent, rng)
    elif not there:
        name = _elsewhere(span, now, rng)
    if name is None:
        return None
    forms = [f"is there a {name} with a {sound} now?", f"do you see a {name} with a {sound} now?"]
    return Question("now_both", pick(forms, rng), _yes(there), 0.5, _now_s(span))


def _sounding(span: Span) -> list[Heard]:
    """What certainly sounds now."""
    begin_s = span.now_s - NOW_S
    return [
        h
        for h in span.heard
        if h.sound.start_s <= span.now_s - HEARD_S
        and min(h.sound.end_s, span.now_s) - max(h.sound.start_s, begin_s) >= AUDIBLE_S
    ]


def _silent(span: Span) -> list[str]:
    """The names of sounds that certainly do not sound now."""
    doubtful = {h.name for h in span.heard + span.muddled if h.sound.end_s > span.now_s - OVER_S}
    return [name for name in SOUNDS if name not in doubtful]


def _elsewhere(span: Span, now: Segment, rng: np.random.Generator) -> str | None:
    """The name of a thing that is not there now, half of the time one that was before; ``None``
    where everything is visible in the span and what is not there now was so too briefly."""
    before = [thing for thing in span.seen if thing not in now.things]
    absent = absent_thing(span, rng)
    if before and (absent is None or rng.random() < 0.5):
        return pick(before, rng).name
    return absent


def _yes(there: bool) -> str:
    return "yes" if there else "no"


def _now_s(span: Span) -> tuple[float, float]:
    return max(span.since_s, span.now_s - NOW_S), span.now_s
