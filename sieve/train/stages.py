"""The stages after the towers: the decoder alone, with the refiner, with the sieve."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sieve.prompt import Modalities
from sieve.train.bank import Bank
from sieve.train.batch import Batch, BatchShape, Sampler
from sieve.train.objective import (
    Outcome,
    Sieving,
    TokenWords,
    answer_loss,
    forward,
    score_loss,
    turns_right,
)
from sieve.train.optimise import Optimiser, Schedule
from sieve.train.packing import KIND_WEIGHTS, Packer, Progress
from sieve.train.tiny import TinyModel
from stream.scene import KINDS

EXAM_KINDS = tuple(kind for kind in KINDS if kind in KIND_WEIGHTS)


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage. ``windows``: (from which share of the schedule on, lengths of the crops);
    ``retentions`` with their shares; losses on the middle of the decoder (``token_loss``, fading
    out at ``token_loss_until``), on the refined tokens and on the scores."""

    name: str
    schedule: Schedule
    windows: tuple[tuple[float, tuple[int, ...]], ...]
    retentions: Mapping[float, float]
    sieving: Sieving
    crops: int = 16
    token_loss: float = 0.0
    token_loss_until: float = 1.0
    refined_loss: float = 0.0
    score_loss: float = 0.0
    aware_share: float = 0.0
    single_modality_share: float = 0.0
    log_every: int = 100
    exam_every: int = 1000
    exam_crops: int = 10


class Stage:
    """Trains a model by a config; can be saved between any two steps and resumed."""

    def __init__(
        self,
        config: StageConfig,
        model: TinyModel,
        words: TokenWords,
        bank: Bank,
        packer: Packer,
        seed: int,
    ) -> None:
        self.config, self.model, self.words, self.seed = config, model, words, seed
        self._sampler = Sampler(bank, packer)
        self.progress = Progress()
        model.thinker.model.visual.requires_grad_(False)
        model.thinker.model.audio_tower.requires_grad_(False)
        trained = [*model.lm.parameters(), *words.parameters()]
        if config.sieving.refined:
            trained += model.cs2.parameters()
        self.optimiser = Optimiser(trained, config.schedule)
        self._parts: dict[str, list[float]] = defaultdict(list)
        self._right: dict[str, list[bool]] = defaultdict(list)

    def step(self) -> None:
        self.optimiser.take(self._loss)

    def _loss(self, step: int) -> Tensor:
        rng = np.random.default_rng([self.seed, _name_seed(self.config.name), step])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        shape, sieving = self._draw(self.config.schedule.done(step), rng)
        batch = self._sampler.draw(shape, rng, self.progress)
        with torch.autocast("cpu", torch.bfloat16):
            outcome = forward(self.model, batch, sieving, generator)
            loss = self._total(outcome, batch, sieving, self.config.schedule.done(step))
        if step % 4 == 0:
            self._note(outcome, batch)
        return loss

    def _draw(self, done: float, rng: np.random.Generator) -> tuple[BatchShape, Sieving]:
        config = self.config
        lengths = [lengths for since, lengths in config.windows if since <= done][-1]
        windows = int(rng.choice(lengths))
        shares = np.array(list(config.retentions.values()))
        retention = float(rng.choice(list(config.retentions), p=shares / shares.sum()))
        aware = rng.random() < config.aware_share
        modalities = Modalities()
        if rng.random() < config.single_modality_share:
            video = rng.random() < 0.5
            modalities = Modalities(video=video, audio=not video)
        crops = config.crops * 2 if aware else config.crops
        if retention > 0.5:
            crops = max(2, crops // 4)
        shape = BatchShape(
            crops=crops,
            windows=windows,
            questions=1 if aware else 8,
            open_share=1.0 if aware else 0.6,
            modalities=modalities,
        )
        base = config.sieving
        sieving = Sieving(retention, base.refined, base.choice, base.noise, base.gated, aware=aware)
        return shape, sieving

    def _total(self, outcome: Outcome, batch: Batch, sieving: Sieving, done: float) -> Tensor:
        config = self.config
        loss = answer_loss(outcome)
        self._parts["answer"].append(float(loss.detach()))
        fade = max(0.0, 1 - done / config.token_loss_until)
        if config.token_loss and fade:
            parts = self.words.losses(outcome.middle, batch, outcome, causal=True)
            loss = loss + config.token_loss * fade * self._sum("middle", parts)
        if config.refined_loss and fade:
            parts = self.words.losses(outcome.refined, batch, outcome, causal=False)
            del parts["previous"]
            loss = loss + config.refined_loss * fade * self._sum("refined", parts)
        if config.score_loss and sieving.refined:
            scores = score_loss(outcome, batch)
            self._parts["scores"].append(float(scores.detach()))
            loss = loss + config.score_loss * scores
        return loss

    def _sum(self, where: str, parts: Mapping[str, Tensor]) -> Tensor:
        for name, value in parts.items():
            self._parts[f"{where}.{name}"].append(float(value.detach()))
        return torch.stack(list(parts.values())).mean()

    def _note(self, outcome: Outcome, batch: Batch) -> None:
        for kind, right in turns_right(outcome, batch):
            self.progress.note(kind, right)
            self._right[kind].append(right)

    def report(self) -> dict[str, Any]:
        """Means since the last report."""
        parts = {name: round(float(np.mean(v)), 4) for name, v in sorted(self._parts.items())}
        right = {k: round(100 * float(np.mean(v))) for k, v in self._right.items()}
        self._parts.clear()
        self._right.clear()
        return {"step": self.optimiser.step, "loss": parts, "right": right}

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "words": self.words.state_dict(),
            "optimiser": self.optimiser.state(),
            "progress": self.progress.right,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.words.load_state_dict(state["words"])
        self.optimiser.load(state["optimiser"])
        self.progress.right = dict(state["progress"])


def _name_seed(name: str) -> int:
    return int.from_bytes(name.encode()[:6], "little")


@torch.no_grad()
def examine(
    model: TinyModel,
    bank: Bank,
    packer: Packer,
    sieving: Sieving,
    shapes: Sequence[BatchShape],
    seed: int = 5,
) -> dict[str, float]:
    """Accuracy in % by kind on held-out streams, each answer token by token; ``mean`` of kinds."""
    sampler = Sampler(bank, packer)
    right: dict[str, list[bool]] = defaultdict(list)
    for i, shape in enumerate(shapes):
        rng = np.random.default_rng([seed, i])
        generator = torch.Generator().manual_seed(i)
        batch = sampler.exam(shape, rng, EXAM_KINDS)
        with torch.autocast("cpu", torch.bfloat16):
            outcome = forward(model, batch, sieving, generator)
        for kind, hit in turns_right(outcome, batch):
            right[kind].append(hit)
    result = {
        kind: round(100 * float(np.mean(right[kind])), 1) for kind in EXAM_KINDS if right[kind]
    }
    return {"mean": round(float(np.mean(list(result.values()))), 1), **result}


class Journal:
    """A line of JSON for every event, and the same in words on the screen."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began = time.monotonic()

    def write(self, event: str, **facts: Any) -> None:
        seconds = round(time.monotonic() - self._began, 1)
        with self._path.open("a") as file:
            file.write(json.dumps({"event": event, "seconds": seconds, **facts}) + "\n")
        words = " ".join(f"{k}={v}" for k, v in facts.items())
        print(f"{seconds:7.1f} {event} {words}", flush=True)
