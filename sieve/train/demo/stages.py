"""The stages after the towers: the decoder alone, with the refiner, with the sieve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sieve.prompt import Modalities
from sieve.train.demo.batch import Batch, BatchShape, Sampler
from sieve.train.demo.exchanging import EXCHANGE, exchange_loss
from sieve.train.demo.forward import Outcome, forward
from sieve.train.demo.objective import TokenWords, answer_loss, score_loss, turns_right
from sieve.train.demo.packing import Progress
from sieve.train.demo.sieving import Sieving
from sieve.train.demo.tiny import TinyModel, deepen
from sieve.train.optimise import Optimiser, Schedule
from sieve.train.precision import autocast
from sieve.train.team import Team

AWARE_WINDOWS = 8
_WINDOWS_AFTER = 12  # of a crop behind a long past
TOLD = ("object", "previous", "sound", "symbol", "heard_before", "apart")
COUNTED = ("heard_so_far", "alike_so_far", "shown_so_far")
LABEL_LOSSES = ("token_loss", "refined_loss", "score_loss")  # learned from labels of the tokens


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage. ``windows``: (from which share of the schedule on, lengths of the crops); a step
    has ``windows_a_step`` of them in at most ``crops`` crops, and ``questions`` in all.
    ``retentions`` with their shares; ``jumps``: share of the crops whose clock jumps;
    ``crowded``: share of the steps in which the memory has too little room for what is kept;
    ``layers``: of the decoder, which is deepened where it has fewer;
    ``described_share``: of the steps that ask for descriptions; ``past_share``: of those behind
    whose crops lies a long past, one of ``lives`` of every retention. Where there are any, the
    decoder learns alone: the sieve, by which they were kept, and the words that it reads stay as
    they are.
    Losses on the middle of the decoder (``token_loss``, fading out at ``token_loss_until``), which
    is asked for ``told`` of every token, on the refined tokens and on the scores."""

    name: str
    schedule: Schedule
    windows: tuple[tuple[float, tuple[int, ...]], ...]
    retentions: Mapping[float, float]
    sieving: Sieving
    layers: int = 4
    crops: int = 16
    windows_a_step: int = 96
    questions: int = 128
    jumps: float = 0.0
    crowded: float = 0.0
    token_loss: float = 0.0
    token_loss_until: float = 1.0
    told: tuple[str, ...] = TOLD
    refined_loss: float = 0.0
    score_loss: float = 0.0
    aware_share: float = 0.0
    single_modality_share: float = 0.0
    described_share: float = 0.0
    past_share: float = 0.0
    lives: int = 200
    log_every: int = 100
    exam_every: int = 1000
    exam_crops: int = 10

    @property
    def labelled(self) -> bool:
        """Whether anything is learned from what the world says of its tokens."""
        by_loss = any(getattr(self, name) for name in LABEL_LOSSES)
        return by_loss or self.sieving.choice == "labels"


class Stage:
    """Trains a model by a config; can be saved between any two steps and resumed."""

    def __init__(
        self,
        config: StageConfig,
        model: TinyModel,
        words: TokenWords,
        sampler: Sampler,
        seed: int,
        team: Team | None = None,
    ) -> None:
        self.config, self.model, self.words, self.seed = config, model, words, seed
        self._team = team or Team()
        self._sampler = sampler
        self.progress = Progress()
        deepen(model.lm, config.layers)
        model.thinker.model.visual.requires_grad_(False)
        model.thinker.model.audio_tower.requires_grad_(False)
        for part in (model.cs2, model.lm.embed_tokens):
            part.requires_grad_(not config.past_share)
        trained = [*model.lm.parameters(), *words.parameters()]
        if config.sieving.refined:
            trained += model.cs2.parameters()
        if config.sieving.method == "omnisift":
            trained += model.sifter.parameters()
        self.optimiser = Optimiser(trained, config.schedule, self._team, self._matrices())
        self._parts: dict[str, list[float]] = defaultdict(list)
        self._right: dict[str, list[bool]] = defaultdict(list)

    def _matrices(self) -> list[nn.Parameter]:
        """What learns by Muon: the matrices of the layers."""
        layers = [*self.model.lm.layers, *self.model.cs2.layers]
        return [p for layer in layers for p in layer.parameters() if p.dim() == 2]

    def step(self) -> dict[str, float]:
        """One step; the parts of its loss."""
        self.optimiser.take(self._loss)
        return {name: values[-1] for name, values in self._parts.items()}

    def _loss(self, step: int) -> Tensor:
        place = [self.seed, _name_seed(self.config.name), step]
        rng, done = np.random.default_rng(place), self.config.schedule.done(step)
        sieving = self._draw_sieving(rng)
        shape = self._draw_shape(done, sieving, rng)
        shape = replace(shape, crops=self._team.share_of(shape.crops))
        rng = np.random.default_rng([*place, self._team.rank])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        batch = self._sampler.draw(shape, rng, self.progress).to(self.model.device)
        if not self.config.labelled:
            batch = batch.unlabelled()
        with autocast(self.model.device):
            outcome = forward(self.model, batch, sieving, generator)
            loss = self._total(outcome, batch, sieving, done)
            if sieving.estimator == EXCHANGE and sieving.retention < 1.0:
                loss = loss + self._exchanged(outcome, batch, sieving, generator)
        if step % 4 == 0:
            self._note(outcome, batch)
        return loss

    def _draw_sieving(self, rng: np.random.Generator) -> Sieving:
        config = self.config
        shares = np.array(list(config.retentions.values()))
        retention = float(rng.choice(list(config.retentions), p=shares / shares.sum()))
        crowded = bool(rng.random() < config.crowded)
        room = float(rng.uniform(0.2, 0.9)) if crowded else 1.0
        aware = bool(rng.random() < config.aware_share)
        return replace(config.sieving, retention=retention, room=room, aware=aware)

    def _draw_shape(self, done: float, sieving: Sieving, rng: np.random.Generator) -> BatchShape:
        """Crops as many as fit; a sieve that reads the question can have only one a crop."""
        config = self.config
        lengths = [lengths for since, lengths in config.windows if since <= done][-1]
        windows = int(rng.choice(lengths))
        if sieving.aware:
            windows = min(windows, AWARE_WINDOWS)
        modalities = Modalities()
        if rng.random() < config.single_modality_share:
            video = bool(rng.random() < 0.5)
            modalities = Modalities(video=video, audio=not video)
        both = modalities == Modalities()
        described = both and bool(rng.random() < config.described_share)
        able = both and not sieving.aware and config.past_share > 0.0
        past = able and bool(rng.random() < config.past_share)
        if past:
            windows = min(windows, _WINDOWS_AFTER)
        crops = min(config.crops, max(2, round(config.windows_a_step / windows)))
        if sieving.retention > 0.5 or past:
            crops = max(2, crops // 4)
        if sieving.aware:
            crops *= 2
        questions = config.questions // 2 if described else config.questions
        return BatchShape(
            crops=crops,
            windows=windows,
            questions=1 if sieving.aware else -(-questions // max(crops, config.crops // 4)),
            moments=1 if sieving.aware else min(4, 1 + windows // 4),
            turns=2 if rng.random() < 0.2 and not (described or past) else 1,
            described=described,
            past=sieving.retention if past else None,
            open_share=1.0 if sieving.aware else 0.6,
            jumps=config.jumps,
            modalities=modalities,
        )

    def _total(self, outcome: Outcome, batch: Batch, sieving: Sieving, done: float) -> Tensor:
        config = self.config
        loss = answer_loss(outcome)
        self._parts["answer"].append(float(loss.detach()))
        fade = max(0.0, 1 - done / config.token_loss_until)
        if config.token_loss and fade:
            parts = self.words.losses(outcome.middle, batch, outcome.sieved, causal=True)
            parts = {name: parts[name] for name in config.told}
            loss = loss + config.token_loss * fade * self._sum("middle", parts)
        if config.refined_loss and fade:
            parts = self.words.losses(outcome.sieved.states, batch, outcome.sieved, causal=False)
            parts = {name: parts[name] for name in ("object", "sound", "symbol")}
            loss = loss + config.refined_loss * fade * self._sum("refined", parts)
        if config.score_loss and sieving.refined and sieving.method == "cs2":
            scores = score_loss(outcome, batch)
            self._parts["scores"].append(float(scores.detach()))
            loss = loss + config.score_loss * scores
        return loss

    def _exchanged(
        self, outcome: Outcome, batch: Batch, sieving: Sieving, generator: torch.Generator
    ) -> Tensor:
        found = exchange_loss(self.model, batch, outcome, sieving, generator)
        self._parts["exchange"].append(float(found.detach()))
        return found

    def _sum(self, where: str, parts: Mapping[str, Tensor]) -> Tensor:
        for name, value in parts.items():
            self._parts[f"{where}.{name}"].append(float(value.detach()))
        return torch.stack(list(parts.values())).mean()

    def _note(self, outcome: Outcome, batch: Batch) -> None:
        for found in self._team.gather(turns_right(outcome, batch)):
            for kind, right in found:
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
