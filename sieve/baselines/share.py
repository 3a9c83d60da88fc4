"""How a count of tokens is divided between picture and sound."""

from __future__ import annotations

import torch
from torch import Tensor

from sieve.cs2 import top_k
from sieve.pool import Pool


def by_modality(count: int, pool: Pool) -> tuple[int, int]:
    """``count`` in proportion to what the pool holds: (video, audio), each no more than there is
    and together exactly ``count``."""
    if not len(pool):
        return 0, 0
    video = round(count * pool.video / len(pool))
    return video, count - video


def top_of_each(scores: Tensor, pool: Pool, counts: tuple[int, int]) -> Tensor:
    """Indices, ascending, of the highest ``scores`` [n] within each modality."""
    video, audio = counts
    seen = top_k(scores[: pool.video], video)
    heard = top_k(scores[pool.video :], audio) + pool.video
    return torch.cat([seen, heard])
