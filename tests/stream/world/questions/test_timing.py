"""When, how far apart, in which order: told again from notes."""

from __future__ import annotations

import re

from hypothesis import given

from stream.world.scene import COLOURS, SOUNDS
from tests.stream.world.questions.recording import Span, asked, few, named, spans


@given(spans)
@few
def test_a_gap_is_between_two_beginnings_and_near_to_a_whole_number(span: Span) -> None:
    questions, recording = asked(span, "gap")
    for q in questions:
        first, second = named(q.text, SOUNDS)
        begins = [[at_s for at_s, name in recording.heard if name == n] for n in (first, second)]
        assert [len(times) for times in begins] == [1, 1]
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
