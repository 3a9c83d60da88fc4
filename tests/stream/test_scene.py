"""The synthetic world: the same for every order of asking, and honest about itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.scene import (
    CELL,
    COLOURS,
    DISTINCT_S,
    HEARD_S,
    KINDS,
    OBJECTS,
    SAMPLE_RATE,
    SHOWN_S,
    SOUNDS,
    SYMBOLS,
    Question,
    Scene,
    Segment,
)

seeds = st.integers(0, 10_000)
times = st.floats(0, 90, allow_nan=False)
few = settings(max_examples=25, deadline=None)


@given(seeds, st.lists(times, min_size=1, max_size=6))
@few
def test_frames_do_not_depend_on_the_order_of_asking(seed: int, moments: list[float]) -> None:
    forward, backward = Scene(seed), Scene(seed)
    first = [forward.frame(t) for t in moments]
    second = [backward.frame(t) for t in reversed(moments)]
    for a, b in zip(first, reversed(second), strict=True):
        assert np.array_equal(a, b)


@given(seeds, st.integers(0, 60 * SAMPLE_RATE), st.lists(st.integers(0, 9000), max_size=6))
@few
def test_cuts_of_sound_join_to_the_uncut_sound(seed: int, first: int, cuts: list[int]) -> None:
    whole = Scene(seed).sound(first / SAMPLE_RATE, sum(cuts))
    scene, at, pieces = Scene(seed), first, [np.zeros(0, np.float32)]
    for count in cuts:
        pieces.append(scene.sound(at / SAMPLE_RATE, count))
        at += count
    assert np.array_equal(whole, np.concatenate(pieces))


def test_sound_stays_inside_the_range_of_a_recording() -> None:
    for seed in range(5):
        assert np.abs(Scene(seed).sound(0.0, 60 * SAMPLE_RATE)).max() < 1.0


@given(seeds)
@few
def test_segments_tile_the_time_and_last_two_to_five_seconds(seed: int) -> None:
    segments = Scene(seed).segments(0.0, 120.0)
    assert segments[0].start_s == 0.0
    for before, after in pairwise(segments):
        assert before.end_s == after.start_s
        assert 2.0 - 2e-3 <= before.end_s - before.start_s <= 5.0 + 2e-3


@given(seeds)
@few
def test_objects_sounds_and_symbols_do_not_come_again_soon(seed: int) -> None:
    segments = Scene(seed).segments(0.0, 150.0)
    for i, late in enumerate(segments):
        for early in segments[:i]:
            if late.start_s - early.end_s < DISTINCT_S:
                assert early.object != late.object
                assert early.sound is None or early.sound != late.sound
                assert early.symbol is None or late.symbol is None


@given(seeds)
@few
def test_a_sound_lies_well_inside_its_segment(seed: int) -> None:
    for segment in Scene(seed, sounds=1.0).segments(0.0, 100.0):
        if segment.sound:
            assert segment.start_s + 0.2 < segment.sound_start_s < segment.sound_end_s
            assert segment.sound_end_s < segment.end_s - 0.2


def test_a_long_stretch_shows_and_sounds_everything_there_is() -> None:
    segments = [s for seed in range(8) for s in Scene(seed).segments(0.0, 200.0)]
    assert {s.object for s in segments} == set(OBJECTS)
    assert {s.sound for s in segments} == {*SOUNDS, None}
    assert {s.symbol for s in segments} == {*SYMBOLS, None}


def test_the_object_is_drawn_in_its_cell_in_its_colour() -> None:
    scene = Scene(11)
    for time_s in np.arange(0.1, 40.0, 0.7):
        cell, _ = scene.cells(float(time_s))
        row, column = divmod(cell, 3)
        square = scene.frame(float(time_s))[row * CELL :, column * CELL :][:CELL, :CELL]
        colour = np.array(COLOURS[scene.segment_at(float(time_s)).colour])
        assert (np.abs(square.astype(int) - colour).max(-1) < 30).sum() > 60


def test_larger_frames_are_the_native_ones_enlarged() -> None:
    scene = Scene(4)
    large = scene.frame(7.3, 336)
    assert large.shape == (336, 336, 3)
    assert np.array_equal(large[::4, ::4], scene.frame(7.3))


def test_a_sound_is_louder_than_the_silence_around_it() -> None:
    scene = Scene(2, sounds=1.0)
    for segment in scene.segments(0.0, 30.0):
        if segment.sound:
            samples = round((segment.sound_end_s - segment.sound_start_s) * SAMPLE_RATE)
            heard = scene.sound(segment.sound_start_s, samples)
            before = scene.sound(segment.start_s, SAMPLE_RATE // 5)
            assert heard.std() > 1.5 * before.std()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Scene(-1), "seed must be 0 or more"),
        (lambda: Scene(0, symbols=1.5), "share between 0 and 1"),
        (lambda: Scene(0).frame(-0.1), "begins at 0 s"),
        (lambda: Scene(0).frame(1.0, 100), "multiple of 84"),
        (lambda: Scene(0).sound(1.0, -1), "0 or more"),
        (lambda: Scene(0).questions(3.0, 3.0, np.random.default_rng(0)), "empty span"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]


# -- questions: the truth is told again here, from the segments alone -------------------------


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
    assert answers.get("now", segments[-1].object) == segments[-1].object
    assert answers.get("first", segments[0].object) == segments[0].object


@given(spans)
@few
def test_sounds_and_objects_are_paired_as_in_their_segment(
    span: tuple[int, float, float],
) -> None:
    questions, segments, _ = _asked(*span)
    for q in questions:
        if q.kind == "during" and q.answer != "none":
            sound = next(s.sound for s in segments if s.object == q.answer)
            assert sound is not None
            assert sound in q.text
        if q.kind == "during" and q.answer == "none":
            assert not any(s.sound and s.sound in q.text for s in segments if _inside(s, span))
        if q.kind == "sound_of":
            sound = next(s.sound for s in segments if s.object in q.text)
            assert q.answer == (sound or "none")


def _inside(segment: Segment, span: tuple[int, float, float]) -> bool:
    _, now_s, length_s = span
    return segment.sound_end_s > max(0.0, now_s - length_s) and segment.sound_start_s < now_s


@given(spans)
@few
def test_sounds_are_counted_and_ordered_as_they_were_heard(
    span: tuple[int, float, float],
) -> None:
    questions, segments, since_s = _asked(*span)
    heard = [s for s in segments if s.sound and s.sound_end_s > since_s]
    heard = [s for s in heard if s.sound_start_s < span[1]]
    answers = {q.kind: q.answer for q in questions}
    assert answers.get("count", str(len(heard))) == str(len(heard))
    names = [s.sound for s in heard] or ["none"]
    assert answers.get("first_sound", names[0]) == names[0]
    assert answers.get("last_sound", names[-1]) == names[-1]


@given(spans)
@few
def test_order_after_and_symbols_follow_the_segments(span: tuple[int, float, float]) -> None:
    questions, segments, _ = _asked(*span)
    names = [s.object for s in segments]
    for q in questions:
        if q.kind == "order":
            there = [name for name in names if name in q.text]
            assert q.answer == there[0]
        if q.kind == "after":
            named = next(i for i, name in enumerate(names) if name in q.text)
            assert q.answer == (names[named + 1] if named + 1 < len(names) else "none")
        if q.kind == "with_symbol":
            holders = [s.object for s in segments if s.symbol] or ["none"]
            assert q.answer == holders[0]
        if q.kind == "digit":
            assert q.answer == next((s.symbol for s in segments if s.symbol), "none")


@given(spans)
@few
def test_what_is_said_to_exist_is_there_and_nothing_else(span: tuple[int, float, float]) -> None:
    questions, segments, _ = _asked(*span)
    for q in questions:
        if q.kind == "exists":
            assert (q.answer == "yes") == any(s.object in q.text for s in segments)


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
    late = [s for s in segments if s.sound and now_s - HEARD_S < s.sound_start_s < now_s]
    if late:
        assert kinds.isdisjoint({"count", "last_sound"})


def test_every_kind_is_asked_in_two_phrasings() -> None:
    texts: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for seed in range(60):
        for q in _asked(seed, 20.0 + seed / 7, 12.0)[0]:
            words = [w for w in q.text.split() if w.strip("?,") not in _NAMES]
            texts[q.kind].add(" ".join(words))
    assert len(KINDS) >= 12
    assert all(len(forms) >= 2 for forms in texts.values()), texts


_NAMES = {word for name in (*OBJECTS, *SOUNDS) for word in name.split()}


def test_only_the_wanted_kinds_are_asked() -> None:
    scene = Scene(3)
    questions = scene.questions(20.0, 8.0, np.random.default_rng(0), ["now", "count"])
    assert {q.kind for q in questions} <= {"now", "count"}
