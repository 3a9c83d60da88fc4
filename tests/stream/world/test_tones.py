"""Sounds as waveforms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.world.plot import FirstWorld
from stream.world.scene import SAMPLE_RATE, SOUNDS, Scene
from stream.world.tones import add, waveform


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("seconds", [0.3, 0.7, 2.0])
def test_every_sound_is_audible_in_range_and_fades_at_both_ends(name: str, seconds: float) -> None:
    wave = waveform(name, int(seconds * SAMPLE_RATE), np.random.default_rng(1))
    assert wave.shape == (int(seconds * SAMPLE_RATE),)
    assert 0.05 < np.abs(wave).max() <= 0.9
    assert np.abs(wave[[0, -1]]).max() < 0.01


@given(st.integers(-30, 30), st.integers(0, 20), st.integers(1, 20))
def test_a_wave_is_added_where_it_overlaps(at: int, size: int, length: int) -> None:
    out = np.zeros(size, np.float32)
    add(out, np.arange(1, length + 1, dtype=np.float32), at)
    expected = [i - at + 1 if at <= i < at + length else 0 for i in range(size)]
    assert out.tolist() == expected


def test_sound_stays_inside_the_range_of_a_recording() -> None:
    for seed in range(5):
        assert np.abs(Scene(seed).sound(0.0, 60 * SAMPLE_RATE)).max() < 1.0


def test_a_sound_is_louder_than_the_silence_around_it() -> None:
    scene = Scene(2, FirstWorld(sounds=1.0))
    for segment in scene.segments(0.0, 30.0):
        for sound in segment.sounds:
            samples = round((sound.end_s - sound.start_s) * SAMPLE_RATE)
            before = scene.sound(segment.start_s, SAMPLE_RATE // 5)
            assert scene.sound(sound.start_s, samples).std() > 1.5 * before.std()
