"""The two-second chunks of a pool: one of a live window, many of a whole clip."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sieve.baselines.share import in_proportion, top_spread
from sieve.pool import GridShape, Pool
from sieve.tokens import IDS_PER_S, WINDOW_S

_CHUNK_IDS = round(WINDOW_S * IDS_PER_S)
_TIME_SLACK_S = 1e-6


def chunk_of_grid(pool: Pool, grid: GridShape) -> int:
    return math.floor((grid.time_s - pool.start_s + _TIME_SLACK_S) / WINDOW_S)


def chunk_of_audio(pool: Pool) -> Tensor:
    """[audio]: the chunk of each audio token; sound begins with the first chunk that has any."""
    ids = pool.positions[0, pool.video :]
    if not len(ids):
        return ids
    return (ids - _begin_id(pool)) // _CHUNK_IDS


def _begin_id(pool: Pool) -> int:
    """The position id of the pool's start."""
    if not pool.grids:
        return int(pool.positions[0, 0])
    grid = pool.grids[0]
    return int(pool.positions[0, grid.offset]) - round((grid.time_s - pool.start_s) * IDS_PER_S)


def chunks(pool: Pool) -> list[tuple[list[GridShape], Tensor]]:
    """Of each chunk in order of time, its grids and the indices of its audio tokens in the pool."""
    audio = chunk_of_audio(pool)
    of_grid = [chunk_of_grid(pool, grid) for grid in pool.grids]
    return [
        (
            [grid for grid, at in zip(pool.grids, of_grid, strict=True) if at == chunk],
            (audio == chunk).nonzero()[:, 0] + pool.video,
        )
        for chunk in sorted({*of_grid, *audio.tolist()})
    ]


def cells(grid: GridShape) -> Tensor:
    """Indices of a grid's tokens in the pool."""
    return torch.arange(grid.offset, grid.offset + grid.rows * grid.cols)


def best_of(grids: Sequence[GridShape], saliency: Tensor, count: int) -> Tensor:
    """Pool indices, ascending, of the ``count`` most salient tokens of ``grids``, each grid having
    its share; ``saliency`` [video]."""
    areas = [grid.rows * grid.cols for grid in grids]
    parts = [torch.zeros(0, dtype=torch.long, device=saliency.device)]
    for grid, share in zip(grids, in_proportion(count, areas, areas), strict=True):
        parts.append(top_spread(saliency[cells(grid).to(saliency.device)], share) + grid.offset)
    return torch.cat(parts)
