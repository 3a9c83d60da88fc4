"""When, how far apart, in which order: told again from notes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from stream.world.questions.timing import ago
from stream.world.scene import COLOURS, OBJECTS, SOUNDS
from tests.stream.world.questions.recording import Span, asked, few, named, spans


@given(spans)
@few
def test_a_gap_is_between_two_beginnings_and_near_to_a_whole_number(span: Span) -> None:
    questions, recording = asked(span, "gap")
    for q in questions:
        first, second = named(q.text, SOUNDS)
        begins = [[at_s for at_s, name in recording.heard if name == n] for n in (first, second)]
        assert [len(times) for times in begins] == [1, 1]
        names = [name for _, name in recording.heard]
        assert abs(names.index(first) - names.index(second)) == 1
        assert abs(abs(begins[0][0] - begins[1][0]) - int(q.answer)) < 0.33


@given(spans)
@few
def test_what_was_there_some_seconds_ago_was_there_before_and_after(span: Span) -> None:
    questions, recording = asked(span, "ago")
    for q in questions:
        seconds = int(re.findall(r"\d+", q.text)[0])
        for shift_s in (-0.65, 0.0, 0.65):
            assert recording.picture_at(recording.now_s - seconds + shift_s) == q.answer


@given(spans)
@few
def test_sounds_come_in_the_order_of_their_beginnings(span: Span) -> None:
    questions, recording = asked(span, "sound_order", "sound_after")
    names = [name for _, name in recording.heard]
    for q in questions:
        if q.kind == "sound_order":
            assert q.answer == min(named(q.text, SOUNDS), key=names.index)
        else:
            following = names[names.index(named(q.text, SOUNDS)[0]) + 1 :] or ["none"]
            assert q.answer == following[0]


@given(spans)
@few
def test_the_first_and_the_last_of_a_colour_or_shape(span: Span) -> None:
    questions, recording = asked(span, "which_first", "which_last")
    for q in questions:
        word = q.text.split()[1]
        seen = [name for _, names in recording.runs() for name in names if word in name.split()]
        assert q.answer == seen[0 if q.kind == "which_first" else -1]
        assert len(set(seen)) > 1
        assert ("thing" in q.text) == (word in COLOURS)


@given(spans)
@few
def test_an_age_is_that_of_the_beginning(span: Span) -> None:
    questions, recording = asked(span, "when_seen", "when_heard")
    for q in questions:
        if q.kind == "when_heard":
            (name,) = named(q.text, SOUNDS)
            (began_s,) = [at_s for at_s, heard in recording.heard if heard == name]
        else:
            (name,) = named(q.text, OBJECTS)
            (began_s,) = [at_s for at_s, names in recording.runs() if name in names]
        number, unit, _ = q.answer.split()
        said_s = int(number) * {"seconds": 1, "minutes": 60}[unit]
        assert 0.5 < (recording.now_s - began_s) / said_s < 2.0


@pytest.mark.parametrize(
    ("age_s", "words"),
    [
        (0.9, None),
        (1.5, "2 seconds ago"),
        (3.0, None),  # 2 or 5
        (4.0, "5 seconds ago"),
        (60.0, "40 seconds ago"),
        (80.0, "2 minutes ago"),
        (1000.0, "20 minutes ago"),
        (2500.0, None),
    ],
)
def test_an_age_is_told_by_the_nearest_factor(age_s: float, words: str | None) -> None:
    assert ago(age_s) == words
