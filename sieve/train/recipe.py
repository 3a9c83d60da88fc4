"""What is trained for how long: everything that makes the built-in model, and a tiny rehearsal."""

from __future__ import annotations

from dataclasses import dataclass

from sieve.train.objective import Sieving
from sieve.train.optimise import Schedule
from sieve.train.stages import StageConfig
from sieve.train.towers import TowerRecipe


@dataclass(frozen=True, slots=True)
class Recipe:
    """``tower_streams`` train the towers, ``bank_streams`` everything after, ``exam_streams`` are
    held out; each has ``windows`` windows, ``codec_share`` of them go through VP8 and Opus."""

    seed: int
    windows: int
    tower_streams: int
    bank_streams: int
    exam_streams: int
    codec_share: float
    towers: TowerRecipe
    stages: tuple[StageConfig, ...]
    workers: int = 2


_RETENTIONS = {1.0: 0.06, 0.4: 0.09, 0.2: 0.35, 0.1: 0.35, 0.05: 0.15}

DEMO = Recipe(
    seed=0,
    windows=32,
    tower_streams=160,
    bank_streams=1200,
    exam_streams=40,
    codec_share=0.28,
    towers=TowerRecipe(Schedule(500, 2e-3), Schedule(800, 2e-3)),
    stages=(
        StageConfig(
            name="read",  # the decoder alone, on tokens chosen by label
            schedule=Schedule(4000, 2e-3, warmup=100, span=5000),
            windows=((0.0, (1, 2)), (0.15, (2, 3)), (0.35, (1, 3, 4)), (0.6, (2, 4, 5, 7))),
            retentions={0.24: 1.0},
            sieving=Sieving(0.24, refined=False, choice="labels"),
            token_loss=1.0,
            single_modality_share=0.04,
        ),
        StageConfig(
            name="refine",  # with the refiner
            schedule=Schedule(2000, 2e-3, warmup=150, span=2500),
            windows=((0.0, (1, 3, 5, 7)), (0.6, (2, 4, 6, 7, 10))),
            retentions={0.24: 1.0},
            sieving=Sieving(0.24, choice="labels"),
            token_loss=0.5,
            refined_loss=1.0,
            score_loss=0.3,
            aware_share=0.1,
            single_modality_share=0.06,
        ),
        StageConfig(
            name="sieve",  # the sieve chooses
            schedule=Schedule(4500, 1.2e-3, warmup=100),
            windows=((0.0, (1, 3, 5, 6, 7, 7, 10, 12)),),
            retentions=_RETENTIONS,
            sieving=Sieving(0.2, noise=0.5, gated=True),
            token_loss=0.2,
            token_loss_until=0.5,
            score_loss=0.3,
            aware_share=0.2,
            single_modality_share=0.06,
        ),
    ),
)

REHEARSAL = Recipe(
    seed=0,
    windows=8,
    tower_streams=2,
    bank_streams=2,
    exam_streams=1,
    codec_share=0.5,
    towers=TowerRecipe(Schedule(2, 2e-3), Schedule(2, 2e-3), picture_batch=8, sound_batch=4),
    stages=tuple(
        StageConfig(
            name=stage.name,
            schedule=Schedule(3, stage.schedule.peak_lr, warmup=1),
            windows=((0.0, (1, 2)),),
            retentions=stage.retentions,
            sieving=stage.sieving,
            crops=2,
            token_loss=stage.token_loss,
            refined_loss=stage.refined_loss,
            score_loss=stage.score_loss,
            aware_share=stage.aware_share,
            log_every=1,
            exam_every=3,
            exam_crops=1,
        )
        for stage in DEMO.stages
    ),
    workers=0,
)

RECIPES = {"demo": DEMO, "rehearsal": REHEARSAL}
