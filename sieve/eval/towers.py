"""Towers that remember: arms differ after them only, so all media go through them once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, MutableMapping
from typing import TypeVar

from torch import Tensor

from sieve.backbone import Backbone

T = TypeVar("T")
Memo = MutableMapping[bytes, object]


class RememberingBackbone(Backbone):
    """A backbone whose towers look up what they have seen and heard before, by content.

    ``memo`` may be shared by backbones with the same towers; ``clear`` it between streams.
    """

    def __init__(self, backbone: Backbone, memo: Memo) -> None:
        self.__dict__.update(backbone.__dict__)
        self._plain, self._memo = backbone, memo

    def see(self, pixel_values: Tensor, grid_thw: Tensor) -> Tensor:
        return self._once("see", self._plain.see, pixel_values, grid_thw)

    def hear(self, mel: Tensor) -> Tensor:
        return self._once("hear", self._plain.hear, mel)

    def see_attended(self, pixel_values: Tensor, grid_thw: Tensor) -> tuple[Tensor, Tensor]:
        return self._once("see+", self._plain.see_attended, pixel_values, grid_thw)

    def hear_attended(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        return self._once("hear+", self._plain.hear_attended, mel)

    def _once(self, name: str, compute: Callable[..., T], *given: Tensor) -> T:
        key = name.encode() + _digest(*given)
        if key not in self._memo:
            self._memo[key] = compute(*given)
        return self._memo[key]  # type: ignore[return-value]  # what compute gave for this key


def tower_digest(backbone: Backbone) -> str:
    """The same for backbones with the same towers."""
    whole = hashlib.blake2b(digest_size=16)
    model = backbone.thinker.model
    for tower in (model.visual, model.audio_tower):
        for name, value in sorted(tower.state_dict().items()):
            whole.update(name.encode())
            whole.update(_digest(value))
    return whole.hexdigest()


def _digest(*tensors: Tensor) -> bytes:
    whole = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        whole.update(str((tuple(tensor.shape), tensor.dtype)).encode())
        whole.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return whole.digest()
