"""Where a crop of a stream lies, and on which clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sieve.train.demo.replay import WINDOW_IDS


@dataclass(frozen=True, slots=True)
class Crop:
    """Where a crop lies: windows [first, first + len(starts)) of a stream of the bank."""

    stream: int
    first: int
    is_open: bool
    starts: NDArray[np.int64]

    @property
    def last(self) -> int:
        return len(self.starts) - 1

    def calm_since(self, moment: int) -> int:
        """The first of the windows up to ``moment`` after which the clock does not jump."""
        jumped = np.flatnonzero(np.diff(self.starts[: moment + 1]) > WINDOW_IDS)
        return int(jumped[-1]) + 1 if len(jumped) else 0


def places(crops: Sequence[Crop]) -> tuple[Tensor, Tensor]:
    """Streams [B, 1] and windows [B, n] of crops of one length."""
    windows = torch.arange(len(crops[0].starts))
    first = torch.tensor([crop.first for crop in crops])
    return torch.tensor([crop.stream for crop in crops])[:, None], first[:, None] + windows
