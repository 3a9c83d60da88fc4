"""IntraModal: each modality pruned by its own encoder, apart from the other.

EchoingPixels (arXiv 2512.10324) compares with a combined unimodal baseline whose components are not
public. Ours: a token counts by the attention it receives in its tower's last layer and, in
pictures, by what it has that its predecessor had not (as in TimeChat-Online); the product decides,
with a fixed share for each modality.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sieve.baselines.novelty import novelty
from sieve.baselines.share import attention_of, by_modality, top_of_each
from sieve.pool import Pool
from sieve.select import Selection, Text

_LEAST = 1e-3  # a still picture is not worth nothing


class IntraModal:
    """Raw embeddings; scores are logs, within a modality comparable across windows."""

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        scores = _scores(pool)
        keep = top_of_each(scores, pool, by_modality(count, pool))
        return Selection(keep, pool.embeds[keep], scores)


def _scores(pool: Pool) -> Tensor:
    attended = attention_of(pool).log()
    changed = novelty(pool).clamp(min=_LEAST).log()
    return torch.cat([(attended + changed)[: pool.video], attended[pool.video :]])
