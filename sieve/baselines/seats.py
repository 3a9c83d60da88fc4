"""SEATS: diversity before the LLM, relevance inside it, no picture or sound in the last layers.

Source: SEATS (arXiv 2605.20035), training-free. In each two-second window the tokens are chosen
one after the other, each the one farthest from those chosen, weighted by the attention it receives
in its tower, up to 1.4 times the budget. Inside the LLM, at layers 16, 18 and 20 of 28, they are
ranked by the attention of the last text token; from layer 24 on no audio-visual token is read.

Ours: depths in proportion for other models; a window's share before the LLM is that of its size;
the drops keep the ratio that meets the budget as a layer average (1.4 x 16 / 28 = 80 % of it is
spent before the first); one ranking over all windows and both modalities, where the paper divides
the budget between them by the same scores. Live (``in_llm``) the drops end at the count, and
nothing is removed at the end: the memory is there to be read by all layers.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.baselines.chunks import cells, chunks
from sieve.baselines.share import attention_of, in_proportion
from sieve.cs2 import kept_count
from sieve.pool import Pool
from sieve.prune import Pruner, Reading

DEPTH, DROPS_AT, NONE_FROM = 28, (16, 18, 20), 24
AHEAD = 1.4  # of the budget enters the LLM


class SEATS(Pruner):
    def family(self, layers: int, retention: float, x: float) -> tuple[float, ...]:
        entering, drops = min(1.0, AHEAD * retention), _drop_layers(layers)
        end = round(layers * NONE_FROM / DEPTH)
        return tuple(
            entering * x ** sum(at <= layer for at in drops) if layer < end else 0.0
            for layer in range(layers)
        )

    def live(self, layers: int, share: float) -> tuple[float, ...]:
        entering, drops = min(1.0, AHEAD * share), _drop_layers(layers)
        ratio = (share / entering) ** (1 / len(drops))
        done = [sum(at <= layer for at in drops) for layer in range(max(drops))]
        return (*(entering * ratio**dropped for dropped in done), share)

    def rank(self, reading: Reading) -> Tensor:
        return reading.attention(reading.layer)[0]

    def enter(self, pool: Pool, share: float) -> Tensor:
        """1.4 times ``share`` of them, chosen for diversity."""
        attention = attention_of(pool)
        parts = [
            torch.cat([*(cells(grid) for grid in grids), heard]).to(attention.device)
            for grids, heard in chunks(pool)
        ]
        sizes = [len(part) for part in parts]
        wanted = kept_count(min(1.0, AHEAD * share), len(pool))
        chosen = [torch.zeros(0, dtype=torch.long, device=attention.device)]
        for part, few in zip(parts, in_proportion(wanted, sizes, sizes), strict=True):
            chosen.append(part[diverse(pool.embeds[part], attention[part], few)])
        return torch.cat(chosen).sort().values


def diverse(tokens: Tensor, weights: Tensor, count: int) -> Tensor:
    """Indices [count] into tokens [m, d]: first the one of most weight [m], then each time the one
    with the greatest weight x distance (one minus the cosine) to the nearest of those chosen."""
    unit = F.normalize(tokens.float(), dim=-1)
    nearest = torch.full((len(tokens),), 2.0, device=tokens.device)
    chosen: list[int] = []
    worth = weights.clone()
    for _ in range(count):
        worth[chosen] = -1.0
        best = int(worth.argmax())
        chosen.append(best)
        nearest = torch.minimum(nearest, 1.0 - unit @ unit[best])
        worth = weights * nearest.clamp(min=0.0)
    return torch.tensor(chosen, dtype=torch.long, device=tokens.device)


def _drop_layers(layers: int) -> list[int]:
    return [max(1, round(layers * at / DEPTH)) for at in DROPS_AT]
