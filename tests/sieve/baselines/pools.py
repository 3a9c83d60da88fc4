"""Pools for the tests of selectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sieve.pool import GridShape, Pool
from sieve.rope import audio_positions, grid_positions, text_positions
from sieve.select import Text

WIDTH = 64
FIRST_ID = 40  # of the stream, after a prompt


@dataclass(frozen=True)
class PoolShape:
    """``grids`` of rows x cols, one a second, and ``audio`` tokens."""

    grids: int = 2
    rows: int = 3
    cols: int = 4
    audio: int = 10


def a_pool(shape: PoolShape = PoolShape(), seed: int = 0, start_s: float = 4.0) -> Pool:
    """Random tokens at their right places, with all that any method reads."""
    generator = torch.Generator().manual_seed(seed)
    cells = shape.rows * shape.cols
    count = shape.grids * cells + shape.audio
    pool = pool_of(torch.randn(count, WIDTH, generator=generator), shape, start_s)
    before = torch.randn(cells, WIDTH, generator=generator)
    attention = torch.rand(count, generator=generator) * 2
    return replace(pool, prior=before if shape.grids else None, received=attention)


def pool_of(embeds: Tensor, shape: PoolShape, start_s: float = 0.0) -> Pool:
    """``embeds`` [grids * rows * cols + audio, d] as a pool."""
    cells, first = shape.rows * shape.cols, FIRST_ID + round(25 * start_s)
    where = [
        grid_positions(first + 25 * g, first, shape.rows, shape.cols) for g in range(shape.grids)
    ]
    return Pool(
        start_s=start_s,
        embeds=embeds,
        positions=torch.cat([*where, audio_positions(first, shape.audio)], dim=1),
        grids=tuple(
            GridShape(start_s + g, shape.rows, shape.cols, g * cells) for g in range(shape.grids)
        ),
        audio=shape.audio,
    )


def text(count: int, first_id: int, seed: int = 1) -> Text:
    generator = torch.Generator().manual_seed(seed)
    return Text(torch.randn(count, WIDTH, generator=generator), text_positions(first_id, count))


def prompt_of(pool: Pool) -> Text:
    """Text right before a pool."""
    first = int(pool.positions.min()) if len(pool) else FIRST_ID
    return text(6, first - 6, seed=2)


def question_of(pool: Pool, seed: int = 3) -> Text:
    """Text right after a pool."""
    last = int(pool.positions.max()) if len(pool) else FIRST_ID
    return text(5, last + 1, seed=seed)


def unit(direction: int, scale: float = 1.0) -> Tensor:
    """A vector [WIDTH] along one axis."""
    vector = torch.zeros(WIDTH)
    vector[direction] = scale
    return vector


def stacked(directions: Sequence[int]) -> Tensor:
    """[n, WIDTH]: one unit vector for each direction."""
    return torch.stack([unit(d) for d in directions])
