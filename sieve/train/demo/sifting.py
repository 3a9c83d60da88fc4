"""OmniSIFT in the place of the sieve: trained in the same steps, on the same answers."""

from __future__ import annotations

import torch
from torch import Tensor

from sieve.baselines.omnisift import AudioScorer, Sifted, sift
from sieve.cs2 import kept_count
from sieve.pool import GridShape, Pool
from sieve.train.demo.batch import Batch
from sieve.train.world.truth import CELLS


def sift_windows(
    scorer: AudioScorer, batch: Batch, retention: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Of every token [B, n, T]: its gate (1 for what is kept and 0 else, with the gradient of its
    score), its score, and whether it is kept."""
    gates, scores = [], []
    for crop in range(batch.valid.shape[0]):
        for window in range(batch.valid.shape[1]):
            there = batch.valid[crop, window].nonzero()[:, 0]
            sifted = _sift(scorer, batch, crop, window, there, retention)
            nothing = torch.zeros(batch.valid.shape[2], device=there.device)
            gates.append(nothing.index_put((there,), sifted.gates))
            scores.append(nothing.index_put((there,), sifted.scores.detach()))
    gate = torch.stack(gates).view(batch.valid.shape)
    return gate, torch.stack(scores).view(batch.valid.shape), gate.detach() > 0.5


def _sift(
    scorer: AudioScorer, batch: Batch, crop: int, window: int, there: Tensor, retention: float
) -> Sifted:
    """What has come of one window, which begins at 0 s."""
    video = int((there < batch.video).sum())
    grids = tuple(GridShape(float(g), 3, 3, g * CELLS) for g in range(video // CELLS))
    positions = batch.within[:, there].cpu()
    pool = Pool(0.0, batch.tokens[crop, window, there], positions, grids, len(there) - video)
    return sift(scorer, pool, kept_count(retention, len(pool)))
