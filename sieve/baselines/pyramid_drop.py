"""PyramidDrop: a part of the tokens goes at each quarter of the depth.

Source: PyramidDrop (arXiv 2410.17247). At 1/4, 1/2 and 3/4 of the layers the audio-visual tokens
are ranked by the attention that the last instruction token pays them in the layer to come, and a
fixed ratio stays; published with one half, so 50, 25 and 12.5 % of them in the later quarters and
46.9 % on average. Ours: the ratio is the one that meets the budget (an average of 25 % or less is
out of reach: the first quarter reads all), and sound is ranked with the pictures, in one pool. The
live form is that of ``in_llm``, with the ratio that ends at the count.
"""

from __future__ import annotations

from torch import Tensor

from sieve.prune import Pruner, Reading

DROPS_AT = (1 / 4, 1 / 2, 3 / 4)  # of the depth


class PyramidDrop(Pruner):
    def family(self, layers: int, retention: float, x: float) -> tuple[float, ...]:
        drops = _drop_layers(layers)
        return tuple(x ** sum(at <= layer for at in drops) for layer in range(layers))

    def live(self, layers: int, share: float) -> tuple[float, ...]:
        ratio = share ** (1 / len(DROPS_AT))
        last = max(_drop_layers(layers))
        return (*self.family(layers, share, ratio)[:last], share)

    def rank(self, reading: Reading) -> Tensor:
        return reading.attention(reading.layer)[0]


def _drop_layers(layers: int) -> list[int]:
    return [max(1, round(layers * at)) for at in DROPS_AT]
