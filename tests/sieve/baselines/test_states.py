"""Selection apart from refinement."""

from __future__ import annotations

import torch

from sieve import Model
from sieve.selectors import method_of
from tests.sieve.baselines.pools import a_pool, prompt_of, question_of


@torch.inference_mode()
def test_cs2_raw_keeps_what_cs2_keeps_but_raw(stream_model: Model) -> None:
    pool = a_pool()
    after = question_of(pool)
    sieved, raw = (
        method_of(stream_model, name).selector.select(pool, 9, prompt_of(pool), after)
        for name in ("cs2", "cs2-raw")
    )
    assert torch.equal(raw.keep, sieved.keep)
    assert torch.equal(raw.scores, sieved.scores)
    assert torch.equal(raw.states, pool.embeds[sieved.keep])
    assert raw.after is not None
    assert torch.equal(raw.after, after.embeds)


@torch.inference_mode()
def test_refined_random_keeps_what_random_keeps_but_refined(stream_model: Model) -> None:
    pool = a_pool()
    chosen = {
        name: method_of(stream_model, name).selector.select(pool, 9, prompt_of(pool))
        for name in ("random", "refined-random")
    }
    whole = method_of(stream_model, "cs2").selector.select(pool, len(pool), prompt_of(pool))
    refined = chosen["refined-random"]
    assert torch.equal(refined.keep, chosen["random"].keep)
    assert torch.equal(refined.scores, chosen["random"].scores)
    assert torch.equal(refined.states, whole.states[refined.keep])
