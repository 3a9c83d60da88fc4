"""In what numbers a small model is trained: bfloat16 where the machine multiplies it fast."""

from __future__ import annotations

import torch


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 on accelerators and on processors with AVX-512; float32 elsewhere. Without AVX-512
    torch multiplies bfloat16 number by number, a hundred times slower (docs/LOG.md, 2026-11-29)."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device))


def has_fast_bf16(device: torch.device) -> bool:
    return device.type != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"
