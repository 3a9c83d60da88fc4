"""The teacher: the same model with all tokens. Its answers, what it expected, on which tokens.

What a teacher says of a clip is computed once and kept in the folder of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sieve.model import Model
from sieve.select import Selector
from sieve.train.backbone.clips import Clip
from sieve.train.backbone.messages import Turn
from sieve.train.backbone.saliency import SALIENCY
from sieve.train.backbone.tuning import TeacherPlan
from sieve.train.backbone.viewing import (
    Footage,
    Turns,
    Viewing,
    modalities_of,
    question_ids,
    view,
)
from sieve.train.backbone.window_loss import (
    Asked,
    Choosing,
    Expectation,
    Memory,
    answer_logits,
    ask,
)
from sieve.train.saving import load_whole, save_whole

ASK_FOR_QUESTION = "Ask a question about this video that only who watched and listened can answer."
_TEMPERATURE = 0.8
_EVERYTHING = Choosing(1.0)


@dataclass(frozen=True, slots=True)
class Lesson:
    """One question: its token ids with template and earlier turns, the answer's ids with the stop
    token, and what the teacher expected at each of them (None: the answer is a label)."""

    question: tuple[int, ...]
    answer: tuple[int, ...]
    expected: Expectation | None


@dataclass(frozen=True, slots=True)
class Taught:
    """``saliency`` [n], sums to 1: the share of each of the clip's tokens, window by window, in the
    answers (``sieve.train.backbone.saliency``), which all count the same."""

    lessons: tuple[Lesson, ...]
    saliency: Tensor


class Teacher:
    """``selector`` gives all tokens in the states that the model was trained to read."""

    def __init__(
        self, model: Model, selector: Selector, plan: TeacherPlan, seed: int, *, labelled: bool
    ) -> None:
        self._model, self._selector, self._plan = model, selector, plan
        self._seed, self._labelled = seed, labelled

    @torch.no_grad()
    def teach(self, clip: Clip, footage: Footage, number: int) -> Taught:
        """Lessons of a clip. ``number`` seeds what is drawn."""
        viewing = view(self._model, footage, opened=True, instruction=clip.instruction)
        wholes = [viewing.sieve(self._selector, pool) for pool in viewing.closed]
        saliency = SALIENCY[self._plan.saliency_by](self._model, viewing, wholes)
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + number)
        turns = [*clip.turns, *self._own_questions(viewing, saliency.memory, generator)]
        lessons, shares = [], torch.zeros(viewing.tokens)
        for turn, history in _with_history(turns):
            ids = question_ids(self._model, viewing.modalities, turn.question, history)
            asked = ask(self._model, viewing, saliency.memory, ids, self._selector, _EVERYTHING)
            lesson = self._lesson(viewing, saliency.memory, turn, ids, asked)
            lessons.append(lesson)
            shares += saliency.of(asked, lesson.answer)
        return Taught(tuple(lessons), shares / shares.sum().clamp(min=1e-12))

    def _lesson(
        self, viewing: Viewing, memory: Memory, turn: Turn, ids: Sequence[int], asked: Asked
    ) -> Lesson:
        answer = (
            write(self._model, viewing, memory, asked, self._plan.answer_tokens, _likeliest)
            if turn.answer is None
            else answer_ids(self._model, turn.answer)
        )
        expected = None
        if not self._labelled:
            logits = answer_logits(self._model, viewing, memory, asked, answer)
            expected = Expectation.of(logits, self._plan.likeliest)
        return Lesson(tuple(ids), tuple(answer), expected)

    def _own_questions(
        self, viewing: Viewing, memory: Memory, generator: torch.Generator
    ) -> Iterator[Turn]:
        """Questions the model itself asks about the clip; none where it has nothing to ask."""
        if self._labelled:
            return
        ids = question_ids(self._model, viewing.modalities, ASK_FOR_QUESTION, ())
        for _ in range(self._plan.generated):
            asked = ask(self._model, viewing, memory, ids, self._selector, _EVERYTHING)
            said = write(
                self._model, viewing, memory, asked, self._plan.answer_tokens, _drawn(generator)
            )
            tokenizer: Any = self._model.backbone.tokenizer
            text = str(tokenizer.decode(said, skip_special_tokens=True)).strip()
            if text:
                yield Turn(text, None)


def labels(model: Model, clip: Clip, footage: Footage) -> tuple[Lesson, ...]:
    """The answered turns of a clip as lessons, without a teacher."""
    modalities = modalities_of(footage)
    return tuple(
        Lesson(
            tuple(question_ids(model, modalities, turn.question, history)),
            tuple(answer_ids(model, turn.answer)),
            None,
        )
        for turn, history in _with_history(clip.turns)
        if turn.answer is not None
    )


def _with_history(turns: Sequence[Turn]) -> Iterator[tuple[Turn, Turns]]:
    """A labelled conversation goes on; what a teacher is asked stands for itself."""
    history: list[tuple[str, str]] = []
    for turn in turns:
        yield turn, list(history)
        if turn.answer is not None:
            history.append((turn.question, turn.answer))


def answer_ids(model: Model, answer: str) -> list[int]:
    """The tokens of an answer, then the template's end of a turn."""
    return model.backbone.token_ids(f"{answer}<|im_end|>")


Pick = Callable[[Tensor], int]


def write(
    model: Model, viewing: Viewing, memory: Memory, asked: Asked, most: int, pick: Pick
) -> list[int]:
    """An answer of at most ``most`` tokens, the stop token included; ``pick``: logits [V] -> id."""
    said: list[int] = []
    while len(said) < most and (not said or said[-1] not in model.stop_ids):
        # The last place's token is not known yet: what stands there is not read.
        said.append(pick(answer_logits(model, viewing, memory, asked, [*said, 0])[-1]))
    return said


def _likeliest(logits: Tensor) -> int:
    return int(logits.argmax())


def _drawn(generator: torch.Generator) -> Pick:
    def pick(logits: Tensor) -> int:
        shares = (logits.float() / _TEMPERATURE).softmax(-1).cpu()
        return int(torch.multinomial(shares, 1, generator=generator))

    return pick


# -- what is kept of it -----------------------------------------------------------------------


class Lessons:
    """Taught clips in a folder, one file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.pt"

    def holds(self, number: int) -> bool:
        return self._path(number).exists()

    def put(self, number: int, taught: Taught) -> None:
        save_whole(asdict(taught), self._path(number))

    def get(self, number: int) -> Taught:
        found: dict[str, Any] = load_whole(self._path(number))
        lessons = tuple(
            Lesson(
                tuple(lesson["question"]),
                tuple(lesson["answer"]),
                None if lesson["expected"] is None else Expectation(**lesson["expected"]),
            )
            for lesson in found["lessons"]
        )
        return Taught(lessons, found["saliency"])
