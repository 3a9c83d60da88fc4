"""Tasks: worlds made so that one claim of the method shows, and what is asked about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sieve.eval.arms import Budget
from sieve.eval.arms import Group as ArmGroup
from sieve.eval.asked import Asked
from sieve.eval.case import Case
from sieve.eval.outcomes import Mode
from sieve.tokens import WINDOW_S
from sieve.train.world.render import render_stream
from stream.world.milestones import Milestones
from stream.world.plot import FIRST_WORLD, Plot, Varied
from stream.world.questions import LATEST_KINDS
from stream.world.scene import Question, Scene
from stream.world.task import SHORTEST_S
from stream.world.task import Task as Ability
from stream.world.tasks import (
    Ago,
    Cue,
    Density,
    FaintDigit,
    Flash,
    Gap,
    Named,
    OneSound,
    Tally,
)

CODEC_SHARE = 0.5
FIRST_SCENE = 900_000_000  # scenes of the evaluation begin here; training stays below
SCENES_PER_TASK = 1_000_000
ALL_OF_A_MINUTE = 2_048  # slots
ALL_OF_40_MINUTES = 8_448  # slots: a tenth of the tokens of 1,200 windows, and room to spare


MakePlot = Callable[[float], Plot]


@dataclass(frozen=True, slots=True)
class Task:
    """Cases between ``seconds`` long take turns with ``plots(length)``; they are asked at
    ``moments`` moments (one: near the end, which is ``late_s`` after the plot's) up to
    ``questions`` questions each, about what was at most ``reach_s`` ago; where the model may
    remember more, of ``kinds`` whose answer does not change with it (``None``: of all). ``told``:
    the plot's instruction for the question is known from the beginning. ``slots``: budgets are
    those of the memory, at a retention of 10 %. ``room``: of a long stream the memory holds at most
    so many tokens, of all tokens or of a share alike. ``cases``: at most so many a seed.
    ``ages_s``: asked about what ended between so many seconds ago, if anything did.
    ``compositions``: which things and sounds come together, where a thing is there while something
    sounds."""

    name: str
    exposes: str
    plots: tuple[MakePlot, ...]
    seconds: tuple[float, float]
    reach_s: float = math.inf
    kinds: frozenset[str] | None = None
    late_s: float = 0.0
    told: bool = False
    moments: int = 1
    questions: int = 8
    slots: tuple[int, ...] = ()
    room: int | None = None
    modes: tuple[Mode, ...] = ("streamed", "offline")
    groups: tuple[ArmGroup, ...] = ("control", "method", "ablation", "trained")
    cases: int = 1000
    ages_s: tuple[float, float] = (0.0, math.inf)
    compositions: Literal["held-out", "any"] = "held-out"

    def budgets(self, retentions: Sequence[Budget]) -> list[Budget]:
        """The budgets that the task is run at."""
        return [Budget(0.1, slots) for slots in self.slots] or list(retentions)

    def windows(self, seed: int, index: int) -> int:
        """How long a case is; longer cases are rarer."""
        shortest, longest = self.seconds
        rng = np.random.default_rng([self._scene(seed, index), 71])
        seconds = shortest * (longest / shortest) ** rng.random()
        return max(2, round(seconds / WINDOW_S))

    def case(self, seed: int, index: int) -> Case:
        """Case ``index`` of ``seed``, rendered; always the same."""
        return self.made(seed, index, self.windows(seed, index))

    def made(self, seed: int, index: int, windows: int) -> Case:
        """The same, ``windows`` long."""
        scene, end_s = self._scene(seed, index), windows * WINDOW_S
        plot = self.plots[index % len(self.plots)](max(end_s - self.late_s, SHORTEST_S))
        stream = render_stream(scene, windows, CODEC_SHARE, plot)
        rng = np.random.default_rng([scene, 72])
        asked: list[Asked] = []
        for at_s in self._moments(end_s, rng):
            since_s = max(0.0, at_s - self.reach_s) + stream.offset_s
            now_s = at_s + stream.offset_s
            found = _questions(stream.scene, now_s, since_s, rng, self.kinds)
            found = [q for q in found if self._is_of_age(now_s - q.evidence_s[1])]
            asked += [Asked(question, at_s) for question in _spread(found, self.questions, rng)]
        told = _instruction(plot, asked) if self.told else ""
        return Case(self.name, seed, index, stream, tuple(asked), told, self.room)

    def _is_of_age(self, age_s: float) -> bool:
        youngest, oldest = self.ages_s
        return youngest <= max(age_s, 0.0) <= oldest

    def _moments(self, end_s: float, rng: np.random.Generator) -> list[float]:
        if self.moments == 1:
            return [float(rng.uniform(end_s - WINDOW_S + 0.1, end_s - 0.05))]
        return sorted(rng.uniform(end_s / 4, end_s - 0.05, self.moments).tolist())

    def _scene(self, seed: int, index: int) -> int:
        number = list(TASKS).index(self.name)
        return FIRST_SCENE + number * SCENES_PER_TASK + seed * 10_000 + index


def _questions(
    scene: Scene,
    now_s: float,
    since_s: float,
    rng: np.random.Generator,
    kinds: frozenset[str] | None,
) -> list[Question]:
    """Several draws of what can be asked: no question twice."""
    drawn = [q for _ in range(4) for q in scene.questions(now_s, since_s, rng, kinds)]
    return list({question.text: question for question in drawn}.values())


def _spread(found: Sequence[Question], count: int, rng: np.random.Generator) -> list[Question]:
    """Up to ``count``, as many of each kind as possible."""
    mixed = [found[int(i)] for i in rng.permutation(len(found))]
    seen: dict[str, int] = {}
    ranked = []
    for question in mixed:
        seen[question.kind] = seen.get(question.kind, 0) + 1
        ranked.append((seen[question.kind], question))
    ranked.sort(key=lambda pair: pair[0])
    return [question for _, question in ranked[:count]]


def _instruction(plot: Plot, asked: Sequence[Asked]) -> str:
    """What the plot says to watch for, where one question is put."""
    (only,) = asked
    assert isinstance(plot, Ability)
    return plot.instruction(only.question)


def _one_sound(length_s: float) -> Plot:
    return OneSound(length_s, split="held-out")


def _faint_digit(length_s: float) -> Plot:
    return FaintDigit(length_s)


def _dense(what: Literal["sound", "picture", "both"]) -> MakePlot:
    return lambda length_s: Density(length_s, what, split="held-out")


def _cue(at: Literal["end", "beginning"]) -> MakePlot:
    return lambda length_s: Cue(length_s, at, split="held-out")


def _milestones(length_s: float) -> Plot:
    return Milestones(length_s, split="held-out")


_HALF_HOURS = Task(
    "streams",
    "the same live: the newest seconds of streams of half an hour, through a full memory",
    (lambda _: Varied("held-out"),),
    (1800.0, 1800.0),
    reach_s=16.0,
    kinds=LATEST_KINDS,
    moments=16,
    questions=4,
    room=ALL_OF_A_MINUTE,
    modes=("streamed",),
    cases=2,
)
_DENSITIES = (_dense("sound"), _dense("picture"), _dense("both"))
_ALL = (
    *(
        Task(name, exposes, plots, (12.0, 30.0), questions=3)
        for name, exposes, plots in (
            ("T1", "from sound to picture: what was visible during the one sound", (_one_sound,)),
            ("T2", "from picture to sound: which sound was there when the digit flashed", (Flash,)),
            ("T3", "where the content is: in the sound, in the picture, in both", _DENSITIES),
            ("T4", "time: how far apart, what was there so long ago, when did it come", (Gap, Ago)),
            ("T5", "a small detail: a faint digit in a picture that flickers", (_faint_digit,)),
            (
                "T6",
                "looking back: a cue at the end, or as a twin at the beginning, selects a thing",
                (_cue("end"), _cue("beginning")),
            ),
            ("T7", "what the question names: one of many, counts of many", (Named, Tally)),
            ("T8", "a mix of T1, T3 and T5", (_one_sound, *_DENSITIES, _faint_digit)),
        )
    ),
    Task(
        "T7 told",
        "the same, the instruction naming it from the beginning",
        (Named, Tally),
        (12.0, 30.0),
        questions=1,
        told=True,
    ),
    Task(
        "T9",
        "streaming: T3 and T6, the question late",
        (*_DENSITIES, _cue("end"), _cue("beginning")),
        (20.0, 38.0),
        late_s=8.0,
        questions=3,
    ),
    Task(
        "first",
        "the world of the first edition",
        (lambda _: FIRST_WORLD,),
        (4.0, 24.0),
        compositions="any",
    ),
    Task(
        "clips",
        "all kinds of questions, a world that changes, compositions never seen in training",
        (lambda _: Varied("held-out"),),
        (4.0, 60.0),
        questions=10,
    ),
    _HALF_HOURS,
    Task(
        "memory",
        "what is still known of milestones up to half an hour ago",
        (_milestones,),
        (120.0, 1800.0),
        moments=12,
        questions=6,
        slots=(96, 160, 288, 544),
        modes=("streamed",),
        groups=("memory",),
        cases=6,
    ),
    Task(
        "horizon",
        "what becomes of answers when position ids pass the horizon of 21.8 minutes",
        (_milestones,),
        (2400.0, 2400.0),
        moments=40,
        questions=4,
        slots=(288,),
        modes=("streamed",),
        groups=("memory",),
        cases=3,
    ),
    Task(
        "old milestones",
        "the same of a memory that holds 40 minutes: what was 15 to 25 minutes ago",
        (_milestones,),
        (2400.0, 2400.0),
        moments=40,
        questions=4,
        slots=(ALL_OF_40_MINUTES,),
        modes=("streamed",),
        groups=("memory",),
        cases=3,
        ages_s=(900.0, 1500.0),
    ),
    replace(
        _HALF_HOURS,
        name="newest",
        exposes="after half an hour: the newest seconds, by how much the memory holds",
        room=None,
        slots=(256, 512, 1_024, ALL_OF_A_MINUTE),
        groups=("memory",),
    ),
)
TASKS = {task.name: task for task in _ALL}
