"""Outcomes of a run that never was, for the tests of what is told of runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from sieve.eval.outcomes import Outcome

LINE = Outcome(
    task="clips", seed=1, case=0, arm="sieve", budget="10 %", mode="streamed", number=0, of=4,
    kind="during", at_s=8.0, age_s=2.0, answer="red circle", truth="red circle", right=True,
    chance=0.25, confidence=0.9, kept=(10, 10), seen=(72, 200), dense=(8, 4),
)  # fmt: skip
KINDS = ("during", "now", "exists", "order")


def run(
    arms: dict[str, float], cases: int = 12, seeds: int = 3, **fields: object
) -> Iterator[Outcome]:
    """Every arm answers the same questions and gets its share of them right, by chance."""
    for arm, share in arms.items():
        rng = np.random.default_rng(sum(map(ord, arm)))
        for seed in range(1, seeds + 1):
            for case in range(cases):
                for number, kind in enumerate(KINDS):
                    right = bool(rng.random() < share)
                    truth = ("yes", "no")[case % 2] if kind == "exists" else "red circle"
                    yield replace(
                        LINE, arm=arm, seed=seed, case=case, number=number, kind=kind,
                        truth=truth, answer=truth if right else "none", right=right,
                        **fields,  # type: ignore[arg-type]
                    )  # fmt: skip


def study() -> list[Outcome]:
    """A run of arms with everything that the report tells of."""
    lines = list(run({"full": 0.98}, budget="100 %"))
    for budget, share in (("20 %", 0.97), ("10 %", 0.95), ("5 %", 0.9)):
        arms = {"sieve": share, "refined-random": share - 0.4, "per-modality top-k": share - 0.1}
        lines += run(arms | {"recent-4-frames": 0.6, "causal refiner": 0.9}, budget=budget)
    return lines


def trainings(seeds: int = 3) -> dict[str, Any]:
    """A study of trainings as its command writes it: arms by seed, worlds and retentions."""
    means = {
        "full method": {"1.0": 96.0, "0.2": 95.0, "0.1": 93.0, "0.05": 90.0},
        "causal refiner": {"1.0": 94.0, "0.2": 91.0, "0.1": 88.0, "0.05": 80.0},
        "labels alone": {"1.0": 96.0, "0.2": 95.0, "0.1": 92.0, "0.05": 90.0},
        "softmax, no labels": {"1.0": 95.0, "0.2": 94.0, "0.1": 90.0, "0.05": 70.0},
        "gumbel, no labels": {"1.0": 90.0, "0.2": 60.0, "0.1": 50.0, "0.05": 40.0},
    }
    return {
        "steps": 400,
        "arms": {
            arm: {
                str(seed): {
                    f"{world} at {retention}": {
                        "mean": mean + seed,
                        "now": mean + seed,
                        "order": mean + seed,
                        "calibration error": 3.0,
                    }
                    for world in ("seeds", "compositions")
                    for retention, mean in by_retention.items()
                }
                for seed in range(seeds)
            }
            for arm, by_retention in means.items()
        },
    }


def distilled() -> dict[str, Any]:
    """Figures of a distillation, as its command writes them."""
    shown = {
        "without": {"100% kept": 86.0, "20% kept": 68.0, "10% kept": 52.0},
        "with": {"100% kept": 85.0, "20% kept": 86.0, "10% kept": 84.0, "5% kept": 81.0},
    }
    found: dict[str, Any] = {
        name: {
            "world": "held-out",
            "seed": 7,
            "questions": {"now": 160, "order": 160},
            "accuracy": {arm: {"mean": mean, "now": mean} for arm, mean in arms.items()},
            "interval": {arm: [mean - 2.0, mean + 2.0] for arm, mean in arms.items()},
        }
        for name, arms in shown.items()
    }
    return {"setting": {"model": "demo", "minutes": 10.0, "steps": 700}, **found}
