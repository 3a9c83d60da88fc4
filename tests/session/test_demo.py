"""What `make demo` runs."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from session import demo
from session.config import ServiceConfig
from session.demo import Asked, plain, table_of
from session.engine.loading import Loaded
from sieve import Engine, EngineConfig, Model
from tests.session.fakes import FakeEngine


def asked(answer: str, truth: str) -> Asked:
    right = plain(answer) == plain(truth)
    return Asked(5.0, "now", "what is visible now?", answer, truth, right, 12.3, 45.6, 170, 35)


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("red circle", "red circle", True),
        (" Red circle.", "red circle", True),
        ("red square", "red circle", False),
        ("", "none", False),
    ],
)
def test_an_answer_is_compared_without_case_and_full_stop(
    answer: str, truth: str, right: bool
) -> None:
    assert asked(answer, truth).right is right


def test_the_table_shows_what_was_right_and_what_was_not() -> None:
    out = io.StringIO()
    console = Console(file=out, width=120)
    console.print(table_of([asked("red circle", "red circle"), asked("[b]", "click")], 0.2))
    text = out.getvalue()
    assert "1 of 2 right, 20% of the tokens kept" in text
    assert "[b]" in text  # an answer is shown as it is, not read as markup
    assert "35/170" in text


def test_a_demonstration_streams_asks_and_reports(
    stream_model: Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "QUESTIONS", 3)
    monkeypatch.setattr(demo, "FIRST_S", 3.0)
    monkeypatch.setattr(demo, "EVERY_S", 1.0)
    loaded = Loaded(Engine(stream_model, EngineConfig(rows=1)), 0.2)
    assert demo.run(ServiceConfig(rows=1), loaded, seed=7, as_json=True) == 0
    told = capsys.readouterr()
    report = json.loads(told.out.strip().splitlines()[-1])
    assert report["asked"] == len(report["questions"]) == 3
    assert len({question["kind"] for question in report["questions"]}) == 3
    for question in report["questions"]:
        assert question["truth"]
        assert 0 < question["tokens_kept"] < question["tokens_seen"]
        assert 0 < question["first_token_ms"] <= question["total_ms"]
    moments = [question["scene_s"] for question in report["questions"]]
    assert moments == sorted(moments)
    assert "of 3 right" in told.err


def test_a_service_that_fails_is_told_and_is_a_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    loaded = Loaded(FakeEngine(rows=0), 0.2)
    assert demo.run(ServiceConfig(rows=1), loaded, seed=7, as_json=False) == 1
    assert "failed" in capsys.readouterr().out
