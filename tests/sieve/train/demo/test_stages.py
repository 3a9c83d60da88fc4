"""What learns in a stage, and by which method."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from sieve.train.demo.batch import Sampler
from sieve.train.demo.pipeline import Run
from sieve.train.demo.recipe import REHEARSAL
from sieve.train.demo.stages import COUNTED, TOLD, Stage

A_LAYER = 7  # matrices: queries, keys, values, outputs; gate, up, down


@pytest.mark.parametrize(("name", "refiners"), [("read", 0), ("refine", 1), ("count", 1)])
def test_the_matrices_of_the_layers_that_learn_do_so_by_muon(
    name: str, refiners: int, tmp_path: Path
) -> None:
    run = Run(REHEARSAL, tmp_path)
    config = next(stage for stage in REHEARSAL.stages if stage.name == name)
    stage = Stage(config, run.model, run.words, Mock(spec=Sampler), seed=0)
    learned = stage.optimiser.state()["muon"]["param_groups"][0]["params"]
    assert len(learned) == A_LAYER * (config.layers + refiners)


@pytest.mark.parametrize("told", [TOLD, (*TOLD, *COUNTED)])
def test_the_middle_of_the_decoder_is_asked_for_what_the_stage_tells(
    told: tuple[str, ...], tmp_path: Path
) -> None:
    run = Run(REHEARSAL, tmp_path)
    config = REHEARSAL.stages[-1]
    parts = run.stage(replace(config, told=told)).step()
    middle = {name.removeprefix("middle.") for name in parts if name.startswith("middle.")}
    assert middle == set(told)
