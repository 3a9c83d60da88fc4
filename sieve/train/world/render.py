"""Streams of the synthetic world as a session would receive them, some of them through codecs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sieve.audio import log_power, normalise
from sieve.tokens import LOOKAHEAD_SAMPLES, SAMPLE_RATE, WINDOW_SAMPLES
from sieve.train.world.codec import opus_round_trip, vp8_round_trip
from sieve.train.world.truth import TICKS, frame_labels
from sieve.vision import MERGE, PATCH, resize
from stream.world.plot import FIRST_WORLD, Plot
from stream.world.scene import NATIVE_SIZE, Scene

FRAME_RATE = 2
LIVE_SIZE = 4 * NATIVE_SIZE
MEL_FRAMES = 200  # a window
_LEFT = 200  # samples of context the first mel frame of a window reads
_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


@dataclass(frozen=True, slots=True)
class Stream:
    """A rendered stream of W windows: frames u8 [4 W, 84, 84, 3], samples f32 [32000 W + 40]."""

    scene: Scene
    offset_s: float  # scene time - stream time
    frame_times_s: NDArray[np.float64]  # [4 W] scene seconds
    truth: NDArray[np.int64]  # [4 W, 9, 3] colour, shape, symbol in each cell of each frame
    frames: NDArray[np.uint8]
    samples: NDArray[np.float32]

    @property
    def windows(self) -> int:
        return len(self.frames) // TICKS


def render_stream(seed: int, windows: int, codec_share: float, plot: Plot = FIRST_WORLD) -> Stream:
    """Stream ``seed`` of the world of ``plot``, with ``codec_share`` through VP8 and Opus, else in
    full or native size. Frames come up to 66 ms after their ticks; cuts are aligned with
    nothing."""
    rng = np.random.default_rng([seed, 11])
    scene = Scene(seed, plot)
    offset_s = float(rng.uniform(0.0, 1.0))
    ticks_s = offset_s + np.arange(windows * TICKS) / FRAME_RATE
    times_s = ticks_s + rng.uniform(0.0, 0.066) * rng.random(len(ticks_s))
    samples = scene.sound(offset_s, windows * WINDOW_SAMPLES + LOOKAHEAD_SAMPLES)
    coded, full_size = rng.random() < codec_share, rng.random() < 0.5
    size = LIVE_SIZE if coded or full_size else NATIVE_SIZE
    frames = np.stack([scene.frame(float(t), size) for t in times_s])
    if coded:
        frames = vp8_round_trip(frames, FRAME_RATE, int(rng.uniform(60_000, 300_000)))
        samples = opus_round_trip(samples, int(rng.choice([24_000, 32_000, 64_000])))
    small = np.stack([resize(frame, NATIVE_SIZE, NATIVE_SIZE) for frame in frames])
    return Stream(scene, offset_s, times_s, frame_labels(scene, times_s), small, samples)


def patch_pairs(pairs: NDArray[np.uint8]) -> Tensor:
    """Pairs of frames u8 [N, 2, 84, 84, 3] -> patches [36 N, 1176]; as ``sieve.vision.patches``."""
    cells = NATIVE_SIZE // PATCH // MERGE
    pixels = torch.from_numpy(pairs).permute(0, 1, 4, 2, 3).float().div(255).sub(_MEAN).div(_STD)
    cut = pixels.view(len(pairs), 2, 3, cells, MERGE, PATCH, cells, MERGE, PATCH)
    ordered = cut.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return ordered.reshape(-1, 3 * 2 * PATCH * PATCH)


def stream_mel(samples: NDArray[np.float32]) -> tuple[Tensor, NDArray[np.float64]]:
    """Samples [32000 W + 40] -> log-mel [W, 128, 200] and the running maximum after each window,
    as ``StreamingMel`` gives them window by window."""
    wave = torch.from_numpy(samples)
    log_mel = log_power(torch.cat([wave[1 : _LEFT + 1].flip(0), wave]))
    per_window = log_mel.view(log_mel.shape[0], -1, MEL_FRAMES).permute(1, 0, 2)
    loudest = np.maximum.accumulate(per_window.amax((1, 2)).double().numpy()).clip(min=0.0)
    mels = [normalise(mel, float(top)) for mel, top in zip(per_window, loudest, strict=True)]
    return torch.stack(mels), loudest


def open_mel(stream: Stream, window: int, elapsed_s: float, loudest: float) -> Tensor:
    """Log-mel [128, 200] of a window of which ``elapsed_s`` have come; the rest is silence.

    ``loudest`` is the running maximum before the window.
    """
    begin = window * WINDOW_SAMPLES
    count = int(elapsed_s * SAMPLE_RATE)
    wave = torch.zeros(WINDOW_SAMPLES + LOOKAHEAD_SAMPLES)
    wave[:count] = torch.from_numpy(stream.samples[begin : begin + count])
    if window:
        left = torch.from_numpy(stream.samples[begin - _LEFT : begin])
    else:
        left = wave[1 : _LEFT + 1].flip(0)
    log_mel = log_power(torch.cat([left, wave]))
    return normalise(log_mel, max(loudest, float(log_mel.max())))


def open_pairs(frames: NDArray[np.uint8], elapsed_s: float) -> NDArray[np.uint8]:
    """Pairs u8 [G, 2, H, W, 3] of an open window with frames [4, H, W, 3]: what came after
    ``elapsed_s`` is unknown, a missing second frame repeats the first."""
    ticks = min(TICKS, int(elapsed_s * FRAME_RATE) + 1)
    second = [min(2 * g + 1, ticks - 1) for g in range((ticks + 1) // 2)]
    return np.stack([frames[[2 * g, last]] for g, last in enumerate(second)])
