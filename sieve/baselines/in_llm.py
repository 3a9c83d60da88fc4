"""The live form of methods that drop tokens inside the LLM.

Published, such a method reads all tokens in the first layers and has the question at hand. A
bounded memory knows no question when a window comes, and a slot of it holds keys and values of all
layers. So here, and that is our deviation for all of them: the first layers read prompt, window and
a probe, the method drops tokens by the attention of the probe's last token, and what is left enters
the memory raw, read anew by all layers; what was dropped leaves nothing behind. The probe is the
standing instruction, repeated after the window, or the question where there is one. The window is
judged by itself: what is remembered is not read with it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sieve.backbone import Backbone
from sieve.pool import Pool
from sieve.prune import Pruner, Reading, counts_of, read_pruned, thin
from sieve.rope import text_positions
from sieve.select import Selection, Text


class InLLM:
    """Raw embeddings of what ``pruner`` would leave of a window. Scores (``Reading.scores``) are
    relative to an even share of the attention, so comparable across windows among kept tokens."""

    def __init__(self, pruner: Pruner, backbone: Backbone) -> None:
        self._pruner, self._backbone = pruner, backbone

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        device = pool.embeds.device
        if not len(pool):
            none = torch.zeros(0, device=device)
            return Selection(none.long(), pool.embeds, none)
        share = count / len(pool)
        entering = self._pruner.enter(pool, share)
        probe = after if after is not None else echo(before, pool)
        reading = self._begin(pool, entering, before, probe)
        *layers, _ = counts_of(self._pruner.live(self._backbone.depth, share), len(pool))
        read_pruned(reading, self._pruner, layers)
        thin(reading, self._pruner, count)
        keep = entering[reading.at[reading.pool] - len(before)]
        scores = torch.full((len(pool),), float(reading.scores.min()) - 1.0, device=device)
        scores[entering] = reading.scores[len(before) : len(before) + len(entering)]
        return Selection(keep, pool.embeds[keep], scores)

    def _begin(self, pool: Pool, entering: Tensor, before: Text, probe: Text) -> Reading:
        where = [before.positions, pool.positions[:, entering.cpu()], probe.positions]
        is_pool = torch.zeros(len(before) + len(entering) + len(probe), dtype=torch.bool)
        is_pool[len(before) : len(before) + len(entering)] = True
        embeds = torch.cat([before.embeds, pool.embeds[entering], probe.embeds])
        return Reading(self._backbone, embeds, torch.cat(where, dim=1), is_pool)


def echo(before: Text, pool: Pool) -> Text:
    """The prompt once more, after the pool and without the markers that open the stream."""
    said = len(before) - before.markers
    first = int(pool.positions.max()) + 1
    return Text(before.embeds[:said], text_positions(first, said))
