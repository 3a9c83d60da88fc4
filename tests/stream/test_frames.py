"""Decoded frames to pictures and sound: sizes, colours, rotation, and exact sample accounting."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.frames import SoundMaker, joined, stretched, to_rgb
from stream.window import SAMPLE_RATE, Sound


def video(height: int, width: int) -> av.VideoFrame:
    """Left half red, right half blue."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, : width // 2, 0] = 255
    rgb[:, width // 2 :, 2] = 255
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")


def sound_frames(
    samples: np.ndarray, rate: int, size: int, layout: str = "stereo", first_pts: int = 0
) -> list[av.AudioFrame]:
    """``samples`` cut into frames of ``size``, the same in every channel."""
    frames = []
    for start in range(0, len(samples), size):
        piece = samples[start : start + size].astype(np.float32)
        channels = np.stack([piece] * (2 if layout == "stereo" else 1))
        frame = av.AudioFrame.from_ndarray(channels, format="fltp", layout=layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = first_pts + start
        frames.append(frame)
    return frames


def made(maker: SoundMaker, frames: list[av.AudioFrame], start_s: float = 0.0) -> list[Sound]:
    sounds = []
    for frame in frames:
        sounds += maker.push(frame, start_s + frame.time)
    return [*sounds, *maker.flush()]


def line(sounds: list[Sound]) -> np.ndarray:
    """Sounds on one time line from 0 s; overlapping ones would fail."""
    first_to_last = [(round(s.start_s * SAMPLE_RATE), s.samples) for s in sounds]
    whole = np.full(max(a + len(x) for a, x in first_to_last), np.nan, np.float32)
    for start, samples in first_to_last:
        assert np.isnan(whole[start : start + len(samples)]).all(), "sounds overlap"
        whole[start : start + len(samples)] = samples
    return whole


def test_pictures_become_upright_rgb_of_their_own_size_when_they_are_small() -> None:
    rgb = to_rgb(video(120, 160))
    assert rgb.shape == (120, 160, 3)
    assert rgb.dtype == np.uint8
    assert np.abs(rgb[60, 20].astype(int) - (255, 0, 0)).max() < 6
    assert np.abs(rgb[60, 140].astype(int) - (0, 0, 255)).max() < 6


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(720, 1280, (252, 448)), (1280, 720, (448, 252)), (481, 641, (336, 448)), (1, 2000, (1, 448))],
)
def test_larger_pictures_are_scaled_to_the_longest_side(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    assert to_rgb(video(height, width), 448).shape == (*expected, 3)


@given(
    size=st.integers(1, 3000),
    layout=st.sampled_from(["mono", "stereo"]),
    rate=st.sampled_from([8_000, 16_000, 44_100, 48_000]),
)
def test_not_a_sample_is_lost_or_gained_by_resampling(size: int, layout: str, rate: int) -> None:
    maker = SoundMaker()
    samples = np.zeros(rate // 2, np.float32)
    sounds = made(maker, sound_frames(samples, rate, size, layout), start_s=3.0)
    whole = line([Sound(s.start_s - 3.0, s.samples) for s in sounds])
    assert not np.isnan(whole).any()
    assert abs(len(whole) - SAMPLE_RATE // 2) <= 1


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("size", [120, 960, 1024])
def test_a_click_stays_where_it_was(rate: int, size: int) -> None:
    samples = np.zeros(rate, np.float32)
    samples[rate // 2] = 1.0
    whole = line(made(SoundMaker(), sound_frames(samples, rate, size)))
    assert abs(int(np.argmax(np.abs(whole))) - SAMPLE_RATE // 2) <= 1


def test_a_lost_packet_leaves_a_hole_of_its_length_and_nothing_else_moves() -> None:
    samples = np.zeros(48_000, np.float32)
    samples[36_000] = 1.0
    frames = sound_frames(samples, 48_000, 960)
    del frames[20]
    whole = line(made(SoundMaker(), frames))
    hole = np.flatnonzero(np.isnan(whole))
    assert hole.tolist() == list(range(20 * 320, 21 * 320))
    assert int(np.nanargmax(np.abs(whole))) == 12_000


def test_a_format_that_changes_midway_leaves_no_seam() -> None:
    first = sound_frames(np.zeros(24_000), 48_000, 960, "stereo")
    second = sound_frames(np.zeros(8_000), 16_000, 320, "mono", first_pts=8_000)
    whole = line(made(SoundMaker(), [*first, *second]))
    assert len(whole) == SAMPLE_RATE
    assert not np.isnan(whole).any()


def test_time_stamps_rounded_to_milliseconds_do_not_tear_the_sound() -> None:
    frames = sound_frames(np.zeros(44_100), 44_100, 1024)
    for frame in frames:
        frame.pts, frame.time_base = round(frame.time * 1000), Fraction(1, 1000)
    whole = line(made(SoundMaker(), frames))
    assert not np.isnan(whole).any()


def test_sound_follows_the_session_clock_when_the_two_drift_apart() -> None:
    maker, sounds = SoundMaker(), []
    frames = sound_frames(np.zeros(48_000 * 20), 48_000, 960)
    for frame in frames:
        sounds += maker.push(frame, frame.time * 1.002)
    sounds += maker.flush()
    whole = line(sounds)
    assert not np.isnan(whole).any()
    assert len(whole) / SAMPLE_RATE == pytest.approx(20 * 1.002, abs=0.002)


def test_stretching_keeps_the_shape() -> None:
    ramp = np.linspace(0, 1, 320, dtype=np.float32)
    assert np.allclose(stretched(ramp, 323), np.linspace(0, 1, 323), atol=1e-6)
    assert stretched(ramp, 320) is ramp


def test_sounds_are_joined_where_they_follow_each_other_and_only_there() -> None:
    def sound(first: int, count: int) -> Sound:
        return Sound(first / SAMPLE_RATE, np.arange(first, first + count, dtype=np.float32))

    whole = list(joined([sound(0, 320), sound(320, 10), sound(340, 5), sound(345, 5)]))
    assert [(round(s.start_s * SAMPLE_RATE), len(s.samples)) for s in whole] == [
        (0, 330),
        (340, 10),
    ]
    assert np.array_equal(whole[0].samples, np.arange(330))
    assert list(joined([])) == []
