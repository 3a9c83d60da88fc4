"""First stage: the towers learn to name what is in each cell and in each 40 ms of sound.

Afterwards their outputs are centred and scaled to the size of word embeddings, which the last
linear layer of each tower absorbs: a decoder of words of norm 0.6 can hardly write into tokens of
norm 70.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sieve.train.demo.tiny import TinyModel
from sieve.train.optimise import Optimiser, Schedule
from sieve.train.precision import autocast
from sieve.train.team import Team
from sieve.train.world.render import MEL_FRAMES, Stream, open_mel, patch_pairs, stream_mel
from sieve.train.world.truth import (
    AUDIO_TOKENS,
    CELLS,
    NO_SOUND,
    UNSURE,
    WINDOW_S,
    cell_labels,
    sound_labels,
)

WIDTH = 128
OUTPUT_STD = 0.1  # of each component of a tower's tokens: norm 1.1
_CLASSES = (7, 5, 11)  # colours, shapes, symbols, each with "none"
_NONE_WEIGHT = 0.15


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pairs of frames u8 [N, 2, 84, 84, 3]; labels [N, 9, 3] of their cells, and of the cells of
    their first frames."""

    pairs: NDArray[np.uint8]
    labels: NDArray[np.int64]
    first_labels: NDArray[np.int64]

    @staticmethod
    def of(streams: Sequence[Stream]) -> Pictures:
        pairs = np.concatenate([s.frames.reshape(-1, 2, *s.frames.shape[1:]) for s in streams])
        frames = np.concatenate([s.truth for s in streams])
        return Pictures(pairs, cell_labels(frames), frames[0::2])

    def batch(self, size: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Tensor]:
        """Half of it with symbols; a fifth as an open window shows it: the first frame twice."""
        with_symbol = np.flatnonzero((self.labels[..., 2] > 0).any(-1))
        chosen = np.concatenate(
            [rng.integers(len(self.pairs), size=size // 2), rng.choice(with_symbol, size // 2)]
        )
        pairs, labels = self.pairs[chosen], self.labels[chosen]
        still = rng.random(size // 2 * 2) < 0.2
        pairs[still, 1] = pairs[still, 0]
        labels[still] = self.first_labels[chosen[still]]
        return pairs, torch.from_numpy(labels)


@dataclass(frozen=True, slots=True)
class Sounds:
    """Log-mel f16 [N, 128, 200] and labels [N, 50], -1 where nothing has come yet."""

    mels: Tensor
    labels: Tensor

    @staticmethod
    def of(streams: Sequence[Stream], seed: int) -> Sounds:
        mels, labels = [], []
        for i, stream in enumerate(streams):
            closed, truth = stream_sound(stream)
            opened, elapsed = open_sound(stream, np.random.default_rng([seed, 21, i]))
            unknown = torch.arange(AUDIO_TOKENS) >= torch.from_numpy(elapsed)[:, None]
            mels += [closed.half(), opened.half()]
            labels += [truth, truth.masked_fill(unknown, UNSURE)]
        return Sounds(torch.cat(mels), torch.cat(labels))

    def batch(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        chosen = torch.from_numpy(rng.integers(len(self.mels), size=size))
        return self.mels[chosen].float(), self.labels[chosen]


def stream_sound(stream: Stream) -> tuple[Tensor, Tensor]:
    """Log-mel [W, 128, 200] of the closed windows and their labels [W, 50]."""
    mels, _ = stream_mel(stream.samples)
    labels = sound_labels(stream.scene, stream.offset_s, stream.windows * AUDIO_TOKENS)
    return mels, torch.from_numpy(labels).view(-1, AUDIO_TOKENS)


def open_sound(stream: Stream, rng: np.random.Generator) -> tuple[Tensor, NDArray[np.int64]]:
    """Every window still open, at a random moment: log-mel [W, 128, 200], tokens elapsed [W]."""
    _, loudest = stream_mel(stream.samples)
    before = np.concatenate([[0.0], loudest[:-1]])
    elapsed_s = rng.uniform(0.1, WINDOW_S, stream.windows)
    mels = [open_mel(stream, w, float(t), before[w]) for w, t in enumerate(elapsed_s)]
    tokens = (elapsed_s * 16_000).astype(np.int64) * 25 // 16_000
    return torch.stack(mels), tokens


def see(model: TinyModel, pairs: NDArray[np.uint8]) -> Tensor:
    """Pairs of frames [N, 2, 84, 84, 3] -> tokens [N, 9, 128]."""
    grids = torch.tensor([[len(pairs), 6, 6]], device=model.device)
    out = model.thinker.model.visual(patch_pairs(pairs).to(model.device), grid_thw=grids)
    return out.pooler_output.view(len(pairs), CELLS, -1)


def hear(model: TinyModel, mels: Tensor) -> Tensor:
    """Log-mel [N, 128, 200] -> tokens [N, 50, 128]."""
    lengths = torch.full((len(mels),), MEL_FRAMES, device=model.device)
    flat = mels.to(model.device).permute(1, 0, 2).reshape(mels.shape[1], -1)
    out = model.thinker.model.audio_tower(flat, feature_lens=lengths)
    return out.last_hidden_state.view(len(mels), AUDIO_TOKENS, -1)


@dataclass(frozen=True, slots=True)
class TowerRecipe:
    pictures: Schedule
    sounds: Schedule
    picture_batch: int = 192
    sound_batch: int = 64


class TowerStage:
    """Trains one tower to name what is in its tokens; can be saved between any two steps and
    resumed. ``read`` gives the tokens [N, t, d] and labels [N, t, c] of a batch."""

    def __init__(
        self,
        tower: nn.Module,
        read: Callable[[np.random.Generator], tuple[Tensor, Tensor]],
        classes: tuple[int, ...],
        schedule: Schedule,
        seed: int,
        team: Team,
    ) -> None:
        self._tower, self._read, self._classes, self._seed = tower, read, classes, seed
        self._team = team
        self._device = next(tower.parameters()).device
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._head = nn.Linear(WIDTH, sum(classes)).to(self._device)
        self.optimiser = Optimiser([*tower.parameters(), *self._head.parameters()], schedule, team)
        self._right = [0.0] * len(classes)

    def step(self) -> dict[str, float]:
        """One step; its loss."""
        return {"loss": self.optimiser.take(self._loss)}

    def _loss(self, step: int) -> Tensor:
        rng = np.random.default_rng([self._seed, step, self._team.rank])
        with autocast(self._device):
            tokens, labels = self._read(rng)
        scores = self._head(tokens.float()).flatten(0, 1).split(self._classes, -1)
        named = labels.to(self._device).flatten(0, 1).T
        pairs = list(zip(scores, named, strict=True))
        self._right = [_share_right(score, label) for score, label in pairs]
        return torch.stack([_named_loss(score, label) for score, label in pairs]).sum()

    def report(self) -> dict[str, Any]:
        right = [round(100 * share, 1) for share in self._right]
        return {"step": self.optimiser.step, "right": right}

    def state(self) -> dict[str, Any]:
        return {
            "tower": self._tower.state_dict(),
            "head": self._head.state_dict(),
            "optimiser": self.optimiser.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        self._tower.load_state_dict(state["tower"])
        self._head.load_state_dict(state["head"])
        self.optimiser.load(state["optimiser"])


def picture_stage(
    model: TinyModel, pictures: Pictures, recipe: TowerRecipe, seed: int, team: Team
) -> TowerStage:
    """Colour, shape and symbol in every cell of every pair of frames."""

    def read(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        pairs, labels = pictures.batch(team.share_of(recipe.picture_batch), rng)
        return see(model, pairs), labels

    tower = model.thinker.model.visual
    return TowerStage(tower, read, _CLASSES, recipe.pictures, seed * 100 + 22, team)


def sound_stage(
    model: TinyModel, sounds: Sounds, recipe: TowerRecipe, seed: int, team: Team
) -> TowerStage:
    """The sound in every 40 ms."""

    def read(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        mels, labels = sounds.batch(team.share_of(recipe.sound_batch), rng)
        return hear(model, mels), labels[..., None]

    tower = model.thinker.model.audio_tower
    return TowerStage(tower, read, (1 + NO_SOUND,), recipe.sounds, seed * 100 + 23, team)


@torch.no_grad()
def fold_scales(
    model: TinyModel, pictures: Pictures, sounds: Sounds, recipe: TowerRecipe, seed: int
) -> None:
    """Folds the scale of the towers' outputs into them."""
    rng = np.random.default_rng([seed, 24])
    seen = see(model, pictures.batch(2 * recipe.picture_batch, rng)[0]).flatten(0, 1)
    heard = hear(model, sounds.batch(4 * recipe.sound_batch, rng)[0]).flatten(0, 1)
    _fold_scale(model.thinker.model.visual.merger.mlp[2], seen)
    _fold_scale(model.thinker.model.audio_tower.proj, heard)


def _named_loss(scores: Tensor, labels: Tensor) -> Tensor:
    weight = torch.ones(scores.shape[1], device=scores.device)
    weight[0] = _NONE_WEIGHT
    return F.cross_entropy(scores, labels, weight, ignore_index=UNSURE)


def _share_right(scores: Tensor, labels: Tensor) -> float:
    """Accuracy where there is something to name."""
    there = labels > 0
    return float((scores.argmax(-1) == labels)[there].float().mean())


@torch.no_grad()
def _fold_scale(last: nn.Linear, tokens: Tensor) -> None:
    """Makes ``last`` put out tokens of mean 0 and standard deviation OUTPUT_STD."""
    mean = tokens.mean(0)
    scale = OUTPUT_STD / (tokens - mean).pow(2).mean().sqrt()
    last.weight.mul_(scale)
    last.bias.sub_(mean).mul_(scale)
