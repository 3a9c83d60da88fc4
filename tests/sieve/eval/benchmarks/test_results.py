"""Answers on disk, through kills and changes of mind."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sieve.errors import BenchmarkError
from sieve.eval.benchmarks.results import Answer, Results

SETTINGS = {"model": "demo", "retention": 0.2, "max_frames": None}


def test_answers_are_there_again_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.jsonl"
    first = Results(path, SETTINGS)
    first.append(Answer("a", "B.\nbecause", 1))
    first.append(Answer("b", "?", None))
    assert Results(path, SETTINGS).answers == first.answers


@settings(max_examples=30)
@given(cut=st.integers(0, 400))
def test_a_kill_loses_no_whole_line(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "answers.jsonl"
    path.unlink(missing_ok=True)
    written = Results(path, SETTINGS)
    for i in range(5):
        written.append(Answer(f"item {i}", "said", i))
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    again = Results(path, SETTINGS)
    assert len(again.answers) == max(0, whole[:cut].count(b"\n") - 1)
    again.append(Answer("new", "said", 0))
    assert "new" in Results(path, SETTINGS).answers


def test_other_settings_are_refused_with_what_is_other(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    Results(path, SETTINGS)
    with pytest.raises(BenchmarkError, match=r"retention 0\.2, now 0\.1"):
        Results(path, SETTINGS | {"retention": 0.1})


@pytest.mark.parametrize("line", ["text", "[1]", '{"id": "a"}'])
def test_a_file_of_something_else_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "answers.jsonl"
    Results(path, SETTINGS)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(BenchmarkError, match=r"answers\.jsonl:2 is no"):
        Results(path, SETTINGS)
