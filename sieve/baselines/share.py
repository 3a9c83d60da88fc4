"""How a count of tokens is divided, and which are taken of a part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sieve.errors import SettingInvalid
from sieve.pool import Pool

_LEAST = 1e-9  # attention that no float32 softmax over a window goes below by much


def by_modality(count: int, pool: Pool) -> tuple[int, int]:
    """``count`` in proportion to what the pool holds: (video, audio), each no more than there is
    and together exactly ``count``."""
    if not len(pool):
        return 0, 0
    video = round(count * pool.video / len(pool))
    return video, count - video


def in_proportion(count: int, weights: Sequence[float], most: Sequence[int]) -> list[int]:
    """``count`` (or all there is) divided by ``weights`` with no part above its ``most``: one after
    the other goes to the part that is furthest behind (Webster's method)."""
    parts = [0] * len(most)
    for _ in range(min(count, sum(most))):
        able = [i for i, part in enumerate(parts) if part < most[i]]
        parts[max(able, key=lambda i: weights[i] / (2 * parts[i] + 1))] += 1
    return parts


def top_of_each(scores: Tensor, pool: Pool, counts: tuple[int, int]) -> Tensor:
    """Indices, ascending, of the highest ``scores`` [n] within each modality."""
    video, audio = counts
    seen = top_spread(scores[: pool.video], video)
    heard = top_spread(scores[pool.video :], audio) + pool.video
    return torch.cat([seen, heard])


def top_spread(scores: Tensor, count: int) -> Tensor:
    """Indices, ascending, of the ``count`` highest scores [n]; among equal ones (a frozen picture)
    they are spread evenly, where ``top_k`` takes the first."""
    order = ((torch.arange(len(scores)).double() * 0.6180339887498949) % 1.0).argsort()
    order = order.to(scores.device)
    best = torch.sort(scores[order].float(), descending=True, stable=True).indices[:count]
    return order[best].sort().values


def attention_of(pool: Pool) -> Tensor:
    """What attention the tokens receive in the towers [n], above 0. Raises SettingInvalid where
    the pool was made without."""
    if pool.received is None:
        raise SettingInvalid("this selector reads the towers' attention: its Method must say so")
    return pool.received.clamp(min=_LEAST)
