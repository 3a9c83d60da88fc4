"""What is trained for how long: everything that makes the built-in model, and a tiny rehearsal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sieve.train.demo.bank import Filming
from sieve.train.demo.sieving import Sieving
from sieve.train.demo.stages import COUNTED, TOLD, StageConfig
from sieve.train.demo.towers import TowerRecipe
from sieve.train.optimise import Schedule
from stream.world.lessons import Mixed
from stream.world.plot import Plot, Varied


@dataclass(frozen=True, slots=True)
class Recipe:
    """``tower_streams`` train the towers, ``bank_streams`` everything after; ``exam_streams`` of
    each of the worlds in ``exams`` are held out. A checkpoint every ``save_every`` steps."""

    seed: int
    filming: Filming
    tower_streams: int
    bank_streams: int
    exam_streams: int
    exams: Mapping[str, Plot]
    towers: TowerRecipe
    stages: tuple[StageConfig, ...]
    workers: int = 2
    save_every: int = 200
    log_towers_every: int = 50

    def filming_of(self, plot: Plot) -> Filming:
        """The same of another world."""
        return replace(self.filming, plot=plot)


_RETENTIONS = {1.0: 0.2, 0.4: 0.1, 0.2: 0.25, 0.1: 0.25, 0.05: 0.2}
_DEEP = 6  # layers of the decoder
_ALL_OF_A_MINUTE = 2_048  # slots: of the longest crop every token, where none need leave
_LONG = (2, 4, 6, 8, 8, 12, 20, 30)

_SIEVE = StageConfig(
    name="sieve",  # the sieve chooses
    schedule=Schedule(8000, 1.5e-3, warmup=100),
    windows=((0.0, (1, *_LONG)), (0.5, (1, 4, 8, 12, 20, 30, 30))),
    retentions=_RETENTIONS,
    sieving=Sieving(0.2, noise=0.5, estimator="softmax", slots=_ALL_OF_A_MINUTE),
    layers=_DEEP,
    jumps=0.5,
    crowded=0.4,
    token_loss=0.3,
    token_loss_until=0.5,
    score_loss=0.3,
    aware_share=0.2,
    single_modality_share=0.06,
    described_share=0.12,
)

DEMO = Recipe(
    seed=0,
    filming=Filming(Mixed("train"), windows=32, codec_share=0.28),
    tower_streams=160,
    bank_streams=1200,
    exam_streams=40,
    exams={"seeds": Varied("train"), "compositions": Varied("held-out")},
    towers=TowerRecipe(Schedule(700, 2e-3), Schedule(800, 2e-3)),
    stages=(
        StageConfig(
            name="read",  # the decoder alone, on tokens chosen by label
            schedule=Schedule(7000, 2e-3, warmup=100, span=11_000),
            windows=((0.0, (1, 2, 3)), (0.08, (1, 3, 4, 6)), (0.2, (1, *_LONG))),
            retentions={0.24: 1.0},
            sieving=Sieving(0.24, refined=False, choice="labels"),
            layers=_DEEP,
            jumps=0.3,
            token_loss=1.5,
            single_modality_share=0.04,
            described_share=0.1,
        ),
        StageConfig(
            name="refine",  # with the refiner
            schedule=Schedule(1000, 1e-3, warmup=100, span=2000),
            windows=((0.0, (1, *_LONG)),),
            retentions={0.24: 0.9, 1.0: 0.1},
            sieving=Sieving(0.24, choice="labels"),
            layers=_DEEP,
            jumps=0.5,
            crowded=0.3,
            token_loss=0.75,
            refined_loss=1.0,
            score_loss=0.3,
            aware_share=0.1,
            single_modality_share=0.06,
            described_share=0.12,
        ),
        _SIEVE,
        replace(
            _SIEVE,
            name="count",  # and what there was is counted on the way
            schedule=Schedule(8000, 1e-3, warmup=100),
            windows=((0.0, (1, 4, 8, 12, 20, 30, 30)),),
            told=(*TOLD, *COUNTED),
            token_loss=0.6,
            token_loss_until=0.6,
            described_share=0.15,
        ),
        replace(
            _SIEVE,
            name="past",  # and a memory full of half an hour is read; the sieve stays as it is
            schedule=Schedule(5000, 8e-4, warmup=100),
            windows=((0.0, (1, 4, 8, 12, 20, 30, 30)),),
            sieving=replace(_SIEVE.sieving, estimator=None),
            told=(*TOLD, *COUNTED),
            score_loss=0.0,
            aware_share=0.1,
            described_share=0.15,
            past_share=0.5,
        ),
    ),
)


def _rehearsed(stage: StageConfig) -> StageConfig:
    """The same stage in three steps."""
    return replace(
        stage,
        schedule=Schedule(3, stage.schedule.peak_lr, warmup=1),
        windows=((0.0, (1, 2, 4)),),
        crops=2,
        questions=8,
        log_every=1,
        exam_every=3,
        exam_crops=1,
        lives=2,
    )


REHEARSAL = replace(
    DEMO,
    filming=Filming(Mixed("train"), windows=8, codec_share=0.5),
    tower_streams=2,
    bank_streams=2,
    exam_streams=1,
    towers=TowerRecipe(Schedule(2, 2e-3), Schedule(2, 2e-3), picture_batch=8, sound_batch=4),
    stages=tuple(_rehearsed(stage) for stage in DEMO.stages),
    workers=0,
    save_every=2,
    log_towers_every=1,
)


def _larger(stage: StageConfig) -> StageConfig:
    """The same stage for a GPU: four times the crops a step, twice the steps."""
    schedule = replace(stage.schedule, steps=2 * stage.schedule.steps, span=2 * stage.schedule.span)
    return replace(
        stage,
        schedule=schedule,
        crops=4 * stage.crops,
        windows_a_step=4 * stage.windows_a_step,
        questions=4 * stage.questions,
    )


DEMO_GPU = replace(
    DEMO, bank_streams=4 * DEMO.bank_streams, stages=tuple(map(_larger, DEMO.stages)), workers=8
)

RECIPES = {"demo": DEMO, "demo-gpu": DEMO_GPU, "rehearsal": REHEARSAL}
