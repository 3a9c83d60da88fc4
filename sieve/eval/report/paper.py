"""The ablations of EchoingPixels (arXiv 2512.10324): Daily-Omni, Qwen2.5-Omni-3B, 20 % kept."""

from __future__ import annotations

FULL_METHOD = 60.65
WITHOUT_TEXT = 57.39  # in one figure what is two arms here: selection and absorption
ABLATIONS = {
    "causal refiner": 56.06,
    "intra-modal attention": 57.73,
    "without text": WITHOUT_TEXT,
    "selection without text": WITHOUT_TEXT,
    "absorption without text": WITHOUT_TEXT,
    "per-modality top-k": 58.23,
    "refined-similarity": 41.85,
    "Gumbel": 59.06,
    "without Sync-RoPE": 57.98,
}


def difference(arm: str) -> float | None:
    """Points of an arm against the full method; ``None`` for an arm that the paper has not."""
    score = ABLATIONS.get(arm)
    return None if score is None else score - FULL_METHOD
