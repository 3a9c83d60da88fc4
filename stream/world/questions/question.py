"""A question with its answer, and the register of the kinds of questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from stream.world.questions.span import Span

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a span of the world, and its answer.

    ``chance`` is how often a guess is right that knows which objects and sounds occur in the span,
    but neither when nor together with what. ``evidence_s``: the scene seconds the answer rests on.
    """

    kind: str
    text: str
    answer: str
    chance: float
    evidence_s: tuple[float, float]


Ask = Callable[[Span, np.random.Generator], Question | None]
Tracks = Literal["video", "audio", "both"]


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind is asked (``None`` where it cannot be), and which tracks its answer rests on."""

    ask: Ask
    tracks: Tracks


REGISTER: dict[str, Kind] = {}


def kind(tracks: Tracks) -> Callable[[Ask], Ask]:
    """Registers a question under its function's name."""

    def register(ask: Ask) -> Ask:
        REGISTER[ask.__name__.removeprefix("ask_")] = Kind(ask, tracks)
        return ask

    return register


def pick(items: Sequence[T], rng: np.random.Generator) -> T:
    return items[int(rng.integers(len(items)))]


def one_of(count: int) -> float:
    """The chance of a guess among ``count``."""
    return 1.0 / max(1, count)
