"""Log-mel features window by window, equal to the library's on the whole clip.

``WhisperFeatureExtractor`` centres its frames: frame i reads samples [160 i - 200, 160 i + 200), so
a window of 2 s needs the 200 samples before it and the 40 after it. Everything is causal but the
clamp at the clip's maximum - 8, for which the maximum heard so far stands in.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

from sieve.tokens import LOOKAHEAD_SAMPLES, SAMPLE_RATE, WINDOW_S, WINDOW_SAMPLES

N_FFT, HOP, MELS = 400, 160, 128
_LEFT = N_FFT // 2
_FLOOR = 1e-10
_DYNAMIC_RANGE = 8.0  # log10 units below the maximum
_HALF_SAMPLE_S = 0.5 / SAMPLE_RATE

_WINDOW = torch.hann_window(N_FFT)
_FILTERS = torch.from_numpy(
    mel_filter_bank(
        num_frequency_bins=1 + N_FFT // 2,
        num_mel_filters=MELS,
        min_frequency=0.0,
        max_frequency=8000.0,
        sampling_rate=16_000,
        norm="slaney",
        mel_scale="slaney",
    )
).float()  # [201, 128]


def log_power(samples: Tensor) -> Tensor:
    """log10 mel power [128, frames] of samples that already carry their context."""
    spectrum = torch.stft(samples, N_FFT, HOP, window=_WINDOW, center=False, return_complex=True)
    return torch.clamp(_FILTERS.T @ spectrum.abs() ** 2, min=_FLOOR).log10()


def normalise(log_mel: Tensor, loudest: float) -> Tensor:
    """Clamp at ``loudest`` - 8 and scale as the feature extractor does."""
    return (torch.clamp(log_mel, min=loudest - _DYNAMIC_RANGE) + 4.0) / 4.0


class StreamingMel:
    """The log-mel of one stream, fed with whole windows in order.

    A window that does not follow the last one at once (the first, or after a gap in the sound) is
    reflected at its left edge. ``initial_floor`` is where the running maximum starts, in log10
    power.
    """

    def __init__(self, initial_floor: float = 0.0) -> None:
        self.loudest = initial_floor
        self._tail = torch.zeros(_LEFT)  # the last 200 samples of the last window
        self._end_s = -math.inf  # and its end

    def push(
        self,
        samples: NDArray[np.float32],
        lookahead: NDArray[np.float32] | None,
        start_s: float,
    ) -> Tensor:
        """[128, 200] of a closed window of 32,000 samples; remembers its end and its maximum."""
        wave = _whole(samples)
        log_mel, self.loudest = self._read(wave, lookahead, start_s)
        self._tail, self._end_s = wave[-_LEFT:].clone(), start_s + WINDOW_S
        return normalise(log_mel, self.loudest)

    def peek(self, samples: NDArray[np.float32], start_s: float) -> Tensor:
        """[128, 200] of an open window, silence for what has not come; changes nothing."""
        return normalise(*self._read(_whole(samples), None, start_s))

    def _read(
        self, wave: Tensor, lookahead: NDArray[np.float32] | None, start_s: float
    ) -> tuple[Tensor, float]:
        right = torch.zeros(LOOKAHEAD_SAMPLES)
        if lookahead is not None:
            right[: len(lookahead)] = torch.from_numpy(np.asarray(lookahead, dtype=np.float32))
        follows = abs(start_s - self._end_s) < _HALF_SAMPLE_S
        left = self._tail if follows else wave[1 : _LEFT + 1].flip(0)
        log_mel = log_power(torch.cat([left, wave, right]))
        return log_mel, max(self.loudest, float(log_mel.max()))


def _whole(samples: NDArray[np.float32]) -> Tensor:
    """float32 [32000], silence where samples are missing at the end."""
    wave = torch.zeros(WINDOW_SAMPLES)
    wave[: len(samples)] = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    return wave
