"""All kinds together: what each is, what it rests on, how it is put."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.world.plot import Varied
from stream.world.questions import AUDIO_KINDS, FIRST_KINDS, KINDS, LATEST_KINDS, VIDEO_KINDS, ask
from stream.world.scene import OBJECTS, SOUNDS, Question, Scene, Segment, Sound, Thing
from tests.stream.world.questions.recording import Span, asked, few, spans

NAMES = {word for name in (*OBJECTS, *SOUNDS) for word in name.split()}


@pytest.fixture(scope="module")
def many() -> list[Question]:
    rng = np.random.default_rng(3)
    return [
        question
        for seed in range(60)  # `the_sound` is rare
        for now_s in rng.uniform(20, 100, 5)
        for question in Scene(seed, Varied()).questions(now_s, now_s - 20, rng)
    ]


def test_the_kinds_are_the_first_ones_and_then_the_new_ones() -> None:
    assert KINDS[: len(FIRST_KINDS)] == FIRST_KINDS
    assert (len(FIRST_KINDS), len(set(KINDS))) == (16, 36)
    assert not VIDEO_KINDS & AUDIO_KINDS
    assert set(KINDS) > (VIDEO_KINDS | AUDIO_KINDS)


def test_every_kind_is_asked_in_two_ways(many: list[Question]) -> None:
    forms: dict[str, set[str]] = defaultdict(set)
    for q in many:
        words = re.sub(r"\d+", "N", q.text.strip("?")).split()
        forms[q.kind].add(" ".join(word for word in words if word.strip("?,") not in NAMES))
    assert set(forms) >= set(KINDS) - {"lone"}
    assert {kind for kind, ways in forms.items() if len(ways) < 2} == set()


def test_answers_without_a_track_do_not_depend_on_it() -> None:
    """Without the things, or without the sounds, the kinds that do not need them say the same."""
    for seed in range(10):
        segments = Scene(seed, Varied()).segments(30.0, 50.0)
        for kinds, kept in ((VIDEO_KINDS, "things"), (AUDIO_KINDS, "sounds")):
            bare = [
                type(s)(
                    s.index,
                    s.start_s,
                    s.end_s,
                    s.things if kept == "things" else (),
                    s.symbol if kept == "things" else None,
                    s.sounds if kept == "sounds" else (),
                )
                for s in segments
            ]
            for kind in kinds - {"count"}:
                full, part = (
                    ask(some, 30.0, 50.0, np.random.default_rng(seed), [kind])
                    for some in (segments, bare)
                )
                assert [(q.text, q.answer) for q in full] == [(q.text, q.answer) for q in part]


@given(spans)
@few
def test_questions_of_every_kind_rest_on_seconds_inside_the_span(span: Span) -> None:
    questions, _ = asked(span, *KINDS)
    assert len({q.kind for q in questions}) > 8


@given(st.integers(0, 10_000), st.floats(100.0, 300.0), st.floats(20.0, 100.0))
@few
def test_the_newest_of_something_is_the_same_however_early_one_begins(
    seed: int, now_s: float, length_s: float
) -> None:
    scene, rng = Scene(seed, Varied()), np.random.default_rng(seed)
    answers: dict[str, set[str]] = defaultdict(set)
    for since_s in (now_s - 16.0, now_s - length_s):
        for _ in range(5):
            for question in scene.questions(now_s, since_s, rng, LATEST_KINDS):
                answers[question.text].add(question.answer)
    assert all(len(said) == 1 for said in answers.values())


def test_only_the_wanted_kinds_are_asked() -> None:
    segments = Scene(3).segments(8.0, 20.0)
    asked_kinds = [q.kind for q in ask(segments, 8.0, 20.0, np.random.default_rng(0), {"count"})]
    assert asked_kinds == ["count"]


@st.composite
def crowded(draw: st.DrawFn) -> list[Segment]:
    """Segments in which everything there is may be visible, much of it too briefly to be asked
    about, and one in which a sound is heard."""
    names = draw(st.permutations(OBJECTS))[draw(st.integers(0, 6)) :]
    segments: list[Segment] = []
    for first in range(0, len(names), 3):
        start_s = segments[-1].end_s if segments else 0.0
        length_s = draw(st.sampled_from([0.5, 0.9, 1.5]))
        numbers = sorted(OBJECTS.index(name) for name in names[first : first + 3])
        things = tuple(Thing.named(OBJECTS[number]) for number in numbers)
        segments.append(Segment(len(segments), start_s, start_s + length_s, things))
    now = segments.pop()
    sound = Sound("buzz", now.start_s + 1.0, now.start_s + 1.6)
    return [
        *segments,
        Segment(now.index, now.start_s, now.start_s + 2.0, now.things, None, (sound,)),
    ]


@given(crowded(), st.integers(0, 10_000))
@few
def test_where_everything_is_visible_nothing_is_asked_of_what_is_not(
    segments: list[Segment], seed: int
) -> None:
    visible = {thing.name for segment in segments for thing in segment.things}
    now = {thing.name for thing in segments[-1].things}
    rng = np.random.default_rng(seed)
    questions = [q for _ in range(8) for q in ask(segments, 0.0, segments[-1].end_s, rng, KINDS)]
    assert questions
    for question in questions:
        (*_, thing) = [name for name in OBJECTS if name in question.text] or [""]
        if question.kind == "exists":
            assert (question.answer == "yes") == (thing in visible)
        if question.kind == "now_thing":
            assert (question.answer == "yes") == (thing in now)
