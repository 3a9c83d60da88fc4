"""Long streams lived through before training: what the sieve and the policy leave of them.

The scenes of a bank, one after another, are sieved window by window, and all that is kept competes
for the slots of a memory, as in the engine. The sieve has to stay as it is from then on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sieve.policy import ScoreWithAge
from sieve.tokens import AUDIO, VIDEO
from sieve.train.demo.batch import Sampler, window_positions
from sieve.train.demo.past import Past, Remnant
from sieve.train.demo.replay import HORIZON_IDS, WINDOW_IDS, Kept, windows_of_leaving
from sieve.train.demo.sieving import Sieving, refine
from sieve.train.demo.tiny import TinyModel
from sieve.train.world.truth import VIDEO_TOKENS, WINDOW_TOKENS

STREAMS = 256  # of the bank
_WINDOWS = (100, HORIZON_IDS // WINDOW_IDS)
_SLOTS = (256, 2_048)
_POLICY = ScoreWithAge()


@dataclass(frozen=True, slots=True)
class Lives:
    """What is left of many streams, by the retention at which they were sieved."""

    of: dict[float, tuple[Remnant, ...]]

    def draw(self, retention: float, count: int, rng: np.random.Generator) -> Past:
        """Of ``count`` streams."""
        among = self.of[retention]
        return Past.of([among[int(i)] for i in rng.integers(len(among), size=count)])


@dataclass(frozen=True, slots=True)
class _Refined:
    """S streams of W windows of T tokens as the sieve makes them."""

    states: Tensor  # f16 [S, W, T, d]
    scores: Tensor  # f32 [S, W, T]


def live(
    model: TinyModel,
    sampler: Sampler,
    retentions: Sequence[float],
    count: int,
    seed: Sequence[int],
) -> Lives:
    """``count`` remnants of every one of ``retentions``. The same ``seed`` makes the same."""
    refined = _refined(model, sampler)
    rng = np.random.default_rng(seed)
    return Lives({r: tuple(_life(refined, r, rng) for _ in range(count)) for r in retentions})


@torch.no_grad()
def _refined(model: TinyModel, sampler: Sampler) -> _Refined:
    states, scores = [], []
    for first in range(0, min(STREAMS, sampler.bank.streams), 2):
        batch = sampler.silent(range(first, min(first + 2, sampler.bank.streams)))
        made, rated = refine(model, batch.to(model.device), Sieving(1.0))
        assert rated is not None
        states.append(made.half().cpu())
        scores.append(rated.float().cpu())
    return _Refined(torch.cat(states), torch.cat(scores))


def _life(refined: _Refined, retention: float, rng: np.random.Generator) -> Remnant:
    """Scenes drawn one after another, up to the horizon; lengths and slots of every magnitude."""
    windows, slots = (int(np.exp(rng.uniform(*np.log(span)))) for span in (_WINDOWS, _SLOTS))
    streams, each = refined.scores.shape[:2]
    drawn = rng.integers(streams, size=-(-windows // each)).repeat(each)[:windows]
    stream, at = torch.from_numpy(drawn), torch.arange(windows) % each
    scores = refined.scores[stream, at]  # [n, T]
    count = math.ceil(retention * scores.shape[1] - 1e-9)
    token = scores.topk(count).indices.sort(-1).values
    start_id = torch.arange(-windows, 0)[:, None].expand_as(token) * WINDOW_IDS
    positions = window_positions()[:, token] + start_id
    kind = torch.full((WINDOW_TOKENS,), AUDIO, dtype=torch.uint8)
    kind[:VIDEO_TOKENS] = VIDEO
    kept = Kept(
        torch.arange(windows).repeat_interleave(count).numpy(),
        kind[token].flatten().numpy(),
        scores.gather(1, token).flatten().numpy(),
        positions[0].flatten().numpy(),
        start_id.flatten().numpy(),
    )
    starts = start_id[:, 0].numpy()
    leaving = windows_of_leaving(kept, starts, windows, max(slots, count), _POLICY)
    there = torch.from_numpy(leaving == windows).view_as(token)
    window = there.nonzero()[:, 0]
    return Remnant(
        states=refined.states[stream[window], at[window], token[there]],
        positions=positions[:, there],
        start_id=start_id[there],
        kind=kind[token[there]],
        score=scores[window, token[there]],
        length_ids=windows * WINDOW_IDS,
        slots=max(slots, count),
    )
