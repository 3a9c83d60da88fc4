"""One line about the last two seconds, and one about the last minute.

The last seconds: picture after picture, joined by ", then "; a picture is its things and, after
"with", its sounds: "a red circle, then a blue square and a green cross with a buzz and a click".
Without things it is its sounds, without sounds either "nothing".

The last minute: its last six events, the newest first, joined by ", ". An event is a new picture
("red circle and blue square") or a sound ("buzz"); a picture of nothing is no event. "nothing" if
there was none. Newest first, as the end of a minute is known and its beginning has to be counted
out.

In both, things that are visible together are named in the order of ``OBJECTS``.
"""

from __future__ import annotations

from itertools import groupby
from math import factorial

import numpy as np

from stream.world.questions.present import AUDIBLE_S
from stream.world.questions.question import Question, kind, one_of, pick
from stream.world.questions.span import HEARD_S, SHOWN_S, Span
from stream.world.segment import Segment

SECONDS_S = 2.0
MINUTE_S = 60.0
MOST_EVENTS = 6
_GLIMPSED_S = 0.6  # what is visible for less of the last seconds makes them doubtful


@kind("both")
def ask_last_window(span: Span, rng: np.random.Generator) -> Question | None:
    start_s = span.now_s - SECONDS_S
    if start_s < span.since_s:
        return None
    segments = [s for s in (*span.glimpsed, *span.shown) if s.end_s > start_s]
    segments.sort(key=lambda s: s.start_s)
    seen_s = [min(s.end_s, span.now_s) - max(s.start_s, start_s) for s in segments]
    sounding = [h for h in span.heard + span.muddled if h.sound.end_s > start_s]
    heard_s = [min(h.sound.end_s, span.now_s) - max(h.sound.start_s, start_s) for h in sounding]
    late = any(h.sound.start_s > span.now_s - HEARD_S for h in sounding)
    if late or min(seen_s) < _GLIMPSED_S or min(heard_s, default=1.0) < AUDIBLE_S:
        return None
    told = [_picture(s, [h.name for h in sounding if h.segment == s]) for s in segments]
    answer = ", then ".join(part for part, _ in groupby(told))
    text = pick(["describe the last seconds", "what happened in the last seconds?"], rng)
    chance = one_of(len(span.shown) * (len(span.heard) + 1))
    return Question("last_window", text, answer, chance, (start_s, span.now_s))


def _picture(segment: Segment, sounds: list[str]) -> str:
    things = " and ".join(f"a {thing.name}" for thing in segment.things)
    heard = " and ".join(f"a {sound}" for sound in sounds)
    return " with ".join(part for part in (things, heard) if part) or "nothing"


@kind("both")
def ask_last_minute(span: Span, rng: np.random.Generator) -> Question | None:
    since_s = max(span.since_s, span.now_s - MINUTE_S)
    events: list[tuple[float, str, bool]] = []  # when, what, whether it is certain
    for segment in (*span.shown, *span.glimpsed):
        begin_s = max(segment.start_s, since_s)
        if segment.things and segment.end_s > since_s:
            certain = min(segment.end_s, span.now_s) - begin_s >= SHOWN_S
            events.append((begin_s, segment.picture, certain))
    for h in span.heard + span.muddled:
        if h.sound.end_s > since_s:
            certain = since_s <= h.sound.start_s <= span.now_s - HEARD_S
            events.append((h.sound.start_s, h.name, certain))
    events = sorted(events)[-MOST_EVENTS:]
    if not all(certain for _, _, certain in events):
        return None
    answer = ", ".join(what for _, what, _ in reversed(events)) or "nothing"
    text = pick(["describe the last minute", "what happened in the last minute?"], rng)
    evidence_s = (events[0][0] if events else since_s, span.now_s)
    return Question("last_minute", text, answer, one_of(factorial(len(events))), evidence_s)
