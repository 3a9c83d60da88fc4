"""A question that is put to a stream, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.model import Model
from stream.world.questions import Question

MORE_TOKENS = 4  # than the right answer has; what is longer is wrong anyway


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the stream second at which it is put, and what was answered."""

    question: Question
    at_s: float
    answer: str = ""

    @property
    def right(self) -> bool:
        return self.answer.strip() == self.question.answer


def most_tokens(model: Model, asked: Asked) -> int:
    """How long an answer may become."""
    return len(model.backbone.token_ids(asked.question.answer)) + MORE_TOKENS
