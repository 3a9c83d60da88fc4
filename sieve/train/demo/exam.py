"""What a model in training can do: accuracy on streams held out, and how honest its "yes" is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sieve.train.demo.batch import Batch, BatchShape, Sampler
from sieve.train.demo.forward import Outcome, forward
from sieve.train.demo.objective import turns_right
from sieve.train.demo.sieving import Sieving
from sieve.train.demo.tiny import TinyModel
from sieve.train.precision import autocast

PRESENT_KINDS = frozenset({"now_thing", "now_sound", "now_both"})
_BINS = 10


@dataclass(frozen=True, slots=True)
class YesOrNo:
    """Token ids of the two answers."""

    yes: int
    no: int


@torch.no_grad()
def examine(
    model: TinyModel,
    sampler: Sampler,
    sieving: Sieving,
    shapes: Sequence[BatchShape],
    words: YesOrNo,
    seed: int = 5,
) -> dict[str, Any]:
    """Accuracy in % by kind, each answer token by token; ``mean`` of the kinds; for the questions
    whether something is there now the expected calibration error of P(yes), in %."""
    right: dict[str, list[bool]] = defaultdict(list)
    said: list[tuple[float, bool]] = []
    for i, shape in enumerate(shapes):
        rng = np.random.default_rng([seed, i])
        batch = sampler.exam(shape, rng).to(model.device)
        with autocast(model.device):
            outcome = forward(model, batch, sieving, torch.Generator().manual_seed(i))
        for kind, hit in turns_right(outcome, batch):
            right[kind].append(hit)
        said += _said(outcome, batch, words)
    result: dict[str, Any] = {
        kind: round(100 * float(np.mean(hits)), 1) for kind, hits in sorted(right.items())
    }
    result = {"mean": round(float(np.mean(list(result.values()))), 1), **result}
    if said:
        chances, there = (np.array(column) for column in zip(*said, strict=True))
        result["calibration error"] = round(100 * calibration_error(chances, there), 1)
    return result


def _said(outcome: Outcome, batch: Batch, words: YesOrNo) -> list[tuple[float, bool]]:
    """P(yes) and whether yes is true, of every question about the present."""
    pairs = outcome.answers[:, [words.yes, words.no]].softmax(-1)[:, 0].tolist()
    first = zip(outcome.rows.tolist(), outcome.turns.tolist(), strict=True)
    found = []
    for (row, turn), chance, target in zip(first, pairs, outcome.targets.tolist(), strict=True):
        if target in (words.yes, words.no) and batch.packed.kinds[row][turn] in PRESENT_KINDS:
            found.append((chance, target == words.yes))
    return found


def calibration_error(chances: NDArray[np.float64], there: NDArray[np.bool_]) -> float:
    """Expected calibration error [n] -> share: the mean distance, over ten bins of P(yes) weighted
    by their size, between P(yes) and how often yes was true (Naeini et al. 2015)."""
    place = np.minimum((chances * _BINS).astype(int), _BINS - 1)
    error = 0.0
    for at in np.unique(place):
        inside = place == at
        error += inside.mean() * abs(chances[inside].mean() - there[inside].mean())
    return float(error)
