"""Every study can be run, says what it leaves out, and goes on where it was stopped."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sieve.errors import FolderBusy, SettingInvalid
from sieve.eval.outcomes import Journal, LeftOut, by_cell
from sieve.eval.suite import STUDIES, add_arguments, plan_of, possible, run
from sieve.eval.tasks import TASKS
from sieve.folder import held
from tests import tiny


def _arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(given)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> str:
    shape = tiny.TinyShape(sections=(2, 2, 2, 2))
    return str(tiny.write_sieve(tmp_path_factory.mktemp("model"), shape, ours=tiny.STREAM))


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_asks_something_in_each_of_its_tasks_and_modes(name: str) -> None:
    cells = list(plan_of(_arguments("--study", name, "--cases", "1", "--seeds", "1")).cells())
    assert {cell.task for cell in cells} == set(STUDIES[name].tasks)
    assert {cell.mode for cell in cells} == set(STUDIES[name].modes)


def test_make_runs_every_study() -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    (line,) = [line for line in makefile.splitlines() if line.startswith("STUDIES :=")]
    assert line.split()[2:] == list(STUDIES)


def test_the_slots_of_a_memory_can_be_said_otherwise() -> None:
    given = ("--study", "memory", "--cases", "1", "--seeds", "1", "--slots", "1000", "2000")
    budgets = {cell.budget for cell in plan_of(_arguments(*given)).cells()}
    assert budgets == {"10 %, 1000 slots", "10 %, 2000 slots"}
    clips = plan_of(_arguments("--slots", "1000", "--cases", "1")).cells()
    assert not any("slots" in cell.budget for cell in clips)
    with pytest.raises(SettingInvalid, match="--slots are 16 or more"):
        plan_of(_arguments("--slots", "3"))


def test_a_name_that_is_no_arm_is_refused() -> None:
    with pytest.raises(SettingInvalid, match="no arm or group of arms is called 'sive'"):
        list(plan_of(_arguments("--arms", "sive")).cells())


def test_budgets_below_a_methods_floor_are_left_out_with_their_reason(directory: str) -> None:
    given = ("--study", "published", "--model", directory, "--cases", "1")
    plan = possible(plan_of(_arguments(*given)))
    refused = {line.budget: line.why for line in plan.left_out if line.arm.startswith("fastv,")}
    assert set(refused) == {"40 %", "20 %", "10 %", "5 %"}  # two of three layers read everything
    assert "below its floor" in refused["20 %"]
    ran = {(cell.arm, cell.budget) for cell in plan.cells()}
    assert not any(arm.startswith("fastv,") for arm, _ in ran)
    assert ("pyramiddrop, as published", "40 %") in ran


def test_an_arm_that_the_study_does_not_ask_is_not_said_to_be_left_out(directory: str) -> None:
    given = ("--study", "arms", "--arms", "fastv, as published", "sieve", "--model", directory)
    assert possible(plan_of(_arguments(*given))).left_out == ()


def test_an_arm_without_its_weights_is_left_out_at_every_budget(directory: str) -> None:
    given = ("--arms", "omnisift", "sieve", "--model", directory, "--tasks", "clips")
    plan = possible(plan_of(_arguments(*given)))
    (line,) = plan.left_out
    assert (line.arm, line.budget) == ("omnisift", "")
    assert "omnisift.safetensors" in line.why
    assert {cell.arm for cell in plan.cells()} == {"sieve"}


def test_what_is_left_out_is_noted_once(tmp_path: Path) -> None:
    journal, line = Journal(tmp_path), LeftOut("fastv, as published", "5 %", "below its floor")
    journal.leave_out([line])
    journal.leave_out([line, replace(line, budget="10 %")])
    assert [found.budget for found in journal.left_out()] == ["5 %", "10 %"]


def test_a_command_that_is_repeated_has_nothing_left_to_do(
    directory: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(TASKS, "clips", replace(TASKS["clips"], seconds=(4.0, 6.0), questions=2))
    given = ("--study", "published", "--model", directory, "--out", str(tmp_path), "--cases", "1")
    settings = _arguments(*given, "--seeds", "1", "--workers", "1", "--retentions", "1", "0.2")
    assert run(settings) == 0
    first = capsys.readouterr().out
    assert "left out: fastv, as published, 20 %" in first
    assert run(settings) == 0
    assert "0 cells to do" in capsys.readouterr().out


def _until(true: Callable[[], bool], within_s: float = 300.0) -> None:
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_a_run_that_is_killed_goes_on_to_the_same_outcomes(directory: str, tmp_path: Path) -> None:
    given = ["--tasks", "T1", "--modes", "streamed", "--arms", "control", "--retentions", "1"]
    given += ["0.2", "--cases", "2", "--seeds", "1", "--model", directory, "--out"]
    folder, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-m", "clients.cli", "eval", *given, str(folder), "--workers", "2"]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    journal = Journal(folder)
    try:
        _until(lambda: len(journal.done()) > 0)
    finally:
        killed.kill()
        killed.wait()
    assert run(_arguments(*given, str(folder), "--workers", "1")) == 0
    assert run(_arguments(*given, str(whole), "--workers", "1")) == 0
    assert by_cell(journal.outcomes()) == by_cell(Journal(whole).outcomes())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--arms", "full", "--retentions", "0.2"), "full would not be asked: it reads all tokens"),
        (("--arms", "sieve", "--retentions", "1"), "sieve would not be asked: it keeps a part"),
        (("--arms", "fastv, as published"), "it goes with --modes offline"),
        (("--arms", "sieve", "score alone"), "memory go with the tasks memory"),
        (("--arms", "method", "--retentions", "1"), "nothing can be asked"),
    ],
)
def test_an_arm_that_was_named_and_would_not_be_asked_is_refused(
    given: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingInvalid, match=told):
        run(_arguments(*given, "--out", str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_a_file_and_one_that_is_held_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingInvalid, match="file is a file; name a folder"):
        run(_arguments("--out", str(tmp_path / "file")))
    with held(tmp_path / "run"), pytest.raises(FolderBusy):
        run(_arguments("--out", str(tmp_path / "run")))


def test_a_list_of_trained_models_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.json"):
        with pytest.raises(SettingInvalid, match=r"--trained: .* cannot be read"):
            run(_arguments("--trained", str(path), "--out", str(tmp_path / "run")))
