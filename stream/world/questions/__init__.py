"""What can be asked about a span of the synthetic world, and the answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from stream.world.questions import binding, counting, described, events, present, timing
from stream.world.questions.question import REGISTER, Question
from stream.world.questions.span import HEARD_S, SHOWN_S, Span
from stream.world.segment import Segment

__all__ = [
    "AGE_KINDS",
    "AUDIO_KINDS",
    "FIRST_KINDS",
    "HEARD_S",
    "KINDS",
    "LATEST_KINDS",
    "SHOWN_S",
    "VIDEO_KINDS",
    "Question",
    "ask",
]

FIRST_KINDS, *_LATER_KINDS = (
    tuple(name for name, kind in REGISTER.items() if kind.ask.__module__ == module.__name__)
    for module in (events, present, described, timing, binding, counting)
)
KINDS = sum(_LATER_KINDS, FIRST_KINDS)
VIDEO_KINDS = frozenset(name for name, kind in REGISTER.items() if kind.tracks == "video")
AUDIO_KINDS = frozenset(name for name, kind in REGISTER.items() if kind.tracks == "audio")

AGE_KINDS = frozenset({"when_seen", "when_heard"})
"""Kinds that are answered by how long ago it was."""

LATEST_KINDS = frozenset(
    {
        "now",
        "now_thing",
        "now_sound",
        "now_both",
        "last_window",
        "ago",
        "which_last",
        "during_last",
        "last_digit",
    }
)
"""Kinds about the newest of something: however early the span begins, the answer is the same."""


def ask(
    segments: Sequence[Segment],
    since_s: float,
    now_s: float,
    rng: np.random.Generator,
    kinds: Collection[str],
) -> list[Question]:
    """At most one question of each of ``kinds`` about [since_s, now_s), in the order of ``KINDS``.

    ``segments`` are all that overlap the span. Nothing is asked whose truth hangs on an edge of it:
    on what shows for less than a second, or on a sound that is cut or began less than 0.4 s ago.
    """
    span = Span.of(segments, float(since_s), float(now_s))
    asked = (REGISTER[kind].ask(span, rng) for kind in KINDS if kind in kinds)
    return [question for question in asked if question is not None]
