"""One arm at one budget on one case: every question put and answered, live or on the whole clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sieve.engine import Engine, EngineConfig, RowConfig
from sieve.eval.arms import Arm, Budget, Spent
from sieve.eval.asked import Asked, most_tokens
from sieve.eval.case import Case
from sieve.eval.offline import Answered, OfflineClip
from sieve.eval.outcomes import Mode, Outcome
from sieve.model import Model
from sieve.prompt import DEFAULT_INSTRUCTION, Modalities, prompt_text
from sieve.tokens import Counts

LEAST_SLOTS = 16  # that the engine takes for a stream


def outcomes(model: Model, case: Case, arm: Arm, budget: Budget, mode: Mode) -> list[Outcome]:
    """The outcomes of all of the case's questions. Raises BudgetUnreachable."""
    model = arm.changed(model)
    answer = streamed if mode == "streamed" else offline
    answered = answer(model, case, arm, budget)
    return [
        Outcome(
            task=case.task,
            seed=case.seed,
            case=case.index,
            arm=arm.name,
            budget=budget.name,
            mode=mode,
            number=number,
            of=len(case.asked),
            kind=asked.question.kind,
            at_s=round(asked.at_s, 3),
            age_s=round(case.age_s(asked), 3),
            answer=said.text.strip(),
            truth=asked.question.answer,
            right=said.text.strip() == asked.question.answer,
            chance=round(asked.question.chance, 4),
            confidence=round(said.confidence, 4),
            kept=_pair(said.kept),
            seen=_pair(case.tokens(asked.at_s)),
            dense=_pair(case.dense(asked.at_s)),
        )
        for number, (asked, said) in enumerate(zip(case.asked, answered, strict=True))
    ]


def _pair(counts: Counts) -> tuple[int, int]:
    return counts.video, counts.audio


def streamed(model: Model, case: Case, arm: Arm, budget: Budget) -> Iterator[Answered]:
    """Window by window through the engine, questions at their moments."""
    tokens = case.tokens(case.asked[-1].at_s).total
    spent = arm.spend(budget, min(tokens, case.room or tokens))
    engine = Engine(model, _config(model, case, arm, spent))
    method, instruction = arm.method(model, case), case.instruction or None
    row = engine.open(
        RowConfig(retention=spent.retention, selector=method, instruction=instruction)
    )
    done_s = 0.0
    for asked in case.asked:
        for window in case.closed(arm.tracks, asked.at_s, done_s):
            engine.ingest(row, window)
        done_s = asked.at_s
        yield _ask(engine, row, case, arm, asked)


def _config(model: Model, case: Case, arm: Arm, spent: Spent) -> EngineConfig:
    """Slots for the prompt, and for the stream what the budget comes to."""
    prompt = prompt_text(case.instruction or DEFAULT_INSTRUCTION, Modalities())
    held = len(model.backbone.token_ids(prompt)) + max(spent.slots, LEAST_SLOTS)
    return EngineConfig(rows=1, slots=held, look_back=arm.look_back)


def _ask(engine: Engine, row: int, case: Case, arm: Arm, asked: Asked) -> Answered:
    most = most_tokens(engine.model, asked)
    opened = case.opened(arm.tracks, asked.at_s) if arm.opened else None
    begun = engine.ask(row, asked.question.text, open_window=opened, max_tokens=most)
    said, confidence = "", None
    while True:
        step = engine.step(begun.branch)
        said += step.text
        confidence = step.probability if confidence is None else confidence
        if step.done:
            return Answered(said, confidence, begun.kept, begun.seen)


def offline(model: Model, case: Case, arm: Arm, budget: Budget) -> Iterator[Answered]:
    """Each question with all that came before it, sieved as a whole with the question known."""
    method = arm.method(model, case)
    model = replace(model, selector=method.selector)
    clip, cut_s = None, -1.0
    for asked in case.asked:
        if clip is None or cut_s != asked.at_s:
            closed = list(case.closed(arm.tracks, asked.at_s))
            opened = case.opened(arm.tracks, asked.at_s)
            clip = OfflineClip(
                model,
                closed,
                opened,
                attention=method.attention,
                instruction=case.instruction or DEFAULT_INSTRUCTION,
            )
            cut_s = asked.at_s
        most = most_tokens(model, asked)
        if arm.pruner is None:
            yield clip.answer(asked.question.text, budget.retention, arm.arrange, most=most)
        else:
            share = budget.retention
            yield clip.answer_pruned(asked.question.text, share, arm.pruner, most=most)
