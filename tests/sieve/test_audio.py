"""The log-mel of a stream against the library's of the whole clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import WhisperFeatureExtractor

from sieve.audio import StreamingMel, normalise
from sieve.tokens import LOOKAHEAD_SAMPLES, WINDOW_S, WINDOW_SAMPLES

LIBRARY = WhisperFeatureExtractor(feature_size=128, sampling_rate=16_000, hop_length=160, n_fft=400)
FLOOR = -10.0  # below any log10 power: the maximum is then the clip's own


def sound(seed: int, windows: int, loud: float = 0.3) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    at_s = np.arange(windows * WINDOW_SAMPLES) / 16_000
    tone = np.sin(2 * np.pi * (200 + 150 * at_s) * at_s) * (0.5 + 0.5 * np.sin(at_s))
    return (loud * tone + 0.01 * rng.standard_normal(len(at_s))).astype(np.float32)


def library(samples: NDArray[np.float32]) -> torch.Tensor:
    """[128, frames] of the whole clip."""
    made = LIBRARY(samples, sampling_rate=16_000, padding=False, truncation=False)
    return torch.from_numpy(np.asarray(made["input_features"][0]))


def loudest(samples: NDArray[np.float32]) -> float:
    """log10 of the clip's greatest mel power: what the library clamps against."""
    return float(library(samples).max()) * 4.0 - 4.0


def streamed(mel: StreamingMel, samples: NDArray[np.float32], start_s: float = 0.0) -> torch.Tensor:
    """All windows of a clip, one after the other."""
    pieces = []
    for first in range(0, len(samples), WINDOW_SAMPLES):
        end = first + WINDOW_SAMPLES
        at_s = start_s + first / 16_000
        pieces.append(mel.push(samples[first:end], samples[end : end + LOOKAHEAD_SAMPLES], at_s))
    return torch.cat(pieces, dim=1)


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**16),
    windows=st.integers(1, 4),
    loud=st.sampled_from([1e-4, 0.03, 0.9]),
    start_s=st.sampled_from([0.0, 86_400.0]),
)
def test_windows_equal_the_librarys_whole_clip_once_the_maximum_is_known(
    seed: int, windows: int, loud: float, start_s: float
) -> None:
    samples = sound(seed, windows, loud)
    mine = streamed(StreamingMel(initial_floor=loudest(samples)), samples, start_s)
    whole = library(samples)
    # The library reflects at the clip's right end, a stream is followed by silence there.
    torch.testing.assert_close(mine[:, :-1], whole[:, :-1], rtol=0, atol=2e-5)


def test_without_the_lookahead_only_the_last_frame_of_a_window_differs() -> None:
    samples = sound(1, 2)
    with_it = StreamingMel().push(samples[:WINDOW_SAMPLES], samples[WINDOW_SAMPLES:][:40], 0.0)
    without = StreamingMel().push(samples[:WINDOW_SAMPLES], None, 0.0)
    assert torch.equal(with_it[:, :-1], without[:, :-1])
    assert not torch.allclose(with_it[:, -1], without[:, -1], atol=1e-4)


def test_the_maximum_never_falls_and_starts_at_the_floor() -> None:
    mel = StreamingMel(initial_floor=0.5)
    heard = []
    for index, loud in enumerate([1e-4, 0.9, 1e-3, 0.2]):
        mel.push(sound(index, 1, loud), None, WINDOW_S * index)
        heard.append(mel.loudest)
    assert heard[0] == 0.5  # quieter than the floor
    assert heard[1] > 0.5
    assert heard[1:] == [heard[1]] * 3


def test_a_quiet_window_after_a_loud_one_is_clamped_at_the_loud_ones_maximum() -> None:
    mel = StreamingMel()
    mel.push(sound(0, 1, 0.9), None, 0.0)
    quiet = mel.push(np.zeros(WINDOW_SAMPLES, np.float32), None, 2.0)
    expected = (mel.loudest - 8.0 + 4.0) / 4.0
    assert float(quiet[:, 2:].max()) == pytest.approx(expected, abs=1e-6)


def test_peeking_reads_the_window_as_far_as_it_came_and_changes_nothing() -> None:
    samples = sound(3, 2)
    peeked, alone = StreamingMel(), StreamingMel()
    for mel in (peeked, alone):
        mel.push(samples[:WINDOW_SAMPLES], samples[WINDOW_SAMPLES:][:40], 0.0)
    loud = (sound(9, 1, 0.9)[:16_000] * 50).astype(np.float32)
    peeked.peek(loud, 2.0)
    assert peeked.loudest == alone.loudest
    half = peeked.peek(samples[WINDOW_SAMPLES:][:16_000], 2.0)
    both = [mel.push(samples[WINDOW_SAMPLES:], None, 2.0) for mel in (peeked, alone)]
    assert torch.equal(*both)
    assert half.shape == (128, 200)
    torch.testing.assert_close(half[:, :98], both[0][:, :98])  # frame 98 reads 40 samples too far


def test_after_a_gap_the_sound_before_it_is_not_heard_in_the_next_window() -> None:
    samples = sound(4, 2)
    joined, parted, fresh = StreamingMel(), StreamingMel(), StreamingMel()
    for mel in (joined, parted):
        mel.push(samples[:WINDOW_SAMPLES], None, 0.0)
    fresh.loudest = parted.loudest
    second = samples[WINDOW_SAMPLES:]
    after_gap, at_once = parted.push(second, None, 6.0), joined.push(second, None, 2.0)
    assert torch.equal(after_gap, fresh.push(second, None, 0.0))
    assert not torch.equal(after_gap, at_once)
    assert torch.equal(after_gap[:, 2:], at_once[:, 2:])  # two frames reach over the edge


def test_fewer_samples_are_filled_with_silence() -> None:
    samples = sound(5, 1)[:20_000]
    filled = np.concatenate([samples, np.zeros(12_000, np.float32)])
    assert torch.equal(
        StreamingMel().push(samples, None, 0.0), StreamingMel().push(filled, None, 0.0)
    )


def test_an_empty_window_is_silence_and_finite() -> None:
    mel = StreamingMel().push(np.zeros(0, np.float32), None, 0.0)
    assert torch.equal(mel, torch.full((128, 200), -1.0))  # (0 - 8 + 4) / 4


def test_normalising_clamps_eight_decades_below_the_maximum() -> None:
    log_mel = torch.tensor([[-12.0, -7.5, 1.0]])
    assert torch.equal(normalise(log_mel, 1.0), torch.tensor([[-0.75, -0.75, 1.25]]))
