"""What can be told of every token of a crop: what the decoder's middle learns to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sieve.train.demo.bank import Bank
from sieve.train.demo.crop import Crop, places
from sieve.train.world.truth import (
    AUDIO_TOKENS,
    NO_SOUND,
    UNSURE,
    VIDEO_TOKENS,
    WINDOW_S,
    WINDOW_TOKENS,
    Before,
    sounds_before,
    sounds_so_far,
    things_so_far,
)
from stream.world.questions.timing import LONGEST_S, UNCLEAR_S
from stream.world.scene import OBJECTS, SHAPES, Scene

LONGEST_SOUND_S = 2.0
MOST_COUNTED = 16  # sounds of a crop


@dataclass(frozen=True, slots=True)
class TokenLabels:
    """Per token [B, n, T], i64: what can be told of it; -1 where nothing should be learned."""

    object: Tensor  # 0..23, in the token's cell or else alone at its time
    previous: Tensor  # 0..23, 24: nothing before it in the crop
    sound: Tensor  # 0..6, 7: none
    symbol: Tensor  # 0..9, 10: none
    heard_before: Tensor  # 0..6, 7: what was heard before the sound that is heard, in the crop
    apart: Tensor  # 1..60: how many seconds before it that began
    heard_so_far: Tensor  # 1..16: the how manieth sound of the crop is heard
    alike_so_far: Tensor  # 1..16: the how manieth of its name
    shown_so_far: Tensor  # 1..4: how many things of the token's thing's colour there were by then

    def of_its_time(self) -> TokenLabels:
        """Without what is told of the time before a token: there was more of it than the crop."""
        unsure = torch.full_like(self.object, UNSURE)
        return replace(self, **dict.fromkeys(OF_BEFORE, unsure))


OF_BEFORE = ("previous", "heard_before", "apart", "heard_so_far", "alike_so_far", "shown_so_far")


class Labels:
    """Of the crops of a bank, whose streams show ``scenes``."""

    def __init__(self, bank: Bank, scenes: Sequence[Scene]) -> None:
        self._bank, self._scenes = bank, scenes
        self._before: dict[int, Before] = {}

    def of(self, crops: Sequence[Crop], part: slice) -> TokenLabels:
        """Of crops of one length; ``part``: which of a window's tokens."""
        bank, (s, w) = self._bank, places(crops)
        segment = bank.segment[s, w].long()  # [B, n, 68]
        stream = s[..., None].expand_as(segment)
        before = (segment - 1).clamp(min=0)
        begin_s = bank.offsets_s[s] + w[:, :1] * WINDOW_S
        known = bank.ends_s[stream, before] > begin_s[..., None] + 0.5
        nothing = torch.tensor(len(OBJECTS))
        previous = torch.where(known & (segment > 0), bank.objects[stream, before], nothing)
        heard_before, apart = (torch.stack(x) for x in zip(*map(self._heard, crops), strict=True))
        heard, alike, shown = (torch.stack(x) for x in zip(*map(self._so_far, crops), strict=True))
        return TokenLabels(
            object=bank.object[s, w].long()[:, :, part],
            previous=previous[:, :, part],
            sound=bank.sound[s, w].long()[:, :, part],
            symbol=bank.symbol[s, w].long()[:, :, part],
            heard_before=heard_before[:, :, part],
            apart=apart[:, :, part],
            heard_so_far=heard[:, :, part],
            alike_so_far=alike[:, :, part],
            shown_so_far=shown[:, :, part],
        )

    def _heard(self, crop: Crop) -> tuple[Tensor, Tensor]:
        """``heard_before`` and ``apart`` [n, 68] of a crop; a sound that the crop's beginning may
        have cut is not told of, and no time over which the clock jumps."""
        if crop.stream not in self._before:
            scene, offset_s = self._scenes[crop.stream], float(self._bank.offsets_s[crop.stream])
            tokens = self._bank.windows * AUDIO_TOKENS
            self._before[crop.stream] = sounds_before(scene, offset_s, tokens)
        offset_s = float(self._bank.offsets_s[crop.stream])
        begin_s = offset_s + crop.first * WINDOW_S
        count = len(crop.starts)
        inside, sound, began_s, apart_s = (
            part.reshape(-1, AUDIO_TOKENS)[crop.first : crop.first + count]
            for part in astuple(self._before[crop.stream])
        )
        known = inside & (began_s >= begin_s)
        none = inside & (began_s < begin_s - LONGEST_SOUND_S)
        name = np.where(known, sound, np.where(none, NO_SOUND, UNSURE))
        calm = np.array([crop.calm_since(window) for window in range(count)])[:, None]
        clear = known & (began_s >= begin_s + calm * WINDOW_S)
        seconds = np.where(clear, apart_s, 0.0)
        whole = np.round(seconds)
        clear &= (abs(seconds - whole) <= UNCLEAR_S) & (whole >= 1) & (whole <= LONGEST_S)
        labels = np.full((2, count, WINDOW_TOKENS), UNSURE)
        labels[0, :, VIDEO_TOKENS:] = name
        labels[1, :, VIDEO_TOKENS:] = np.where(clear, whole, UNSURE)
        return torch.from_numpy(labels[0]), torch.from_numpy(labels[1])

    def _so_far(self, crop: Crop) -> tuple[Tensor, Tensor, Tensor]:
        """The three labels of a crop that count, [n, 68] each."""
        scene, count = self._scenes[crop.stream], len(crop.starts)
        begin_s = float(self._bank.offsets_s[crop.stream]) + crop.first * WINDOW_S
        labels = torch.full((3, count, WINDOW_TOKENS), UNSURE)
        heard = torch.from_numpy(sounds_so_far(scene, begin_s, count * AUDIO_TOKENS))
        labels[:2, :, VIDEO_TOKENS:] = heard.view(2, count, AUDIO_TOKENS)
        labels[labels > MOST_COUNTED] = UNSURE
        windows = slice(crop.first, crop.first + count)
        things = torch.from_numpy(things_so_far(scene, begin_s, begin_s + count * WINDOW_S))
        segment = self._bank.segment[crop.stream, windows].long()
        thing = self._bank.object[crop.stream, windows].long()
        first = scene.segment_at(begin_s).index
        place = (segment - first).clamp(0, len(things) - 1)
        shown = things[place, thing.clamp(min=0) // len(SHAPES)]
        labels[2] = shown.masked_fill((thing < 0) | (thing == len(OBJECTS)), UNSURE)
        return labels[0], labels[1], labels[2]
