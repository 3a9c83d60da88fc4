"""What is wrong with a value in a file is told in words, not in those of pydantic."""

from __future__ import annotations

import re
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from sieve.faults import faults

FOREIGN = re.compile(r"Input |[Ff]ield required|[Vv]alid |should |type=|pydantic")


class Line(BaseModel):
    name: str
    share: float = Field(default=0.5, gt=0.0, le=1.0)
    count: int = Field(default=1, ge=1)
    on: bool = True
    kind: Literal["a", "b"] = "a"
    parts: list[str] = []
    inner: dict[str, int] = {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "name must be there"),
        ({"name": 5}, "name must be a text, not 5"),
        ({"name": "x", "share": "half"}, "share must be a number, not 'half'"),
        ({"name": "x", "share": 0}, "share must be more than 0, not 0"),
        ({"name": "x", "share": 1.5}, "share must be at most 1, not 1.5"),
        ({"name": "x", "count": 1.5}, "count must be a whole number, not 1.5"),
        ({"name": "x", "count": None}, "count must be a whole number, not null"),
        ({"name": "x", "on": []}, "on must be true or false, not a list"),
        ({"name": "x", "kind": "c"}, "kind must be 'a' or 'b', not 'c'"),
        ({"name": "x", "parts": {"a": 1}}, "parts must be a list, not an object"),
        ({"name": "x", "parts": ["a", True]}, "parts.1 must be a text, not true"),
        ({"name": "x", "inner": {"a": "b"}}, "inner.a must be a whole number, not 'b'"),
        ([], "the line must be an object, not a list"),
        ({"share": 2}, "name must be there; share must be at most 1, not 2"),
    ],
)
def test_the_place_what_was_wrong_and_what_would_be_right_are_told(given: Any, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Line.model_validate(given)
    told = faults(refused.value, "the line")
    assert told == said
    assert not FOREIGN.search(told)


def test_a_long_value_is_cut() -> None:
    with pytest.raises(ValidationError) as refused:
        Line.model_validate({"name": "x", "count": "y" * 5_000})
    assert len(faults(refused.value, "the line")) < 120


def test_text_that_is_no_json_is_told_with_its_place() -> None:
    with pytest.raises(ValidationError) as refused:
        Line.model_validate_json('{"name": ')
    assert faults(refused.value, "the file").startswith("the file is not JSON: EOF while parsing")
