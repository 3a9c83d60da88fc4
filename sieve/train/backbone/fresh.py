"""A sieve for a backbone that has none."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from sieve.cs2 import CS2
from sieve.errors import TrainingError
from sieve.model import Model
from sieve.select import CS2Selector
from sieve.train.backbone.tuning import SievePlan

_SCORER_STD = 0.02


def with_fresh_sieve(model: Model, plan: SievePlan, seed: int) -> Model:
    """The model with a new CS2 in float32; text enters the decoder as raw embeddings.

    The refiner's layers are copies of the decoder's first ones, read in both directions (as the
    authors begin). With ``start`` "identity" what they write is zero at first, so that a decoder
    that does not learn reads what it knows. Raises TrainingError where the decoder is too shallow.
    """
    decoder = model.backbone.thinker.model.language_model
    if plan.layers > len(decoder.layers):
        raise TrainingError(
            f"setting sieve.layers: the decoder has {len(decoder.layers)} layers to begin from, "
            f"not {plan.layers}"
        )
    cs2 = CS2(model.backbone.text_config, plan.layers, model.backbone.rotary)
    for new, old in zip(cs2.layers, decoder.layers, strict=False):
        new.load_state_dict(old.state_dict())
    if plan.start == "identity":
        _silence(cs2)
    _begin_scorer(cs2, seed)
    cs2 = cs2.to(model.backbone.device, torch.float32).eval()
    layout = replace(model.layout, text_states="raw")
    return replace(model, cs2=cs2, selector=CS2Selector(cs2), layout=layout)


def _silence(cs2: CS2) -> None:
    for name, parameter in cs2.layers.named_parameters():
        if "o_proj." in name or "down_proj." in name:
            nn.init.zeros_(parameter)


def _begin_scorer(cs2: CS2, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in cs2.score_head.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, std=_SCORER_STD, generator=generator)
    nn.init.ones_(cs2.ln.weight)
