"""The settings of a training: JSON in, one frozen record out, the first bad one named."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sieve.errors import TrainingError
from sieve.train.backbone.tuning import SievePlan, StagePlan, Tuning, read_tuning, tuning_of


def test_nothing_said_gives_the_defaults() -> None:
    assert tuning_of({}) == Tuning()


def test_what_is_written_is_read_again() -> None:
    tuning = Tuning(seed=3, cs2=StagePlan(steps=7, backbone=True))
    assert tuning_of(json.loads(json.dumps(asdict(tuning)))) == tuning


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sieve": {"layers": 0}}, "setting sieve.layers: .*at least 1, not 0"),
        ({"sieve": {"layers": 65}}, "setting sieve.layers: .*at most 64, not 65"),
        ({"sieve": {"layers": "4"}}, "setting sieve.layers: must be a whole number, not .4.$"),
        ({"sieve": {"estimator": "magic"}}, "setting sieve.estimator: .*'identity'"),
        ({"sieve": {"retentions": []}}, "setting sieve.retentions"),
        ({"sieve": {"retention": 0}}, "setting sieve.retention"),
        ({"sieve": {"memory": [0.9, 0.5]}}, "sieve.memory: from 0.9 to 0.5 goes backwards"),
        ({"data": {"cut_s": [30, 6]}}, "data.cut_s: .*backwards"),
        ({"cs2": {"learning_rate": float("nan")}}, "setting"),
        ({"cs2": {"steps": 0}}, "no stage has steps"),
        ({"full": {"steps": 1, "backbone": False}}, "full.backbone"),
        ({"sieves": {}}, "setting sieves"),
        ({"teacher": {"pupils": 3}}, "setting teacher.pupils"),
    ],
)
def test_the_first_bad_setting_is_named(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(TrainingError, match=told):
        tuning_of(settings)


def test_a_share_of_the_steps_keeps_and_remembers_everything() -> None:
    plan, rng = (
        SievePlan(whole=0.25, retentions=(0.2, 0.1), memory=(0.5, 0.9)),
        np.random.default_rng(0),
    )
    drawn = [plan.budget(rng) for _ in range(4000)]
    assert 900 < drawn.count((1.0, 1.0)) < 1100
    others = [budget for budget in drawn if budget != (1.0, 1.0)]
    assert {retention for retention, _ in others} == {0.2, 0.1}
    assert all(0.5 <= share <= 0.9 for _, share in others)
    assert plan.trained == [1.0, 0.2, 0.1]
    assert SievePlan(whole=0.0, retentions=(0.1, 0.2)).trained == [0.2, 0.1]


def test_stages_without_steps_are_left_out() -> None:
    assert list(Tuning().stages) == ["cs2"]
    every = Tuning(full=StagePlan(1, backbone=True), exchange=StagePlan(1))
    assert list(every.stages) == ["full", "cs2", "exchange"]


def test_a_stage_that_is_left_out_changes_no_backbone() -> None:
    assert not Tuning().changes_backbone
    assert Tuning(cs2=StagePlan(1, towers=True)).changes_backbone


def test_a_file_that_is_no_json_object_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    for content, told in (("{", "not JSON"), ("[]", "a JSON object")):
        path.write_text(content)
        with pytest.raises(TrainingError, match=told):
            read_tuning(path)
    with pytest.raises(TrainingError, match="cannot be read"):
        read_tuning(tmp_path / "gone.json")
