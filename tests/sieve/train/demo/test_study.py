"""One thing is different in an arm, and a study goes on where it was stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sieve import Engine, EngineConfig, RowConfig, load_model
from sieve.errors import TrainingError
from sieve.eval.arms import ARMS as EVALUATED
from sieve.eval.arms import trained_arms
from sieve.selectors import available
from sieve.train.demo.bank import Bank
from sieve.train.demo.batch import Sampler
from sieve.train.demo.pipeline import Run
from sieve.train.demo.recipe import REHEARSAL
from sieve.train.demo.stages import Stage, StageConfig
from sieve.train.demo.starts import give_towers, keep
from sieve.train.demo.study import ARMS, Arm, Plan, _config, main, study
from sieve.train.demo.tiny import deepen
from sieve.train.world.render import render_stream
from sieve.train.world.windows import closed_window


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As after the stage read, towers as they were born."""
    run = Run(REHEARSAL, tmp_path_factory.mktemp("training"))
    deepen(run.model.lm, 6)
    state = {"model": run.model.state_dict(), "words": run.words.state_dict()}
    torch.save(state, run.folder / "stage-read.pt")
    keep(run.folder, ["read"], run.folder / "starts")
    return run.folder / "starts"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(REHEARSAL, tmp_path_factory.mktemp("run"))


def test_arms_have_names_of_their_own_and_begin_at_a_stage() -> None:
    assert len({arm.name for arm in ARMS}) == len(ARMS)
    assert {arm.begin for arm in ARMS} <= {stage.name for stage in REHEARSAL.stages}


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_an_arm_is_a_stage_with_one_thing_changed(run: Run, arm: Arm) -> None:
    base, config = _config(run, ARMS[0], 5), _config(run, arm, 5)
    changed = {
        name for name in base.sieving.__slots__
        if getattr(base.sieving, name) != getattr(config.sieving, name)
    }  # fmt: skip
    assert changed == set(arm.sieving) - {
        name for name, value in arm.sieving.items() if getattr(base.sieving, name) == value
    }
    assert config.schedule.steps == 5
    assert (config.score_loss == 0) == ("score_loss" in arm.stage)
    assert arm.axes is None or len(arm.axes) == len(run.model.lm.rotary_emb.axis_of_pair)


def test_what_is_most_worth_knowing_is_trained_first() -> None:
    assert [arm.name for arm in ARMS[:9]] == [
        "full method",
        "softmax, no labels",
        "Gumbel",
        "without Sync-RoPE",
        "causal refiner",
        "intra-modal attention",
        "per-modality top-k",
        "refined-similarity",
        "OmniSIFT",
    ]


@pytest.mark.parametrize(
    ("arm", "estimator", "noise"),
    [
        ("full method", "softmax", 0.5),  # as the recipe has it
        ("full method, no labels", "softmax", 0.5),
        ("labels alone", None, 0.5),
        ("softmax", "softmax", 0.0),
        ("identity", "identity", 0.0),
        ("sigmoid", "sigmoid", 0.0),
        ("exchange", "exchange", 0.0),
        ("Gumbel", "gumbel", 0.0),  # that of the estimator itself is in its gradient, too
        ("softmax, no labels", "softmax", 0.0),
        ("gumbel, no labels", "gumbel", 0.0),
    ],
)
def test_an_estimator_s_arm_is_that_estimator(
    run: Run, arm: str, estimator: str | None, noise: float
) -> None:
    sieving = _config(run, _named(arm), 5).sieving
    assert (sieving.estimator, sieving.noise) == (estimator, noise)


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_who_reads_raw_tokens_or_no_labels_begins_before_the_refiner(arm: Arm) -> None:
    raw = arm.sieving.get("output") == "raw" or arm.sieving.get("method") == "omnisift"
    early = raw or not arm.has_labels or arm.name.endswith("from read")
    assert arm.begin == ("read" if early else "refine")


def _named(name: str) -> Arm:
    return next(arm for arm in ARMS if arm.name == name)


def _other_labels(bank: Bank) -> Bank:
    """The same streams, of which the world says something else."""
    rolled = {
        name: getattr(bank, name).roll(1, 1) for name in ("segment", "object", "sound", "symbol")
    }
    flipped = {name: ~getattr(bank, name) for name in ("salient", "open_salient")}
    return replace(bank, **rolled, **flipped)


def _gradients(run: Run, config: StageConfig, bank: Bank) -> list[torch.Tensor]:
    """Of the sieve and the decoder, after two steps."""
    sampler = Sampler(bank, run.recipe.filming.plot, run.packer)
    stage = Stage(config, run.model, run.words, sampler, seed=0)
    run.model.zero_grad()
    for step in range(2):
        stage._loss(step).backward()
    learned = (*run.model.cs2.parameters(), *run.model.lm.parameters())
    return [p.grad.clone() for p in learned if p.grad is not None]


@pytest.mark.parametrize("estimator", ["softmax", "full method", "gumbel"])
def test_what_learns_without_labels_does_not_feel_them(
    run: Run, starts: Path, estimator: str
) -> None:
    give_towers(run, starts, "read")
    arm, bank = _named(f"{estimator}, no labels"), run.sampler.bank
    config = _config(run, arm, 5)
    assert not arm.has_labels
    assert not config.labelled
    one, other = (_gradients(run, config, b) for b in (bank, _other_labels(bank)))
    assert all(map(torch.equal, one, other))
    (score,) = (g for n, g in _named_gradients(run) if n == "score_head.0.weight")
    assert score.abs().sum() > 0


def test_what_learns_from_labels_feels_them(run: Run, starts: Path) -> None:
    give_towers(run, starts, "read")
    config, bank = _config(run, _named("full method"), 5), run.sampler.bank
    assert config.labelled
    one, other = (_gradients(run, config, b) for b in (bank, _other_labels(bank)))
    assert not all(map(torch.equal, one, other))


def _named_gradients(run: Run) -> list[tuple[str, torch.Tensor]]:
    return [(n, p.grad) for n, p in run.model.cs2.named_parameters() if p.grad is not None]


def test_a_study_trains_what_is_missing_and_leaves_the_model_s_rotary(
    run: Run, starts: Path, tmp_path: Path
) -> None:
    out, axes = tmp_path / "study.json", run.model.lm.rotary_emb.axis_of_pair.clone()
    arms = (Arm("one", begin="read"), Arm("turned", axes=(1,) * 4 + (0,) * 12, begin="read"))
    found = study(run, starts, Plan(1, 1, arms[:1]), out)
    assert "seeds at 0.1" in found["arms"]["one"]["0"]
    found["arms"]["one"]["0"] = "kept"
    out.write_text(json.dumps(found))
    again = study(run, starts, Plan(1, 1, arms), out)
    assert again["arms"]["one"] == {"0": "kept"}
    assert "compositions at 0.05" in again["arms"]["turned"]["0"]
    assert torch.equal(run.model.lm.rotary_emb.axis_of_pair, axes)


def test_two_processes_share_a_study(run: Run, starts: Path, tmp_path: Path) -> None:
    out, threads = tmp_path / "study.json", torch.get_num_threads()
    options = ["--recipe", "rehearsal", "--starts", str(starts), "--run", str(run.folder)]
    options += ["--out", str(out), "--steps", "2", "--seeds", "1", "--arms", "softmax, no labels"]
    assert main([*options, "--threads", "2"]) == 0
    torch.set_num_threads(threads)
    found = json.loads(out.read_text())
    assert found["steps"] == 2
    assert "compositions at 0.2" in found["arms"]["softmax, no labels"]["0"]


def test_arms_that_are_kept_join_the_suite_and_are_used_live(
    run: Run, starts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "examine", lambda *_: {})
    by_name = {arm.name: arm for arm in ARMS}
    kept = ("OmniSIFT", "causal refiner", "mid-band rotary")
    arms = tuple(replace(by_name[name], begin="read") for name in kept)
    study(run, starts, Plan(1, 1, arms), tmp_path / "study.json", tmp_path / "models")
    trained = trained_arms(tmp_path / "models" / "trained.json")
    assert [arm.name for arm in trained] == ["trained: OmniSIFT", "trained: causal refiner"]
    assert [arm.build for arm in trained][1] is EVALUATED["causal refiner"].build
    model = load_model(tmp_path / "models" / "OmniSIFT")
    assert "omnisift" in available(model)
    engine = Engine(model, EngineConfig(rows=1))
    row = engine.open(RowConfig(selector="omnisift"))
    assert engine.ingest(row, closed_window(render_stream(1, 1, 0.0), 0)).kept.kept.total == 14


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_what_an_arm_is_used_as_is_an_arm_of_the_suite(arm: Arm) -> None:
    assert arm.used_as is None or arm.used_as in EVALUATED
    assert (arm.used_as is None) == (arm.axes is not None)


def test_a_study_needs_the_model_it_begins_from(run: Run, starts: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"refine.safetensors is not the model after"):
        study(run, starts, Plan(1, 1, (Arm("late"),)), tmp_path / "study.json")


def test_a_study_of_other_length_has_a_file_of_its_own(
    run: Run, starts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "study.json"
    out.write_text('{"steps": 7, "arms": {}}')
    with pytest.raises(TrainingError, match="study of 7 steps"):
        study(run, starts, Plan(1, 1, ()), out)
