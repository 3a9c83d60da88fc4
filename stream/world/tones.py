"""The sounds of the synthetic world as waveforms, 16 kHz mono f32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
_NOISE = np.random.default_rng(10).standard_normal(400_000).astype(np.float32)


def noise(first: int, count: int, level: float) -> NDArray[np.float32]:
    """``count`` samples of the noise that is always there, from sample ``first`` on."""
    drawn = _NOISE[np.arange(first, first + count) % _NOISE.size]
    return (drawn * np.float32(level)).astype(np.float32)


def waveform(name: str, samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """One sound, [samples] f32, faded in and out over 20 ms."""
    duration_s = samples / SAMPLE_RATE
    t = np.arange(samples) / SAMPLE_RATE
    pitch = rng.uniform(0.93, 1.07)
    sweep = 2400.0 * t * t / (2 * duration_s)  # cycles added by a sweep over 2,400 Hz
    if name == "low beep":
        wave = np.sin(2 * np.pi * 350 * pitch * t)
    elif name == "high beep":
        wave = np.sin(2 * np.pi * 1800 * pitch * t)
    elif name == "click":
        wave = _clicks(samples, rng)
    elif name == "buzz":
        wave = ((110 * pitch * t) % 1 - 0.5) * 1.5
    elif name == "rise":
        wave = np.sin(2 * np.pi * pitch * (400 * t + sweep))
    elif name == "fall":
        wave = np.sin(2 * np.pi * pitch * (2800 * t - sweep))
    else:
        wave = rng.standard_normal(samples) * 0.6
    fade = np.minimum(1.0, np.minimum(t, duration_s - t) / 0.02)
    loud = wave * fade * rng.uniform(0.15, 0.7)
    return loud.clip(-0.9, 0.9).astype(np.float32)  # clicks peak


def _clicks(samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    wave = np.zeros(samples)
    count = int(rng.integers(3, 6))
    for i in range(count):
        begin = 400 + i * (samples - 800) // count
        length = min(160, samples - begin)
        decay = np.exp(-np.arange(length) / 40)
        wave[begin : begin + length] += rng.standard_normal(length) * decay * 2
    return wave


def add(out: NDArray[np.float32], wave: NDArray[np.float32], at: int) -> None:
    """Adds ``wave`` at index ``at`` of ``out``, which may lie partly or wholly outside."""
    begin, end = max(0, at), min(out.size, at + wave.size)
    if begin < end:
        out[begin:end] += wave[begin - at : end - at]
