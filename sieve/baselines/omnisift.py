"""OmniSIFT: pictures prune themselves, and what is left of them chooses the sound. Trained.

Source: OmniSIFT (arXiv 2602.04804). In chunks of two temporal grids the first keeps the tokens
least similar to their frame's mean, the second those least similar to their place in the first;
neither is learned. Audio tokens attend to the chunk's kept pictures (8 heads), two linear layers
and a sigmoid score them, the top k stay. Training passes a hard mask with the gradient of the soft
scores (mask - stop(s) + s).

Ours: one count, shared by the modalities in proportion to the pool; a chunk's share in proportion
to its size; inner width a seventh of the model's, which gives 4.99M parameters at the 7B's 3584
(the paper says 4.85M): both modalities are projected to it, what was attended to is added to the
sound, and a LayerNorm comes before the two linear layers. A chunk without pictures is scored by
its sound alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sieve.baselines.chunks import best_of, cells, chunks
from sieve.baselines.novelty import unlikeness
from sieve.baselines.share import by_modality, in_proportion
from sieve.cs2 import top_k
from sieve.errors import CheckpointError
from sieve.pool import GridShape, Pool
from sieve.select import Selection, Text

FILE = "omnisift.safetensors"
HEADS = 8


class AudioScorer(nn.Module):
    """Scores sound by the pictures that were kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = math.ceil(width / 7 / HEADS) * HEADS
        self.width = width
        self.audio = nn.Linear(width, inner)
        self.video = nn.Linear(width, inner)
        self.attend = nn.MultiheadAttention(inner, HEADS, batch_first=True)
        self.norm = nn.LayerNorm(inner)
        self.head = nn.Sequential(nn.Linear(inner, inner), nn.GELU(), nn.Linear(inner, 1))

    def forward(self, audio: Tensor, video: Tensor) -> Tensor:
        """audio [..., m, d], kept video [..., v, d] -> scores in (0, 1) [..., m]."""
        heard = self.audio(audio)
        if video.shape[-2]:
            seen = self.video(video)
            flat = heard.flatten(0, -3) if heard.ndim > 2 else heard[None]
            context, _ = self.attend(flat, *2 * (seen.reshape(len(flat), *seen.shape[-2:]),))
            heard = heard + context.view_as(heard)
        return self.head(self.norm(heard)).squeeze(-1).sigmoid()

    def save(self, directory: Path) -> None:
        save_file({name: t.contiguous() for name, t in self.state_dict().items()}, directory / FILE)

    @classmethod
    def load(cls, directory: Path, width: int) -> AudioScorer:
        """Raises CheckpointError for a file that is not there, broken or of another model."""
        path = directory / FILE
        if not path.is_file():
            raise CheckpointError(f"OmniSIFT is trained, and {directory} holds no {FILE}")
        scorer = cls(width)
        try:
            scorer.load_state_dict(load_file(path))
        except (SafetensorError, RuntimeError) as error:
            raise CheckpointError(f"{path} is no OmniSIFT of width {width}: {error}") from error
        return scorer.eval()


@dataclass(frozen=True, slots=True)
class Sifted:
    """``keep`` [k] ascending; ``scores`` float32 [n], differentiable for sound; ``gates`` [n] are 1
    for what is kept and 0 else, with the gradient of the scores (straight through)."""

    keep: Tensor
    scores: Tensor
    gates: Tensor


class OmniSIFT:
    """Raw embeddings. Scores: of pictures in [0, 2], of sound in (0, 1), each comparable across
    windows, not with one another."""

    def __init__(self, scorer: AudioScorer) -> None:
        self._scorer = scorer

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        sifted = sift(self._scorer, pool, count)
        return Selection(sifted.keep, pool.embeds[sifted.keep], sifted.scores.detach())


def sift(scorer: AudioScorer, pool: Pool, count: int) -> Sifted:
    """One pool; in training, multiply the kept states by ``gates[keep]``."""
    video, audio = by_modality(count, pool)
    saliency = video_saliency(pool)
    seen_by_chunk = _kept_video(pool, saliency, video)
    none = torch.zeros(0, device=pool.embeds.device)
    heard = [none]
    for (_, sound), seen in zip(chunks(pool), seen_by_chunk, strict=True):
        heard.append(scorer(pool.embeds[sound.to(none.device)], pool.embeds[seen]).float())
    audio_scores = torch.cat(heard)
    best = top_k(audio_scores.detach(), audio) + pool.video
    keep = torch.cat([none.long(), *seen_by_chunk, best])
    scores = torch.cat([saliency, audio_scores])
    hard = torch.zeros(len(pool), device=none.device).index_fill(0, keep, 1.0)
    return Sifted(keep, scores, hard - scores.detach() + scores)


def _kept_video(pool: Pool, saliency: Tensor, count: int) -> list[Tensor]:
    """Of each chunk the pool indices of the pictures that stay, ascending."""
    grids = [grids for grids, _ in chunks(pool)]
    sizes = [sum(grid.rows * grid.cols for grid in own) for own in grids]
    shares = in_proportion(count, sizes, sizes)
    return [best_of(own, saliency, share) for own, share in zip(grids, shares, strict=True)]


def video_saliency(pool: Pool) -> Tensor:
    """[video] float32 in [0, 2]: of each chunk's first grid, unlikeness to the grid's mean; of the
    others, to the token at its place in the grid before."""
    parts = [torch.zeros(0, device=pool.embeds.device)]
    for grids, _ in chunks(pool):
        before: GridShape | None = None
        for number, grid in enumerate(grids):
            tokens = pool.embeds[cells(grid).to(pool.embeds.device)]
            alike = before is not None and (before.rows, before.cols) == (grid.rows, grid.cols)
            if number % 2 and before is not None and alike:
                other = pool.embeds[cells(before).to(tokens.device)]
            else:
                other = tokens.mean(dim=0).expand_as(tokens)
            parts.append(unlikeness(tokens, other))
            before = grid
    return torch.cat(parts)
