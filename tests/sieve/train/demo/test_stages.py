"""What learns in a stage, and by which method."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from sieve.train.demo.batch import Sampler
from sieve.train.demo.pipeline import Run
from sieve.train.demo.recipe import REHEARSAL
from sieve.train.demo.stages import COUNTED, TOLD, Stage

A_LAYER = 7  # matrices: queries, keys, values, outputs; gate, up, down


@pytest.mark.parametrize(
    ("name", "refiners"), [("read", 0), ("refine", 1), ("count", 1), ("past", 0)]
)
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
    config = next(stage for stage in REHEARSAL.stages if stage.name == "count")
    parts = run.stage(replace(config, told=told)).step()
    middle = {name.removeprefix("middle.") for name in parts if name.startswith("middle.")}
    assert middle == set(told)


def test_where_a_past_was_kept_by_the_sieve_the_decoder_learns_alone(tmp_path: Path) -> None:
    run = Run(REHEARSAL, tmp_path)
    config = next(stage for stage in REHEARSAL.stages if stage.name == "past")
    stage = run.stage(replace(config, past_share=1.0, single_modality_share=0.0, aware_share=0.0))
    before = {name: p.clone() for name, p in run.model.named_parameters()}
    for _ in range(2):
        stage.step()
    changed = {n for n, p in run.model.named_parameters() if not torch.equal(p, before[n])}
    assert any("language_model.layers" in name for name in changed)
    assert all("language_model" in name and "embed_tokens" not in name for name in changed)


def test_a_stage_after_one_with_pasts_teaches_the_sieve_again(tmp_path: Path) -> None:
    run = Run(REHEARSAL, tmp_path)
    stages = {stage.name: stage for stage in REHEARSAL.stages}
    run.stage(stages["past"])
    Stage(stages["count"], run.model, run.words, Mock(spec=Sampler), seed=0)
    assert all(p.requires_grad for p in run.model.cs2.parameters())
    assert run.model.lm.embed_tokens.weight.requires_grad
