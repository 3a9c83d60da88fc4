"""Questions about what was there: the truth is told again here, from the segments alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.world.questions import FIRST_KINDS, HEARD_S, SHOWN_S, Question
from stream.world.scene import OBJECTS, SOUNDS, Scene, Segment

seeds = st.integers(0, 10_000)
few = settings(max_examples=25, deadline=None)


def _asked(seed: int, now_s: float, length_s: float) -> tuple[list[Question], list[Segment], float]:
    scene = Scene(seed)
    since_s = max(0.0, now_s - length_s)
    questions = scene.questions(now_s, since_s, np.random.default_rng(seed))
    return questions, list(scene.segments(since_s, now_s)), since_s


spans = st.tuples(seeds, st.floats(1.5, 80), st.floats(2, 14))


@given(spans)
@few
def test_questions_are_lower_case_and_end_with_a_mark(span: tuple[int, float, float]) -> None:
    for question in _asked(*span)[0]:
        assert question.text == question.text.lower()
        assert question.text.endswith("?")
        assert 0.0 < question.chance <= 1.0


@given(spans)
@few
def test_now_and_first_are_the_outermost_segments(span: tuple[int, float, float]) -> None:
    questions, segments, _ = _asked(*span)
    answers = {q.kind: q.answer for q in questions}
    assert answers.get("now", segments[-1].picture) == segments[-1].picture
    assert answers.get("first", segments[0].picture) == segments[0].picture


@given(spans)
@few
def test_sounds_and_objects_are_paired_as_in_their_segment(
    span: tuple[int, float, float],
) -> None:
    questions, segments, _ = _asked(*span)
    for q in questions:
        if q.kind == "during" and q.answer != "none":
            sound = next(s.sound for s in segments if s.picture == q.answer)
            assert sound is not None
            assert sound.name in q.text
        if q.kind == "during" and q.answer == "none":
            assert not any(s.sound and s.sound.name in q.text for s in segments if _inside(s, span))
        if q.kind == "sound_of":
            sound = next(s.sound for s in segments if s.picture in q.text)
            assert q.answer == (sound.name if sound else "none")


def _inside(segment: Segment, span: tuple[int, float, float]) -> bool:
    _, now_s, length_s = span
    sound = segment.sound
    return sound is not None and sound.end_s > max(0.0, now_s - length_s) and sound.start_s < now_s


@given(spans)
@few
def test_sounds_are_counted_and_ordered_as_they_were_heard(
    span: tuple[int, float, float],
) -> None:
    questions, segments, since_s = _asked(*span)
    sounds = [s.sound for s in segments if s.sound]
    heard = [s.name for s in sounds if s.end_s > since_s and s.start_s < span[1]]
    answers = {q.kind: q.answer for q in questions}
    assert answers.get("count", str(len(heard))) == str(len(heard))
    names = heard or ["none"]
    assert answers.get("first_sound", names[0]) == names[0]
    assert answers.get("last_sound", names[-1]) == names[-1]


@given(spans)
@few
def test_order_after_and_symbols_follow_the_segments(span: tuple[int, float, float]) -> None:
    questions, segments, _ = _asked(*span)
    names = [s.picture for s in segments]
    for q in questions:
        if q.kind == "order":
            there = [name for name in names if name in q.text]
            assert q.answer == there[0]
        if q.kind == "after":
            named = next(i for i, name in enumerate(names) if name in q.text)
            assert q.answer == (names[named + 1] if named + 1 < len(names) else "none")
        if q.kind == "with_symbol":
            holders = [s.picture for s in segments if s.symbol] or ["none"]
            assert q.answer == holders[0]
        if q.kind == "digit":
            assert q.answer == next((s.symbol.digit for s in segments if s.symbol), "none")


@given(spans)
@few
def test_what_is_said_to_exist_is_there_and_nothing_else(span: tuple[int, float, float]) -> None:
    questions, segments, _ = _asked(*span)
    for q in questions:
        if q.kind == "exists":
            assert (q.answer == "yes") == any(s.picture in q.text for s in segments)


@given(spans)
@few
def test_nothing_is_asked_about_what_only_touches_the_edge(
    span: tuple[int, float, float],
) -> None:
    _, now_s, _ = span
    questions, segments, since_s = _asked(*span)
    kinds = {q.kind for q in questions}
    if now_s - max(segments[-1].start_s, since_s) < SHOWN_S:
        assert "now" not in kinds
    late = [s for s in segments if s.sound and now_s - HEARD_S < s.sound.start_s < now_s]
    if late:
        assert kinds.isdisjoint({"count", "last_sound"})


def test_every_kind_is_asked_in_two_phrasings() -> None:
    texts: dict[str, set[str]] = {kind: set() for kind in FIRST_KINDS}
    for seed in range(60):
        for q in _asked(seed, 20.0 + seed / 7, 12.0)[0]:
            words = [w for w in q.text.split() if w.strip("?,") not in _NAMES]
            texts[q.kind].add(" ".join(words))
    assert len(FIRST_KINDS) >= 12
    assert all(len(forms) >= 2 for forms in texts.values()), texts


_NAMES = {word for name in (*OBJECTS, *SOUNDS) for word in name.split()}


def test_only_the_wanted_kinds_are_asked() -> None:
    scene = Scene(3)
    questions = scene.questions(20.0, 8.0, np.random.default_rng(0), ["now", "count"])
    assert {q.kind for q in questions} <= {"now", "count"}


def test_where_everything_was_seen_nothing_is_said_to_be_absent() -> None:
    for seed in range(3):
        scene, rng = Scene(seed), np.random.default_rng(seed)
        assert {thing.name for s in scene.segments(0.0, 900.0) for thing in s.things} == set(
            OBJECTS
        )
        for _ in range(20):
            asked = scene.questions(900.0, 0.0, rng, ["exists"])
            assert all(q.answer == "yes" for q in asked)
