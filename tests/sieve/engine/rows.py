"""Engines with a row that holds a stream, asked and looked into."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from sieve import Begun, Engine, EngineConfig, Model, RawWindow, RowConfig
from sieve.tokens import Step
from tests import tiny

CONFIG = EngineConfig(rows=2, slots=256, max_branches=2, max_question_tokens=200)
SPOKEN = "system\nYou watch and listen.\nuser\n"  # a token for each byte
PROMPT = len(SPOKEN) + 5  # <|im_start|> twice, <|im_end|>, two begin markers


def a_window(index: int, **more: Any) -> RawWindow:
    """Always the same for an index."""
    return tiny.window(index, np.random.default_rng(index), **more)


def with_row(
    model: Model, windows: int, config: EngineConfig = CONFIG, **row: Any
) -> tuple[Engine, int]:
    engine = Engine(model, config)
    number = engine.open(RowConfig(**row))
    for index in range(windows):
        engine.ingest(number, a_window(index))
    return engine, number


def steps_of(engine: Engine, begun: Begun) -> list[Step]:
    steps = [engine.step(begun.branch)]
    while not steps[-1].done:
        steps.append(engine.step(begun.branch))
    return steps


def answer(engine: Engine, row: int, question: str = "what?", **more: Any) -> list[int]:
    """The tokens of an answer."""
    begun = engine.ask(row, question, **{"max_tokens": 5, **more})
    return [step.token for step in steps_of(engine, begun)]


def picture(engine: Engine) -> list[Any]:
    """All there is to an engine's memory."""
    tables = [row.table for row in engine._rows.values()]
    return [
        *[layer.clone() for layer in (*engine._arena.keys, *engine._arena.values)],
        *[getattr(t, a).copy() for t in tables for a in ("valid", "kind", "score", "time_id")],
        [(t.budget, t.used) for t in tables],
        [engine.memory(row) for row in engine._rows],
        [engine.retention(row) for row in engine._rows],
        engine._arena.rows_free(),
        sorted(engine._branches),
    ]


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        bool((a == b).all()) if isinstance(a, Tensor | np.ndarray) else a == b
        for a, b in zip(one, other, strict=True)
    )
