"""The world as one who takes notes every fiftieth of a second would know it: a second truth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from stream.world.plot import Varied
from stream.world.questions import Question
from stream.world.scene import OBJECTS, SOUNDS, Scene

TICK_S = 0.02
few = settings(max_examples=20, deadline=None)
spans = st.tuples(st.integers(0, 10_000), st.floats(5, 150), st.sampled_from([4.0, 8, 12, 30, 60]))
Span = tuple[int, float, float]  # seed, now, length


class Recording:
    """``pictures`` and ``sounds``: names at each tick of [since_s, now_s); ``digits`` or ``None``;
    ``heard``: (begin_s, name) of sounds that began in it, in order."""

    def __init__(self, scene: Scene, since_s: float, now_s: float) -> None:
        self.since_s, self.now_s = since_s, now_s
        self.times = np.arange(since_s, now_s, TICK_S)
        segments = [scene.segment_at(float(t)) for t in self.times]
        self.pictures = [tuple(thing.name for thing in s.things) for s in segments]
        self.cuts = [s.index for s in segments]
        self.sounds = [
            tuple(x.name for x in s.sounds if x.start_s <= t < x.end_s)
            for t, s in zip(self.times, segments, strict=True)
        ]
        self.digits = [
            s.symbol.digit if s.symbol and s.symbol.start_s <= t < s.symbol.end_s else None
            for t, s in zip(self.times, segments, strict=True)
        ]

    def runs(self) -> Iterator[tuple[float, tuple[str, ...]]]:
        """When each picture came, and what is in it."""
        for _, ticks in groupby(range(len(self.times)), key=lambda i: self.cuts[i]):
            first = next(ticks)
            yield float(self.times[first]), self.pictures[first]

    @property
    def heard(self) -> list[tuple[float, str]]:
        """When each sound began, and its name; those that sound at the beginning too."""
        return [
            (float(self.times[i]), name)
            for i, now in enumerate(self.sounds)
            for name in now
            if i == 0 or name not in self.sounds[i - 1]
        ]

    def share(self, name: str, last_s: float) -> float:
        """Share of the ticks of the last seconds at which the thing or the sound is there."""
        count = round(last_s / TICK_S)
        there = self.sounds if name in SOUNDS else self.pictures
        return float(np.mean([name in names for names in there[-count:]]))

    def picture_at(self, time_s: float) -> str:
        index = min(int((time_s - self.since_s) / TICK_S), len(self.times) - 1)
        return " and ".join(self.pictures[index]) or "nothing"


def asked(span: Span, *kinds: str) -> tuple[list[Question], Recording]:
    """Questions of the kinds in the varied world, as often as drawing them thrice gives."""
    seed, now_s, length_s = span
    scene, since_s = Scene(seed, Varied()), max(0.0, now_s - length_s)
    rng = np.random.default_rng(seed)
    questions = [q for _ in range(3) for q in scene.questions(now_s, since_s, rng, kinds)]
    for question in questions:
        begin_s, end_s = question.evidence_s
        assert since_s <= begin_s < end_s <= now_s
        assert 0.0 < question.chance <= 1.0
        assert question.text == question.text.lower()
    return questions, Recording(scene, since_s, now_s)


def named(text: str, names: tuple[str, ...] = OBJECTS) -> list[str]:
    """Those of ``names`` that the text has, in its order."""
    return sorted((name for name in names if name in text), key=text.index)
