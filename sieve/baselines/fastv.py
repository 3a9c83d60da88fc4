"""FastV: an image is worth half its tokens after layer 2.

Source: FastV (arXiv 2403.06764). After layer K = 2 the audio-visual tokens are ranked by the
attention of the last text token in that layer, mean over heads, and the top R stay for all later
layers. For a layer average a, R = (a L - K) / (L - K); an average of K / L or less is out of reach
(of 36 layers 5.6 %, of 28 7.1 %). Ours: sound is ranked with the pictures, in one pool. The live
form is that of ``in_llm``.
"""

from __future__ import annotations

from torch import Tensor

from sieve.prune import Pruner, Reading


class FastV(Pruner):
    """``full_layers`` is K."""

    def __init__(self, full_layers: int = 2) -> None:
        self._full = full_layers

    def family(self, layers: int, retention: float, x: float) -> tuple[float, ...]:
        full = min(self._full, layers)
        return (1.0,) * full + (x,) * (layers - full)

    def live(self, layers: int, share: float) -> tuple[float, ...]:
        return (*(1.0,) * min(self._full, layers), share)

    def rank(self, reading: Reading) -> Tensor:
        return reading.attention(reading.layer - 1)[0]
