"""Films, and settings with the built-in model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sieve.eval.benchmarks.settings import Settings
from tests.sieve.eval.benchmarks.films import Film, render


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Film]:
    folder = tmp_path_factory.mktemp("films")
    return [render(folder, seed) for seed in (1, 2)]


@pytest.fixture(scope="session")
def settings() -> Callable[..., Settings]:
    """Settings of a run with the built-in model; anything may be another."""

    def make(**changes: Any) -> Settings:
        usual: dict[str, Any] = {
            "benchmark": "worldsense",
            "model": "demo",
            "sieve": None,
            "mode": "streamed",
            "selector": "cs2",
            "retention": 0.2,
            "fps": 2,
            "min_pixels": 784,
            "max_pixels": 7056,
            "max_frames": None,
            "slots": 512,
            "tracks": "both",
            "prompt": "bare",
            "max_tokens": 8,
            "device": "cpu",
        }
        return Settings(**(usual | changes))

    return make
