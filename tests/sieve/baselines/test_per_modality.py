"""A fixed share for each modality."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from sieve import Model
from sieve.baselines import PerModality
from sieve.baselines.share import by_modality
from sieve.cs2 import top_k
from sieve.pool import Pool
from sieve.select import Selection, Text
from sieve.selectors import method_of
from tests.sieve.baselines.pools import PoolShape, a_pool, prompt_of


class SoundIsAllThatCounts:
    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        scores = torch.arange(len(pool)).float()
        keep = top_k(scores, count)
        return Selection(keep, pool.embeds[keep], scores)


def test_a_joint_score_cannot_starve_a_modality() -> None:
    pool = a_pool(PoolShape(grids=2, rows=3, cols=5, audio=10))
    chosen = PerModality(SoundIsAllThatCounts()).select(pool, 8, prompt_of(pool))
    assert chosen.keep.tolist() == [24, 25, 26, 27, 28, 29, 38, 39]


@torch.inference_mode()
def test_within_a_modality_the_scores_of_cs2_decide(stream_model: Model) -> None:
    pool = a_pool()
    joint = method_of(stream_model, "cs2").selector.select(pool, 9, prompt_of(pool))
    each = method_of(stream_model, "cs2-per-modality").selector.select(pool, 9, prompt_of(pool))
    assert torch.equal(each.scores, joint.scores)
    video, audio = by_modality(9, pool)
    seen, heard = each.scores[: pool.video], each.scores[pool.video :]
    expected = [*top_k(seen, video).tolist(), *(top_k(heard, audio) + pool.video).tolist()]
    assert each.keep.tolist() == expected


@given(
    grids=st.integers(0, 3),
    cells=st.integers(1, 30),
    audio=st.integers(0, 60),
    share=st.floats(0, 1),
)
def test_shares_are_those_of_the_pool_to_the_token(
    grids: int, cells: int, audio: int, share: float
) -> None:
    pool = a_pool(PoolShape(grids, 1, cells, audio))
    count = round(share * len(pool))
    video, sound = by_modality(count, pool)
    assert video + sound == count
    assert 0 <= video <= pool.video
    assert 0 <= sound <= pool.audio
    if len(pool):
        assert abs(video - count * pool.video / len(pool)) <= 0.5
