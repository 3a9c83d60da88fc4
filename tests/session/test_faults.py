"""What is wrong with a message is told in words for whoever wrote it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from session import wire
from session.wire.faults import MOST_SHOWN, Fault, fault_of, sentence


def fault(model: Any, text: str) -> Fault:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(model).validate_json(text)
    return fault_of(raised.value, model)


@pytest.mark.parametrize(
    ("text", "param", "said"),
    [
        ("{}", "type", "must be there"),
        ('{"type": "dance"}', "type", "must be one of 'session.update', 'conversation.item.create"),
        (
            '{"type": "response.create", "y": 1}',
            "y",
            "there is no such field; there are event_id, ",
        ),
        (
            '{"type": "session.update", "session": {"x": {"slot": 1}}}',
            "session.x.slot",
            "there is no such field; there are retention, selector, slots",
        ),
        (
            '{"type": "x.watch.create", "watch": {"query": "a", "quiet": [{"end": 7}]}}',
            "watch.quiet.0.start",
            "must be there",
        ),
        ("[]", None, "the message must be an object, not a list"),
        ("", None, "there is nothing in it: send an object of JSON"),
        ("{", None, "this is not JSON: EOF while parsing an object at line 1 column 1"),
    ],
)
def test_a_message_of_one_of_many_kinds_is_told_as_the_one_that_it_is(
    text: str, param: str | None, said: str
) -> None:
    found = fault(wire.ClientMessage, text)
    assert found.param == param
    assert found.said.startswith(said)


def test_the_kinds_of_message_that_there_are_are_told() -> None:
    said = fault(wire.ClientMessage, '{"type": 5}').said
    assert "'x.notes.list'" in said
    assert said.endswith(", not '5'")


def test_long_names_and_values_are_told_as_far_as_fits_a_line() -> None:
    name, value = "n" * 10_000, "v" * 10_000
    unknown = str(fault(wire.AskRequest, f'{{"question": "a", "{name}": 1}}'))
    assert unknown.startswith("n" * MOST_SHOWN + "...: there is no such field")
    assert len(str(fault(wire.AskRequest, f'{{"question": "a", "notes": "{value}"}}'))) < 200


class Sample(BaseModel):
    word: str = Field(default="a", pattern=r"^a+$")
    parts: list[int] = Field(default=[], min_length=1)


def test_a_pattern_is_told_in_words_where_there_are_some() -> None:
    with pytest.raises(ValidationError) as raised:
        Sample.model_validate({"word": "b", "parts": []})
    word, parts = raised.value.errors()
    assert sentence(word) == "must be of the form ^a+$, not 'b'"
    assert sentence(word, patterns={r"^a+$": "some a"}) == "must be some a, not 'b'"
    assert sentence(word, told=False) == "must be of the form ^a+$"
    assert sentence(parts) == "must not be empty"
