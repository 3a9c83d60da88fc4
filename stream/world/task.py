"""A short world in which one ability shows, and the questions that need it.

A task is a plot: a story of ``length_s`` seconds, after which nothing happens. What has to be known
lies between ``LEAD_S`` and ``length_s - TAIL_S``, so a recording may begin up to a second late and
be asked about up to two seconds before its end. ``trial`` gives the plain case: the whole story,
one question at its end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from stream.world.questions import Question
from stream.world.scene import Scene
from stream.world.segment import Segment

LEAD_S = 1.0
TAIL_S = 2.0
SHORTEST_S = 8.0
DEFAULT_S = 12.0
_EMPTY_S = 4.0


@dataclass(frozen=True, slots=True)
class Trial:
    """``question`` is put at ``asked_s`` about [since_s, asked_s) of the scene; ``instruction`` is
    known from the beginning, and empty where there is none."""

    scene: Scene
    since_s: float
    asked_s: float
    question: Question
    instruction: str


@dataclass(frozen=True)
class Task(ABC):
    """A plot with an end. Raises ValueError for a length below 8 s."""

    length_s: float = DEFAULT_S

    def __post_init__(self) -> None:
        if self.length_s < SHORTEST_S:
            raise ValueError(f"a task takes {SHORTEST_S} s or more, not {self.length_s}")

    @property
    @abstractmethod
    def kinds(self) -> tuple[str, ...]:
        """The kinds of questions that need the ability."""

    @abstractmethod
    def story(self, rng: np.random.Generator) -> Sequence[Segment]:
        """The segments, from 0 s on."""

    def instruction(self, question: Question) -> str:
        """What to watch for, if that is said at the beginning."""
        return ""

    def next(self, seed: int, past: Sequence[Segment]) -> Segment:
        story = told(self, seed)
        if len(past) < len(story):
            return story[len(past)]
        return Segment(len(past), past[-1].end_s, past[-1].end_s + _EMPTY_S)

    def trial(self, seed: int) -> Trial:
        """The trial of ``seed``; another seed gives another one."""
        scene, rng = Scene(seed, self), np.random.default_rng([seed, 9])
        questions = scene.questions(self.length_s, 0.0, rng)
        question = questions[int(rng.integers(len(questions)))]
        return Trial(scene, 0.0, self.length_s, question, self.instruction(question))


@lru_cache(maxsize=64)
def told(task: Task, seed: int) -> tuple[Segment, ...]:
    """The task's story of ``seed``."""
    return tuple(task.story(np.random.default_rng([seed, 8])))
