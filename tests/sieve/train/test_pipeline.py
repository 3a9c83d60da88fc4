"""A rehearsal of the whole training: it ends with a model that loads, however often it stops."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sieve import Engine, EngineConfig, RowConfig, load_model
from sieve.eval.accuracy import closed_window
from sieve.train import main
from sieve.train.pipeline import Run
from sieve.train.recipe import DEMO, REHEARSAL
from sieve.train.render import render_stream


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsal")
    torch.manual_seed(0)
    model = Run(REHEARSAL, folder).finish()
    torch.save(model.state_dict(), folder / "finished.pt")
    return folder


def _finished(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "finished.pt", weights_only=True)
    return state


def test_a_stopped_run_goes_on_to_the_same_model(
    rehearsed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("towers.pt", "bank.pt", "exam.pt"):
        (tmp_path / name).write_bytes((rehearsed / name).read_bytes())
    monkeypatch.setattr("sieve.train.pipeline.SAVE_EVERY", 2)
    stopped = Run(REHEARSAL, tmp_path)
    monkeypatch.setattr(stopped.journal, "write", _stop_at("refine", 2))
    with pytest.raises(KeyboardInterrupt):
        stopped.finish()
    resumed = Run(REHEARSAL, tmp_path).finish().state_dict()
    for name, value in _finished(rehearsed).items():
        assert torch.equal(value, resumed[name]), name


def _stop_at(event: str, step: int) -> object:
    def write(what: str, **facts: object) -> None:
        if what == event and facts["step"] == step + 1:
            raise KeyboardInterrupt

    return write


def test_the_command_writes_a_directory_that_loads_and_answers(
    rehearsed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    threads = torch.get_num_threads()
    arguments = ["--recipe", "rehearsal", "--run", str(rehearsed), "--out", str(out)]
    assert main([*arguments, "--threads", str(threads)]) == 0
    model = load_model(out)
    assert model.cs2 is not None
    assert model.layout.horizon_ids == 300
    engine = Engine(model, EngineConfig(rows=1))
    row = engine.open(RowConfig())
    engine.ingest(row, closed_window(render_stream(1, 1, 0.0), 0))
    begun = engine.ask(row, "what do you see now?", max_tokens=3)
    assert engine.step(begun.branch).token >= 0
    assert sum(path.stat().st_size for path in out.iterdir()) < 16e6


def test_the_rehearsal_goes_through_the_same_stages_as_the_demo() -> None:
    assert [s.name for s in REHEARSAL.stages] == [s.name for s in DEMO.stages]
    assert [s.sieving for s in REHEARSAL.stages] == [s.sieving for s in DEMO.stages]
