"""How many there were: counted again in notes."""

from __future__ import annotations

from hypothesis import given

from stream.world.scene import SOUNDS
from tests.stream.world.questions.recording import Span, asked, few, named, spans


@given(spans)
@few
def test_a_sound_is_counted_as_often_as_it_began(span: Span) -> None:
    questions, recording = asked(span, "count_sound")
    for q in questions:
        sound = named(q.text, SOUNDS)[0]
        assert int(q.answer) == sum(name == sound for _, name in recording.heard)


@given(spans)
@few
def test_things_of_a_colour_are_counted_once_each(span: Span) -> None:
    questions, recording = asked(span, "count_things")
    for q in questions:
        colour = q.text.split()[2]
        seen = [name for _, names in recording.runs() for name in names if colour in name]
        assert int(q.answer) == len(set(seen)) == len(seen)
