"""Muon in float32, of many matrices at once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sieve.train.muon import Muon, orthogonalised


@given(
    rows=st.integers(2, 24),
    columns=st.integers(2, 24),
    count=st.integers(1, 4),
    seed=st.integers(0),
)
def test_what_is_turned_keeps_its_directions_and_loses_its_lengths(
    rows: int, columns: int, count: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed % 2**63)
    wide = torch.randn(count, rows, columns, generator=generator)
    u, _, v = torch.linalg.svd(wide, full_matrices=False)
    lengths = torch.linspace(1.0, 0.2, u.shape[-1])
    turned = orthogonalised((u * lengths) @ v)
    along = u.mT @ turned @ v.mT
    found = along.diagonal(dim1=-2, dim2=-1)
    assert found.min() > 0.6
    assert found.max() < 1.3
    assert torch.allclose(along, torch.diag_embed(found), atol=1e-3)


def test_matrices_of_one_shape_are_turned_as_each_by_itself() -> None:
    matrices = torch.randn(3, 6, 10)
    together = orthogonalised(matrices)
    for matrix, turned in zip(matrices, together, strict=True):
        assert torch.allclose(orthogonalised(matrix), turned, atol=1e-5)


@pytest.mark.parametrize("shapes", [[(16, 40), (40, 16), (16, 40)], [(8, 8)]])
def test_steps_are_those_of_torch_but_for_its_bfloat16(shapes: list[tuple[int, int]]) -> None:
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    before = [p.detach().clone() for p in ours]
    one = Muon(ours, lr=0.02, weight_decay=0.1)
    other = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        for mine, its in zip(ours, theirs, strict=True):
            gradient = torch.randn(mine.shape)
            mine.grad, its.grad = gradient.clone(), gradient.clone()
        one.step()
        other.step()
    for mine, its, began in zip(ours, theirs, before, strict=True):
        assert (mine - its).norm() < 0.03 * (mine - began).norm()


def test_a_matrix_without_gradient_stays_as_it_is() -> None:
    moved, left = nn.Parameter(torch.ones(3, 5)), nn.Parameter(torch.ones(3, 5))
    method = Muon([moved, left], lr=0.1, weight_decay=0.5)
    moved.grad = torch.randn(3, 5)
    method.step()
    assert torch.equal(left, torch.ones(3, 5))
    assert not torch.equal(moved, torch.ones(3, 5))
    assert left not in method.state
