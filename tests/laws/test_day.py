"""A stream of a day: what a question costs and what it is answered stay as they were at first.

The clock jumps, the windows are real: the same thirty seconds are shown in the first minute, after
an hour and after a day of one session.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sieve import Engine, EngineConfig, Model, RowConfig
from sieve.train.world.render import Stream, render_stream
from sieve.train.world.windows import closed_window, open_window

HOUR_S = 3600.0
WINDOWS = 15
SURE = ("what do you see now?", "what was the first sound?", "what was the last sound?")
UNSURE = "how many sounds were there?"  # two numbers are as likely: what is far away decides


@dataclass(frozen=True, slots=True)
class Shown:
    """What a showing of the stream cost, and what was said about it, by question."""

    costs: list[object]
    said: dict[str, list[int]]


@pytest.fixture(scope="module")
def stream() -> Stream:
    return render_stream(seed=77, windows=WINDOWS + 1, codec_share=0.0)


@pytest.mark.parametrize("name", ["stream_model", "demo_model"])
def test_a_day_later_the_same_scene_costs_the_same_and_gets_the_same_answers(
    name: str, stream: Stream, request: pytest.FixtureRequest
) -> None:
    model: Model = request.getfixturevalue(name)
    engine = Engine(model, EngineConfig(rows=1))
    row = engine.open(RowConfig())
    first, hour, day = (shown_twice(engine, row, stream, at_s) for at_s in (0, HOUR_S, 24 * HOUR_S))
    assert first.costs == hour.costs == day.costs
    assert hour.said == day.said
    for question in SURE:  # in the first minutes the prompt is nearer than a horizon
        assert first.said[question] == day.said[question]
    assert engine.check_integrity()


def shown_twice(engine: Engine, row: int, stream: Stream, start_s: float) -> Shown:
    """The second time there is something to remember; what was before the first is forgotten."""
    show(engine, row, stream, start_s)
    return show(engine, row, stream, start_s + 60.0)


def show(engine: Engine, row: int, stream: Stream, start_s: float) -> Shown:
    """Play the stream from ``start_s`` on and ask: bytes, slots, what questions read and say."""
    costs: list[object] = []
    for index in range(WINDOWS):
        ingested = engine.ingest(row, closed_window(stream, index).moved(start_s))
        costs.append((ingested.kept.kept, ingested.kept.audio_kept, ingested.memory.bytes))
    costs.append(ingested.memory.used)
    now = open_window(stream, 2.0 * WINDOWS + 1.3).moved(start_s)
    said: dict[str, list[int]] = {}
    for question in (*SURE, UNSURE):
        begun = engine.ask(row, question, open_window=now, max_tokens=8)
        costs.append((begun.seen, begun.kept))
        said[question] = []
        while not (step := engine.step(begun.branch)).done:
            said[question].append(step.token)
    return Shown(costs, said)
