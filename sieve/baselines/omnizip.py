"""OmniZip: sound is pruned first and says where pictures matter.

Source: OmniZip (arXiv 2511.14582), training-free, before the LLM:
 1. audio tokens with the highest attention received in the last layer of their encoder are kept;
 2. of the others, 5 % evenly spaced anchors stay too; the rest is assigned to the most similar
    anchor, and of each anchor's the three most similar to the pictures are merged into it,
    (anchor + softmax-weighted mean) / 2;
 3. in each two-second chunk 0.75 - 0.40 a of the pictures is dropped, a being the share of the
    chunk's sound that is kept, within [0.35, 0.75]; the shares are rescaled to the budget;
 4. even grids keep the peaks of density-peak clustering (k = 5), odd ones the tokens least
    similar to those at their place in the grid before.
Defaults: 30 % of the sound and 60 % of the pictures are dropped.

Ours: the budget is one count; picture and sound share it in the ratio of the defaults, which is
what the method chooses when nothing binds. In step 2 similarity to the pictures is to their mean.
Live, a chunk is a window of its own, so step 3 has nothing to shift between chunks. Scores are
ranks within a step, not comparable across windows.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.baselines.chunks import best_of, cells, chunks
from sieve.baselines.novelty import unlikeness
from sieve.baselines.share import attention_of, in_proportion
from sieve.cs2 import top_k
from sieve.pool import GridShape, Pool
from sieve.select import Selection, Text

AUDIO_KEPT, VIDEO_KEPT = 0.7, 0.4
ANCHORS, MERGED, NEIGHBOURS = 0.05, 3, 5
DROP_MOST, DROP_LEAST, DROP_SLOPE = 0.75, 0.35, 0.40


class OmniZip:
    """Raw embeddings, except for the anchors, which are merged."""

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        video, audio = _split(count, pool)
        heard, anchors = _audio(pool, audio)
        seen, saliency = _video(pool, video, heard)
        keep = torch.cat([seen, heard])
        states = pool.embeds.clone()
        states[anchors] = _merged(pool, anchors, heard)
        ranked = torch.cat([saliency, _ranks(attention_of(pool)[pool.video :])])
        return Selection(keep, states[keep], ranked)


def _split(count: int, pool: Pool) -> tuple[int, int]:
    """(video, audio) in the ratio in which the method's defaults keep them."""
    shares = [VIDEO_KEPT * pool.video, AUDIO_KEPT * pool.audio]
    video, audio = in_proportion(count, shares, [pool.video, pool.audio])
    return video, audio


# -- sound --------------------------------------------------------------------------------------


def _audio(pool: Pool, count: int) -> tuple[Tensor, Tensor]:
    """Pool indices of the sound that is kept, anchors among it, and of the anchors alone."""
    spare = pool.audio - count
    wanted = min(count, math.ceil(ANCHORS * spare / (1 - ANCHORS))) if spare else 0
    salient = top_k(attention_of(pool)[pool.video :], count - wanted)
    is_left = torch.ones(pool.audio, dtype=torch.bool, device=salient.device)
    is_left[salient] = False
    left = is_left.nonzero()[:, 0]
    places = (torch.arange(wanted, device=left.device) + 0.5) * len(left) / max(wanted, 1)
    anchors = left[places.long()]
    heard = torch.cat([salient, anchors]).sort().values
    return heard + pool.video, anchors + pool.video


def _merged(pool: Pool, anchors: Tensor, heard: Tensor) -> Tensor:
    """[anchors, d]: each with the sound it stands for."""
    dropped = torch.ones(len(pool), dtype=torch.bool, device=anchors.device)
    dropped[: pool.video] = False
    dropped[heard] = False
    rest = dropped.nonzero()[:, 0]
    tokens = pool.embeds[anchors].clone()
    if not len(anchors) or not len(rest):
        return tokens
    unit = F.normalize(pool.embeds.float(), dim=-1)
    nearest = (unit[rest] @ unit[anchors].T).argmax(dim=1)
    picture = unit[: pool.video].mean(dim=0) if pool.video else unit[rest].mean(dim=0)
    closeness = unit[rest] @ picture
    for place in nearest.unique().tolist():
        own = (nearest == place).nonzero()[:, 0]
        best = own[top_k(closeness[own], MERGED)]
        weights = closeness[best].softmax(dim=0).to(tokens.dtype)
        tokens[place] = (tokens[place] + weights @ pool.embeds[rest[best]]) / 2
    return tokens


# -- pictures -----------------------------------------------------------------------------------


def _video(pool: Pool, count: int, heard: Tensor) -> tuple[Tensor, Tensor]:
    """Pool indices of the pictures that are kept, ascending, and the ranks [video] by which."""
    parts, saliency = chunks(pool), _saliency(pool)
    sizes = [sum(grid.rows * grid.cols for grid in grids) for grids, _ in parts]
    is_heard = torch.zeros(len(pool), dtype=torch.bool)
    is_heard[heard.cpu()] = True
    keeps = [1.0 - _drop(is_heard[audio]) for _, audio in parts]
    weights = [keep * size for keep, size in zip(keeps, sizes, strict=True)]
    shares = in_proportion(count, weights, sizes)
    chosen = [
        best_of(grids, saliency, share) for (grids, _), share in zip(parts, shares, strict=True)
    ]
    return torch.cat([torch.zeros(0, dtype=torch.long, device=saliency.device), *chosen]), saliency


def _drop(is_heard: Tensor) -> float:
    """The share of a chunk's pictures to drop, given which of its sound [m] is kept."""
    kept = float(is_heard.float().mean()) if len(is_heard) else 0.0
    return min(max(DROP_MOST - DROP_SLOPE * kept, DROP_LEAST), DROP_MOST)


def _saliency(pool: Pool) -> Tensor:
    """[video]: ranks in (0, 1] within each grid."""
    parts = [torch.zeros(0, device=pool.embeds.device)]
    before: GridShape | None = None
    for number, grid in enumerate(pool.grids):
        tokens = pool.embeds[cells(grid).to(pool.embeds.device)]
        alike = before is not None and (before.rows, before.cols) == (grid.rows, grid.cols)
        if number % 2 and before is not None and alike:
            parts.append(_ranks(unlikeness(tokens, pool.embeds[cells(before).to(tokens.device)])))
        else:
            parts.append(_ranks(density_peaks(tokens)))
        before = grid
    return torch.cat(parts)


def density_peaks(tokens: Tensor) -> Tensor:
    """[m]: density times distance to the next denser token (DPC-KNN); highest at the centres of
    clusters. Density is exp(-mean squared distance to the nearest few)."""
    distance = torch.cdist(tokens.float(), tokens.float()) / tokens.shape[-1] ** 0.5
    near = distance.topk(min(NEIGHBOURS + 1, len(tokens)), largest=False).values  # itself too
    density = (-near.square().sum(dim=1) / max(near.shape[1] - 1, 1)).exp()
    denser = density[None, :] > density[:, None]
    apart = distance.masked_fill(~denser, float("inf")).min(dim=1).values
    return density * torch.where(apart.isinf(), distance.max(), apart)


def _ranks(values: Tensor) -> Tensor:
    """[m] -> (0, 1], 1 for the highest."""
    rank = values.argsort(stable=True).argsort(stable=True)
    return (rank + 1).float() / max(len(values), 1)
