"""What the decoder attends to while it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from sieve.backbone import ATTENTION, Backbone, grouped_attention

_OBSERVED = "echosieve-observed"


class Mass:
    """Attention that keys received from the last ``queries`` queries of each forward, summed over
    heads, layers and queries: ``received`` [keys]."""

    def __init__(self, queries: int) -> None:
        self._queries = queries
        self.received: Tensor | None = None

    def attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        **more: Any,
    ) -> tuple[Tensor, None]:
        """As ``grouped_attention``, [B, H, L, D] with B = 1."""
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        asking = query[:, :, -self._queries :].float()
        heads = query.shape[1] // key.shape[1]
        weights = asking @ key.float().repeat_interleave(heads, 1).transpose(2, 3) * scale
        if attention_mask is not None:
            weights = weights.masked_fill(~attention_mask[:, :, -self._queries :], -torch.inf)
        received = weights.softmax(-1).sum((0, 1, 2)).detach()
        self.received = received if self.received is None else self.received + received
        return grouped_attention(module, query, key, value, attention_mask, scaling, **more)


@contextmanager
def observed(backbone: Backbone, queries: int) -> Iterator[Mass]:
    """Within, the decoder's attention is summed up; one forward with a mask is expected."""
    config = backbone.thinker.model.language_model.config
    mass = Mass(queries)
    AttentionInterface.register(_OBSERVED, mass.attend)
    config._attn_implementation = _OBSERVED
    try:
        yield mass
    finally:
        config._attn_implementation = ATTENTION
