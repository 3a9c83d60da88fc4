"""What a model learns from one clip, in each of the stages."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.cs2 import CS2, kept_count
from sieve.model import Model
from sieve.select import CS2Selector, Selection, Selector
from sieve.train.backbone.exchange import (
    divergence,
    draw_exchanges,
    exchange_loss,
    rewards,
)
from sieve.train.backbone.teacher import Lesson
from sieve.train.backbone.tuning import Tuning
from sieve.train.backbone.viewing import Footage, Viewing, view
from sieve.train.backbone.window_loss import (
    Asked,
    Choosing,
    Memory,
    answer_logits,
    answer_loss,
    ask,
    choose,
    expectation_loss,
    remember,
    saliency_loss,
)
from sieve.train.estimators import ESTIMATORS, advantages

Parts = dict[str, Tensor]
_LEAST_SLOTS = 16  # for the stream, as a session has at least


@dataclass(frozen=True, slots=True)
class Example:
    """A clip ready to be learned from; ``saliency`` [n] of its tokens, or None."""

    footage: Footage
    instruction: str
    lessons: tuple[Lesson, ...]
    saliency: Tensor | None = None


class Student:
    """The model in training. ``everything`` gives all tokens in the states it was made to read."""

    def __init__(self, model: Model, everything: Selector, tuning: Tuning) -> None:
        self.model, self._everything, self._tuning = model, everything, tuning
        self._warm: CS2Selector | None = None

    @property
    def cs2(self) -> CS2:
        assert self.model.cs2 is not None
        return self.model.cs2

    @property
    def stages(self) -> dict[str, Callable[[Example, np.random.Generator, float], Parts]]:
        """By name: (example, what is drawn, how far the stage has come) -> loss by part."""
        return {"full": self.read_all, "cs2": self.sieve, "exchange": self.exchange}

    def warm_up_ends(self, scorer: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The scorer as it is now (or was, when a run goes on) is what exchanges stay close to."""
        warm = copy.deepcopy(self.cs2)
        if scorer is not None:
            warm.load_state_dict(scorer)
        object.__setattr__(warm, "rotary", self.cs2.rotary)
        self._warm = CS2Selector(warm.requires_grad_(False))
        return warm.state_dict()

    # -- stages -----------------------------------------------------------------------------

    def read_all(self, example: Example, rng: np.random.Generator, done: float) -> Parts:
        """Stage ``full``: the answer from all tokens, none sieved."""
        viewing = view(
            self.model, example.footage, opened=_chance(rng, 0.5), instruction=example.instruction
        )
        wholes = [viewing.sieve(self._everything, pool) for pool in viewing.closed]
        memory = remember(self.model, viewing, wholes)
        losses = [
            self._answer(viewing, memory, self._ask_all(viewing, memory, lesson), lesson)
            for lesson in self._drawn(example, rng, self._tuning.full.questions)
        ]
        return {"answer": torch.stack(losses).mean()}

    def sieve(self, example: Example, rng: np.random.Generator, done: float) -> Parts:
        """Stage ``cs2``: the answer from what the sieve keeps and the memory still holds."""
        plan = self._tuning.sieve
        retention, share = plan.budget(rng)
        choosing = Choosing(
            retention,
            ESTIMATORS[plan.estimator],
            torch.Generator().manual_seed(int(rng.integers(2**62))),
        )
        opened = not _chance(rng, plan.withheld)
        viewing = view(self.model, example.footage, opened=opened, instruction=example.instruction)
        wholes = [viewing.sieve(self.model.selector, pool) for pool in viewing.closed]
        slots = self._slots(viewing, retention, share)
        memory = remember(self.model, viewing, choose(wholes, choosing), slots)
        answers, pulls = [], []
        for lesson in self._drawn(example, rng, self._tuning.cs2.questions):
            asked = ask(self.model, viewing, memory, lesson.question, self.model.selector, choosing)
            answers.append(self._answer(viewing, memory, asked, lesson))
            pulls += self._pull(example, wholes, asked)
        parts = {"answer": torch.stack(answers).mean()}
        if pulls:
            parts["saliency"] = self._saliency_weight(done) * torch.stack(pulls).mean()
        return parts

    def exchange(self, example: Example, rng: np.random.Generator, done: float) -> Parts:
        """Stage ``exchange``: see ``sieve.train.backbone.exchange``. The question is withheld."""
        assert self._warm is not None
        plan = self._tuning.exchanging
        viewing = view(self.model, example.footage, opened=False, instruction=example.instruction)
        choosing = Choosing(float(rng.choice(self._tuning.sieve.retentions)))
        wholes = [viewing.sieve(self.model.selector, pool) for pool in viewing.closed]
        chosen = choose(wholes, choosing)
        lessons = self._drawn(example, rng, self._tuning.exchange.questions)
        drawn = draw_exchanges(chosen, [pool.modality for pool in viewing.closed], plan, rng)
        gains = advantages(
            rewards(lambda kept: self._loglikelihood(viewing, kept, lessons), chosen, wholes, drawn)
        )
        scores = [whole.scores for whole in wholes]
        with torch.no_grad():
            warm = [viewing.sieve(self._warm, pool).scores for pool in viewing.closed]
        return {
            "exchange": exchange_loss(scores, drawn, gains),
            "divergence": plan.beta * divergence(torch.cat(warm), torch.cat(scores)),
        }

    # -- parts ------------------------------------------------------------------------------

    def _drawn(self, example: Example, rng: np.random.Generator, most: int) -> list[Lesson]:
        order = rng.permutation(len(example.lessons))[:most]
        return [example.lessons[int(i)] for i in order]

    def _slots(self, viewing: Viewing, retention: float, share: float) -> int:
        kept = sum(kept_count(retention, len(pool)) for pool in viewing.closed)
        return len(viewing.prompt) + max(_LEAST_SLOTS, math.ceil(share * kept))

    def _ask_all(self, viewing: Viewing, memory: Memory, lesson: Lesson) -> Asked:
        everything = Choosing(1.0)
        return ask(self.model, viewing, memory, lesson.question, self._everything, everything)

    def _answer(self, viewing: Viewing, memory: Memory, asked: Asked, lesson: Lesson) -> Tensor:
        logits = answer_logits(self.model, viewing, memory, asked, lesson.answer)
        if lesson.expected is None:
            return answer_loss(logits, lesson.answer)
        return expectation_loss(logits, lesson.expected)

    def _pull(self, example: Example, wholes: Sequence[Selection], asked: Asked) -> list[Tensor]:
        """The warm start of the scores, over the tokens that were there to be scored."""
        if example.saliency is None or not self._tuning.teacher.saliency:
            return []
        scores = [whole.scores for whole in wholes]
        if asked.scores is not None:
            scores.append(asked.scores)
        together = torch.cat(scores)
        wanted = example.saliency[: len(together)]
        silent = len(together) - len(wanted)  # that fills up a last window which has closed
        wanted = F.pad(wanted / wanted.sum().clamp(min=1e-12), (0, silent))
        return [saliency_loss(together, wanted)]

    def _saliency_weight(self, done: float) -> float:
        plan = self._tuning.teacher
        return plan.saliency * max(plan.saliency_floor, 1 - done)

    @torch.no_grad()
    def _loglikelihood(
        self, viewing: Viewing, kept: Sequence[Selection], lessons: Sequence[Lesson]
    ) -> float:
        """Mean over the lessons of log P(answer | what is kept)."""
        memory = remember(self.model, viewing, kept)
        found = []
        for lesson in lessons:
            asked = self._ask_all(viewing, memory, lesson)
            logits = answer_logits(self.model, viewing, memory, asked, lesson.answer)
            found.append(-len(lesson.answer) * float(answer_loss(logits, lesson.answer)))
        return float(np.mean(found))

    # -- examination ------------------------------------------------------------------------

    @torch.no_grad()
    def examine(self, example: Example, retention: float | None) -> list[tuple[float, bool]]:
        """Of every lesson the loss, and whether each token of its answer was the likeliest; as a
        session would ask at the clip's end. Retention None: all tokens."""
        selector = self._everything if retention is None else self.model.selector
        choosing = Choosing(1.0 if retention is None else retention)
        viewing = view(self.model, example.footage, opened=True, instruction=example.instruction)
        wholes = [viewing.sieve(selector, pool) for pool in viewing.closed]
        memory = remember(self.model, viewing, choose(wholes, choosing))
        found = []
        for lesson in example.lessons:
            asked = ask(self.model, viewing, memory, lesson.question, selector, choosing)
            logits = answer_logits(self.model, viewing, memory, asked, lesson.answer)
            right = logits.argmax(-1).tolist() == list(lesson.answer)
            loss = (
                answer_loss(logits, lesson.answer)
                if lesson.expected is None
                else expectation_loss(logits, lesson.expected)
            )
            found.append((float(loss), right))
        return found


def _chance(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)
