"""Training computes in bfloat16 only where that is fast."""

from __future__ import annotations

import pytest
import torch

from sieve.train.precision import autocast, has_fast_bf16

CPU = torch.device("cpu")


def _product(device: torch.device) -> torch.Tensor:
    with autocast(device):
        return torch.ones(2, 2) @ torch.ones(2, 2)


@pytest.mark.parametrize(
    ("capability", "dtype"), [("AVX512", torch.bfloat16), ("AVX2", torch.float32)]
)
def test_a_processor_multiplies_bfloat16_where_it_has_instructions_for_it(
    capability: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert _product(CPU).dtype == dtype


def test_an_accelerator_always_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert has_fast_bf16(torch.device("cuda"))
    assert not has_fast_bf16(CPU)
