"""What a memory still holds of a long stream when a crop of another one begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True, slots=True)
class Remnant:
    """Of one stream: m tokens as the sieve made them, in the order in which they came. Ids count
    from the first one after the stream: all are negative."""

    states: Tensor  # f16 [m, d]
    positions: Tensor  # i64 [3, m]
    start_id: Tensor  # i64 [m]: first id of the token's window
    kind: Tensor  # u8 [m]
    score: Tensor  # f32 [m]
    length_ids: int  # how long the stream was
    slots: int  # of the memory

    def only(self, there: Tensor) -> Remnant:
        """Those tokens alone that are ``there`` [m], bool."""
        return replace(
            self,
            states=self.states[there],
            positions=self.positions[:, there],
            start_id=self.start_id[there],
            kind=self.kind[there],
            score=self.score[there],
        )


@dataclass(frozen=True, slots=True)
class Past:
    """Of B crops: P places, of which those are ``used`` that hold a token; the rest as in a
    ``Remnant``, ids counted from the first one of the crop."""

    states: Tensor  # f16 [B, P, d]
    positions: Tensor  # i64 [3, B, P]
    start_id: Tensor  # i64 [B, P]
    kind: Tensor  # u8 [B, P]
    score: Tensor  # f32 [B, P]
    used: Tensor  # bool [B, P]
    length_ids: Tensor  # i64 [B]
    slots: Tensor  # i64 [B]: of the memory; 0 where there is no past

    @property
    def places(self) -> int:
        return self.used.shape[1]

    @staticmethod
    def of(remnants: Sequence[Remnant]) -> Past:
        def padded(parts: Sequence[Tensor]) -> Tensor:
            return pad_sequence(list(parts), batch_first=True)

        held = [torch.ones(len(remnant.score), dtype=torch.bool) for remnant in remnants]
        return Past(
            states=padded([r.states for r in remnants]),
            positions=padded([r.positions.T for r in remnants]).permute(2, 0, 1),
            start_id=padded([r.start_id for r in remnants]),
            kind=padded([r.kind for r in remnants]),
            score=padded([r.score for r in remnants]),
            used=padded(held),
            length_ids=torch.tensor([r.length_ids for r in remnants]),
            slots=torch.tensor([r.slots for r in remnants]),
        )


def nothing(crops: int, width: int) -> Past:
    """Before ``crops`` that their streams begin with; states have ``width`` numbers."""
    return Past(
        states=torch.zeros(crops, 0, width, dtype=torch.float16),
        positions=torch.zeros(3, crops, 0, dtype=torch.long),
        start_id=torch.zeros(crops, 0, dtype=torch.long),
        kind=torch.zeros(crops, 0, dtype=torch.uint8),
        score=torch.zeros(crops, 0),
        used=torch.zeros(crops, 0, dtype=torch.bool),
        length_ids=torch.zeros(crops, dtype=torch.long),
        slots=torch.zeros(crops, dtype=torch.long),
    )
