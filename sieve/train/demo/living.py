"""Long streams lived through before training: what the sieve and the policy leave of them.

The scenes of a bank, one after another, are sieved window by window, and all that is kept competes
for the slots of a memory, as in the engine. The sieve has to stay as it is from then on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    """Lengths up to the horizon and slots of every magnitude; a window always finds room."""
    windows, slots = (int(np.exp(rng.uniform(*np.log(span)))) for span in (_WINDOWS, _SLOTS))
    whole = _sieved(refined, windows, retention, rng)
    each = len(whole.score) // windows
    whole = replace(whole, slots=max(slots, each))
    kept = Kept(
        np.repeat(np.arange(windows), each),
        whole.kind.numpy(),
        whole.score.numpy(),
        whole.positions[0].numpy(),
        whole.start_id.numpy(),
    )
    starts = kept.start_id[::each]
    leaving = windows_of_leaving(kept, starts, windows, whole.slots, _POLICY)
    return whole.only(torch.from_numpy(leaving == windows))


def _sieved(refined: _Refined, windows: int, retention: float, rng: np.random.Generator) -> Remnant:
    """All that is kept of scenes drawn one after another."""
    streams, each = refined.scores.shape[:2]
    stream = torch.from_numpy(rng.integers(streams, size=-(-windows // each)))
    stream = stream.repeat_interleave(each)[:windows, None]
    window = (torch.arange(windows) % each)[:, None]
    scores = refined.scores[stream[:, 0], window[:, 0]]  # [n, T]
    count = math.ceil(retention * WINDOW_TOKENS - 1e-9)
    token = scores.topk(count).indices.sort(-1).values  # [n, K]
    start_id = (torch.arange(-windows, 0) * WINDOW_IDS)[:, None].expand_as(token)
    return Remnant(
        states=refined.states[stream, window, token].flatten(0, 1),
        positions=(window_positions()[:, token] + start_id).flatten(1),
        start_id=start_id.flatten(),
        kind=torch.where(token < VIDEO_TOKENS, VIDEO, AUDIO).to(torch.uint8).flatten(),
        score=scores.gather(1, token).flatten(),
        length_ids=windows * WINDOW_IDS,
        slots=len(start_id) * count,
    )
