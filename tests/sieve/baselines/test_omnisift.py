"""OmniSIFT: what is learned and what is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sieve import Model
from sieve.baselines import AudioScorer, OmniSIFT
from sieve.baselines.omnisift import sift, video_saliency
from sieve.errors import CheckpointError, SettingInvalid
from sieve.selectors import method_of
from tests.sieve.baselines.pools import WIDTH, PoolShape, a_pool, pool_of, prompt_of, stacked


def a_scorer(seed: int = 0) -> AudioScorer:
    torch.manual_seed(seed)
    return AudioScorer(WIDTH).eval()


def test_the_first_grid_is_held_against_its_mean_and_the_second_against_the_first() -> None:
    pool = pool_of(stacked([1, 1, 1, 2, 1, 1, 3, 2]), PoolShape(2, 2, 2, audio=0))
    saliency = video_saliency(pool)
    assert saliency[:4].argmax() == 3
    assert saliency[4:].tolist() == [0, 0, 1, 0]


def test_sound_is_chosen_by_the_pictures_that_were_kept() -> None:
    pool = a_pool(PoolShape(2, 3, 4, audio=10))
    scorer, count = a_scorer(), 9
    chosen = OmniSIFT(scorer).select(pool, count, prompt_of(pool))
    seen = chosen.keep[chosen.keep < pool.video]
    expected = scorer(pool.embeds[pool.video :], pool.embeds[seen])
    torch.testing.assert_close(chosen.scores[pool.video :], expected.detach())
    moved = replace(pool, embeds=pool.embeds.clone())
    moved.embeds[seen] *= -3.0
    assert not torch.equal(
        OmniSIFT(scorer).select(moved, count, prompt_of(pool)).scores, chosen.scores
    )


def test_gates_are_hard_and_their_gradient_is_that_of_the_scores() -> None:
    pool, scorer = a_pool(PoolShape(2, 3, 4, audio=10)), a_scorer()
    sifted = sift(scorer, pool, 9)
    expected = torch.zeros(len(pool)).index_fill(0, sifted.keep, 1.0)
    torch.testing.assert_close(sifted.gates.detach(), expected)
    weights = torch.linspace(-1, 1, len(pool))
    (sifted.gates * weights).sum().backward()
    found = [p.grad.clone() for p in scorer.parameters() if p.grad is not None]
    scorer.zero_grad()
    (sift(scorer, pool, 9).scores * weights).sum().backward()
    wanted = [p.grad for p in scorer.parameters() if p.grad is not None]
    assert found
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_it_learns_which_sound_goes_with_the_picture() -> None:
    """Of four sounds the one that the picture names is to be kept."""
    torch.manual_seed(0)
    scorer = AudioScorer(WIDTH)
    optimiser = torch.optim.Adam(scorer.parameters(), lr=3e-3)
    names = torch.randint(0, 4, (64,))
    videos = stacked(names.tolist())[:, None]  # [B, 1, d]
    audios = stacked([10, 11, 12, 13]).expand(64, 4, WIDTH)
    for _ in range(60):
        scores = scorer(audios, videos)
        loss = torch.nn.functional.cross_entropy(scores.logit(), names)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert torch.equal(scorer(audios, videos).argmax(dim=1), names)


def test_a_batch_is_scored_as_one_by_one() -> None:
    torch.manual_seed(1)
    scorer, audio, video = a_scorer(), torch.randn(3, 5, WIDTH), torch.randn(3, 2, WIDTH)
    single = [scorer(a, v) for a, v in zip(audio, video, strict=True)]
    torch.testing.assert_close(scorer(audio, video), torch.stack(single))


def test_weights_are_found_beside_the_models(stream_model: Model, tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match=r"no omnisift\.safetensors"):
        method_of(stream_model, "omnisift")
    scorer = a_scorer(3)
    scorer.save(tmp_path)
    trained = replace(stream_model, directory=tmp_path)
    pool = a_pool()
    chosen = method_of(trained, "omnisift").selector.select(pool, 9, prompt_of(pool))
    assert torch.equal(chosen.scores, OmniSIFT(scorer).select(pool, 9, prompt_of(pool)).scores)


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    AudioScorer(128).save(tmp_path)
    with pytest.raises(CheckpointError, match="no OmniSIFT of width 64"):
        AudioScorer.load(tmp_path, WIDTH)


def test_at_the_width_of_the_7b_it_is_as_small_as_the_papers() -> None:
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in AudioScorer(3584).parameters())
    assert count == pytest.approx(4.85e6, rel=0.05)
