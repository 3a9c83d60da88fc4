"""What is there now: certain, and as often yes as no."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from hypothesis import given

from stream.world.plot import Varied
from stream.world.scene import SOUNDS, Scene
from tests.stream.world.questions.recording import Span, asked, few, named, spans


@given(spans)
@few
def test_a_thing_is_there_now_if_it_was_all_the_last_second(span: Span) -> None:
    questions, recording = asked(span, "now_thing")
    for q in questions:
        share = recording.share(named(q.text)[0], 1.0)
        assert share == (1.0 if q.answer == "yes" else 0.0)


@given(spans)
@few
def test_a_sound_is_there_now_if_a_quarter_of_the_last_second_is_of_it(span: Span) -> None:
    questions, recording = asked(span, "now_sound")
    for q in questions:
        sound = named(q.text, SOUNDS)[0]
        if q.answer == "yes":
            assert recording.share(sound, 1.0) > 0.2
        else:
            assert recording.share(sound, 1.5) == 0.0


@given(spans)
@few
def test_both_are_there_only_if_each_is(span: Span) -> None:
    questions, recording = asked(span, "now_both")
    for q in questions:
        thing, sound = named(q.text)[0], named(q.text, SOUNDS)[0]
        shares = recording.share(thing, 1.0), recording.share(sound, 1.0)
        assert (q.answer == "yes") == (min(shares) > 0.2)
        assert shares[0] in (0.0, 1.0)


def test_who_does_not_look_is_right_half_of_the_time() -> None:
    kinds = ("now_thing", "now_sound", "now_both")
    said: dict[str, Counter[str]] = defaultdict(Counter)
    rng = np.random.default_rng(1)
    for seed in range(60):
        scene = Scene(seed, Varied())
        for now_s in rng.uniform(12, 150, 20):
            for q in scene.questions(now_s, now_s - 12, rng, kinds):
                said[q.kind][q.answer] += 1
    for kind in kinds:
        assert said[kind].total() > 250
        assert 0.42 < said[kind]["yes"] / said[kind].total() < 0.58
