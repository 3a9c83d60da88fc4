"""What learns in a stage, and by which method."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from sieve.train.demo.batch import Sampler
from sieve.train.demo.pipeline import Run
from sieve.train.demo.recipe import REHEARSAL
from sieve.train.demo.stages import Stage

A_LAYER = 7  # matrices: queries, keys, values, outputs; gate, up, down


@pytest.mark.parametrize(("name", "refiners"), [("read", 0), ("refine", 1), ("sieve", 1)])
def test_the_matrices_of_the_layers_that_learn_do_so_by_muon(
    name: str, refiners: int, tmp_path: Path
) -> None:
    run = Run(REHEARSAL, tmp_path)
    config = next(stage for stage in REHEARSAL.stages if stage.name == name)
    stage = Stage(config, run.model, run.words, Mock(spec=Sampler), seed=0)
    learned = stage.optimiser.state()["muon"]["param_groups"][0]["params"]
    assert len(learned) == A_LAYER * (config.layers + refiners)
