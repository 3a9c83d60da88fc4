"""A run does every cell once, goes on where it was stopped, and answers are the model's own."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sieve.errors import SettingInvalid
from sieve.eval import run as running
from sieve.eval.arms import ARMS
from sieve.eval.outcomes import Journal, by_cell
from sieve.eval.run import Plan, carry_out, jobs, todo
from sieve.eval.tasks import TASKS, Task
from tests import tiny

SHORT = replace(TASKS["first"], seconds=(4.0, 6.0), questions=2)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = tiny.TinyShape(sections=(2, 2, 2, 2))
    return tiny.write_sieve(tmp_path_factory.mktemp("model"), shape, ours=tiny.STREAM)


@pytest.fixture
def plan(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setitem(TASKS, "first", SHORT)
    return Plan(
        model=str(directory),
        tasks=("first",),
        arms=("full", "sieve", "blind"),
        retentions=(1.0, 0.2),
        seeds=(1, 2),
        cases=1,
        modes=("streamed", "offline"),
    )


def test_cells_are_task_by_arm_by_budget_by_seed(plan: Plan) -> None:
    cells = list(plan.cells())
    assert len(cells) == len(set(cells)) == 2 * 3 * 2
    assert Counter(cell.budget for cell in cells) == {"100 %": 8, "20 %": 4}
    assert [(job.seed, len(job.cells)) for job in jobs(cells)] == [(1, 6), (2, 6)]


def test_a_run_answers_every_question_once(plan: Plan, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    told = list(carry_out(plan, journal, todo(plan, journal), 1))
    assert told == list(plan.cells())
    cells = by_cell(journal.outcomes())
    assert set(cells) == set(told)
    for cell, lines in cells.items():
        assert len(lines) == lines[0].of > 0
        held = {"blind": 0, "full": sum(lines[0].seen)}.get(cell.arm)
        assert all(held is None or sum(line.kept) == held for line in lines)
    assert todo(plan, journal) == []


def test_a_run_that_was_stopped_goes_on_and_gives_the_same(plan: Plan, tmp_path: Path) -> None:
    whole, torn = Journal(tmp_path / "whole"), Journal(tmp_path / "torn")
    list(carry_out(plan, whole, todo(plan, whole), 1))
    for _, _ in zip(range(7), carry_out(plan, torn, todo(plan, torn), 1), strict=False):
        pass
    assert 0 < sum(len(job.cells) for job in todo(plan, torn)) < 6
    list(carry_out(plan, torn, todo(plan, torn), 1))
    assert by_cell(torn.outcomes()) == by_cell(whole.outcomes())


def test_a_plan_travels_to_other_processes_whatever_its_arms(plan: Plan) -> None:
    every = replace(plan, arms=tuple(ARMS))
    cells = list(every.cells())
    assert list(pickle.loads(pickle.dumps(every)).cells()) == cells


def test_more_arms_can_be_added_to_a_run(plan: Plan, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    list(carry_out(plan, journal, todo(plan, journal), 1))
    more = replace(plan, arms=("oracle", "full"))
    assert {cell.arm for job in todo(more, journal) for cell in job.cells} == {"oracle"}


def test_each_case_is_rendered_once(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[int] = []
    made = Task.made

    def counted(self: Task, seed: int, index: int, windows: int) -> Any:
        rendered.append(seed)
        return made(self, seed, index, windows)

    monkeypatch.setattr(Task, "made", counted)
    journal = Journal(tmp_path)
    list(carry_out(plan, journal, todo(plan, journal), 1))
    assert rendered == [1, 2]


def test_what_a_process_fails_with_is_told(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> Iterator[object]:
        raise SettingInvalid("no such model")

    monkeypatch.setattr(running, "outcomes", failing)
    journal = Journal(tmp_path)
    with pytest.raises(SettingInvalid, match="no such model"):
        list(carry_out(plan, journal, todo(plan, journal), 1))
