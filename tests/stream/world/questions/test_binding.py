"""Picture and sound bound without naming both: told again from notes."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from stream.world.plot import Varied
from stream.world.questions import ask
from stream.world.scene import SOUNDS, Question, Scene, Segment, Sound, Symbol, Thing
from tests.stream.world.questions.recording import Recording, Span, asked, few, named, spans


@given(spans)
@few
def test_the_sound_is_the_only_one(span: Span) -> None:
    questions, recording = asked(span, "the_sound")
    for q in questions:
        ((at_s, _),) = recording.heard
        assert recording.picture_at(at_s + 0.05) == q.answer


@given(spans)
@few
def test_the_last_of_several_sounds_is_meant(span: Span) -> None:
    questions, recording = asked(span, "during_last")
    for q in questions:
        times = [at_s for at_s, name in recording.heard if name == named(q.text, SOUNDS)[0]]
        assert len(times) > 1
        assert recording.picture_at(times[-1] + 0.05) == q.answer


def test_the_sound_at_a_digit_overlaps_it_and_no_other_is_near() -> None:
    rng, found = np.random.default_rng(2), set()
    for seed in range(40):
        scene = Scene(seed, Varied())
        for now_s in rng.uniform(12, 150, 10):
            for q in scene.questions(now_s, now_s - 12, rng, ["sound_at"]):
                begin_s, end_s = q.evidence_s
                near = Recording(scene, begin_s - 0.45, end_s + 0.45)
                at = Recording(scene, begin_s, end_s)
                expected = set() if q.answer == "none" else {q.answer}
                assert {name for names in near.sounds for name in names} == expected
                assert {name for names in at.sounds for name in names} == expected
                assert all(at.digits[1:-1])
                found.add(q.answer)
    assert len(found) > 4
    assert "none" in found


@given(spans)
@few
def test_the_last_digit_is_the_newest_one(span: Span) -> None:
    questions, recording = asked(span, "last_digit")
    for q in questions:
        assert q.answer == [digit for digit in recording.digits if digit][-1]


def _cued(*, twice: bool) -> list[Segment]:
    """Two things with a sound each, then one of the sounds alone."""
    return [
        Segment(0, 0.0, 2.0, (Thing.named("red circle"),), sounds=(Sound("buzz", 0.5, 1.0),)),
        Segment(1, 2.0, 4.0, (Thing.named("blue cross"),), sounds=(Sound("hiss", 2.5, 3.0),)),
        Segment(2, 4.0, 6.0, sounds=(Sound("hiss", 4.4, 5.0),)),
        Segment(3, 6.0, 8.0, sounds=(Sound("buzz", 6.4, 7.0),) if twice else ()),
    ]


def _asked(segments: list[Segment], kind: str) -> list[Question]:
    return ask(segments, 0.0, segments[-1].end_s, np.random.default_rng(0), [kind])


def test_a_lone_sound_leads_to_the_thing_it_came_with() -> None:
    (question,) = _asked(_cued(twice=False), "lone")
    assert question.answer == "blue cross"
    assert question.chance == 0.5
    assert question.evidence_s == (2.5, 5.0)


def test_of_two_lone_sounds_none_is_the_one() -> None:
    assert not _asked(_cued(twice=True), "lone")


def test_a_digit_that_stays_does_not_appear_at_a_moment() -> None:
    segment = Segment(0, 0.0, 6.0, symbol=Symbol("3", 0.0, 6.0), sounds=(Sound("hiss", 3.0, 4.0),))
    assert not _asked([segment], "sound_at")
