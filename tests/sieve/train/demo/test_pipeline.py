"""A rehearsal of the whole training: it ends with a model that loads, however often it stops."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sieve import Engine, EngineConfig, RowConfig, load_model
from sieve.errors import SettingInvalid, TrainingError
from sieve.train import main
from sieve.train.demo.pipeline import Run
from sieve.train.demo.recipe import DEMO, REHEARSAL
from sieve.train.demo.replay import HORIZON_IDS
from sieve.train.world.render import render_stream
from sieve.train.world.windows import closed_window
from tests.sieve.train.processes import needs_proc, started_by, wait_until_ended


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """As many as a team of one has: a sum in another order is another sum."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsal")
    run = Run(REHEARSAL, folder)
    run.finish()
    run.write(folder / "model")
    torch.save(run.model.state_dict(), folder / "finished.pt")
    return folder


def _begun(rehearsed: Path, folder: Path, stages: tuple[str, ...] = ()) -> Path:
    """A run with towers, banks and some stages done."""
    folder.mkdir(exist_ok=True)
    wanted = ["towers.pt", "recipe.json", *(f"stage-{name}.pt" for name in stages)]
    for path in rehearsed.iterdir():
        if path.name in wanted or path.name.endswith("-000.pt"):
            shutil.copy(path, folder)
    return folder


def _journal(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_a_killed_run_goes_on_to_the_same_model_from_its_last_checkpoint(
    rehearsed: Path, tmp_path: Path
) -> None:
    folder = _begun(rehearsed, tmp_path / "run", ("read",))
    arguments = ["--recipe", "rehearsal", "--run", str(folder), "--out", str(tmp_path / "out")]
    arguments += ["--threads", "1"]
    killed = subprocess.Popen(
        [sys.executable, "-m", "sieve.train", *arguments], stdout=subprocess.DEVNULL
    )
    while not (folder / "stage-refine.pt").exists():
        assert killed.poll() is None
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    last = torch.load(folder / "stage-refine.pt", weights_only=True)["optimiser"]["step"]
    assert 0 < last < 3 * 2
    run = Run(REHEARSAL, folder)
    run.finish()
    resumed = [line for line in _journal(folder) if line["event"] == "resumed"][-2:]
    assert {"stage": "refine", "step": last}.items() <= resumed[-1].items()
    finished = torch.load(rehearsed / "finished.pt", weights_only=True)
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, finished[name]), name


def test_a_run_goes_on_from_its_last_two_checkpoints_alone(rehearsed: Path, tmp_path: Path) -> None:
    folder = _begun(rehearsed, tmp_path / "run", ("sieve", "count"))
    run = Run(REHEARSAL, folder)
    run.finish()
    assert not (folder / "stage-read.pt").exists()
    finished = torch.load(rehearsed / "finished.pt", weights_only=True)
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, finished[name]), name
    (folder / "stage-count.pt").unlink()
    with pytest.raises(TrainingError, match="none of count, from which it begins"):
        Run(REHEARSAL, folder).finish()


@needs_proc
def test_a_killed_team_leaves_nobody_and_goes_on_to_the_same_model(
    rehearsed: Path, tmp_path: Path
) -> None:
    finished = []
    for name in ("whole", "killed"):
        folder = _begun(rehearsed, tmp_path / name, ("read",))
        arguments = ["--recipe", "rehearsal", "--threads", "2"]
        arguments += ["--run", str(folder), "--out", str(folder / "out")]
        if name == "killed":
            command = [sys.executable, "-m", "sieve.train", *arguments]
            leader = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            while not (folder / "stage-refine.pt").exists():
                assert leader.poll() is None
                time.sleep(0.01)
            members = started_by(leader.pid)
            assert members
            os.kill(leader.pid, signal.SIGKILL)
            leader.wait()
            wait_until_ended(members)
            assert not (folder / "stage-sieve.pt").exists()
        assert main(arguments) == 0
        finished.append(torch.load(folder / "stage-sieve.pt", weights_only=True)["model"])
    whole, killed = finished
    assert all(torch.equal(value, killed[name]) for name, value in whole.items())


def test_another_recipe_does_not_go_on_in_the_same_folder(rehearsed: Path) -> None:
    with pytest.raises(SettingInvalid, match="another seed"):
        Run(replace(REHEARSAL, seed=1), rehearsed)


def test_a_bank_is_made_in_parts_and_only_what_is_missing(
    rehearsed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sieve.train.demo.pipeline.STREAMS_A_PART", 1)
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(rehearsed / "towers.pt", folder)
    whole = Run(REHEARSAL, folder).sampler.bank
    (folder / "bank-001.pt").unlink()
    again = Run(REHEARSAL, folder).sampler.bank
    assert torch.equal(whole.closed, again.closed)
    assert [line["count"] for line in _journal(folder)] == [1, 2, 1]


def test_the_command_writes_a_directory_that_loads_and_answers(
    rehearsed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    arguments = ["--recipe", "rehearsal", "--run", str(rehearsed), "--out", str(out)]
    assert main([*arguments, "--threads", "1"]) == 0
    model = load_model(out)
    assert model.cs2 is not None
    assert model.layout.horizon_ids == HORIZON_IDS
    engine = Engine(model, EngineConfig(rows=1))
    row = engine.open(RowConfig())
    engine.ingest(row, closed_window(render_stream(1, 1, 0.0), 0))
    begun = engine.ask(row, "what do you see now?", max_tokens=3)
    assert engine.step(begun.branch).token >= 0
    assert sum(path.stat().st_size for path in out.iterdir()) < 16e6
    recipe = json.loads((out / "training.json").read_text())
    assert recipe["seed"] == REHEARSAL.seed
    names = [stage["name"] for stage in recipe["stages"]]
    assert names == ["read", "refine", "sieve", "count", "past"]


def test_the_rehearsal_goes_through_the_same_stages_as_the_demo() -> None:
    assert [s.name for s in REHEARSAL.stages] == [s.name for s in DEMO.stages]
    assert [s.sieving for s in REHEARSAL.stages] == [s.sieving for s in DEMO.stages]


def test_it_is_examined_by_seed_and_by_composition(rehearsed: Path) -> None:
    exams = [line for line in _journal(rehearsed) if line["event"] == "exam"]
    assert exams[-1]["stage"] == "past"
    assert {"seeds at 0.1", "compositions at 0.1, behind a past"} <= exams[-1].keys()
