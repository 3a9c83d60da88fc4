"""The models that a study begins from are taken from a training, or nothing is left."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sieve.errors import TrainingError
from sieve.train.demo.pipeline import Run
from sieve.train.demo.recipe import REHEARSAL
from sieve.train.demo.starts import keep, load, main
from sieve.train.demo.tiny import deepen


def test_a_model_is_the_same_in_half_precision(tmp_path: Path) -> None:
    run = Run(REHEARSAL, tmp_path / "training")
    deepen(run.model.lm, 6)
    state = {"model": run.model.state_dict(), "words": run.words.state_dict()}
    torch.save(state, run.folder / "stage-read.pt")
    keep(run.folder, ["read"], tmp_path / "starts")
    other = Run(REHEARSAL, tmp_path / "study")
    load(other, tmp_path / "starts", "read")
    theirs = other.model.state_dict()
    assert theirs.keys() == state["model"].keys()
    assert all(torch.equal(theirs[name], t.half().float()) for name, t in state["model"].items())


def test_a_training_that_is_not_so_far_leaves_no_folder_that_looks_made(tmp_path: Path) -> None:
    out = tmp_path / "starts"
    with pytest.raises(TrainingError, match="no checkpoint of the stage read"):
        keep(tmp_path, ["read"], out)
    with pytest.raises(SystemExit):
        main(["--run", str(tmp_path), "--out", str(out)])
    assert not out.exists()
