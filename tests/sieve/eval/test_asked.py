"""When an answer is right."""

from __future__ import annotations

from sieve.eval.asked import Asked
from stream.world.questions import Question


def test_an_answer_is_right_whatever_space_is_around_it() -> None:
    question = Question("any", "was there any sound?", "no", 0.5, (0.0, 1.0))
    assert Asked(question, 1.0, " no ").right
    assert not Asked(question, 1.0, "no sound").right
