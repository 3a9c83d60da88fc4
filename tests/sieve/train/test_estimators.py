"""Straight-through estimators: a hard choice forward, a known gradient backward."""

import math

import numpy as np
import pytest
import torch

from sieve.train.estimators import ESTIMATORS, advantages, gumbel_noise

SCORES = [0.3, -1.2, 2.0, 0.1]
KEEP = torch.tensor([True, False, True, False])
WEIGHTS = torch.tensor([1.0, -2.0, 0.5, 3.0])  # dL / dgate


def gradient_of(name: str, scores: list[float]) -> torch.Tensor:
    leaf = torch.tensor(scores, requires_grad=True)
    (ESTIMATORS[name].gate(leaf, KEEP) * WEIGHTS).sum().backward()
    assert leaf.grad is not None
    return leaf.grad


@pytest.mark.parametrize("name", ESTIMATORS)
def test_forward_every_gate_is_the_hard_choice(name: str) -> None:
    scores = 40 * torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    gate = ESTIMATORS[name].gate(scores, KEEP.expand(3, 5, 4))
    assert torch.equal(gate, KEEP.float().expand(3, 5, 4))


def test_identity_passes_the_gradient_of_every_gate_unchanged() -> None:
    assert torch.equal(gradient_of("identity", SCORES), WEIGHTS)


def test_sigmoid_scales_it_by_the_slope() -> None:
    slopes = [math.exp(-s) / (1 + math.exp(-s)) ** 2 for s in SCORES]
    assert torch.allclose(gradient_of("sigmoid", SCORES), WEIGHTS * torch.tensor(slopes))


@pytest.mark.parametrize("name", ["softmax", "gumbel"])
def test_softmax_couples_the_scores_of_a_pool(name: str) -> None:
    share = torch.tensor([math.exp(s) for s in SCORES])
    share = share / share.sum()
    expected = share * (WEIGHTS - (share * WEIGHTS).sum())  # J = diag(p) - p p^T
    assert torch.allclose(gradient_of(name, SCORES), expected, atol=1e-6)


def test_softmax_gradients_of_a_pool_sum_to_zero() -> None:
    assert gradient_of("softmax", SCORES).sum().abs() < 1e-6


@pytest.mark.parametrize("name", ["identity", "softmax", "sigmoid"])
def test_only_gumbel_is_noisy(name: str) -> None:
    scores = torch.tensor(SCORES)
    assert torch.equal(ESTIMATORS[name].explore(scores), scores)
    assert not torch.equal(ESTIMATORS["gumbel"].explore(scores), scores)


def test_noise_repeats_with_its_generator() -> None:
    first, second = (
        gumbel_noise(torch.zeros(9), torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(first, second)


def test_the_best_of_noisy_scores_is_a_draw_from_their_softmax() -> None:
    scores = torch.tensor([0.0, 1.0, -1.0])
    noisy = scores + gumbel_noise(torch.zeros(40_000, 3), torch.Generator().manual_seed(1))
    drawn = torch.bincount(noisy.argmax(-1), minlength=3) / 40_000
    assert torch.allclose(drawn, scores.softmax(0), atol=0.01)


def test_padding_with_a_very_low_score_gets_and_gives_no_gradient() -> None:
    leaf = torch.tensor([0.5, -1e4], requires_grad=True)
    gate = ESTIMATORS["softmax"].gate(leaf, torch.tensor([True, False]))
    gate[0].backward()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, torch.zeros(2))


def test_advantages_keep_their_sign_and_have_unit_size() -> None:
    found = advantages([3.0, -1.0, -2.0])
    assert [math.copysign(1, a) for a in found] == [1, -1, -1]
    assert np.mean(np.square(found)) == pytest.approx(1.0)
    assert advantages([0.0, 0.0]) == [0.0, 0.0]
    assert advantages([]) == []
