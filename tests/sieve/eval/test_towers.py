"""Each picture and sound goes through the towers once, and what comes out is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sieve import Model
from sieve.eval.towers import RememberingBackbone, tower_digest
from sieve.pool import WindowEncoder
from sieve.timeline import Timeline
from tests import tiny

TIMELINE = Timeline(10, 0.0, 50)


@torch.inference_mode()
def test_a_window_is_encoded_once_for_all_who_ask(
    stream_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    visual = stream_model.backbone.thinker.model.visual
    forward = visual.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        looks.append(1)
        return forward(*args, **kwargs)

    monkeypatch.setattr(visual, "forward", counted)
    window = tiny.window(0, np.random.default_rng(0))
    plain = WindowEncoder(stream_model.backbone, stream_model.layout.pixels)
    expected = plain.close_window(window, TIMELINE)
    looks.clear()
    backbone = RememberingBackbone(stream_model.backbone, {})
    for _ in range(3):
        encoder = WindowEncoder(backbone, stream_model.layout.pixels)
        assert torch.equal(encoder.close_window(window, TIMELINE).embeds, expected.embeds)
    assert len(looks) == len(window.grids)


def test_towers_are_told_apart_by_their_weights(stream_model: Model, demo_model: Model) -> None:
    assert tower_digest(stream_model.backbone) == tower_digest(stream_model.backbone)
    assert tower_digest(stream_model.backbone) != tower_digest(demo_model.backbone)


@torch.inference_mode()
def test_what_the_towers_attend_to_is_remembered_too(stream_model: Model) -> None:
    window = tiny.window(0, np.random.default_rng(0))
    backbone = RememberingBackbone(stream_model.backbone, {})
    pools = []
    for used in (stream_model.backbone, backbone, backbone):
        encoder = WindowEncoder(used, stream_model.layout.pixels, attention=True)
        pools.append(encoder.close_window(window, TIMELINE))
    expected, *found = pools
    assert expected.received is not None
    assert all(p.received is not None and torch.equal(p.received, expected.received) for p in found)
