"""The measure measures: right answers count, windows are the engine's, figures are by kind."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sieve.eval import accuracy
from sieve.eval.accuracy import (
    WORLDS,
    Plan,
    answer_stream,
    as_planned,
    main,
    measure,
    plan_questions,
    table,
)
from sieve.eval.asked import Asked
from sieve.model import StreamLayout
from sieve.tokens import RawWindow
from sieve.train.world.render import Stream, render_stream
from sieve.train.world.windows import closed_window
from stream.world.questions import AUDIO_KINDS
from stream.world.scene import KINDS

PLAN = Plan(
    seed=3,
    streams=2,
    duration_s=16.0,
    moments=6,
    codec_share=0.0,
    retentions=(0.2, 0.1),
    random_retentions=(),
)


@pytest.fixture(scope="module")
def stream() -> Stream:
    return render_stream(3, 8, 0.0)


class _Oracle:
    """Stands for the engine: knows every answer, but at low retention it knows only one kind."""

    def __init__(self, *_: object) -> None:
        self.windows: list[RawWindow] = []
        self.opened: list[float] = []
        self.histories: list[tuple[tuple[str, str], ...]] = []

    def open(self, config: object) -> int:
        self.opened.append(config.retention)  # type: ignore[attr-defined]
        return 0

    def close(self, row: int) -> None: ...

    def ingest(self, row: int, window: RawWindow) -> None:
        self.windows.append(window)


def _knowing(
    engine: _Oracle, row: int, opened: RawWindow, asked: Asked, history: deque[tuple[str, str]]
) -> str:
    engine.histories.append(tuple(history))
    knows = engine.opened[-1] > 0.15 or asked.question.kind == "any"
    return f" {asked.question.answer}" if knows else "a spoon"


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy, "Engine", _Oracle)
    monkeypatch.setattr(accuracy, "_answer", _knowing)


def test_the_truth_scores_100_and_nonsense_0(oracle: None) -> None:
    result = measure(object(), PLAN)
    assert set(result["accuracy"]["20% kept"].values()) == {100.0}
    worse = result["accuracy"]["10% kept"]
    assert worse["any"] == 100.0
    assert worse["mean"] < 20.0


def test_guessing_is_measured_beside(oracle: None) -> None:
    result = measure(object(), PLAN)
    assert 0 < result["in_clip_chance"]["mean"] < 100
    assert 0 < result["blind_majority"]["mean"] < 100
    assert sum(result["questions"].values()) == sum(
        len(plan_questions(render_stream(seed, 8, 0.0), PLAN, seed)) for seed in (3, 4)
    )


def test_the_table_has_a_line_for_every_kind(oracle: None) -> None:
    result = measure(object(), PLAN)
    lines = table(result).splitlines()
    assert len(lines) == 2 + 1 + len(result["questions"])
    assert "| 20% kept | 10% kept |" in lines[0]
    assert "| any |" in "\n".join(lines)


def test_a_second_mean_leaves_out_what_it_is_told() -> None:
    kinds = {"mean": 40.0, "now": 100.0, "any": 20.0, "gap": 0.0}
    counts = {"now": 3, "any": 2, "gap": 1}
    result = {
        "questions": counts,
        "accuracy": {"20% kept": kinds},
        "blind_majority": kinds,
        "in_clip_chance": kinds,
    }
    lines = table(result, ["gap"]).splitlines()
    assert lines[3] == "| without gap | 5 | 60.0 | 60.0 | 60.0 |"
    assert len(lines) == len(table(result).splitlines()) + 1


def test_windows_are_ingested_once_each_before_the_question(oracle: None, stream: Stream) -> None:
    engine = _Oracle()
    questions = plan_questions(stream, PLAN, 3)
    seen = []
    for _ in answer_stream(engine, stream, questions, 0.2, PLAN):  # type: ignore[arg-type]
        seen.append(len(engine.windows))  # noqa: PERF401 - it grows as the stream goes on
    assert seen == [int(asked.at_s // 2) for asked in questions]
    assert [w.start_s for w in engine.windows] == [2.0 * i for i in range(len(engine.windows))]


def test_questions_are_put_in_order_of_time_about_the_horizon(stream: Stream) -> None:
    questions = plan_questions(stream, PLAN, 3)
    moments = [asked.at_s for asked in questions]
    assert moments == sorted(moments)
    assert len(set(moments)) > 1
    assert {asked.question.kind for asked in questions} <= set(KINDS)


def test_the_second_world_asks_all_its_kinds_about_all_that_is_remembered() -> None:
    plan = replace(PLAN, world="held-out", duration_s=24.0, horizon_s=1280.0, questions=40)
    stream = render_stream(5, 12, 0.0, WORLDS[plan.world])
    questions = [asked.question for asked in plan_questions(stream, plan, 5)]
    assert {q.kind for q in questions} & {"now_thing", "last_window", "gap", "twice"}
    forgetful = replace(plan, horizon_s=4.0)
    late = [asked for asked in plan_questions(stream, forgetful, 5) if asked.at_s > 12.0]
    begins = [asked.question.evidence_s[0] - stream.offset_s for asked in late]
    assert min(begins) >= min(asked.at_s for asked in late) - 4.0 - 2.0
    assert min(q.evidence_s[0] for q in questions) < min(begins)


def test_the_memory_holds_all_that_is_asked_about() -> None:
    assert replace(PLAN, duration_s=60.0, horizon_s=1280.0).slots == 512 + 31 * 68
    assert replace(PLAN, duration_s=120.0, horizon_s=12.0).slots == 512 + 7 * 68


def test_accuracy_stands_with_an_interval_over_streams(oracle: None) -> None:
    result = measure(object(), PLAN)
    low, high = result["interval"]["20% kept"]
    assert low == high == result["accuracy"]["20% kept"]["mean"] == 100.0
    assert measure(object(), replace(PLAN, streams=1))["interval"]["20% kept"] == [None, None]


def test_a_stream_may_lack_a_track(oracle: None, stream: Stream) -> None:
    engine = _Oracle()
    plan = replace(PLAN, tracks="audio")
    questions = plan_questions(stream, plan, 3)
    assert {asked.question.kind for asked in questions} <= AUDIO_KINDS
    list(answer_stream(engine, stream, questions, 0.2, plan))  # type: ignore[arg-type]
    assert all(window.grids == () for window in engine.windows)
    silent = as_planned(closed_window(stream, 1), replace(PLAN, tracks="video"))
    assert silent.samples is None
    assert len(silent.grids) == 2


def test_earlier_turns_are_read_with_a_question(oracle: None, stream: Stream) -> None:
    engine = _Oracle()
    plan = replace(PLAN, turns=2)
    questions = plan_questions(stream, plan, 3)
    list(answer_stream(engine, stream, questions, 0.2, plan))  # type: ignore[arg-type]
    turns = [(q.question.text, f" {q.question.answer}") for q in questions]
    assert engine.histories[:4] == [(), tuple(turns[:1]), tuple(turns[:2]), tuple(turns[1:3])]


def test_the_clock_may_stand_anywhere_when_a_stream_begins(oracle: None, stream: Stream) -> None:
    engine = _Oracle()
    plan = replace(PLAN, later_s=86_400.0)
    list(answer_stream(engine, stream, plan_questions(stream, plan, 3), 0.2, plan))  # type: ignore
    assert engine.windows[1].start_s == 86_402.0
    assert engine.windows[1].grid_times_s == (86_402.0, 86_403.0)


def test_the_command_writes_what_it_prints(
    oracle: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = SimpleNamespace(layout=StreamLayout(horizon_ids=300))
    monkeypatch.setattr(accuracy, "load_model", lambda name: model)
    out = tmp_path / "accuracy.json"
    stream = ["--seed", "3", "--streams", "1", "--duration", "10"]
    main(["--model", "x", *stream, "--world", "held-out", "--random", "--out", str(out)])
    result = json.loads(out.read_text())
    assert (result["model"], result["world"], result["horizon_s"]) == ("x", "held-out", 12.0)
    assert table(result) in capsys.readouterr().out
