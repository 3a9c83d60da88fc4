"""What a token has that the one before it at its place had not."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.pool import Pool

NEW = 2.0  # one minus the least cosine: of a token with nothing before it


def novelty(pool: Pool) -> Tensor:
    """[n] float32 in [0, 2]: one minus the cosine to the co-located token of the grid before (also
    of the window before) or to the audio token before."""
    parts = [*_of_video(pool), _of_audio(pool.embeds[pool.video :])]
    return torch.cat(parts) if parts else pool.embeds.new_zeros(0).float()


def _of_video(pool: Pool) -> list[Tensor]:
    parts: list[Tensor] = []
    before, shape = pool.prior, None
    for grid in pool.grids:
        tokens = pool.embeds[grid.offset : grid.offset + grid.rows * grid.cols]
        if before is None or shape not in (None, (grid.rows, grid.cols)):
            parts.append(torch.full((len(tokens),), NEW, device=tokens.device))
        else:
            parts.append(unlikeness(tokens, before))
        before, shape = tokens, (grid.rows, grid.cols)
    return parts


def _of_audio(tokens: Tensor) -> Tensor:
    first = torch.full((min(len(tokens), 1),), NEW, device=tokens.device)
    return torch.cat([first, unlikeness(tokens[1:], tokens[:-1])])


def unlikeness(tokens: Tensor, others: Tensor) -> Tensor:
    """One minus the cosine of each [m, d] to its counterpart [m, d], float32."""
    return 1.0 - F.cosine_similarity(tokens.float(), others.float(), dim=-1)
