"""The optimiser loop: schedule, descent, resumption."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from sieve.train.optimise import Optimiser, Schedule


def test_the_rate_rises_then_falls_to_its_floor() -> None:
    schedule = Schedule(steps=100, peak_lr=1e-2, warmup=10, floor=0.05)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(1e-3)
    assert max(rates) == rates[9] or max(rates) == rates[10]
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(5e-4)


def _problem() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 1)


def _loss(layer: nn.Linear, step: int) -> Tensor:
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
    return ((layer(x) - x.sum(-1, keepdim=True)) ** 2).mean()


def test_it_descends_and_counts() -> None:
    layer = _problem()
    optimiser = Optimiser(layer.parameters(), Schedule(200, 5e-2, warmup=5))
    losses = []
    while not optimiser.done:
        losses.append(optimiser.take(lambda step: _loss(layer, step)))
    assert optimiser.step == 200
    assert losses[-1] < 0.01 * losses[0]


def _made(layer: nn.Linear, schedule: Schedule, method: str) -> Optimiser:
    matrices = [layer.weight] if method == "muon" else []
    return Optimiser(layer.parameters(), schedule, matrices=matrices)


@pytest.mark.parametrize("method", ["adamw", "muon"])
def test_a_resumed_run_equals_an_uninterrupted_one(method: str) -> None:
    def take(layer: nn.Linear, optimiser: Optimiser, count: int) -> None:
        for _ in range(count):
            optimiser.take(lambda step: _loss(layer, step))

    schedule = Schedule(20, 1e-2, warmup=3)
    whole = _problem()
    take(whole, _made(whole, schedule, method), 20)
    first = _problem()
    before = _made(first, schedule, method)
    take(first, before, 8)
    saved = copy.deepcopy((first.state_dict(), before.state()))
    second = _problem()
    second.load_state_dict(saved[0])
    after = _made(second, schedule, method)
    after.load(saved[1])
    take(second, after, 12)
    assert torch.equal(whole.weight, second.weight)


def test_the_steps_of_a_matrix_are_alike_in_all_directions() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(8, 8)
    before = layer.weight.detach().clone()
    steep = torch.diag(torch.logspace(0, 2, 8))
    schedule = Schedule(1, 1e-2, warmup=1, weight_decay=0.0)
    optimiser = Optimiser(layer.parameters(), schedule, matrices=[layer.weight])
    optimiser.take(lambda _: (layer.weight * steep).sum() + layer.bias.sum())
    found = torch.linalg.svdvals(layer.weight.detach() - before)
    assert found[0] < 4 * found[-1]  # of the gradient: a hundred times
    as_adamw = 0.2 * 8**0.5 * schedule.rate(0)  # steps as large as AdamW's are
    assert found.mean() == pytest.approx(2 * as_adamw, rel=0.35)


def test_a_step_over_parts_is_a_step_down_their_mean() -> None:
    apart, together = _problem(), _problem()
    schedule = Schedule(1, 5e-2, warmup=1)
    Optimiser(apart.parameters(), schedule).take(lambda part: _loss(apart, part), parts=3)
    Optimiser(together.parameters(), schedule).take(
        lambda _: torch.stack([_loss(together, part) for part in range(3)]).mean()
    )
    assert torch.allclose(apart.weight, together.weight, atol=1e-6)
