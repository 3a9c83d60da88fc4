"""First stage: the towers learn to name what is in each cell and in each 40 ms of sound.

Afterwards their outputs are centred and scaled to the size of word embeddings, which the last
linear layer of each tower absorbs: a decoder of words of norm 0.6 can hardly write into tokens of
norm 70.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sieve.train.optimise import Optimiser, Schedule
from sieve.train.render import MEL_FRAMES, Stream, open_mel, patch_pairs, stream_mel
from sieve.train.tiny import TinyModel, batch_tower_chunks
from sieve.train.truth import (
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
Log = Callable[[str], None]


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
    grids = torch.tensor([[len(pairs), 6, 6]])
    out = model.thinker.model.visual(patch_pairs(pairs), grid_thw=grids)
    return out.pooler_output.view(len(pairs), CELLS, -1)


def hear(model: TinyModel, mels: Tensor) -> Tensor:
    """Log-mel [N, 128, 200] -> tokens [N, 50, 128]."""
    lengths = torch.full((len(mels),), MEL_FRAMES)
    flat = mels.permute(1, 0, 2).reshape(mels.shape[1], -1)
    out = model.thinker.model.audio_tower(flat, feature_lens=lengths)
    return out.last_hidden_state.view(len(mels), AUDIO_TOKENS, -1)


@dataclass(frozen=True, slots=True)
class TowerRecipe:
    pictures: Schedule
    sounds: Schedule
    picture_batch: int = 192
    sound_batch: int = 64


def train_towers(
    model: TinyModel, streams: Sequence[Stream], recipe: TowerRecipe, seed: int, log: Log
) -> None:
    """Trains both towers on the streams and folds the scale of their outputs into them."""
    batch_tower_chunks(model.thinker)
    pictures, sounds = Pictures.of(streams), Sounds.of(streams, seed)
    _train_picture_tower(model, pictures, recipe, seed, log)
    _train_sound_tower(model, sounds, recipe, seed, log)
    rng = np.random.default_rng([seed, 24])
    with torch.no_grad():
        seen = see(model, pictures.batch(2 * recipe.picture_batch, rng)[0]).flatten(0, 1)
        heard = hear(model, sounds.batch(4 * recipe.sound_batch, rng)[0]).flatten(0, 1)
    _fold_scale(model.thinker.model.visual.merger.mlp[2], seen)
    _fold_scale(model.thinker.model.audio_tower.proj, heard)


def _train_picture_tower(
    model: TinyModel, pictures: Pictures, recipe: TowerRecipe, seed: int, log: Log
) -> None:
    head = nn.Linear(WIDTH, sum(_CLASSES))
    tower = model.thinker.model.visual
    optimiser = Optimiser([*tower.parameters(), *head.parameters()], recipe.pictures)
    right = np.zeros(3)

    def loss_of(step: int) -> Tensor:
        pairs, labels = pictures.batch(
            recipe.picture_batch, np.random.default_rng([seed, 22, step])
        )
        with torch.autocast("cpu", torch.bfloat16):
            tokens = see(model, pairs)
        scores = head(tokens.float()).flatten(0, 1).split(_CLASSES, -1)
        losses = []
        for i, (score, label) in enumerate(zip(scores, labels.flatten(0, 1).T, strict=True)):
            losses.append(_named_loss(score, label))
            right[i] = _share_right(score, label)
        return torch.stack(losses).sum()

    while not optimiser.done:
        loss = optimiser.take(loss_of)
        if optimiser.step % 50 == 0:
            log(f"pictures {optimiser.step} loss {loss:.4f} colour/shape/symbol {right.round(3)}")


def _train_sound_tower(
    model: TinyModel, sounds: Sounds, recipe: TowerRecipe, seed: int, log: Log
) -> None:
    head = nn.Linear(WIDTH, 1 + NO_SOUND)
    tower = model.thinker.model.audio_tower
    optimiser = Optimiser([*tower.parameters(), *head.parameters()], recipe.sounds)
    right = np.zeros(1)

    def loss_of(step: int) -> Tensor:
        mels, labels = sounds.batch(recipe.sound_batch, np.random.default_rng([seed, 23, step]))
        with torch.autocast("cpu", torch.bfloat16):
            tokens = hear(model, mels)
        score = head(tokens.float()).flatten(0, 1)
        right[0] = _share_right(score, labels.flatten())
        return _named_loss(score, labels.flatten())

    while not optimiser.done:
        loss = optimiser.take(loss_of)
        if optimiser.step % 50 == 0:
            log(f"sounds {optimiser.step} loss {loss:.4f} sound {right.round(3)}")


def _named_loss(scores: Tensor, labels: Tensor) -> Tensor:
    weight = torch.ones(scores.shape[1])
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
